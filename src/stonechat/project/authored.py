"""What the SQL of a project may use: its own tables, and nothing of other workspaces or of the machine.

Workspaces share an engine, so a name with a database in front, `merge('ws_.*')` and the like would lead from one into
another. That is decided on what a template rendered: `{{table(x)}}` and `{{column(x)}}` are names that a caller chose.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from typing import TypeGuard

from stonechat.errors import suggestion
from stonechat.project.composition import Composed
from stonechat.project.service_data_sources import NAMESPACE
from stonechat.project.sharing import may_share, shared_name
from stonechat.sql.gate import SYSTEM_TABLES, TABLE_FUNCTIONS, SQLNotAllowed, is_forbidden, require_read_only
from stonechat.sql.references import Ask, UnprovenTree, classify
from stonechat.sql.scopes import TableName
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


class NotShared(SQLNotAllowed):
    """The SQL of a project reads a data source of another workspace that does not share it, or has none of the name.

    `shared` are the names of all that other workspaces do share.
    """

    code = "SC521"

    def __init__(self, table: TableName, shared: Iterable[str]) -> None:
        database, name = table
        written = shared_name(database or "", name)
        super().__init__(
            f"The data source '{written}' does not exist, or is not shared with this workspace",
            hint=suggestion(written, shared)
            or f"The workspace '{database}' has to name this one in SHARED_WITH of '{name}', and be deployed.",
        )


def require_authored(composed: Composed, ask: Ask, shared: Iterable[str] = ()) -> None:
    """Raise a `SQLNotAllowed` unless the statement is a SELECT of what a project may use. Asks the engine's parser.

    What it reads of other workspaces is among `composed.reads`; `shared` are the names of all there is, to suggest.
    """
    try:
        references = classify(composed.sql, ask, parameters=composed.bound)
    except UnprovenTree:
        if _names_nothing_beyond(composed.sql):
            return
        raise
    functions = frozenset(name for name in references.functions if name.lower() not in _PATIENT)
    elsewhere = {table for table in references.tables - SYSTEM_TABLES if _is_elsewhere(table)}
    for table in sorted(elsewhere):
        if shared_name(*table) not in composed.reads:
            raise NotShared(table, shared)
    require_read_only(
        replace(references, functions=functions, tables=references.tables - elsewhere),
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


def _is_elsewhere(table: TableName) -> TypeGuard[tuple[str, str]]:
    """Whether a table can only be a data source of another workspace."""
    return table[0] is not None and may_share(table[0])


def _names_nothing_beyond(statement: str) -> bool:
    """Whether a statement that the parser's tree tells only a part of has no word that could lead out of a project."""
    words = {word.lower() for word in words_of(statement)}
    return statement.isascii() and not any(is_forbidden(word) or _BEYOND.match(word) for word in words)


def _shape(composed: Composed) -> str:
    """The statement without what is in its strings and which numbers it has: no name of a table or function is one."""
    found = skeleton(composed.sql)
    shape = _remembered(found) if len(found) <= _LONGEST_REMEMBERED else _without_numbers(found)
    # What was found to be shared may not be any more, nor with every workspace; and a bound parameter may stand for a
    # name.
    shared = sorted(name for name in composed.reads if "." in name)
    bound = sorted(composed.bound.items())
    return f"{shape}\n{shared}\n{bound}" if shared or bound else shape


def _without_numbers(statement: str) -> str:
    return _NUMBER.sub("0", statement)


# Calls of an endpoint mostly have one skeleton.
_remembered = lru_cache(1000)(_without_numbers)
