"""What callers may run of their own: one SELECT, over what their token lets them read. The engine's parser decides."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from functools import partial
from itertools import pairwise

from stonechat.auth.access import Caller, ScopeType
from stonechat.datafile.resources import Pipe
from stonechat.engine.formats import MEDIA_TYPES
from stonechat.errors import Kind, StonechatError
from stonechat.project.model import Project
from stonechat.project.quarantine import QUARANTINE_SUFFIX
from stonechat.project.service_data_sources import NAMESPACE, SERVICE_DATA_SOURCES, qualified
from stonechat.sql.gate import SQLNotAllowed, require_own_columns, require_read_only
from stonechat.sql.references import Ask, References, classify
from stonechat.sql.scopes import TableName
from stonechat.sql.skeletons import plain_skeleton
from stonechat.sql.statements import TokenKind, meaningful_tokens
from stonechat.template.render import Rendered

UNDERSCORE = "_"
_REMEMBERED = 1000
_LONGEST_REMEMBERED = 5000
#: It tells as it goes how many rows are scanned, hidden ones among them.
_WITH_PROGRESS = "jsonstringseachrowwithprogress"
_MEDIA_TYPES = {name.lower(): media_type for name, media_type in MEDIA_TYPES.items()}


class BoundParameterRefused(SQLNotAllowed):
    """A caller's statement has a `{name:Type}` parameter. Secrets are bound by such names, and nothing else is."""

    code = "SC502"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"The parameter {{{name}:...}} is not allowed in a statement of your own",
            hint="Write the value, or make the statement a template: begin with % and use {{String(name)}}.",
        )


class FormatRefused(StonechatError):
    """The FORMAT clause names a format that answers do not come in."""

    code = "SC501"
    kind = Kind.INVALID

    def __init__(self, name: str) -> None:
        super().__init__(f"The format '{name}' is not supported.", hint=f"Formats are: {', '.join(MEDIA_TYPES)}.")


class StatementGate:
    """Admits statements. The parser takes about as long as a small query, so those of one plain skeleton are parsed
    once.
    """

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._known: dict[str, References] = {}

    def knows(self, statement: str) -> bool:
        """Whether a statement as written is admitted or refused at once, without asking the engine."""
        short = len(statement) <= _LONGEST_REMEMBERED
        return short and statement.isascii() and plain_skeleton(statement) in self._known

    def wrap(self, statement: Rendered, pipe: Pipe, caller: Caller) -> References:
        """Admit a statement over the rows of an endpoint: it reads `_`, or the pipe by its name, and nothing else.

        Raises what `require_read_only` does.
        """
        references = self._classify(statement)
        readable = {(None, UNDERSCORE), (None, pipe.name)}
        require_read_only(references, tables=readable, settings=True, bounded=not caller.may(ScopeType.READ_ALL))
        return references

    def statement(self, statement: Rendered, project: Project, caller: Caller, pipe: Pipe | None) -> References:
        """Admit a statement over data sources and pipes that the caller may read, and over the nodes of `pipe`."""
        references = self._classify(statement)
        readable = {(None, name) for name in _readable(project, caller, pipe)} | _readable_services(caller)
        may_read = partial(caller.may, ScopeType.READ_DATA_SOURCE)
        readable |= {shared.parts for name, shared in project.shared.items() if may_read(name)}
        bounded = not caller.may(ScopeType.READ_ALL)
        require_read_only(references, tables=readable, settings=True, output_format=True, bounded=bounded)
        sources = (*project.data_sources.values(), *(shared.source for shared in project.shared.values()))
        require_own_columns(references, (column.name for source in sources for column in source.columns))
        if (output := references.format) is not None:
            told = output.lower() == _WITH_PROGRESS and caller.is_narrowed
            if told or output.lower() not in _MEDIA_TYPES:
                raise FormatRefused(output)
        return references

    def _classify(self, statement: Rendered) -> References:
        _refuse_bound_parameters(statement)
        key = plain_skeleton(statement.sql) or statement.sql
        found = self._known.get(key)
        if found is None:
            found = classify(statement.sql, self._ask)
            if len(key) <= _LONGEST_REMEMBERED:
                if len(self._known) >= _REMEMBERED:
                    self._known = {}
                self._known[key] = found
        return found


def media_type_of(output: str) -> str:
    """What the format of an admitted statement is to HTTP; its name may be in any case."""
    return _MEDIA_TYPES[output.lower()]


def _refuse_bound_parameters(statement: Rendered) -> None:
    if "{" not in statement.sql:
        return
    listed = meaningful_tokens(statement.sql)
    for token, following in pairwise(listed):
        named = following.kind in {TokenKind.WORD, TokenKind.QUOTED} and following.name not in statement.bound
        if token.text == "{" and named:
            raise BoundParameterRefused(following.name)


def _readable(project: Project, caller: Caller, pipe: Pipe | None) -> Iterator[str]:
    for name in project.data_sources:
        if caller.may(ScopeType.READ_DATA_SOURCE, name):
            yield name
        if caller.may(ScopeType.READ_DATA_SOURCE, name + QUARANTINE_SUFFIX):
            yield name + QUARANTINE_SUFFIX
    for other in project.pipes.values():
        if caller.may(ScopeType.READ_PIPE, other.name):
            yield other.name
    if pipe is not None and caller.may(ScopeType.READ_PIPE, pipe.name):
        yield UNDERSCORE
        yield pipe.output.name
        # The other nodes may hold rows that the output leaves out.
        if caller.may(ScopeType.READ_ALL):
            yield from (node.name for node in pipe.nodes)


def _readable_services(caller: Caller) -> AbstractSet[TableName]:
    """Service data sources: a scope names one as statements do, `DATASOURCES:READ:tinybird.jobs_log`."""
    return {
        (NAMESPACE, name) for name in SERVICE_DATA_SOURCES if caller.may(ScopeType.READ_DATA_SOURCE, qualified(name))
    }
