"""How a rejected event becomes a row of its data source's quarantine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from stonechat.ingest.verdicts import Reason
from stonechat.project.quarantine import ADDED_COLUMNS, RAW_COLUMN

REFUSED = "the engine refused the row"
"""How the reason of a row begins that was canonical by then: its keys are the names of columns."""


def quarantine_row(
    values: Mapping[str, str | None],
    reasons: Sequence[Reason],
    raw: bytes,
    now: float,
    import_id: str | None = None,
) -> bytes:
    """One line for the quarantine: the rejected values as text, the reasons, and the whole event.

    Bytes of `raw` that are not UTF-8 become U+FFFD, because JSON cannot hold them. `now` is in seconds since 1970.
    `import_id` names the import that the row came with.
    """
    row: dict[str, object] = {name: value for name, value in values.items() if name not in ADDED_COLUMNS}
    row["c__error_column"] = [reason.column for reason in reasons]
    row["c__error"] = [reason.message for reason in reasons]
    if import_id is not None:
        row["c__import_id"] = import_id
    row["insertion_date"] = int(now)
    row[RAW_COLUMN] = raw.decode(errors="replace")
    return _ENCODER.encode(row) + b"\n"


_ENCODER = msgspec.json.Encoder()
