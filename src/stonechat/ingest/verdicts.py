"""What the check of a request says: the rows that fit, in canonical form, and the others, with their reasons."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from stonechat.errors import Kind, StonechatError

LARGEST_VERDICTS: Final = 1_000_000_000
"""Bytes that the check may make of one request: rows that do not fit take up to sixty times what they came as."""


class Misfit(ValueError):
    """A value that its column cannot hold. Stays inside the row reader, which turns it into a `Reason`."""


class VerdictsTooLarge(StonechatError):
    """The rows of a request would take more than a record of the log may, in the quarantine above all."""

    code = "SC602"
    kind = Kind.TOO_LARGE


def require_size(size: int) -> None:
    """Refuse a request whose verdicts have so many bytes or more. Raises `VerdictsTooLarge`."""
    if size > LARGEST_VERDICTS:
        raise VerdictsTooLarge(
            f"Rows and quarantined rows of the request are larger than {LARGEST_VERDICTS} bytes",
            hint="Nothing was kept. Look at what a few of the rows give, and send them in several requests.",
        )


@dataclass(frozen=True, slots=True)
class Reason:
    """Why one column of a row does not fit."""

    column: str
    message: str


@dataclass(frozen=True, slots=True)
class Verdicts:
    """Two blocks of NDJSON: `good` for the table, `quarantined` for its quarantine. Every line ends in a newline.

    `invalid_rows` of the quarantined ones could not be read as rows at all. `unknown` counts the events with each field
    that no column is fed from. `binary` holds the good rows once more, in the binary form of their reader, if they were
    read in bulk.
    """

    good: bytes
    good_rows: int
    quarantined: bytes
    quarantined_rows: int
    invalid_rows: int = 0
    unknown: Mapping[str, int] = field(default_factory=dict)
    binary: bytes = b""

    @property
    def size(self) -> int:
        """Bytes of both blocks."""
        return len(self.good) + len(self.quarantined)

    @classmethod
    def joined(cls, parts: Sequence[Verdicts]) -> Verdicts:
        """The verdicts of consecutive slices of one body as one."""
        if len(parts) == 1:
            return parts[0]
        return cls(
            b"".join(part.good for part in parts),
            sum(part.good_rows for part in parts),
            b"".join(part.quarantined for part in parts),
            sum(part.quarantined_rows for part in parts),
            sum(part.invalid_rows for part in parts),
            _added([part.unknown for part in parts]),
        )


def _added(counts: Sequence[Mapping[str, int]]) -> Mapping[str, int]:
    total: Counter[str] = Counter()
    for each in counts:
        total.update(each)
    return total
