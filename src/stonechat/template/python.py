"""The Python inside tags, parsed and never run: expressions and the headers of set, for and except."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from keyword import kwlist

from stonechat.template.errors import TemplateSyntaxError
from stonechat.template.tokens import below

MAX_SOURCE = 20_000
_KEYWORD_AS_NAME = re.compile(rf"[(,]\s*({'|'.join(kwlist[3:])})\s*[,)]")

Target = ast.Name | ast.Tuple | ast.List | ast.Subscript
"""What `set` and `for` may bind: names, tuples of them, and for `set` elements of containers."""


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed expression, the text it came from and the line where it begins."""

    tree: ast.expr
    source: str
    line: int


@dataclass(frozen=True, slots=True)
class Assignment:
    """`targets = value`, or with an `operator` the augmented form on the one target."""

    targets: tuple[Target, ...]
    operator: ast.operator | None
    value: Expression


def parse_expression(source: str, line: int) -> Expression:
    """Parse one expression. Raises `TemplateSyntaxError` for anything else."""
    tree = _parse(source, line)
    if len(tree.body) != 1 or not isinstance(tree.body[0], ast.Expr):
        raise TemplateSyntaxError.because(f"invalid syntax: {_shown(source)} is not an expression, line {line}", line)
    return Expression(tree.body[0].value, source, line)


def parse_assignment(source: str, line: int) -> Assignment:
    """Parse what stands after `set`: `name = expression`, `a, b = expression` or `name += expression`."""
    statements = _parse(source, line).body
    match statements:
        case [ast.Assign(targets=targets, value=value)]:
            bound = tuple(_target(target, source, line) for target in targets)
            return Assignment(bound, None, Expression(value, source, line))
        case [ast.AugAssign(target=target, op=operator, value=value)]:
            return Assignment((_target(target, source, line),), operator, Expression(value, source, line))
    raise TemplateSyntaxError.because(
        f"invalid syntax: set takes one assignment, not {_shown(source)}, line {line}", line
    )


def parse_for(source: str, line: int) -> tuple[Target, Expression]:
    """Parse what stands after `for`: `target in iterable`."""
    statements = _parse(f"for {source}: pass", line).body
    match statements:
        case [ast.For(target=target, iter=iterable, body=[ast.Pass()], orelse=[])]:
            return _target(target, source, line, names_only=True), Expression(iterable, source, line)
    raise TemplateSyntaxError.because(f"invalid syntax: for {_shown(source)}, line {line}", line)


def parse_except(source: str, line: int) -> tuple[str, str | None]:
    """Parse what stands after `except`: an error class (Exception when empty) and the name it is bound to."""
    statements = _parse(f"try: pass\nexcept {source}: pass", line).body
    match statements:
        case [ast.Try(handlers=[ast.ExceptHandler(type=None, body=[ast.Pass()])], orelse=[], finalbody=[])]:
            return "Exception", None
        case [
            ast.Try(
                handlers=[ast.ExceptHandler(type=ast.Name(id=kind), name=name, body=[ast.Pass()])],
                orelse=[],
                finalbody=[],
            )
        ]:
            return kind, name
    raise TemplateSyntaxError.because(f"invalid syntax: except {_shown(source)}, line {line}", line)


def _parse(source: str, line: int) -> ast.Module:
    if len(source) > MAX_SOURCE:
        raise TemplateSyntaxError.because(f"the expression is longer than {MAX_SOURCE} characters, line {line}", line)
    try:
        return ast.parse(source)
    except SyntaxError as error:
        at = below(line, max((error.lineno or 1) - 1, 0))
        failure = TemplateSyntaxError.because(f"{error.msg}, line {at}", at)
        if taken := _KEYWORD_AS_NAME.search(source):
            failure.hint = f"'{taken[1]}' is a word of Python's own: give the parameter another name"
        raise failure from None
    except (ValueError, MemoryError, RecursionError):
        raise TemplateSyntaxError.because(
            f"the expression is nested too deeply or not text, line {line}", line
        ) from None


def _target(target: ast.expr, source: str, line: int, *, names_only: bool = False) -> Target:
    match target:
        case ast.Name():
            return target
        case ast.Tuple(elts=elements) | ast.List(elts=elements):
            for element in elements:
                _target(element, source, line, names_only=True)
            return target
        case ast.Subscript(slice=index) if not names_only and not isinstance(index, ast.Slice):
            return target
    raise TemplateSyntaxError.because(f"invalid syntax: cannot assign to {_shown(source)}, line {line}", line)


def _shown(source: str) -> str:
    return source if len(source) <= 20 else f"{source[:20]}..."


def weigh(tree: ast.AST) -> int:
    """How many nodes an evaluation may go through at most, loops within it not counted."""
    return sum(1 for _ in ast.walk(tree))
