"""Tables that take the place of others, several as one, whatever is killed meanwhile. Owns the table `swaps`.

What is to be exchanged is written down first. After a kill a start finds it there and completes it before anything else
is written to these tables; where the engine fails, it is taken back. Which exchanges are done already, the engine's own
ids of the tables tell.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import sqlalchemy as sa

from stonechat.engine.contract import Engine, EngineFailure
from stonechat.project.snapshot import Table
from stonechat.sql.quoting import identifier, literal
from stonechat.state import StateStore, create_tables

RENEWAL_PREFIX = "renewal_"
"""What the names of databases begin with whose tables may take the place of others. None outlives the process."""

Along = Callable[[sa.Connection, bool], None]
"""Writes within a transaction that a swap will happen, or will not after all."""
_PAUSES = (0.05, 0.2, 0.5, 1.0)

_metadata = sa.MetaData()
_swaps = sa.Table(
    "swaps",
    _metadata,
    sa.Column("staging", sa.String(100), primary_key=True),
    sa.Column("exchanges", sa.Text, nullable=False),
)
MIGRATIONS = (create_tables("swaps-1", _metadata),)


@dataclass(frozen=True, slots=True)
class Exchange:
    """`live` and the table of the same name in a staging database change places. `uuid` is that of the new one."""

    live: Table
    staging: str
    uuid: str

    def __str__(self) -> str:
        """The statement for it."""
        return f"EXCHANGE TABLES {self.live} AND {Table(self.staging, self.live.name)}"


def swap(
    store: StateStore,
    engine: Engine,
    staging: str,
    tables: Sequence[Table],
    along: Along = lambda _connection, _decided: None,
) -> None:
    """Put the tables of a staging database in the places of those of the same names. Nobody may write meanwhile.

    `along` writes something of its caller's in the transaction from which on this will happen, whatever ends early.
    Raises `EngineFailure` where the engine refuses: all live tables are in their places again then, the others are
    gone, and `along` has been told False. What waited for the next start would take rows away that have come by then.
    Where the engine refuses even that, the next swap or start completes this one before anything else changes places.
    """
    complete_swaps(store, engine)
    exchanges = [Exchange(table, staging, uuid_of(engine, Table(staging, table.name))) for table in tables]
    noted = json.dumps([[each.live.database, each.live.name, each.uuid] for each in exchanges])
    with store.transaction() as connection:
        connection.execute(_swaps.insert().values(staging=staging, exchanges=noted))
        along(connection, True)
    try:
        _persistently(lambda: _complete(engine, exchanges))
    except EngineFailure:
        _persistently(lambda: _take_back(engine, exchanges))
        with store.transaction() as connection:
            connection.execute(_swaps.delete().where(_swaps.c.staging == staging))
            along(connection, False)
        with suppress(EngineFailure):  # the next start does it
            drop_staging(engine, staging)
        raise
    with store.transaction() as connection:
        connection.execute(_swaps.delete().where(_swaps.c.staging == staging))


def has_open_swaps(store: StateStore) -> bool:
    """Whether something is being exchanged, or was interrupted."""
    with store.transaction() as connection:
        return connection.execute(sa.select(_swaps.c.staging).limit(1)).first() is not None


def complete_swaps(store: StateStore, engine: Engine) -> None:
    """Complete what was interrupted. Nobody may write to the tables meanwhile."""
    with store.transaction() as connection:
        rows = connection.execute(sa.select(_swaps)).all()
    for row in rows:
        found = [
            Exchange(Table(database, name), row.staging, uuid) for database, name, uuid in json.loads(row.exchanges)
        ]
        _complete(engine, found)
        with store.transaction() as connection:
            connection.execute(_swaps.delete().where(_swaps.c.staging == row.staging))


def drop_all_staging(engine: Engine) -> None:
    """Remove all staging databases: those of an earlier process, whose exchanges are completed."""
    query = f"SELECT name FROM system.databases WHERE startsWith(name, {literal(RENEWAL_PREFIX)})"
    for database in engine.fetch(query):
        drop_staging(engine, str(database["name"]))


def drop_staging(engine: Engine, staging: str) -> None:
    """Remove a staging database, and whatever tables have come to lie there."""
    engine.command(f"DROP DATABASE IF EXISTS {identifier(staging)} SYNC")


def _complete(engine: Engine, exchanges: Sequence[Exchange]) -> None:
    for exchange in exchanges:
        if uuid_of(engine, exchange.live) != exchange.uuid:
            engine.command(str(exchange))


def _take_back(engine: Engine, exchanges: Sequence[Exchange]) -> None:
    for exchange in exchanges:
        if uuid_of(engine, exchange.live) == exchange.uuid:
            engine.command(str(exchange))


def _persistently(work: Callable[[], None]) -> None:
    """Do what may be done again: the engine may be short of memory for a moment."""
    for pause in _PAUSES:
        try:
            work()
        except EngineFailure:
            time.sleep(pause)
        else:
            return
    work()


def uuid_of(engine: Engine, table: Table) -> str:
    """What a table keeps for life, wherever it lies; empty where there is none."""
    query = (
        f"SELECT uuid FROM system.tables WHERE database = {literal(table.database)} AND name = {literal(table.name)}"
    )
    rows = engine.fetch(query)
    return str(rows[0]["uuid"]) if rows else ""
