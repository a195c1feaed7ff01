"""What a deployment would lose for good: rows or values that nothing in the wanted project gives back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from stonechat.datafile.resources import DataSource, TokenGrant
from stonechat.deploy.diff import DestructiveChangeRefused, Difference
from stonechat.deploy.plan import is_view
from stonechat.deploy.versions import Versions
from stonechat.errors import Position
from stonechat.project.model import Project

_FLAG = "deploy with --allow-destructive-operations"
_SECONDS = {
    "second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 7 * 86400, "month": 30 * 86400,
    "quarter": 91 * 86400, "year": 365 * 86400,
}  # fmt: skip
_INTERVAL = re.compile(r"toInterval([A-Za-z]+)\(\s*(\d+)\s*\)|INTERVAL\s+(\d+)\s+([A-Za-z]+?)S?\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Loss:
    """One thing that would be lost: of which resource, as one sentence, and what to do instead."""

    resource: str
    message: str
    hint: str
    position: Position | None = None

    def refusal(self) -> DestructiveChangeRefused:
        """The loss as the reason not to deploy."""
        return DestructiveChangeRefused(self.message, hint=self.hint, position=self.position)


def losses(versions: Versions, difference: Difference) -> Iterator[Loss]:
    """Everything that would be lost, by data source."""
    live, wanted = versions.live, versions.wanted
    for name in difference.data_sources.deleted:
        yield _deleted(live.data_sources[name], wanted, difference)
    for name in sorted(versions.made & versions.evolutions.keys()):
        source = wanted.data_sources[name]
        if source.engine.name == "Null" != live.data_sources[name].engine.name:
            message = f"The data source '{name}' would lose its rows: its engine becomes Null, which keeps none"
            yield Loss(f"{name}.datasource", message, f"Keep the engine, or {_FLAG}.", source.position)
        elif name in versions.recomputed:
            yield from _recomputed(source, versions)
        elif versions.forward_query(name) is None:
            yield from _dropped(source, versions.evolutions[name].dropped)


def _deleted(source: DataSource, wanted: Project, difference: Difference) -> Loss:
    renamed = [
        name for name in difference.data_sources.new
        if [(column.name, column.type) for column in wanted.data_sources[name].columns]
        == [(column.name, column.type) for column in source.columns]
    ]  # fmt: skip
    hint = f"Put its file back, or {_FLAG}."
    if renamed:
        hint = f"'{renamed[0]}' has the same columns, but a new name begins without rows. {hint}"
    message = f"The data source '{source.name}' is not in the project any more, and its data would be deleted"
    return Loss(f"{source.name}.datasource", message, hint)


def _dropped(source: DataSource, columns: tuple[str, ...]) -> Iterator[Loss]:
    for column in columns:
        yield Loss(
            f"{source.name}.datasource",
            f"The column '{column}' of the data source '{source.name}' is dropped, and its values would be deleted",
            f"Put it back, write a FORWARD_QUERY that says what becomes of the values, or {_FLAG}.",
            source.position,
        )


def _recomputed(source: DataSource, versions: Versions) -> Iterator[Loss]:
    hint = f"Write a FORWARD_QUERY, keep the rows with BACKFILL skip, or {_FLAG}."
    for reason in _reasons(source, versions):
        message = f"The rows of the data source '{source.name}' are computed again, {reason}"
        yield Loss(f"{source.name}.datasource", message, hint, source.position)


def _reasons(source: DataSource, versions: Versions) -> Iterator[str]:
    live, wanted = versions.live, versions.wanted
    views = [pipe for pipe in wanted.pipes.values() if is_view(pipe) and _target(wanted, pipe.name) == source.name]
    for pipe in views:
        for name in sorted(versions.sources(pipe.name)):
            upstream = wanted.data_sources[name]
            if upstream.engine.name == "Null":
                yield f"and what came from '{name}', which keeps no rows, would be lost"
            elif _is_shorter(upstream.engine.ttl, source.engine.ttl):
                yield f"and '{name}' has forgotten what is older than its TTL of {upstream.engine.ttl}"
    names = {pipe.name for pipe in views}
    for pipe in live.pipes.values():
        if is_view(pipe) and _target(live, pipe.name) == source.name and pipe.name not in names:
            yield f"and what came through '{pipe.name}', which goes, would be lost"
    for name in sorted(wanted.lineage.writers(source.name) - names):
        yield f"and what the copy pipe '{name}' wrote would be lost"
    if any(_appends(grant) for grant in (*source.tokens, *live.data_sources[source.name].tokens)):
        yield "and rows that were sent to it would be lost"


def _target(project: Project, pipe: str) -> str | None:
    return project.lineage.targets.get(pipe)


def _appends(grant: TokenGrant) -> bool:
    return grant.permission == "APPEND"


def _is_shorter(upstream: str | None, own: str | None) -> bool:
    """Whether rows live less long upstream, as far as their TTLs tell; what cannot be told counts as shorter."""
    if not upstream:
        return False
    ours, theirs = _seconds(own), _seconds(upstream)
    return ours is None or theirs is None or theirs < ours


def _seconds(ttl: str | None) -> int | None:
    intervals = _INTERVAL.findall(ttl or "")
    if len(intervals) != 1:
        return None
    unit, count, other_count, other_unit = intervals[0]
    seconds = _SECONDS.get((unit or other_unit).lower())
    return seconds * int(count or other_count) if seconds else None
