"""A project in a place of its own: built from its folder, with its secrets and the rows of its fixtures."""

from __future__ import annotations

import io
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from stonechat.client import Remote, RequestRefused, batches
from stonechat.datafile.problems import excerpt_at
from stonechat.datafile.scanner import source_lines
from stonechat.project.fixtures import Fixture, FixtureKind, fixtures_of
from stonechat.project.loader import UnreadableProject, read_text
from stonechat.project.secrets import local_secrets
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
    for problem in [error, *error.errors]:
        if problem.position and problem.position.file in files:
            problem.excerpt = excerpt_at(source_lines(files[problem.position.file]), problem.position)


def load_fixtures(remote: Remote, folder: Path, files: Mapping[str, str]) -> Iterator[str]:
    """Append the fixtures of those data sources of a project that are empty.

    Yields a sentence for each that did not go in as it is. Raises `RequestRefused` or `UnreadableProject`.
    """
    known = {PurePosixPath(path).stem for path in files if path.endswith(".datasource")}
    for fixture in fixtures_of(folder):
        name = fixture.path.relative_to(folder).as_posix()
        if fixture.data_source not in known:
            yield f"{name} is not loaded: there is no data source '{fixture.data_source}'"
        elif not remote.count(fixture.data_source) and (quarantined := _append(remote, fixture)):
            rows = "1 row" if quarantined == 1 else f"{quarantined:,} rows"
            yield f"{rows} of {name} did not fit and went to {fixture.data_source}_quarantine"


def _append(remote: Remote, fixture: Fixture) -> int:
    """Append the rows of a fixture; how many did not fit."""
    quarantined = 0
    for rows in _rows(remote, fixture):
        quarantined += remote.append(fixture.data_source, rows).quarantined
    return quarantined


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
