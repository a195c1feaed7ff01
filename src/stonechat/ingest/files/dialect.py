r"""How a CSV file is written: what stands between cells, and what in front of a quote inside a cell."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from dataclasses import dataclass
from itertools import islice

from stonechat.errors import Kind, StonechatError
from stonechat.ingest.csv_reading import csv_reader

_DELIMITERS = ",\t;|"
_ROWS_LOOKED_AT = 100
_NEW_LINES = {"\n", "\r", "\r\n"}
_NAMED = {"\\t": "\t", "\\n": "\n", "\\r": "\r", "\\r\\n": "\r\n", "tab": "\t", "space": " "}
_ESCAPED_QUOTE = re.compile(r'\\"(?![,;|\t\r\n]|$)')


class InvalidDialect(StonechatError):
    """A `dialect_...` parameter has a value that no CSV file can have."""

    code = "SC652"
    kind = Kind.INVALID


@dataclass(frozen=True, slots=True)
class Dialect:
    r"""How CSV is written. A quote inside a quoted cell is doubled, or has `escape` in front.

    `new_line` is one of `\n`, `\r` and `\r\n`; empty for any of them.
    """

    delimiter: str = ","
    escape: str | None = None
    new_line: str = ""


@dataclass(frozen=True, slots=True)
class DialectParameters:
    """What a caller says about the dialect; None is guessed."""

    delimiter: str | None = None
    new_line: str | None = None
    escape: str | None = None

    @classmethod
    def checked(cls, delimiter: str | None, new_line: str | None, escape: str | None) -> DialectParameters:
        r"""From the texts of parameters, where `\t` and the like may be spelled out. Raises `InvalidDialect`."""
        delimiter, new_line, escape = (_plain(text) for text in (delimiter, new_line, escape))
        for name, text in (("dialect_delimiter", delimiter), ("dialect_escapechar", escape)):
            if text is not None and (len(text) != 1 or text in '"\r\n\0' or not text.isascii()):
                raise InvalidDialect(f"'{text}' is not allowed for {name}", hint="It is one ASCII character.")
        if delimiter is not None and delimiter == escape:
            raise InvalidDialect("dialect_delimiter and dialect_escapechar are the same character")
        if new_line is not None and new_line not in _NEW_LINES:
            raise InvalidDialect(f"{new_line!r} is not allowed for dialect_new_line", hint=r"It is \n, \r or \r\n.")
        return cls(delimiter, new_line, escape)

    def completed(self, sample: str) -> Dialect:
        """The dialect of a file that begins with `sample`."""
        return Dialect(
            delimiter=self.delimiter or guessed_delimiter(sample),
            escape=self.escape or _guessed_escape(sample),
            new_line=self.new_line or "",
        )


def guessed_delimiter(text: str) -> str:
    """The delimiter that cuts most rows into the same number of cells, and into more than one."""

    def score(delimiter: str) -> tuple[int, int]:
        try:
            rows = (row for row in csv_reader(io.StringIO(text, newline=""), delimiter=delimiter) if row)
            widths = Counter(map(len, islice(rows, _ROWS_LOOKED_AT)))
        except csv.Error:
            return (0, 0)
        width, count = max(widths.items(), key=lambda item: (item[1], item[0]), default=(1, 0))
        return (count, width) if width > 1 else (0, 0)

    return max(_DELIMITERS, key=score)


def _guessed_escape(text: str) -> str | None:
    r"""`\` where quotes are written as `\"` and never doubled."""
    return "\\" if '""' not in text and _ESCAPED_QUOTE.search(text) else None


def _plain(text: str | None) -> str | None:
    return _NAMED.get(text, text) if text else None
