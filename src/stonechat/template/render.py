"""Templates: SQL text in, and for the values of a request, SQL text out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

from stonechat.template.context import Context, Request, Value
from stonechat.template.errors import (
    ParameterMissing,
    TemplateAborted,
    TemplateCustomError,
    TemplateEmpty,
    TemplateError,
    TemplateMarkMissing,
    TemplateRenderError,
    TemplateTooCostly,
)
from stonechat.template.parameters import Parameter, Survey, survey
from stonechat.template.statements import Step, compile_nodes
from stonechat.template.syntax import Written, parse
from stonechat.template.tokens import Line
from stonechat.template.traces import Trace, Tracing

MARK = "%"
_LINE_END = re.compile(r"[ \t\r]*\n")
_NO_VALUES: Mapping[str, Value] = MappingProxyType({})
_NO_SECRETS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Rendered:
    """One rendering.

    `bound` are server-side parameters of type String, values raw: escape them with `sql.quoting.parameter_text`.
    `settings` are ClickHouse's, `cache_ttl` is in seconds, `used` are the parameters that were read;
    `aborted` says that `error` or `custom_error` would have ended the rendering, had it not been with dummies.
    """

    sql: str
    bound: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    cache_ttl: float | None = None
    used: frozenset[str] = frozenset()
    aborted: bool = False


@dataclass(frozen=True, slots=True)
class Template:
    """SQL that is compiled once and rendered for each request. SQL without the mark `%` renders to itself.

    `parameters` describes the request parameters, `names` are all that a rendering may read, `service_names` those
    of them that also mean something to the service. Templates are immutable and may be rendered by many threads.
    """

    name: str
    sql: str
    parameters: tuple[Parameter, ...]
    names: frozenset[str]
    service_names: tuple[str, ...]
    _survey: Survey
    _dummies: Mapping[str, object]
    _run: Step | None

    @classmethod
    def compile(cls, sql: str, *, name: str) -> Template:
        """Compile the SQL of the node `name` as written. Raises `TemplateSyntaxError` or `TemplateMarkMissing`."""
        try:
            return cls._compiled(sql, name)
        except TemplateError as error:
            error.locate(name, 1)
            raise

    @classmethod
    def _compiled(cls, sql: str, name: str) -> Template:
        if not sql.lstrip().startswith(MARK):
            if "{{" in sql:
                raise TemplateMarkMissing(line=sql.count("\n", 0, sql.index("{{")) + 1)
            nothing = Survey((), frozenset(), frozenset(), ())
            return cls(name, sql, (), frozenset(), (), nothing, {}, None)
        nodes = parse(sql.replace(MARK, "", 1))
        run = compile_nodes(nodes)
        found = survey(nodes)
        return cls(name, sql, found.parameters, found.names, found.service_names, found, found.dummies(), run)

    def render(
        self,
        values: Mapping[str, Value],
        *,
        secrets: Mapping[str, str] = _NO_SECRETS,
        now: datetime | None = None,
    ) -> Rendered:
        """Render for the values of a request: text, or for a repeated key a sequence of texts.

        Raises a `TemplateError`: `ParameterMissing`, `ParameterInvalid`, `TemplateAborted`, `TemplateCustomError` ...
        `now` is what `job_timestamp` tells when the request does not (default: the present, UTC).
        """
        return self._render(Context(Request(values, self.names, self._survey.lists, secrets, now)))

    def traced(self, values: Mapping[str, Value], secrets: Mapping[str, str]) -> tuple[Rendered, Trace | None]:
        """Render as `render` does, with the trace of the rendering, if it has one.

        It has none where an expression may set a variable for some values and not for others.
        """
        if self._survey.binds_within:
            return self.render(values, secrets=secrets), None
        context = Tracing(Request(values, self.names, self._survey.lists, secrets))
        rendered = self._render(context)
        return rendered, context.trace(rendered.sql)

    def placeholder(self) -> Rendered:
        """Render with dummies for all values, `error` and `custom_error` without effect.

        Nothing may be left where one of these would have ended the rendering.
        """
        return self._render(Context(Request(_NO_VALUES, self.names, self._survey.lists, dummies=self._dummies)))

    def place_of(self, offset: int, values: Mapping[str, Value] | None, secrets: Mapping[str, str]) -> int:
        """Where in `sql` the character stands that a rendering has at an offset, or the tag that printed it.

        The rendering is that for these values, or for None the one with dummies; it has succeeded before.
        """
        if self._run is None:
            return offset
        dummies = self._dummies if values is None else None
        context = Context(Request(values or _NO_VALUES, self.names, self._survey.lists, secrets, dummies=dummies))
        _run(self._run, context)
        place = 0
        for part in _parts(context):
            if isinstance(part, Written):
                place = part.start + min(offset, len(part))
            if offset < len(part):
                break
            offset -= len(part)
        return self.sql.index(MARK) + len(MARK) + place

    def check(self) -> None:
        """Raise what would fail a build: a template that can not render with dummies, or renders to nothing.

        Nothing must not come of it either where no parameter is defined, unless that is refused.
        """
        self.placeholder()
        try:
            nothing = Request(_NO_VALUES, self.names, self._survey.lists, dummies=self._dummies, defines=False)
            self._render(Context(nothing))
        except TemplateEmpty:
            raise
        except TemplateError:
            return

    def _render(self, context: Context) -> Rendered:
        if self._run is None:
            return self._finished(context, self.sql)
        try:
            _run(self._run, context)
        except TemplateError as error:
            error.locate(self.name, context.line)
            raise
        return self._finished(context, "".join(_parts(context)))

    def _finished(self, context: Context, sql: str) -> Rendered:
        if not sql.strip() and not context.aborted:
            empty = TemplateEmpty()
            empty.locate(self.name, 1)
            raise empty
        used = frozenset(context.used)
        return Rendered(sql, context.bound, context.settings, context.cache_ttl, used, context.aborted)


def place_of_line(sql: str, line: int) -> int:
    """Where in the SQL of a template, mark included, that line is: the tag that its number comes from, or its words."""
    if isinstance(line, Line):
        return sql.index(MARK) + len(MARK) + line.start
    before, rest = sql.split("\n")[: line - 1], sql.split("\n")[line - 1 :]
    return sum(len(each) + 1 for each in before) + (len(rest[0]) - len(rest[0].lstrip()) if rest else 0)


def _parts(context: Context) -> list[str]:
    """What was printed. A comment takes nothing with it: what follows one on its line begins another."""
    if not context.comments:
        return context.out
    following = [*context.out[1:], "\n"]
    return [
        f"{part}\n" if part in context.comments and not _LINE_END.match(after) else part
        for part, after in zip(context.out, following, strict=True)
    ]


def _run(step: Step, context: Context) -> None:
    """Render. Missing parameters explain every other failure but those that end the rendering for good."""
    try:
        _explained(step, context)
    except (TemplateAborted, TemplateCustomError, TemplateTooCostly):
        raise
    except TemplateError:
        if not context.missing:
            raise
    if context.missing:
        raise ParameterMissing(tuple(context.missing), line=min(context.missing.values()))


def _explained(step: Step, context: Context) -> None:
    """Run, turning Python's own failures into template errors."""
    try:
        step(context)
    except KeyError as error:
        key = error.args[0] if error.args else ""
        raise TemplateRenderError(
            f"Missing key '{key}' while rendering the template. Check that the value has it."
        ) from None
    except (RecursionError, MemoryError):
        raise TemplateTooCostly("a value is nested too deeply or too large") from None
    except (ValueError, TypeError, LookupError, ArithmeticError, AttributeError, RuntimeError) as error:
        raise TemplateRenderError(str(error)) from None
