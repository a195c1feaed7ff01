"""What workspaces serve right now: one snapshot each, replaced as a whole by a deployment."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from stonechat.errors import Kind, StonechatError
from stonechat.project.sharing import SharedSource
from stonechat.project.snapshot import Snapshot, UnknownDataSource
from stonechat.project.workspaces import Workspace

Promoted = Callable[[Snapshot, Snapshot], None]


class DataSourceStaged(StonechatError):
    """A deployment that is not live yet has another version of the data source, or of what views fill from it."""

    code = "SC317"
    kind = Kind.CONFLICT


class UnknownWorkspace(StonechatError):
    """No workspace of that id is there."""

    code = "SC314"
    kind = Kind.MISSING


@dataclass(frozen=True, eq=False)
class Candidate:
    """A deployment that is not live yet. `snapshot` has the places of the tables that are there already.

    `ready`: all of them are, with their rows, so that it can be read and promoted.
    """

    snapshot: Snapshot
    ready: bool = False

    def has_its_own(self, name: str, live: Snapshot) -> bool:
        """Whether a data source has another table than in the live project, and has it already."""
        return (
            name in self.snapshot.project.data_sources
            and name in self.snapshot.places
            and (name not in live.project.data_sources or self.snapshot.table(name) != live.table(name))
        )


class LiveProject:
    """Holds the snapshot, and the candidate beside it.

    Assigning one attribute is atomic: readers see the old project or the new, never a mix. What other workspaces share
    is part of both, and follows their promotions: `neighbours` are these.
    """

    def __init__(self, snapshot: Snapshot, candidate: Candidate | None = None) -> None:
        self._served = (snapshot, candidate)
        #: Hears of each promotion, after it: what was live before, and what is now. Must not block, nor fail.
        self.promoted: Promoted = lambda _before, _after: None
        self.neighbours = LiveProjects(())

    @property
    def snapshot(self) -> Snapshot:
        """What is live now."""
        return self._served[0]

    @property
    def candidate(self) -> Candidate | None:
        """What may be live next."""
        return self._served[1]

    @property
    def served(self) -> tuple[Snapshot, Candidate | None]:
        """Both of one moment."""
        return self._served

    def require_unstaged(self, names: Iterable[str]) -> None:
        """Raise `DataSourceStaged` where the candidate has a version of its own of one of these data sources."""
        live, candidate = self._served
        for name in sorted(names):
            if candidate is not None and candidate.has_its_own(name, live):
                raise DataSourceStaged(
                    f"The deployment {candidate.snapshot.deployment_id} is changing the data source '{name}'",
                    hint="Wait until it is live, or discard it.",
                )

    def stage(self, candidate: Candidate | None) -> None:
        """Have a candidate beside what is live, or none."""
        with self.neighbours.exchanging:
            self._served = self._receiving(self._served[0], candidate)

    def promote(self, snapshot: Snapshot) -> None:
        """Make another snapshot the live one, for every request that begins from now on. It has no candidate."""
        with self.neighbours.exchanging:
            before, self._served = self._served[0], self._receiving(snapshot, None)
            after = self._served[0]
            if before.sharing or after.sharing:
                self.neighbours.share()
        self.promoted(before, after)

    def receive(self) -> None:
        """Serve what other workspaces share by now. To be called while nothing else is exchanged."""
        self._served = self._receiving(*self._served)

    def _receiving(self, live: Snapshot, candidate: Candidate | None) -> tuple[Snapshot, Candidate | None]:
        shared = self.neighbours.shared_with(live.workspace)
        if candidate is not None and (staged := candidate.snapshot.receiving(shared)) is not candidate.snapshot:
            candidate = replace(candidate, snapshot=staged)
        return live.receiving(shared), candidate


class LiveProjects:
    """The live projects of all workspaces, by the workspace's id. Any thread may read them."""

    def __init__(self, projects: Iterable[LiveProject]) -> None:
        #: Held while what any of them serves is exchanged, and with it what the others read of it.
        self.exchanging = threading.RLock()
        self._projects: dict[str, LiveProject] = {}
        self._sharing: Sequence[Snapshot] = ()
        for project in projects:
            project.neighbours = self
            self._projects[project.snapshot.workspace.id] = project
        self.share()

    def of(self, workspace_id: str) -> LiveProject:
        """The live project of a workspace. Raises `UnknownWorkspace`."""
        project = self._projects.get(workspace_id)
        if project is None:
            raise UnknownWorkspace("The workspace does not exist any more")
        return project

    def tags(self, workspace_id: str, data_source_id: str) -> Sequence[str]:
        """The TAGS of a data source; none where it is gone."""
        try:
            return self.of(workspace_id).snapshot.data_source(data_source_id).tags
        except (UnknownWorkspace, UnknownDataSource):
            return ()

    def all(self) -> Sequence[LiveProject]:
        """Those of all workspaces, the oldest first."""
        return list(self._projects.values())

    def add(self, project: LiveProject) -> None:
        """Serve another workspace."""
        with self.exchanging:
            project.neighbours = self
            self._projects = {**self._projects, project.snapshot.workspace.id: project}
            self.share()

    def remove(self, workspace_id: str) -> None:
        """Serve a workspace no more."""
        with self.exchanging:
            self._projects = {key: project for key, project in self._projects.items() if key != workspace_id}
            self.share()

    def shared_with(self, workspace: Workspace) -> Mapping[str, SharedSource]:
        """What the live projects of others share with a workspace, by name."""
        shared: dict[str, SharedSource] = {}
        for snapshot in self._sharing:
            shared |= snapshot.sharing_with(workspace)
        return shared

    def share(self) -> None:
        """Have every workspace read what the others share by now."""
        with self.exchanging:
            live = [project.snapshot for project in self._projects.values()]
            self._sharing = [snapshot for snapshot in live if snapshot.sharing]
            for project in self._projects.values():
                project.receive()
