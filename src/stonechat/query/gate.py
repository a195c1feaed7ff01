"""What callers may run of their own: one SELECT, over what their token lets them read. The engine's parser decides."""

from __future__ import annotations

from collections.abc import Iterator

from stonechat.auth.access import Caller, ScopeType
from stonechat.datafile.resources import Pipe
from stonechat.project.model import Project
from stonechat.project.quarantine import QUARANTINE_SUFFIX
from stonechat.sql.gate import require_read_only
from stonechat.sql.references import Ask, References, classify

UNDERSCORE = "_"


def allowed_wrap(statement: str, ask: Ask) -> References:
    """Admit a statement over the rows of an endpoint: it reads `_` alone. Raises what `require_read_only` does."""
    references = classify(statement, ask)
    require_read_only(references, tables={(None, UNDERSCORE)})
    return references


def allowed_statement(statement: str, ask: Ask, project: Project, caller: Caller, pipe: Pipe | None) -> References:
    """Admit a statement over data sources and pipes that the caller may read, and over the nodes of `pipe`."""
    references = classify(statement, ask)
    readable = {(None, name) for name in _readable(project, caller, pipe)}
    require_read_only(references, tables=readable, settings=True, output_format=True)
    return references


def _readable(project: Project, caller: Caller, pipe: Pipe | None) -> Iterator[str]:
    for name in project.data_sources:
        if caller.may(ScopeType.READ_DATA_SOURCE, name):
            yield name
            yield name + QUARANTINE_SUFFIX
    for other in project.pipes.values():
        if caller.may(ScopeType.READ_PIPE, other.name):
            yield other.name
    if pipe is not None and caller.may(ScopeType.READ_PIPE, pipe.name):
        yield UNDERSCORE
        yield from (node.name for node in pipe.nodes)
