"""Which data source a request writes to, and whether its caller may."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial

from starlette.requests import Request

from stonechat.auth.access import Caller, ScopeType
from stonechat.datafile.resources import DataSource
from stonechat.engine.contract import Engine, EngineFailure, Query
from stonechat.errors import Kind, StonechatError
from stonechat.http.snapshots import Snapshots
from stonechat.jobs.contents import placed
from stonechat.project.live import DataSourceStaged
from stonechat.project.quarantine import QUARANTINE_SUFFIX
from stonechat.project.snapshot import Snapshot, UnknownDataSource
from stonechat.sql.conditions import InvalidCondition, checked_condition

_QUOTED_STATEMENT = re.compile(r"[.:,]? in (?:scope|query)\b", re.IGNORECASE)

_PLACE = re.compile(
    r" failed at position \d+(?: \(.*?\))? \(line \d+, col \d+\)| at position \d+ \(line \d+, col \d+\)", re.DOTALL
)


class OnlyByDeployment(StonechatError):
    """Data sources and pipes are made, changed and removed by deploying their files, and not over the API."""

    code = "SC956"
    kind = Kind.FORBIDDEN

    def __init__(self, what: str = "data sources") -> None:
        super().__init__(
            f"Adding or modifying {what} to this workspace can only be done via deployments",
            hint="Change the project's files and deploy them: POST /v1/deploy.",
        )


class NoDataSourceNamed(StonechatError):
    """A request that writes names no data source."""

    code = "SC952"
    kind = Kind.INVALID


@dataclass(frozen=True, slots=True)
class Target:
    """A data source that a caller may write to."""

    caller: Caller
    snapshot: Snapshot
    source: DataSource

    @property
    def identity(self) -> str:
        """The data source's id."""
        return self.snapshot.identities[self.source.name].id

    def require_live(self) -> None:
        """Raise `DataSourceStaged` for a request to a staged deployment, which shares rows with the live one."""
        if self.snapshot.staged:
            raise DataSourceStaged(
                "The rows of a staged deployment are neither replaced nor removed",
                hint="Promote it first, or ask without the parameter '__tb__deployment'.",
            )

    def condition(self, text: str, engine: Engine) -> str:
        """A condition over the data source's rows that names nothing the caller may not read. Blocks.

        Raises what `checked_condition` does, and `InvalidCondition` where the engine finds no sense in it.
        """
        caller = self.caller
        readable = {
            name + suffix
            for name in self.snapshot.project.data_sources
            if caller.may(ScopeType.READ_DATA_SOURCE, name) and name not in caller.filters
            for suffix in ("", QUARANTINE_SUFFIX)
        }
        try:
            condition = checked_condition(text, self.source.name, readable, engine.explain)
        except EngineFailure as error:
            if error.kind is not Kind.INVALID:
                raise
            # The places are those of a statement that the caller has not written.
            raise InvalidCondition(f"The condition cannot be read: {_PLACE.sub('', error.message)}") from error
        table = self.snapshot.table(self.source.name)
        statement = f"EXPLAIN QUERY TREE SELECT count() FROM {table} WHERE {placed(self.snapshot, condition)}"
        try:
            engine.query(Query(statement, self.snapshot.workspace.database, format="Null"))
        except EngineFailure as error:
            if error.kind is not Kind.INVALID:
                raise
            reason = _QUOTED_STATEMENT.split(error.message)[0]
            raise InvalidCondition(f"The condition does not fit '{self.source.name}': {reason}") from error
        return condition


@dataclass(frozen=True, slots=True)
class Targets:
    """Finds them. With `missing_is_forbidden` one that does not exist is answered as Tinybird does, with 403."""

    snapshots: Snapshots
    missing_is_forbidden: bool

    def of(self, request: Request, caller: Caller, name: str, *, rewriting: bool = False) -> Target:
        """The data source of a name or id, to append to, or with `rewriting` to remove rows from as well.

        Raises `NoDataSourceNamed`, `UnknownDataSource`, `OnlyByDeployment`, `AccessDenied` and `DataSourceStaged`.
        """
        if not name:
            raise NoDataSourceNamed("The parameter 'name' is missing", hint="It names a data source.")
        snapshot = self.snapshots.of(request, caller)
        right = ScopeType.DROP_DATA_SOURCE if rewriting else ScopeType.APPEND_DATA_SOURCE
        try:
            source = snapshot.data_source(name, partial(_may, caller, right))
        except UnknownDataSource:
            if self.missing_is_forbidden:
                raise OnlyByDeployment from None
            raise
        if not caller.may(ScopeType.CREATE_DATA_SOURCE):
            caller.require(right, source.name)
        target = Target(caller, snapshot, source)
        if rewriting:
            target.require_live()
        return target


def _may(caller: Caller, right: ScopeType, name: str) -> bool:
    return caller.may(ScopeType.CREATE_DATA_SOURCE) or caller.may(right, name)
