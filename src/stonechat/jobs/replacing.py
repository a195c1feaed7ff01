"""A table that takes the place of a data source's: filled beside it, swapped in at one instant.

Views see inserts, and a swap is none. So what each view makes of the new rows is staged too, and goes to the view's
data source after the swap, as if the rows had been inserted. What a view has made of earlier rows stays there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from stonechat.datafile.resources import DataSource, Pipe
from stonechat.deploy.ddl import create_table
from stonechat.deploy.plan import view_of
from stonechat.engine.contract import Engine, Fill, Query, QueryResult
from stonechat.jobs.staging import Batch, Staging
from stonechat.project.live import Snapshot, Table
from stonechat.project.places import Place
from stonechat.query.clauses import without_clauses
from stonechat.sql.quoting import literal


@dataclass(frozen=True, slots=True)
class Swap:
    """A staged table for a data source: what it keeps for life, and what it was made for. `size` is in bytes."""

    data_source_id: str
    table: str
    identity: str
    definition: str
    rows: int
    size: int


def stage_swap(
    engine: Engine, staging: Staging, snapshot: Snapshot, source: DataSource, query: Query
) -> tuple[Swap, QueryResult]:
    """Make and fill the table; also what the query read."""
    table = Table(staging.database, source.name)
    definition = definition_of(engine, snapshot, source)
    columns = staging.columns(query, snapshot.table(source.name))
    engine.command(create_table(source, staging.database), database=staging.database)
    done = staging.fill(Fill(table.database, table.name, tuple(columns), query))
    rows, size = staging.measured(table.name)
    identity = snapshot.identities[source.name].id
    return Swap(identity, table.name, identity_of(engine, table), definition, rows, size), done


def stage_views(
    engine: Engine, staging: Staging, snapshot: Snapshot, source: DataSource, query: Query
) -> Sequence[Batch]:
    """What the views of a data source make of its staged table. `query` says where, and within which limits."""
    staged = replace(snapshot, places={**snapshot.places, source.name: Place(staging.database)})
    batches = []
    for number, pipe in enumerate(fed_views(engine, snapshot, source.name)):
        view = view_of(snapshot.project, pipe)
        own = Query(staged.placed(view.statement), query.database, limits=query.limits)
        target = snapshot.table(view.target)
        identity = snapshot.identities[view.target].id
        whole = without_clauses(own, engine.explain)
        batches.append(staging.stage(f"view {number}", whole, target, identity).batch)
    return batches


def definition_of(engine: Engine, snapshot: Snapshot, source: DataSource) -> str:
    """A digest of what a data source's table is made by, and the views that it feeds."""
    texts = [create_table(source, "")]
    for pipe in fed_views(engine, snapshot, source.name):
        view = view_of(snapshot.project, pipe)
        texts += [pipe.name, view.target, view.statement]
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()


def fed_views(engine: Engine, snapshot: Snapshot, name: str) -> Sequence[Pipe]:
    """The materialized pipes that what is inserted into a data source goes through, in the order of their names."""
    table = snapshot.table(name)
    where = f"database = {literal(table.database)} AND name = {literal(table.name)}"
    rows = engine.fetch(f"SELECT arraySort(dependencies_table) AS views FROM system.tables WHERE {where}")
    names = rows[0]["views"] if rows else []
    assert isinstance(names, list)
    return [snapshot.project.pipes[name] for name in names if name in snapshot.project.pipes]


def identity_of(engine: Engine, table: Table) -> str:
    """What a table keeps for life, whatever it is called meanwhile; empty where there is none."""
    where = f"database = {literal(table.database)} AND name = {literal(table.name)}"
    rows = engine.fetch(f"SELECT toString(uuid) AS identity FROM system.tables WHERE {where}")
    return str(rows[0]["identity"]) if rows else ""
