"""What a deployment means to other workspaces: those that SHARED_WITH names, and those that read what it shares."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from stonechat.datafile.problems import DatafileProblem
from stonechat.datafile.resources import DataSource, Notice
from stonechat.deploy.losses import Loss
from stonechat.deploy.rehearsal import rehearse_in, scratch_database
from stonechat.deploy.untried import untried
from stonechat.engine.contract import Engine
from stonechat.errors import suggestion
from stonechat.project.checks import instruction_position
from stonechat.project.live import LiveProjects
from stonechat.project.model import Project
from stonechat.project.sharing import SharedSource, may_share
from stonechat.project.snapshot import Snapshot

_FLAG = "deploy with --allow-destructive-operations"


class InvalidSharing(DatafileProblem):
    """SHARED_WITH names no other workspace of the server, or stands in a workspace that cannot share."""

    code = "SC718"

    @property
    def notice(self) -> Notice:
        """The same where it is no reason not to deploy."""
        return Notice(f"{self.message}. {self.hint}" if self.hint else self.message, self.place)


def sharing_problems(live: Snapshot, wanted: Project, neighbours: LiveProjects) -> Iterator[InvalidSharing]:
    """What is wrong with the SHARED_WITH of a project."""
    own = live.workspace.name
    others = [each.snapshot.workspace.name for each in neighbours.all() if each.snapshot.workspace.name != own]
    for source in wanted.data_sources.values():
        place = instruction_position(wanted.files, source.position, "SHARED_WITH")
        if source.shared_with and not may_share(own):
            message = f"The data source '{source.name}' cannot be shared: no statement can name the workspace '{own}'"
            yield InvalidSharing(message, place, hint="Deploy it into a workspace with a plain name.")
            continue
        for name in source.shared_with:
            if name == own:
                yield InvalidSharing(f"The data source '{source.name}' is shared with its own workspace", place)
            elif name not in others:
                message = f"The data source '{source.name}' is shared with '{name}', which is no workspace here"
                yield InvalidSharing(message, place, hint=suggestion(name, others) or "Make the workspace first.")


def broken_readers(live: Snapshot, wanted: Project, neighbours: LiveProjects, engine: Engine) -> Iterator[Loss]:
    """The pipes of other workspaces that could not read any more what they read now."""
    for neighbour in neighbours.all():
        reader = neighbour.snapshot
        for name, shared in sorted(live.sharing_with(reader.workspace).items()):
            pipes = sorted(reader.project.lineage.readers(name))
            source = wanted.data_sources.get(shared.source.name)
            if not pipes:
                continue
            what, where = f"The data source '{shared.source.name}'", f"the workspace '{reader.workspace.name}'"
            if source is None or reader.workspace.name not in source.shared_with:
                message = f"{what} would not be shared any more with {where}, where pipes read it: {_listed(pipes)}"
                yield _loss(shared, message)
            elif failing := _failing(reader.project, shared, source, engine):
                yield _loss(shared, f"{what} would change, and in {where} pipes would fail: {_listed(failing)}")


def _loss(shared: SharedSource, message: str) -> Loss:
    return Loss(f"{shared.source.name}.datasource", message, f"Change these pipes first, or {_FLAG}.")


def _listed(pipes: Sequence[str]) -> str:
    return ", ".join(f"'{pipe}'" for pipe in pipes)


def _failing(project: Project, shared: SharedSource, source: DataSource, engine: Engine) -> Sequence[str]:
    """The pipes of a project that read a shared data source and are not sound once it is another."""
    wanted = replace(project, shared={**project.shared, shared.name: replace(shared, source=source)})
    what = untried(project, wanted)
    if not what.nodes:
        return ()
    with scratch_database(engine) as database:
        problems = rehearse_in(database, wanted, engine, what).problems
    files = {problem.position.file for problem in problems if problem.position is not None}
    return sorted(pipe.name for pipe in project.pipes.values() if pipe.position.file in files)
