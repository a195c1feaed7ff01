"""What a failure with placeholders in place of values says about calls that have values.

A build tries each node with a dummy for every parameter. Some failures come of the dummy alone: a text that is no date,
a branch that no dummy takes, an `error()` that would have ended the call. They must not stop a project that works.
"""

from __future__ import annotations

import re

from stonechat.datafile.resources import Pipe
from stonechat.engine.contract import EngineFailure
from stonechat.project.composition import Composed
from stonechat.template.values import NO_VALUE

_SCALAR_SUBQUERY = 125
_UNKNOWN_TABLE, _UNKNOWN_FUNCTION, _UNKNOWN_IDENTIFIER, SYNTAX_ERROR = 60, 46, 47, 62
# Those that a value can cause: it does not parse, is out of bounds, does not convert, is no pattern, makes no sense.
_OF_VALUES = frozenset(
    {
        6,
        25,
        26,
        27,
        32,
        36,
        38,
        41,
        69,
        70,
        72,
        117,
        131,
        135,
        153,
        190,
        321,
        349,
        376,
        395,
        407,
        427,
        440,
        467,
        675,
        676,
    }
)
# Where the engine goes on to quote the statement, and where after a syntax error.
_STATEMENT = re.compile(r" In (?:scope|query) | [Ww]hile executing ")
_REST = re.compile(r"\(line \d+, col \d+\)")
_UNKNOWN_NAME = re.compile(r"^(?:Unknown .*?identifier|Function with name) [`'](\w+)[`']")


def unknown_name(failure: EngineFailure) -> str | None:
    """The name that the engine does not know, of a function too, where that is the failure."""
    found = _UNKNOWN_NAME.search(failure.message)
    return found[1] if found else None


def what_fails(failure: EngineFailure) -> str:
    """The engine's message without what it quotes of the statement, but for the word at which its parser stopped."""
    return (_REST if failure.number == SYNTAX_ERROR else _STATEMENT).split(failure.message, maxsplit=1)[0]


def says_nothing(failure: EngineFailure, composed: Composed, pipe: Pipe) -> bool:
    """Whether calls may be fine although the statement that was composed with placeholders fails."""
    if failure.number == _SCALAR_SUBQUERY and "returned empty result" in failure.message:
        return True  # the tables of a rehearsal are empty
    if composed.aborted:
        return failure.number not in {_UNKNOWN_TABLE, _UNKNOWN_FUNCTION}
    if not composed.used:
        return False
    if failure.number != SYNTAX_ERROR and NO_VALUE in what_fails(failure):
        return True
    if failure.number == _UNKNOWN_IDENTIFIER:
        return _in_another_branch(unknown_name(failure), composed, pipe)
    return failure.number in _OF_VALUES


def _in_another_branch(name: str | None, composed: Composed, pipe: Pipe) -> bool:
    """Whether a name that is unknown would be an alias if a template took another branch."""
    alias = re.compile(rf"\bas\s+[`\"]?{name}\b", re.IGNORECASE)
    return name is not None and not alias.search(composed.sql) and any(alias.search(node.sql) for node in pipe.nodes)
