"""Files into data sources: at once for a caller who waits, or as a job, which goes on after a restart."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stonechat.datafile.resources import DataSource
from stonechat.engine.contract import Engine
from stonechat.errors import Kind, StonechatError
from stonechat.ingest.files.dialect import DialectParameters
from stonechat.ingest.files.fetching import FetchLimits, fetch
from stonechat.ingest.files.formats import FileFormat, format_by_name
from stonechat.ingest.files.reading import RowFile
from stonechat.ingest.imports import Tally, append_batches, into_data_source
from stonechat.ingest.ingestion import Ingestion
from stonechat.jobs.kinds import JobKind, Progress
from stonechat.jobs.store import Job, NewJob, Subject
from stonechat.project.live import LiveProjects, Snapshot

IMPORT = "import"
_KEPT_SECONDS = 7 * 24 * 3600
"""As long as jobs are: a failed one may be run again, and needs its file for that."""
_SHARE_OF_FETCHING = 0.3
_AT_ONCE = 4
"""Imports that callers wait for; further ones wait for these."""


class FileGone(StonechatError):
    """The file of an import is not there any more."""

    code = "SC656"
    kind = Kind.MISSING


@dataclass(frozen=True, slots=True)
class ImportLimits:
    """`file_bytes` bounds a file, decompressed; `silence` how long a URL may be silent, in seconds."""

    file_bytes: int
    silence: float = 30.0
    private_allowed: bool = False


@dataclass(frozen=True, slots=True)
class ImportOrder:
    """What to import. `file` is the name of one in the importer's folder; where `url` is set, it is fetched first."""

    file: str
    url: str | None = None
    format: FileFormat | None = None
    dialect: DialectParameters = DialectParameters()  # noqa: RUF009 - frozen

    def payload(self) -> dict[str, Any]:
        """As JSON."""
        dialect = self.dialect
        return {
            "file": self.file,
            "url": self.url,
            "format": self.format,
            "dialect": [dialect.delimiter, dialect.new_line, dialect.escape],
        }

    @classmethod
    def of(cls, payload: Mapping[str, Any]) -> ImportOrder:
        """The order of a job."""
        form = FileFormat(payload["format"]) if payload["format"] else None
        return cls(payload["file"], payload["url"], form, DialectParameters(*payload["dialect"]))


class Importer:
    """Imports files that lie in a folder of its own, under the ids of their imports."""

    def __init__(
        self, engine: Engine, ingestion: Ingestion, projects: LiveProjects, folder: Path, limits: ImportLimits
    ) -> None:
        self._engine = engine
        self._ingestion = ingestion
        self._projects = projects
        self._folder = folder
        self._limits = limits
        self._threads = ThreadPoolExecutor(_AT_ONCE, "import")
        folder.mkdir(mode=0o700, exist_ok=True)
        _remove_old(folder)

    @property
    def kind(self) -> JobKind:
        """The kind of job that imports are."""
        return JobKind(IMPORT, self._run)

    def new_file(self) -> Path:
        """Where to write a file that is to be imported. Its name is the import's id."""
        return self._folder / str(uuid.uuid4())

    async def append(self, identity: str, source: DataSource, order: ImportOrder) -> Tally:
        """Append a file to a data source, and remove it, whatever comes of it."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._append, identity, source, order)

    def close(self) -> None:
        """Wait for what callers wait for."""
        self._threads.shutdown()

    def _append(self, identity: str, source: DataSource, order: ImportOrder) -> Tally:
        path = self._folder / order.file
        try:
            batches = self._rows(path, order).batches(source.columns, self._engine, order.file)
            return append_batches(batches, into_data_source(self._ingestion, identity), order.file)
        finally:
            path.unlink(missing_ok=True)

    def _run(self, job: Job, progress: Progress) -> dict[str, Any]:
        order = ImportOrder.of(job.payload)
        path = self._folder / order.file
        form, start = order.format, 0.0
        if order.url is not None:
            start = _SHARE_OF_FETCHING
            form = self._fetched(job, order, path, progress) or form
        elif not path.exists():
            raise FileGone("The file of the import is not there any more", hint="Send it again.")
        identity, source = self._subject(job)

        def taken(tally: Tally, position: float) -> None:
            progress.note(tally=tally.noted)
            progress.report(start + (1 - start) * position, **import_result(order.file, tally))

        tally = append_batches(
            self._rows(path, order, form).batches(source.columns, self._engine, order.file),
            into_data_source(self._ingestion, identity),
            order.file,
            tally=Tally.of(job.notes.get("tally", {})),
            taken=taken,
        )
        path.unlink(missing_ok=True)
        return import_result(order.file, tally)

    def _subject(self, job: Job) -> tuple[str, DataSource]:
        """The data source as it is now. Raises `UnknownDataSource`."""
        assert job.data_source is not None
        source = self._projects.of(job.workspace_id).snapshot.data_source(job.data_source.id)
        return job.data_source.id, source

    def _fetched(self, job: Job, order: ImportOrder, path: Path, progress: Progress) -> FileFormat | None:
        """Have the file of a URL on the disk; the format that its name or its media type says."""
        assert order.url is not None
        if "fetched" not in job.notes or not path.exists():
            limits = FetchLimits(
                self._limits.file_bytes,
                silence=self._limits.silence,
                private_allowed=self._limits.private_allowed,
                going_on=lambda _size: progress.check(),
            )
            with path.open("wb") as file:
                fetched = fetch(order.url, file, limits)
            progress.note(fetched=[fetched.name, fetched.media_type])
            return format_by_name(fetched.name, fetched.media_type)
        return format_by_name(*job.notes["fetched"])

    def _rows(self, path: Path, order: ImportOrder, form: FileFormat | None = None) -> RowFile:
        return RowFile(path, self._limits.file_bytes, order.format or form, order.dialect)


def import_job(snapshot: Snapshot, source: DataSource, order: ImportOrder, token_id: str) -> NewJob:
    """The job that carries an order out."""
    subject = Subject(snapshot.identities[source.name].id, source.name)
    return NewJob(snapshot.workspace.id, IMPORT, order.payload(), data_source=subject, token_id=token_id)


def import_result(import_id: str, tally: Tally) -> dict[str, Any]:
    """What the API shows of an import, under the keys that clients read."""
    lines = tally.successful_rows + tally.quarantined_rows
    return {
        "import_id": import_id,
        "successful_rows": tally.successful_rows,
        "quarantined_rows": tally.quarantined_rows,
        "quarantine_rows": tally.quarantined_rows,
        "invalid_lines": tally.invalid_lines,
        "statistics": {"row_count": tally.successful_rows, "invalid_lines": tally.invalid_lines},
        "blocks": [
            {
                "block_id": import_id,
                "process_return": [
                    {"lines": lines, "quarantine": tally.quarantined_rows, "invalid_lines": tally.invalid_lines}
                ],
            }
        ],
    }


def _remove_old(folder: Path, clock: Callable[[], float] = time.time) -> None:
    for path in folder.iterdir():
        if path.stat().st_mtime < clock() - _KEPT_SECONDS:
            path.unlink()
