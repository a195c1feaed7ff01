"""The harmless part of Python's builtins, bounded: each takes the context in front of its own arguments."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from typing import Any

from stonechat.template.context import MAX_ITEMS, Context
from stonechat.template.operations import STATEMENT_OPERATORS
from stonechat.template.values import Placeholder

_MOST_DIGITS = 100


def _bounded(function: Callable[..., Any]) -> Callable[..., object]:
    """A builtin that reads its arguments through, and whose result is as large as they are."""

    def call(context: Context, *arguments: object, **options: object) -> object:
        for argument in arguments:
            context.bound_depth(argument)
            context.charge(argument)
        return context.bound_size(function(*arguments, **options))

    return call


def _listed(function: Callable[..., Any]) -> Callable[..., object]:
    """A builtin that gives an iterator, as a list that may be printed, indexed and read twice."""

    def call(context: Context, *arguments: object) -> object:
        return context.bound_size(list(function(*arguments)))

    return call


def _number(function: Callable[..., Any]) -> Callable[..., object]:
    """`int` or `float`, which take a placeholder for zero."""

    def call(context: Context, x: object = 0, *arguments: object) -> object:
        context.charge(x)
        return context.bound_size(function(0) if type(x) is Placeholder else function(x, *arguments))

    return call


def _range(context: Context, *bounds: int) -> object:
    numbers = range(*bounds)
    # len() of a range overflows beyond what its bounds already tell.
    context.claim(max(0, (numbers.stop - numbers.start) // numbers.step), MAX_ITEMS, "elements")
    return context.bound_size(list(numbers))


def _round(_context: Context, x: float, digits: int | None = None) -> object:
    # Rounding whole numbers to a power of ten computes that power.
    return round(x) if digits is None else round(x, max(-_MOST_DIGITS, min(digits, _MOST_DIGITS)))


def _sum(context: Context, numbers: list[Any]) -> object:
    context.charge(numbers)
    return sum(numbers)


_READERS: tuple[Callable[..., Any], ...] = (
    abs, all, any, ascii, bin, bool, chr, dict, divmod, frozenset, hex, len, list, max, min, oct, ord, repr, set,
    sorted, str, tuple,
)  # fmt: skip
_ITERATORS: tuple[Callable[..., Any], ...] = (enumerate, reversed, zip)

BUILTINS: Mapping[str, Callable[..., object]] = {
    **{function.__name__: _bounded(function) for function in _READERS},
    **{function.__name__: _listed(function) for function in _ITERATORS},
    "int": _number(int),
    "float": _number(float),
    "pow": STATEMENT_OPERATORS[ast.Pow],
    "range": _range,
    "round": _round,
    "sum": _sum,
}
"""What `{% %}` may call besides the template functions."""

IN_OUTPUT = ("len", "list", "min", "max", "int", "float")
"""Those that `{{ }}` may call too."""
