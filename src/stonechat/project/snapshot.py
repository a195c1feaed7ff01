"""The project that a workspace serves right now: one immutable snapshot, replaced as a whole by a deployment."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from stonechat.datafile.resources import DataSource, NodeType, Pipe
from stonechat.errors import Kind, StonechatError, suggestion
from stonechat.project.model import Project
from stonechat.project.places import Boundary, Place
from stonechat.project.plans import Plans
from stonechat.project.quarantine import QUARANTINE_SUFFIX
from stonechat.project.service_data_sources import NAMESPACE, service_database
from stonechat.project.sharing import SharedSource, may_share
from stonechat.project.workspaces import Identity, Workspace
from stonechat.sql.qualifying import Placing
from stonechat.sql.quoting import identifier
from stonechat.sql.zeros import without_zeros

#: Whether a caller may read, or write, what has a name.
MayUse = Callable[[str], bool]


def _nothing(_name: str) -> bool:
    return False


class UnknownPipe(StonechatError):
    """No endpoint of that name is live."""

    code = "SC304"
    kind = Kind.MISSING


class UnknownDataSource(StonechatError):
    """No data source of that name or id is live."""

    code = "SC305"
    kind = Kind.MISSING


class SharedIsReadOnly(StonechatError):
    """The data source is another workspace's, which lets this one read it and do nothing else."""

    code = "SC321"
    kind = Kind.FORBIDDEN

    def __init__(self, shared: SharedSource) -> None:
        super().__init__(
            f"The data source '{shared.name}' is shared by the workspace '{shared.workspace.name}', and can only be "
            "read here",
            hint="Write to it in its own workspace, or copy its rows into a data source of this one.",
        )


@dataclass(frozen=True, slots=True)
class Table:
    """A table or view of the engine."""

    database: str
    name: str

    def __str__(self) -> str:
        """The qualified name as it stands in a statement."""
        return f"{identifier(self.database)}.{identifier(self.name)}"


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A deployed project with its identifiers. Requests take one snapshot and keep it to their end.

    Each is equal to itself alone, so that what was found out about one can be kept by it. `places` has the data sources
    and materialized pipes whose tables are not in the workspace's own database; of a candidate, all that it made.
    `staged`: it is a candidate's, read and written beside the live one.
    """

    workspace: Workspace
    deployment_id: int
    project: Project
    identities: Mapping[str, Identity]
    places: Mapping[str, Place] = field(default_factory=dict)
    staged: bool = False

    def endpoint(self, name: str, may_read: MayUse) -> Pipe:
        """The pipe that is served under a name or id. Raises `UnknownPipe`, which suggests those one may read."""
        pipe = self._endpoints.get(self.name_of(name))
        if pipe is None:
            hint = suggestion(name, filter(may_read, self._endpoints))
            if self.name_of(name) in self.project.pipes and may_read(self.name_of(name)):
                hint = "There is a pipe of that name; only one with `TYPE endpoint` can be called."
            raise UnknownPipe(f"The pipe '{name}' does not exist", hint=hint)
        return pipe

    @cached_property
    def _endpoints(self) -> Mapping[str, Pipe]:
        return {pipe.name: pipe for pipe in self.project.pipes_of_type(NodeType.ENDPOINT)}

    def pipe(self, name: str, may_read: MayUse = _nothing) -> Pipe:
        """The pipe of a name or id, whatever its type. Raises `UnknownPipe`, which suggests those one may read."""
        pipe = self.project.pipes.get(self.name_of(name))
        if pipe is None:
            hint = suggestion(name, filter(may_read, self.project.pipes))
            raise UnknownPipe(f"The pipe '{name}' does not exist", hint=hint)
        return pipe

    def data_source(self, name: str, may_use: MayUse = _nothing) -> DataSource:
        """The data source of a name or id. Raises `SharedIsReadOnly` for one of another workspace, and
        `UnknownDataSource`, which suggests those that one may use.
        """
        source = self.project.data_sources.get(self.name_of(name))
        if source is None:
            if (shared := self.shared_source(name)) is not None:
                raise SharedIsReadOnly(shared)
            meant = suggestion(name, filter(may_use, self.project.data_sources))
            hint = meant or "Deploy a project that has it, or check the name."
            raise UnknownDataSource(f'Data Source "{name}" does not exist', hint=hint)
        return source

    def shared_source(self, name: str) -> SharedSource | None:
        """The data source that another workspace shares under a name or id."""
        return self.project.shared.get(self.name_of(name))

    @cached_property
    def sharing(self) -> Sequence[SharedSource]:
        """The data sources that this workspace lets others read."""
        return [
            SharedSource(
                self.workspace,
                self.deployment_id,
                source,
                self.project.files[source.position.file],
                self.identities[source.name],
                self.table(source.name).database,
            )
            for source in self.project.data_sources.values()
            if source.shared_with and may_share(self.workspace.name)
        ]

    def sharing_with(self, workspace: Workspace) -> Mapping[str, SharedSource]:
        """Those that it lets one of the others read, by the names that they have there."""
        others = self.sharing if workspace.id != self.workspace.id else ()
        return {each.name: each for each in others if workspace.name in each.source.shared_with}

    def receiving(self, shared: Mapping[str, SharedSource]) -> Snapshot:
        """The same with what other workspaces share by now; itself where nothing of that has changed."""
        if shared == self.project.shared:
            return self
        return replace(self, project=replace(self.project, shared=shared))

    def counted(self, names: Iterable[str]) -> tuple[tuple[str, str], ...]:
        """The data sources of these names as `DataVersions` counts their changes: each in its own workspace."""
        shared = self.project.shared
        return tuple(
            (shared[name].workspace.id, shared[name].source.name) if name in shared else (self.workspace.id, name)
            for name in names
        )

    def deployments_of(self, names: Iterable[str]) -> tuple[int, ...]:
        """The own deployment, and those of other workspaces whose data sources are among the names."""
        shared = self.project.shared
        return (self.deployment_id, *(shared[name].deployment_id for name in sorted(names) if name in shared))

    def table(self, name: str) -> Table:
        """Where the rows of a data source, of a quarantine, or the view of a materialized pipe are."""
        if (shared := self.project.shared.get(name)) is not None:
            return Table(shared.database, shared.source.name)
        place = self.places.get(name) or self.places.get(name.removesuffix(QUARANTINE_SUFFIX))
        return Table(place.database if place else self.workspace.database, name)

    def route(self, name: str) -> str:
        """What the write path knows a data source by: its id; of a table of a candidate's own, something else."""
        identity = self.identities[name].id
        place = self.places.get(name)
        return f"{identity}@{place.database}" if self.staged and place else identity

    def boundary(self, name: str) -> Boundary | None:
        """The rows from which on the table of a data source has to be written; None where that is all of them."""
        place = self.places.get(name)
        return place.boundary if place else None

    @cached_property
    def databases(self) -> Sequence[str]:
        """The databases of all tables, in order."""
        return sorted({self.workspace.database, *(place.database for place in self.places.values())})

    def placed(self, statement: str, elsewhere: Mapping[str, str] | None = None) -> str:
        """A statement that runs in the workspace's database, with the places of the tables that are not in it.

        So it can be run by connections that only read, too.
        `elsewhere` has databases of tables that this statement reads in another place than all others do.
        """
        placing = self._placing if elsewhere is None else self._placing_with(elsewhere)
        return placing.apply(without_zeros(statement))

    @cached_property
    def _placing(self) -> Placing:
        return self._placing_with({})

    def _placing_with(self, elsewhere: Mapping[str, str]) -> Placing:
        sources = self.project.data_sources
        base = self.workspace.database
        moved = {name: place.database for name, place in self.places.items() if name in sources}
        moved = {name: database for name, database in moved.items() if database != base}
        moved |= {name + QUARANTINE_SUFFIX: database for name, database in moved.items()}
        moved |= elsewhere
        every = (*sources.values(), *(each.source for each in self.project.shared.values()))
        columns = {column.name for source in every for column in source.columns}
        services = {NAMESPACE: service_database(self.workspace.database)}
        shared = {each.parts: each.database for each in self.project.shared.values()}
        return Placing(moved, columns & moved.keys(), services, shared)

    @cached_property
    def plans(self) -> Plans:
        """How calls of its pipes were composed before."""
        return Plans(self.project)

    @cached_property
    def names_by_id(self) -> Mapping[str, str]:
        """The names of data sources and pipes by their ids, shared data sources among them."""
        own = {identity.id: identity.name for identity in self.identities.values()}
        return {**{shared.identity.id: name for name, shared in self.project.shared.items()}, **own}

    def name_of(self, name_or_id: str) -> str:
        """The name that an id stands for; any other text as it is."""
        return self.names_by_id.get(name_or_id, name_or_id) if name_or_id.startswith("t_") else name_or_id
