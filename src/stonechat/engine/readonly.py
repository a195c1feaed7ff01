"""What a reader may run: one statement that only reads.

A read-only connection still runs KILL QUERY, SYSTEM, INTO OUTFILE, and several statements. Asking the engine takes up
to a tenth of what an endpoint's query does, so what it admitted is remembered by its skeleton.
"""

from __future__ import annotations

from typing import Any

from stonechat.engine.contract import NotReadOnly
from stonechat.sql.quoting import literal
from stonechat.sql.skeletons import skeleton

_REMEMBERED = 2_000
_LONGEST_REMEMBERED = 20_000


class ReadOnlyStatements:
    """The statements of one engine that only read, as far as they are known. Many threads' own."""

    def __init__(self) -> None:
        self._known: dict[str, None] = {}

    def require(self, connection: Any, statement: str) -> None:
        """Raise `NotReadOnly`, or what the engine says of a statement that is none."""
        shape = skeleton(statement)
        if shape in self._known:
            return
        _ask(connection, statement)
        if len(shape) <= _LONGEST_REMEMBERED:
            if len(self._known) >= _REMEMBERED:
                self._known = {}
            self._known[shape] = None


def _ask(connection: Any, statement: str) -> None:
    verdict = connection._conn.classify_query(statement)  # noqa: SLF001 - chDB has no public name for it
    if verdict["statement_count"] == 0:
        connection.query(f"SELECT formatQuery({literal(statement)})")  # says what is wrong, and runs nothing
    if verdict["statement_count"] != 1:
        raise NotReadOnly("Exactly one statement is expected.")
    if verdict["query_class"].name != "READ_ONLY":
        raise NotReadOnly("Only statements that read are allowed.")
