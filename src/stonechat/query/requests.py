"""What may be asked of the read path: a call of an endpoint, or a statement of the caller's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from stonechat.auth.access import Caller
from stonechat.datafile.resources import Pipe
from stonechat.engine.formats import JSON, Format
from stonechat.project.composition import Values
from stonechat.query.prepared import Call

ANY_ETAG = "*"
"""What stands for whichever ETag an answer has."""


@dataclass(frozen=True, slots=True)
class EndpointRequest:
    """A call of an endpoint: its parameters, a statement `wrap` over `_` if any, and settings of the output.

    `known_etag` names what the caller has already: one ETag, or several.
    """

    pipe: str
    format: Format = JSON
    values: Values = field(default_factory=dict)
    wrap: str | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    known_etag: str | None = None

    def call(self, pipe: Pipe, caller: Caller) -> Call:
        """The call of the pipe, for those that are prepared."""
        return Call(pipe.name, self.format, self.settings, self.values, caller.narrowing)


@dataclass(frozen=True, slots=True)
class StatementRequest:
    """A statement of the caller's own, or a template of one.

    `format` holds where it names none; `pipe` is what `_` and bare nodes mean; `csv_header` says whether CSV has one,
    whatever the statement says. `known_etag` is that of `EndpointRequest`.
    """

    statement: str
    format: Format = JSON
    values: Values = field(default_factory=dict)
    pipe: str | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    csv_header: bool | None = None
    known_etag: str | None = None
