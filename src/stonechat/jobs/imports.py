"""Files into data sources: at once for a caller who waits, or as a job, which goes on after a restart."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import sqlalchemy as sa
import structlog

from stonechat.datafile.resources import DataSource
from stonechat.engine.contract import Engine
from stonechat.errors import Kind, StonechatError
from stonechat.ingest.files.fetching import FetchLimits, fetch
from stonechat.ingest.files.formats import FileFormat, format_by_name
from stonechat.ingest.files.reading import RowFile
from stonechat.ingest.imports import Take, Tally, append_batches, into_data_source
from stonechat.ingest.ingestion import Ingestion
from stonechat.ingest.segments import sync_path
from stonechat.ingest.verdicts import Verdicts
from stonechat.jobs.contents import Contents, Replaced, Replacement
from stonechat.jobs.import_orders import IMPORT, ImportOrder, import_result, views_failed
from stonechat.jobs.kinds import JobFailed, JobKind, Progress
from stonechat.jobs.renewal import Renewal
from stonechat.jobs.store import Job
from stonechat.project.live import LiveProjects
from stonechat.project.snapshot import UnknownDataSource
from stonechat.telemetry.events import ImportedBlock
from stonechat.telemetry.recorder import Operation, Telemetry

_log = structlog.get_logger(__name__)

_KEPT_SECONDS = 7 * 24 * 3600
"""As long as jobs are: a failed one may be run again, and needs its file for that."""
_SHARE_OF_FETCHING = 0.3
_MOST_BYTES = 2**32 - 1
"""What the contract's column for the size of a block holds."""


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


class Importer:
    """Imports files that lie in a folder of its own, under the ids of their imports."""

    def __init__(
        self,
        engine: Engine,
        ingestion: Ingestion,
        contents: Contents,
        projects: LiveProjects,
        telemetry: Telemetry,
        *,
        folder: Path,
        limits: ImportLimits,
    ) -> None:
        self._engine = engine
        self._ingestion = ingestion
        self._contents = contents
        self._projects = projects
        self._telemetry = telemetry
        self._folder = folder
        self._limits = limits
        folder.mkdir(mode=0o700, exist_ok=True)

    @property
    def kind(self) -> JobKind:
        """The kind of job that imports are."""
        return JobKind(IMPORT, self._run)

    def new_file(self) -> Path:
        """Where to write a file that is to be imported. Its name is the import's id."""
        return self._folder / str(uuid.uuid4())

    def remove_old(self, unfinished: Iterable[Job], clock: Callable[[], float] = time.time) -> None:
        """Forget the files of imports that ended long ago. A clock that was set forward ends none that has not.

        Other files in the folder hold rows that are nowhere else: those that no job brings back are named in the log.
        """
        jobs = list(unfinished)
        needed = {ImportOrder.of(job.payload).file for job in jobs if job.kind == IMPORT}
        under_way = {job.id for job in jobs}
        for path in self._folder.iterdir():
            if path.suffix == ".quarantine" and path.stem not in under_way:
                _log.warning("rows of a quarantine are in a file that no job brings back", file=str(path))
            is_old = path.stat().st_mtime < clock() - _KEPT_SECONDS
            if is_old and not path.suffix and path.name not in needed:
                path.unlink()

    def remove(self, order: ImportOrder) -> None:
        """Forget a file, for one that nobody will try again."""
        (self._folder / order.file).unlink(missing_ok=True)

    def _run(self, job: Job, progress: Progress) -> dict[str, Any]:
        order = ImportOrder.of(job.payload)
        path = self._folder / order.file
        if result := job.notes.get("result"):
            if order.replacement is not None:
                assert job.data_source is not None
                self._contents.complete(job.workspace_id, job.data_source.id)
            path.unlink(missing_ok=True)
            return dict(result)
        form, start = order.format, 0.0
        if order.url is not None:
            start = _SHARE_OF_FETCHING
            form = self._fetched(job, order, path, progress) or form
        elif not path.exists():
            raise FileGone("The file of the import is not there any more", hint="Send it again.")
        rows = RowFile(path, self._limits.file_bytes, order.format or form, order.dialect)
        rows.require_sound()
        work = _Import(job, order, rows, progress, start)
        with self._recorded(work) as operation:
            result = self._append(work) if order.replacement is None else self._replace(work, order.replacement)
            operation.rows(result["successful_rows"], result["quarantined_rows"])
            operation.bytes(work.tally.bytes, work.tally.quarantined_bytes)
            if work.tally.views_failed:
                raise views_failed(work.tally, result)
        progress.note(result=result)  # a kill may come before the job's end is written: the file is not missed then
        path.unlink(missing_ok=True)
        return result

    @contextmanager
    def _recorded(self, work: _Import) -> Iterator[Operation]:
        """Record the import as an operation, and as one block with what became of it."""
        workspace = self._projects.of(work.job.workspace_id).snapshot.workspace
        identity, source = self._subject(work.job)
        replacement = work.order.replacement
        condition = replacement and replacement.condition
        operation = self._telemetry.operation(
            workspace,
            "append" if replacement is None else "replace",
            identity,
            source.name,
            import_id=work.order.file,
            job_id=work.job.id,
            request_id=work.job.request_id,
            options={"replace_condition": condition} if condition else {},
        )
        # The file is gone once all is done.
        size, parser = work.rows.path.stat().st_size, work.rows.found_format()
        began, failure = time.monotonic(), None
        try:
            with operation:
                yield operation
        except BaseException as error:
            failure = str(error) or type(error).__name__
            raise
        finally:
            block = ImportedBlock(
                import_id=work.order.file,
                block_id=work.order.file,
                status="done" if failure is None else "error",
                datasource_id=identity,
                datasource_name=source.name,
                job_id=work.job.id,
                request_id=work.job.request_id or "",
                source=_without_query(work.order.url) if work.order.url else "body",
                start_offset=0,
                end_offset=size,
                rows=operation.affected,
                parser=parser,
                quarantine_lines=operation.quarantined,
                bytes=min(size, _MOST_BYTES),
                processing_time=time.monotonic() - began,
                processing_error=failure,
            )
            self._telemetry.record(workspace, block)

    def _append(self, work: _Import) -> dict[str, Any]:
        identity, source = self._subject(work.job)
        batches = work.rows.batches(source.columns, self._engine, work.order.file)
        take = into_data_source(self._ingestion, work.order.route or identity, source)
        try:
            tally = append_batches(batches, take, work.key, tally=work.tally, taken=work.taken)
        except StonechatError as error:
            if work.tally.batches and not work.progress.ending:
                told = f"{error.message} ({work.tally.successful_rows} rows before it are appended)"
                raise JobFailed(told, hint=error.hint, result=import_result(work.order.file, work.tally)) from error
            raise
        work.tally = tally
        if tally.trouble:
            work.progress.note(tally=tally.noted)
        return import_result(work.order.file, tally)

    def _replace(self, work: _Import, replacement: Replacement) -> dict[str, Any]:
        """Rows that do not fit go to the quarantine at once, the others beside the live ones until all are there."""
        identity, source = self._subject(work.job)
        into_quarantine = into_data_source(self._ingestion, identity, source)
        tally = Tally()

        def write(staging: Renewal, source: DataSource) -> None:
            nonlocal tally
            batches = work.rows.batches(source.columns, self._engine, work.order.file)
            take = _into_staging(staging, into_quarantine)
            tally = append_batches(batches, take, work.key, taken=work.taken)

        def result(replaced: Replaced) -> dict[str, Any]:
            shown = {"rows_replaced": replaced.rows, "rows_left_out": replaced.left_out}
            return {**import_result(work.order.file, tally), **shown}

        def decided(connection: sa.Connection, replaced: Replaced | None) -> None:
            work.progress.note_within(connection, result=replaced and result(replaced))

        return result(self._contents.replace(work.job.workspace_id, identity, replacement, write, decided))

    def _subject(self, job: Job) -> tuple[str, DataSource]:
        """The data source as it is now, in what is live or the staged deployment. Raises `UnknownDataSource`."""
        assert job.data_source is not None
        live, candidate = self._projects.of(job.workspace_id).served
        snapshot = live
        if job.deployment_id not in {None, live.deployment_id}:
            if candidate is None or candidate.snapshot.deployment_id != job.deployment_id:
                raise UnknownDataSource("The deployment that the rows are for is neither staged nor live any more")
            snapshot = candidate.snapshot
        return job.data_source.id, snapshot.data_source(job.data_source.id)

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
            sync_path(path)
            sync_path(self._folder)
            progress.note(fetched=[fetched.name, fetched.media_type])
            return format_by_name(fetched.name, fetched.media_type)
        return format_by_name(*job.notes["fetched"])


class _Import:
    """One attempt at an import. `tally` is what earlier ones and this one have taken for good."""

    def __init__(self, job: Job, order: ImportOrder, rows: RowFile, progress: Progress, start: float) -> None:
        self.job = job
        self.order = order
        self.rows = rows
        self.progress = progress
        self.key = job.id
        self.tally = Tally.of(job.notes.get("tally", {}))
        self._start = start

    def taken(self, tally: Tally, position: float) -> None:
        """Write down what is taken, and show it."""
        if tally.batches > self.tally.batches:
            self.progress.note(tally=tally.noted)
            self.tally = tally
        self.progress.report(self._start + (1 - self._start) * position, **import_result(self.order.file, tally))


def _into_staging(staging: Renewal, into_quarantine: Take) -> Take:
    """Good rows go beside the live ones, the others into the quarantine."""

    def take(key: str, verdicts: Verdicts) -> Future[None]:
        if verdicts.good_rows:
            staging.insert(verdicts.good, key)
        if verdicts.quarantined_rows:
            rejected = Verdicts(b"", 0, verdicts.quarantined, verdicts.quarantined_rows, verdicts.invalid_rows)
            return into_quarantine(key, rejected)
        done: Future[None] = Future()
        done.set_result(None)
        return done

    return take


def _without_query(url: str) -> str:
    """The place of a URL, without what may open it: a signature, or a password."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
