"""An import as lines of JSON while it goes on, for callers that ask for its `progress`; and the log of its block."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import Executor
from functools import partial
from typing import Final

import msgspec

from stonechat.jobs.runner import JobRunner
from stonechat.jobs.store import Job, UnknownJob

_SECONDS_BETWEEN_LINES: Final = 0.5
_COUNTS: Final = ("lines", "quarantine", "invalid_lines")

Json = Mapping[str, object]


async def progress_lines(
    jobs: JobRunner, job: Job, threads: Executor, answer: Callable[[Job], Json]
) -> AsyncIterator[bytes]:
    """Where the import's block stands, whenever that has changed; at last what it is answered with, or its error."""
    loop = asyncio.get_running_loop()
    shown: Json = {}
    while True:
        block = _block(job)
        if block != shown:
            yield _line(block)
            shown = block
        if job.status.ended or jobs.is_stopping:
            break
        try:
            job = await loop.run_in_executor(threads, partial(jobs.wait, job, seconds=_SECONDS_BETWEEN_LINES))
        except UnknownJob as gone:  # with its workspace
            yield _line({"job_id": job.id, "error": str(gone)})
            return
    if job.error is None and job.status.ended:
        yield _line(await asyncio.to_thread(answer, job))
    else:
        error = job.error or "The server stops; the import goes on with its next start"
        yield _line({**job.result, "job_id": job.id, "error": error})


def block_log(job: Job) -> list[Json]:
    """Since when the block of an import has stood where; each job of this kind has one block."""
    moments = [("waiting", job.created_at), ("working", job.started_at)]
    moments += [(str(job.status), job.updated_at)] if job.status.ended else []
    return [
        {"block_id": _import_id(job), "status": status, "timestamp": moment}
        for status, moment in moments
        if moment is not None
    ]


def _block(job: Job) -> Json:
    blocks = job.result.get("blocks") or [{}]
    returned = (blocks[0].get("process_return") or [{}])[0]
    return {
        "block_id": _import_id(job),
        "job_id": job.id,
        "status": str(job.status),
        "progress_percentage": round((job.progress or 0) * 100, 1),
        **{name: returned.get(name, 0) for name in _COUNTS},
    }


def _import_id(job: Job) -> str:
    return str(job.payload["file"])


def _line(value: Json) -> bytes:
    return msgspec.json.encode(value) + b"\n"
