"""Files and URLs into data sources of a running server, with a progress bar: sent first, then imported by a job."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

from rich.progress import Progress, TaskID

from stonechat.cli.console import counted, err, out, progress_bar
from stonechat.cli.jobs import JobNotDone, waited_for
from stonechat.cli.rows import UnreadableRows
from stonechat.client import Remote

_SENT_AT_ONCE = 1 << 18


def is_url(text: str) -> bool:
    """Whether an argument names a URL, and not a file."""
    return text.startswith(("http://", "https://"))


def is_events(text: str) -> bool:
    """Whether an argument names rows that go as events: a sample, or a file of NDJSON, of any size."""
    if is_url(text):
        return False
    return not Path(text).is_file() or _format(Path(text)) == "ndjson"


def import_file(remote: Remote, data_source: str, source: str, *, replace: bool = False, **parameters: str) -> None:
    """Import a file or URL, and say what became of its rows. Raises `UnreadableRows` or `JobNotDone`."""
    try:
        _show_import(data_source, _imported(remote, data_source, source, replace=replace, parameters=parameters))
    except JobNotDone as not_done:
        if not_done.has_appended:
            _show_import(data_source, not_done.job)
        raise


def _imported(
    remote: Remote, data_source: str, source: str, *, replace: bool, parameters: dict[str, str]
) -> Mapping[str, Any]:
    """The job of a file, which is sent first, or of a URL, as it ended."""
    path = f"/v1/datasources/{quote(data_source, safe='')}/{'replace' if replace else 'append'}"
    if is_url(source):
        return waited_for(remote, remote.ask("POST", path, params={**parameters, "url": source}))
    file = Path(source)
    if not file.is_file():
        raise UnreadableRows(f"There is no file {file}")
    parameters.setdefault("format", _format(file))
    params = {key: value for key, value in parameters.items() if value}
    size = file.stat().st_size
    with progress_bar("bytes") as progress, file.open("rb") as content:
        task = progress.add_task(f"{file.name} -> {data_source}", total=size)
        pieces = _sent(content, progress, task)
        began = remote.ask("POST", path, params=params, content=pieces, headers={"Content-Length": str(size)})
    return waited_for(remote, began)


def _show_import(data_source: str, job: Mapping[str, Any]) -> None:
    """Say what became of the rows of a file, and where those are that did not fit."""
    replaced = job.get("rows_replaced")
    what = "appended to" if replaced is None else f"in the place of {replaced:,} in"
    out.print(f"{counted(job['successful_rows'], 'row')} {what} {data_source}")
    if left_out := job.get("rows_left_out"):
        err.print(f"[yellow]{counted(left_out, 'row')} left out, for which the condition does not hold[/yellow]")
    if rejected := job["quarantined_rows"]:
        invalid = f", {job['invalid_lines']:,} of them no rows at all," if job["invalid_lines"] else ""
        err.print(
            f"[yellow]{counted(rejected, 'row')} did not fit{invalid} and went into the quarantine[/yellow]: "
            f"stonechat quarantine show {data_source}"
        )


def _sent(content: BinaryIO, progress: Progress, task: TaskID) -> Iterator[bytes]:
    while piece := content.read(_SENT_AT_ONCE):
        yield piece
        progress.advance(task, len(piece))


def _format(file: Path) -> str:
    """What the file's name says; nothing where it says nothing, and the server looks at the content."""
    suffixes = [suffix for suffix in file.suffixes if suffix not in {".gz", ".zst", ".zstd"}]
    known = {".csv": "csv", ".tsv": "csv", ".ndjson": "ndjson", ".jsonl": "ndjson", ".json": "ndjson"}
    return {**known, ".parquet": "parquet"}.get(suffixes[-1] if suffixes else "", "")
