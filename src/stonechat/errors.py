"""The base of every error that a user can meet: a code, a message, a hint and, where text is at fault, a position.

Each concrete class stands beside the code that raises it, one class per cause. Codes are grouped by stage:
SC1xx datafiles, SC2xx templates, SC3xx projects, SC4xx access, SC5xx queries, SC6xx ingestion, SC7xx deployments,
SC8xx engine and state, SC9xx settings, server and command line.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar


class Kind(Enum):
    """Whose fault an error is and what the caller may do about it. HTTP statuses and exit codes follow from it."""

    INVALID = "invalid"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    MISSING = "missing"
    NOT_ALLOWED = "not allowed"
    TIMEOUT = "timeout"
    CONFLICT = "conflict"
    TOO_LARGE = "too large"
    HALF_DONE = "half done"
    RATE_LIMITED = "rate limited"
    UNAVAILABLE = "unavailable"
    INTERNAL = "internal"


_LONGEST_NAME = 100


def suggestion(name: str, known: Iterable[str]) -> str | None:
    """A hint that names the closest known name, if one is close."""
    close = difflib.get_close_matches(name, sorted(known), n=1) if len(name) <= _LONGEST_NAME else []
    return f"Did you mean '{close[0]}'?" if close else None


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in a text: the file's name as the user wrote it, a line and a column, both counted from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class StonechatError(Exception):
    """Base class. `code` and `kind` belong to the class; message, hint and position to the instance.

    `message` is one plain sentence without the position; `str(error)` puts the position in front of it. `excerpt` shows
    the line at fault, where whoever reports the error has its text. `problems` are the errors that one stands for.
    """

    code: ClassVar[str] = "SC900"
    kind: ClassVar[Kind] = Kind.INTERNAL
    problems: Sequence[StonechatError] = ()

    def __init__(self, message: str, *, hint: str | None = None, position: Position | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.position = position
        self.excerpt = ""

    @property
    def shown_code(self) -> str:
        """The code to report: that of the class, unless the error is another program's report of one."""
        return self.code

    def __str__(self) -> str:
        return f"{self.position}: {self.message}" if self.position else self.message
