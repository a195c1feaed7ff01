"""The lenient reading: one event, column by column, either as a canonical line or as reasons why it does not fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from stonechat.ingest.codecs import UNREADABLE, plain_text
from stonechat.ingest.feeding import FedColumn
from stonechat.ingest.verdicts import Misfit, Reason
from stonechat.project.quarantine import RAW_COLUMN

_LONGEST_SHOWN = 100
_OF_AN_ARRAY = "events come one a line; the Events API takes an array of them with format=json"


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why an event does not fit, and what it holds for each column, as text."""

    reasons: Sequence[Reason]
    values: Mapping[str, str | None] = field(default_factory=dict)

    @property
    def is_unreadable(self) -> bool:
        """Whether the event is at fault as a whole: it could not be read as one."""
        return self.reasons[0].column == RAW_COLUMN


def read_event(columns: Sequence[FedColumn], text: bytes) -> bytes | Rejection:
    """The canonical line of the event, or its rejection. The text is stripped and not empty."""
    try:
        text.decode()
        document = _OBJECT.decode(text)
        given = {column.name: text if column.path.is_whole_event else column.path.find(document) for column in columns}
    except UnicodeDecodeError as error:
        return unreadable(f"the line is not UTF-8 at byte {error.start}")
    except RecursionError:
        return unreadable("the line nests too deep")
    except msgspec.ValidationError:
        return unreadable(_not_an_object(text))
    except msgspec.DecodeError as error:
        if text.startswith(b"{") and text.endswith(b"},"):
            return unreadable(f"the line is an element of an array: {_OF_AN_ARRAY}")
        return unreadable(f"the line is not JSON: {str(error).removeprefix('JSON is malformed: ')}")
    row: dict[str, object] = {}
    reasons: list[Reason] = []
    for column in columns:
        try:
            _take(column, given[column.name], row)
        except Misfit as misfit:
            reasons.append(Reason(column.name, str(misfit)))
    if reasons:
        return Rejection(reasons, {name: shown(value) for name, value in given.items()})
    return _ENCODER.encode(row) + b"\n"


def _not_an_object(text: bytes) -> str:
    if text == b"[":
        return f"the line begins an array: {_OF_AN_ARRAY}"
    try:
        is_array = isinstance(msgspec.json.decode(text), list)
    except msgspec.DecodeError:
        is_array = False
    return f"the line is an array: {_OF_AN_ARRAY}" if is_array else "the line is not a JSON object"


def unreadable(message: str) -> Rejection:
    """The rejection of an event as a whole."""
    return Rejection([Reason(RAW_COLUMN, message)])


def _take(column: FedColumn, text: bytes | None, row: dict[str, object]) -> None:
    """Put a column's value into the row, or leave it out for its default. Raises `Misfit` with the reason."""
    if not column.required and (text is None or (text == b"null" and not column.keeps_null)):
        return
    if column.codec is None:
        raise Misfit(f"column '{column.name}' is {column.type} and cannot be fed by events")
    if text is None:
        raise Misfit(f"value is missing on column '{column.name}', which is neither Nullable nor has a DEFAULT")
    try:
        row[column.name] = column.codec.accept(text)
    except Misfit:
        value = "null" if text == b"null" else shown(text) or ""
        excerpt = value if len(value) <= _LONGEST_SHOWN else value[:_LONGEST_SHOWN] + "..."
        raise Misfit(f"value '{excerpt}' on column '{column.name}' is not {column.codec.label}") from None


def shown(text: bytes | None) -> str | None:
    """A value as the quarantine keeps it: the characters of a string, the JSON text of anything else."""
    if text is None or text == b"null":
        return None
    try:
        return plain_text(text)
    except UNREADABLE:
        return text.decode(errors="replace")


_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ENCODER = msgspec.json.Encoder()
