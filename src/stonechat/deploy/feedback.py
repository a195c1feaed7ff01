"""What whoever deploys should know although it is no reason not to deploy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from stonechat.datafile.resources import DataSource, Notice
from stonechat.deploy.evolution import normal
from stonechat.deploy.versions import Versions
from stonechat.engine.contract import Engine, EngineFailure, Query, QueryLimits
from stonechat.project.snapshot import Snapshot

_COUNTING = QueryLimits(seconds=5.0)


@dataclass(frozen=True, slots=True)
class Feedback:
    """One remark: `level` is INFO, WARNING or ERROR, `resource` the name of a file without its folders."""

    level: str
    resource: str
    message: str


def notices(found: Iterable[Notice]) -> Iterator[Feedback]:
    """What in the files has no effect, or may have another one than it seems."""
    for notice in found:
        file = notice.position.file.rpartition("/")[2]
        yield Feedback("WARNING", file, f"{notice.position}: {notice.message}")


def remarks(versions: Versions, live: Snapshot, engine: Engine) -> Iterator[Feedback]:
    """What the plan does to rows that nobody may expect."""
    for name in sorted(versions.evolutions):
        before, after = versions.live.data_sources[name], versions.wanted.data_sources[name]
        file = f"{name}.datasource"
        if after.engine.ttl and normal(before.engine.ttl) != normal(after.engine.ttl):
            yield Feedback("WARNING", file, _expiring(after, live, engine))
        if name in versions.recomputed:
            yield Feedback("INFO", file, f"The rows of '{name}' are computed again by the views into it")
        if after.forward_query is not None and versions.forward_query(name) is None:
            message = "FORWARD_QUERY was carried out by an earlier deployment, and can be removed"
            yield Feedback("INFO", file, message)
        elif after.forward_query is not None and name not in versions.made:
            yield Feedback("WARNING", file, "FORWARD_QUERY has no effect: nothing else about the table changes")


def _expiring(source: DataSource, live: Snapshot, engine: Engine) -> str:
    told = f"Rows of '{source.name}' are deleted when their TTL of {source.engine.ttl} has passed"
    statement = f"SELECT countIf(({source.engine.ttl}) <= now()), count() FROM {live.table(source.name)}"
    try:
        query = Query(statement, live.workspace.database, format="TabSeparated", limits=_COUNTING)
        expired, count = map(int, engine.query(query).data.split())
    except EngineFailure:
        return told  # a new column, or more than one expression
    return f"{told}: {expired:,} of {count:,} at once"
