"""Imports of files as they are asked for, and as they are answered for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from stonechat.datafile.resources import DataSource
from stonechat.ingest.files.dialect import DialectParameters
from stonechat.ingest.files.formats import FileFormat
from stonechat.ingest.imports import Tally
from stonechat.jobs.contents import Replacement, rewriting
from stonechat.jobs.kinds import ViewsBehindFailed
from stonechat.jobs.store import NewJob, Subject
from stonechat.project.snapshot import Snapshot

IMPORT = "import"


@dataclass(frozen=True, slots=True)
class ImportOrder:
    """What to import. `file` is the name of one in the importer's folder; where `url` is set, it is fetched first.

    With `replacement` the rows do not join those that are there, but replace them. `route` is what the write path knows
    the data source by where that is not its id: in a staged deployment.
    """

    file: str
    url: str | None = None
    format: FileFormat | None = None
    dialect: DialectParameters = DialectParameters()  # noqa: RUF009 - frozen
    replacement: Replacement | None = None
    route: str = ""

    def payload(self) -> dict[str, Any]:
        """As JSON."""
        dialect, replacement = self.dialect, self.replacement
        return {
            "file": self.file,
            "url": self.url,
            "format": self.format,
            "dialect": [dialect.delimiter, dialect.new_line, dialect.escape],
            "replacement": replacement and [replacement.condition, replacement.skip_incompatible],
            "route": self.route,
        }

    @classmethod
    def of(cls, payload: Mapping[str, Any]) -> ImportOrder:
        """The order of a job."""
        form = FileFormat(payload["format"]) if payload["format"] else None
        replacement = Replacement(*payload["replacement"]) if payload.get("replacement") else None
        dialect = DialectParameters(*payload["dialect"])
        return cls(payload["file"], payload["url"], form, dialect, replacement, payload.get("route", ""))


def import_job(snapshot: Snapshot, source: DataSource, order: ImportOrder, token_id: str) -> NewJob:
    """The job that carries an order out."""
    subject = Subject(snapshot.identities[source.name].id, source.name)
    exclusive = "" if order.replacement is None else rewriting(subject.id)
    deployment_id = None
    if snapshot.staged:
        order, deployment_id = replace(order, route=snapshot.route(source.name)), snapshot.deployment_id
    return NewJob(
        snapshot.workspace.id,
        IMPORT,
        order.payload(),
        exclusive,
        data_source=subject,
        deployment_id=deployment_id,
        token_id=token_id,
    )


def import_result(import_id: str, tally: Tally) -> dict[str, Any]:
    """What the API shows of an import, under the keys that clients read."""
    lines = tally.successful_rows + tally.quarantined_rows
    return {
        "import_id": import_id,
        "successful_rows": tally.successful_rows,
        "quarantined_rows": tally.quarantined_rows,
        "quarantine_rows": tally.quarantined_rows,
        "invalid_lines": tally.invalid_lines,
        "statistics": {
            "row_count": tally.successful_rows,
            "bytes": tally.bytes,
            "invalid_lines": tally.invalid_lines,
        },
        "blocks": [
            {
                "block_id": import_id,
                "process_return": [
                    {"lines": lines, "quarantine": tally.quarantined_rows, "invalid_lines": tally.invalid_lines}
                ],
            }
        ],
    }


def views_failed(tally: Tally, result: Mapping[str, Any]) -> ViewsBehindFailed:
    """What tells that a view could not take all the rows, which are in their data source for all that."""
    hint = "Do not send them again. Once the view's query is mended and deployed, what it fills is computed again."
    # Whoever asks for the job is told as well: to run it again would change nothing.
    told = {"code": ViewsBehindFailed.code, "hint": hint}
    return ViewsBehindFailed(str(tally.error), hint=hint, result={**result, **told})
