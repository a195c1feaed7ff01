"""What the conditions of a template tell apart: for each parameter in them, the values that lead elsewhere."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from stonechat.template.python import Expression
from stonechat.template.render import MARK, Template
from stonechat.template.syntax import For, If, Node, Try, While, parse


@dataclass(slots=True)
class Choice:
    """A parameter that a condition reads: the `line` of the first one, from 1, and values that it is compared with.

    `by_value` says whether a condition asks for more than whether it is `defined`.
    """

    line: int
    by_value: bool = False
    values: list[str] = field(default_factory=list)


def choices(template: Template) -> dict[str, Choice]:
    """The parameters that the conditions of `if` and `elif` read. A template that has none gives nothing."""
    if not template.names or "if" not in template.sql:
        return {}
    found: dict[str, Choice] = {}
    for expression in _conditions(parse(template.sql.replace(MARK, "", 1))):
        calls = [node for node in ast.walk(expression.tree) if isinstance(node, ast.Call)]
        asked = {id(part) for call in calls if _is_defined(call) for part in call.args}
        for node in ast.walk(expression.tree):
            if isinstance(node, ast.Name) and node.id in template.names:
                choice = found.setdefault(node.id, Choice(expression.line))
                choice.by_value |= id(node) not in asked
        for comparison in (node for node in ast.walk(expression.tree) if isinstance(node, ast.Compare)):
            values = list(_constants(comparison))
            for name in (node.id for node in ast.walk(comparison) if isinstance(node, ast.Name)):
                if name in found:
                    found[name].values += [value for value in values if value not in found[name].values]
    return found


def _conditions(nodes: Sequence[Node]) -> Iterator[Expression]:
    for node in nodes:
        match node:
            case If(branches=branches, otherwise=otherwise):
                for test, body in branches:
                    yield test
                    yield from _conditions(body)
                yield from _conditions(otherwise)
            case For(body=body, otherwise=otherwise) | While(body=body, otherwise=otherwise):
                yield from _conditions((*body, *otherwise))
            case Try(body=body, handlers=handlers, otherwise=otherwise, final=final):
                yield from _conditions((*body, *(each for handler in handlers for each in handler.body)))
                yield from _conditions((*otherwise, *final))
            case _:
                pass


def _is_defined(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Name) and call.func.id == "defined"


def _constants(comparison: ast.Compare) -> Iterator[str]:
    """Texts as they are; around a number also what is less and what is more."""
    for node in ast.walk(comparison):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.Constant) and type(node.value) is int:
            yield from (str(node.value), str(node.value - 1), str(node.value + 1))
