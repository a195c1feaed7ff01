"""What the SQL of a project may use: its own tables, and nothing of other workspaces or of the machine.

Workspaces share an engine, so a name with a database in front, `merge('ws_.*')` and the like would lead from one into
another. That is decided on what a template rendered: `{{table(x)}}` and `{{column(x)}}` are names that a caller chose.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache

from stonechat.project.composition import Composed
from stonechat.project.service_data_sources import NAMESPACE
from stonechat.sql.gate import TABLE_FUNCTIONS, is_forbidden, require_read_only
from stonechat.sql.references import Ask, UnprovenTree, classify
from stonechat.sql.skeletons import skeleton
from stonechat.sql.statements import words_of

#: Beside those of callers: they make rows of what they are given.
_TABLE_FUNCTIONS = TABLE_FUNCTIONS | {"format", "generate_series", "generateseries", "view"}
#: Closed to callers alone: an author's own query may take its time.
_PATIENT = {"sleep", "sleepeachrow"}
_NUMBER = re.compile(r"(?<![\w.$])\d[\d.]*(?![\w.])", re.ASCII)
_BEYOND = re.compile(
    r"ws_|rehearsal_|stonechat_|merge|cluster|remote|(?:system|information_schema|loop|dictionary|identifier|into)$"
)
_REMEMBERED = 2000
_LONGEST_REMEMBERED = 20_000


def require_authored(composed: Composed, ask: Ask) -> None:
    """Raise a `SQLNotAllowed` unless the statement is a SELECT of what a project may use. Asks the engine's parser."""
    try:
        references = classify(composed.sql, ask, parameters=composed.bound)
    except UnprovenTree:
        if _names_nothing_beyond(composed.sql):
            return
        raise
    require_read_only(
        replace(references, functions=frozenset(name for name in references.functions if name.lower() not in _PATIENT)),
        tables=None,
        namespaces={NAMESPACE},
        table_functions=_TABLE_FUNCTIONS,
        settings=True,
        tuning=True,
        output_format=True,
    )


class AuthoredStatements:
    """The statements that were found to be fine, by what they are without their values. Any thread may ask."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._known: dict[str, None] = {}

    def knows(self, composed: Composed) -> bool:
        """Whether a statement like this one was found to be fine."""
        return _shape(composed) in self._known

    def require(self, composed: Composed) -> None:
        """Raise what `require_authored` does."""
        shape = _shape(composed)
        if shape in self._known:
            return
        require_authored(composed, self._ask)
        if len(shape) <= _LONGEST_REMEMBERED:
            if len(self._known) >= _REMEMBERED:
                self._known = {}
            self._known[shape] = None


def _names_nothing_beyond(statement: str) -> bool:
    """Whether a statement that the parser's tree tells only a part of has no word that could lead out of a project."""
    words = {word.lower() for word in words_of(statement)}
    return statement.isascii() and not any(is_forbidden(word) or _BEYOND.match(word) for word in words)


def _shape(composed: Composed) -> str:
    """The statement without what is in its strings and which numbers it has: no name of a table or function is one."""
    found = skeleton(composed.sql)
    shape = _remembered(found) if len(found) <= _LONGEST_REMEMBERED else _without_numbers(found)
    # A bound parameter may stand for a name.
    return f"{shape}\n{sorted(composed.bound.items())}" if composed.bound else shape


def _without_numbers(statement: str) -> str:
    return _NUMBER.sub("0", statement)


# Calls of an endpoint mostly have one skeleton.
_remembered = lru_cache(1000)(_without_numbers)
