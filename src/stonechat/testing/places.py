"""A project in a place of its own: built from its folder, with its secrets and the rows of its fixtures."""

from __future__ import annotations

import io
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from stonechat.client import Appended, Remote, batches
from stonechat.datafile.problems import excerpt_at
from stonechat.datafile.scanner import source_lines
from stonechat.project.fixtures import Fixture, FixtureKind, fixtures_of
from stonechat.project.loader import UnreadableProject, read_text
from stonechat.project.secrets import local_secrets
from stonechat.requesting import RequestRefused
from stonechat.testing.servers import throwaway_server


@contextmanager
def throwaway_place(url: str | None = None, token: str | None = None) -> Iterator[Remote]:
    """A client of something empty that is gone afterwards: a server, or a workspace of the server at a URL."""
    if url is None:
        with throwaway_server() as server, Remote(server.url, server.token) as remote:
            yield remote
        return
    name = f"Stonechat_Test_{uuid.uuid4().hex}"
    with (
        Remote(url, token, as_user=True) as owner,
        owner.workspace(name) as own,
        Remote(url, own) as remote,
    ):
        yield remote


def build(remote: Remote, folder: Path, files: Mapping[str, str]) -> None:
    """Make the files of a project folder live, its secrets known. Raises `RequestRefused` with excerpts."""
    for name, value in local_secrets(folder).items():
        remote.put_secret(name, value)
    try:
        remote.build(files)
    except RequestRefused as error:
        add_excerpts(error, files)
        raise


def add_excerpts(error: RequestRefused, files: Mapping[str, str]) -> None:
    """Give what a server says against a project the lines at fault, from the files that it was sent."""
    for problem in [error, *error.problems]:
        if problem.position and problem.position.file in files:
            problem.excerpt = excerpt_at(source_lines(files[problem.position.file]), problem.position)


@dataclass(frozen=True, slots=True)
class LoadedFixture:
    """What became of the rows of a fixture; None where it has no data source to go to."""

    name: str
    data_source: str
    appended: Appended | None

    @property
    def note(self) -> str | None:
        """What is to be said about one that did not go in as it is."""
        if self.appended is None:
            return f"{self.name} is not loaded: there is no data source '{self.data_source}'"
        if not self.appended.quarantined:
            return None
        rows = "1 row" if self.appended.quarantined == 1 else f"{self.appended.quarantined:,} rows"
        return f"{rows} of {self.name} did not fit and went to {self.data_source}_quarantine"


def load_fixtures(remote: Remote, folder: Path, files: Mapping[str, str]) -> Iterator[LoadedFixture]:
    """Append the fixtures of those data sources of a project that are empty.

    Raises `RequestRefused` or `UnreadableProject`.
    """
    known = {PurePosixPath(path).stem for path in files if path.endswith(".datasource")}
    for fixture in fixtures_of(folder):
        if fixture.data_source not in known:
            yield LoadedFixture(_name(folder, fixture), fixture.data_source, None)
        elif (loaded := load_fixture(remote, folder, fixture)) is not None:
            yield loaded


def load_fixture(remote: Remote, folder: Path, fixture: Fixture) -> LoadedFixture | None:
    """Append a fixture, unless its data source has rows. Raises `RequestRefused` or `UnreadableProject`."""
    if remote.count(fixture.data_source):
        return None
    return LoadedFixture(_name(folder, fixture), fixture.data_source, _append(remote, fixture))


def _name(folder: Path, fixture: Fixture) -> str:
    return fixture.path.relative_to(folder).as_posix()


def _append(remote: Remote, fixture: Fixture) -> Appended:
    """Append the rows of a fixture."""
    if fixture.kind is FixtureKind.CSV:
        return remote.append_csv(fixture.data_source, _bytes(fixture.path))
    parts = [remote.append(fixture.data_source, rows) for rows in _rows(remote, fixture)]
    return Appended(sum(part.successful for part in parts), sum(part.quarantined for part in parts))


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UnreadableProject(f"Cannot read {path}: {error.strerror}") from error


def _rows(remote: Remote, fixture: Fixture) -> Iterator[bytes]:
    """The rows of a fixture as NDJSON, in batches."""
    if fixture.kind is FixtureKind.SQL:
        statement = read_text(fixture.path).strip().removesuffix(";")
        lines: Iterable[bytes] = io.BytesIO(remote.sql(f"{statement}\nFORMAT JSONEachRow").content)
        yield from (batch for batch, _ in batches(lines))
        return
    try:
        with fixture.path.open("rb") as file:
            yield from (batch for batch, _ in batches(line if line.endswith(b"\n") else line + b"\n" for line in file))
    except OSError as error:
        raise UnreadableProject(f"Cannot read {fixture.path}: {error.strerror}") from error
