"""What a statement reads and what it would do, asked of the engine's own parser.

The engine gives the syntax tree as JSON, names in parts and values typed, so no text of the statement is searched here.
Nothing is executed or resolved: tables need not exist.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from stonechat.errors import Kind, StonechatError
from stonechat.sql.quoting import literal
from stonechat.sql.scopes import Scope, TableName, UnboundName, Walk
from stonechat.sql.statements import words_of

_SETTINGS_WORD = re.compile(r"\bSETTINGS\b", re.IGNORECASE)
#: Runs one statement that reads no table, with no right to change anything, and gives its answer as plain text.
Ask = Callable[[str], str]
_NO_TREE = re.compile(r"AST node of type '(\w+?)(?:Query\w*)?' does not support|(INSERT) with inline data")


class UnreadableStatement(StonechatError):
    """The engine's parser does not accept the statement, or its tree cannot be trusted."""

    code = "SC510"
    kind = Kind.INVALID


class SeveralStatements(StonechatError):
    """More than one statement where one is expected."""

    code = "SC511"
    kind = Kind.INVALID

    def __init__(self) -> None:
        super().__init__("Only one statement is allowed.", hint="Remove the semicolon and what follows it.")


@dataclass(frozen=True, slots=True)
class References:
    """What a statement names. `statement` is SELECT, or the kind of any other, such as DROP or SHOWTABLES.

    Functions and table functions are as written, `settings` by name; `format` is what the FORMAT clause asks for.
    """

    statement: str
    tables: frozenset[TableName] = frozenset()
    functions: frozenset[str] = frozenset()
    table_functions: frozenset[str] = frozenset()
    settings: frozenset[str] = frozenset()
    format: str | None = None
    writes_file: bool = False


def classify(statement: str, ask: Ask, *, parameters: Mapping[str, str] | None = None) -> References:
    """What one statement reads and does. `parameters` give the names that `{name:Identifier}` stands for.

    Raises `UnreadableStatement` or `SeveralStatements`.
    """
    tree = _tree(statement, ask)
    kind = str(tree.get("type", "")).removesuffix("Query").upper()
    if kind != "SELECTWITHUNION":
        return References(kind)
    walk = Walk(parameters or {})
    try:
        walk.visit(tree, Scope())
    except UnboundName as error:
        raise UnreadableStatement(f"The parameter '{error}' names a table and has no value.") from error
    except RecursionError:
        raise UnreadableStatement("The statement is nested too deeply.") from None
    return References(
        "SELECT",
        tables=walk.tables(),
        functions=frozenset(walk.functions),
        table_functions=frozenset(walk.table_functions),
        settings=frozenset(walk.settings),
        format=tree.get("format_ast", {}).get("name"),
        writes_file="out_file" in tree,
    )


def without_settings(statement: str, ask: Ask) -> tuple[str, dict[str, str]]:
    """The statement as the engine formats it without its SETTINGS clauses, and what they set, as text.

    A read-only connection refuses the clause, so whoever allows a setting passes it beside the statement. Comments are
    lost. A statement without the word comes back as it is, unasked.
    """
    if not _SETTINGS_WORD.search(statement) or "SETTINGS" not in {word.upper() for word in words_of(statement)}:
        return statement, {}
    tree = _tree(statement, ask)
    settings: dict[str, str] = {}
    for node in _nodes(tree):
        for key in ("settings", "settings_ast"):
            clause = node.pop(key, None)
            for change in (clause or {}).get("changes", ()):
                value = change["value"].get("value")
                settings[change["name"]] = str(int(value)) if isinstance(value, bool) else str(value)
    return ask(f"SELECT formatQueryFromJSON({literal(json.dumps(tree))})").rstrip("\n"), settings


def _tree(statement: str, ask: Ask) -> dict[str, Any]:
    """The syntax tree, proven whole: formatted again, it is the statement, but for parentheses that change nothing."""
    try:
        answer = ask(
            f"WITH {literal(statement)} AS text, parseQueryToJSON(text) AS tree, "
            "translate(formatQueryFromJSON(tree), '() ', '') AS again, "
            "translate(formatQuerySingleLine(text), '() ', '') AS first "
            "SELECT if(again = first, tree, '')"
        )
    except StonechatError as error:
        return _tree_of_refused(error)
    try:
        tree: dict[str, Any] = json.loads(answer.strip() or "{}")
    except RecursionError:
        raise UnreadableStatement("The statement is nested too deeply.") from None
    if not tree:
        raise UnreadableStatement("The statement cannot be checked.", hint="Write it in a simpler form.")
    return tree


def _tree_of_refused(error: StonechatError) -> dict[str, Any]:
    """Some statements other than SELECT have no tree: their kind stands in the error. The rest is not SQL."""
    if error.kind is not Kind.INVALID:
        raise error
    if "Multi-statements are not allowed" in error.message:
        raise SeveralStatements from error
    if treeless := _NO_TREE.search(error.message):
        return {"type": treeless[1] or treeless[2]}
    raise UnreadableStatement(error.message) from error


def _nodes(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    for child in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _nodes(child)
