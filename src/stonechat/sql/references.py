"""What a statement reads and what it would do, asked of the engine's own parser.

The engine gives the syntax tree as JSON, names in parts and values typed, so no text of the statement is searched here.
Nothing is executed or resolved: tables need not exist.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from stonechat.errors import Kind, StonechatError
from stonechat.sql.quoting import literal
from stonechat.sql.scopes import Node, Scope, TableName, UnboundName, Walk
from stonechat.sql.statements import words_of
from stonechat.sql.tuning import is_tuning

#: Runs one statement that reads no table, with no right to change anything, and gives its answer as plain text.
Ask = Callable[[str], str]
_MOST_ALTERNATIVES = 200
# The engine writes floats that are whole as integers: -0.0 loses its sign, and what no integer can hold is not read.
_WHOLE_FLOAT = literal(r'("field_type":"Float64","value":-?[0-9]+)([,}])')
_WITH_A_POINT = literal(r"\1.0\2")
_FLOATS_KEPT = f"replaceRegexpAll(parseQueryToJSON(text), {_WHOLE_FLOAT}, {_WITH_A_POINT})"
_NO_TREE = re.compile(r"AST node of type '(\w+?)(?:Query\w*)?' does not support|(INSERT) with inline data")


class UnreadableStatement(StonechatError):
    """The engine's parser does not accept the statement, or its tree cannot be trusted."""

    code = "SC510"
    kind = Kind.INVALID


class UnprovenTree(UnreadableStatement):
    """The engine's syntax tree, written out again, is not the statement: something of it may be missing in the tree."""

    code = "SC519"

    def __init__(self) -> None:
        super().__init__("The statement cannot be checked.", hint="Write it in a simpler form.")


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
    `engine_columns` are names of `ENGINE_COLUMNS`, which may be those of other columns too.
    """

    statement: str
    tables: frozenset[TableName] = frozenset()
    functions: frozenset[str] = frozenset()
    table_functions: frozenset[str] = frozenset()
    settings: frozenset[str] = frozenset()
    engine_columns: frozenset[str] = frozenset()
    format: str | None = None
    writes_file: bool = False


def classify(statement: str, ask: Ask, *, parameters: Mapping[str, str] | None = None) -> References:
    """What one statement reads and does. `parameters` give the names that `{name:Identifier}` stands for.

    Raises `UnreadableStatement` or `SeveralStatements`.
    """
    return references_of(tree_of(statement, ask), parameters)


def references_of(tree: Node, parameters: Mapping[str, str] | None = None) -> References:
    """What the statement of a syntax tree reads and does."""
    kind = str(tree.get("type", "")).removesuffix("Query").upper()
    if kind != "SELECTWITHUNION":
        return References(kind)
    walk = Walk(parameters or {})
    try:
        with _within_depth():
            walk.visit(tree, Scope())
    except UnboundName as error:
        raise UnreadableStatement(f"The parameter '{error}' names a table and has no value.") from error
    return References(
        "SELECT",
        tables=walk.tables(),
        functions=frozenset(walk.functions),
        table_functions=frozenset(walk.table_functions),
        settings=frozenset(walk.settings),
        engine_columns=frozenset(walk.engine_columns),
        format=tree.get("format_ast", {}).get("name"),
        writes_file="out_file" in tree,
    )


def without_settings(statement: str, ask: Ask) -> tuple[str, dict[str, str]]:
    """The statement as the engine formats it without its SETTINGS clauses, and what they set, as text.

    A read-only connection refuses the clause, so whoever allows a setting passes it beside the statement; settings of
    how it is run are left out. Comments are lost. A statement without the word comes back as it is, unasked.
    """
    if "settings" not in statement.lower() or "SETTINGS" not in {word.upper() for word in words_of(statement)}:
        return statement, {}
    tree = tree_of(statement, ask)
    settings: dict[str, str] = {}
    with _within_depth():
        nodes = list(nodes_of(tree))
    for node in nodes:
        for key in ("settings", "settings_ast"):
            clause = node.pop(key, None)
            for change in (clause or {}).get("changes", ()):
                value = change["value"].get("value")
                if not is_tuning(change["name"]):
                    settings[change["name"]] = str(int(value)) if isinstance(value, bool) else str(value)
    return statement_of(tree, ask), settings


def statement_of(tree: Node, ask: Ask) -> str:
    """The statement of a syntax tree, as the engine formats it. Raises `UnreadableStatement`."""
    with _within_depth():
        text = json.dumps(tree, ensure_ascii=False)
    require_text(text)
    return ask(f"SELECT formatQueryFromJSON({literal(text)})").rstrip("\n")


def exact_statement_of(tree: Node, ask: Ask) -> str:
    """The statement of a syntax tree that the program has changed: parsed again, it is this tree and no other.

    Raises `UnreadableStatement`.
    """
    statement = statement_of(tree, ask)
    with _within_depth():
        same = _meaning(tree_of(statement, ask)) == _meaning(tree)
    if not same:
        raise UnreadableStatement("The statement cannot be checked.", hint="Write it in a simpler form.")
    return statement


def require_text(answer: str) -> None:
    """Raise `UnreadableStatement` if the engine has written a string with bytes that are no UTF-8: it reads none."""
    if not answer.isascii() and any("\ud800" <= character <= "\udfff" for character in answer):
        raise UnreadableStatement("A string in the statement is not UTF-8.", hint="Write it as unhex('...').")


def tree_of(statement: str, ask: Ask) -> dict[str, Any]:
    """The syntax tree of one statement, names in parts and values typed; for some other than SELECT, its type alone.

    It is proven whole: formatted again, it is the statement, but for parentheses that change nothing. Raises
    `UnreadableStatement` or `SeveralStatements`.
    """
    try:
        answer = ask(
            f"WITH {literal(statement)} AS text, {_FLOATS_KEPT} AS tree, "
            "translate(formatQueryFromJSON(tree), '() ', '') AS again, "
            "translate(formatQuerySingleLine(text), '() ', '') AS first "
            "SELECT if(again = first, tree, '')"
        )
    except StonechatError as error:
        return _tree_of_refused(error)
    with _within_depth():
        tree: dict[str, Any] = json.loads(answer.strip() or "{}")
    if not tree:
        raise UnprovenTree
    return tree


def _tree_of_refused(error: StonechatError) -> dict[str, Any]:
    """Some statements other than SELECT have no tree: their kind stands in the error. The rest is not SQL."""
    if error.kind is not Kind.INVALID:
        raise error
    if "Multi-statements are not allowed" in error.message:
        raise SeveralStatements from error
    if treeless := _NO_TREE.search(error.message):
        return {"type": treeless[1] or treeless[2]}
    what, expected, alternatives = error.message.partition(". Expected one of: ")
    if len(alternatives) > _MOST_ALTERNATIVES:
        alternatives = f"{alternatives[: alternatives.rfind(', ', 0, _MOST_ALTERNATIVES)]} ..."
    raise UnreadableStatement(what + expected + alternatives) from error


@contextmanager
def _within_depth() -> Iterator[None]:
    """Raise `UnreadableStatement` for trees that are deeper than Python follows."""
    try:
        yield
    except RecursionError:
        raise UnreadableStatement("The statement is nested too deeply.") from None


def _meaning(value: Any) -> Any:
    """A tree without what only says how it was written."""
    # A comprehension around each call would halve the depth that Python lets a tree have.
    if isinstance(value, dict):
        meant = {key: part for key, part in value.items() if part is not False and key != "is_operator"}
        return dict(zip(meant, map(_meaning, meant.values()), strict=True))
    return list(map(_meaning, value)) if isinstance(value, list) else value


def nodes_of(value: Any) -> Iterator[dict[str, Any]]:
    """Everything in a tree that is a node, or part of one."""
    if isinstance(value, dict):
        yield value
    for child in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from nodes_of(child)
