"""From a caller's request to rows: the read path, without HTTP.

`QueryService.endpoint` and `QueryService.statement` read as the list of their stages, each timed.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from stonechat.auth.access import Caller, ScopeType
from stonechat.engine.contract import Engine, EngineBusy, Query, QueryLimits, QueryResult
from stonechat.engine.formats import JSON, OutputFormat
from stonechat.project.composition import Composed, Values, compose_pipe, compose_statement
from stonechat.project.live import Snapshot
from stonechat.query.gate import split_format, wrapped_statement_tables
from stonechat.query.timing import Stages


@dataclass(frozen=True, slots=True)
class EndpointRequest:
    """A call of an endpoint. `values` are its parameters, `wrap` a statement over `_`, `settings` the output's."""

    pipe: str
    format: OutputFormat = JSON
    values: Values = field(default_factory=dict)
    wrap: str | None = None
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """The bytes of an answer, their format, what the query cost, and the `Server-Timing` of the way here."""

    result: QueryResult
    format: OutputFormat
    timing: str
