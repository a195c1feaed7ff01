"""Operators and methods on values, none of which can grow beyond the bounds of a rendering."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

from stonechat.template.context import MAX_BITS, MAX_ITEMS, MAX_TEXT, Context
from stonechat.template.errors import TemplateTooCostly
from stonechat.template.values import NO_VALUE, Placeholder

Operation = Callable[[Context, Any, Any], object]

_MOST_WIDTH = 3
_FIELDS = re.compile(r"%(?:\([^)]*\))?[#0 +-]*([0-9*]*(?:\.[0-9*]*)?)")
_CONVERSIONS: Mapping[int, Callable[[object], str]] = {ord("s"): str, ord("r"): repr, ord("a"): ascii}


def multiply(context: Context, left: Any, right: Any) -> object:
    """`left * right`, refused before a text, list or number would grow too large."""
    for sequence, count in ((left, right), (right, left)):
        if isinstance(sequence, str | list | tuple) and isinstance(count, int):
            limit, unit = (MAX_TEXT, "characters") if isinstance(sequence, str) else (MAX_ITEMS, "elements")
            context.claim(len(sequence) * max(count, 0), limit, unit)
            return sequence * int(count)
    return context.bound_size(left * right)


def _power(context: Context, base: Any, exponent: Any) -> object:
    if isinstance(base, int) and isinstance(exponent, int) and base.bit_length() * exponent > MAX_BITS:
        raise TemplateTooCostly(f"a number has more than {MAX_BITS} bits")
    result = base**exponent
    if isinstance(result, complex):
        raise ValueError("the power of a negative number is not a number")  # noqa: TRY004 - a matter of value
    return context.bound_size(result)


def _shift_left(context: Context, value: Any, places: Any) -> object:
    if isinstance(places, int) and places > MAX_BITS:
        raise TemplateTooCostly(f"a number has more than {MAX_BITS} bits")
    return context.bound_size(value << places)


def _remainder(context: Context, left: Any, right: Any) -> object:
    return _interpolated(context, left, right) if isinstance(left, str) else context.bound_size(left % right)


def _interpolated(context: Context, text: str, values: Any) -> object:
    """`'%s of %05.1f' % values`, refused before a width or a value would make it too long."""
    fields = _FIELDS.findall(text)
    if any("*" in sizes or any(len(digits) > _MOST_WIDTH for digits in sizes.split(".")) for sizes in fields):
        raise TemplateTooCostly("a format asks for too many characters")
    context.bound_depth(values)
    shown = values.values() if isinstance(values, dict) else values if isinstance(values, tuple) else (values,)
    if isinstance(text, Placeholder) or any(isinstance(value, Placeholder) for value in shown):
        return Placeholder(NO_VALUE)
    longest = max((len(ascii(value)) for value in shown), default=0)
    context.claim(len(text) + len(fields) * (longest + 10**_MOST_WIDTH), MAX_TEXT, "characters")
    return context.bound_size(str(text) % values)


def _at_most_doubled(operation: Callable[[Any, Any], object]) -> Operation:
    """An operator whose result is no larger than its operands together, so that it can be measured afterwards."""

    def run(context: Context, left: Any, right: Any) -> object:
        if isinstance(left, set | frozenset):
            context.charge(left)
            context.charge(right)
        return context.bound_size(operation(left, right))

    return run


OUTPUT_OPERATORS: Mapping[type[ast.operator], Operation] = {
    ast.Add: _at_most_doubled(operator.add),
    ast.Sub: _at_most_doubled(operator.sub),
    ast.Mult: multiply,
}
"""Binary operators of `{{ }}`."""

STATEMENT_OPERATORS: Mapping[type[ast.operator], Operation] = {
    **OUTPUT_OPERATORS,
    ast.Div: _at_most_doubled(operator.truediv),
    ast.FloorDiv: _at_most_doubled(operator.floordiv),
    ast.Mod: _remainder,
    ast.Pow: _power,
    ast.LShift: _shift_left,
    ast.RShift: _at_most_doubled(operator.rshift),
    ast.BitAnd: _at_most_doubled(operator.and_),
    ast.BitOr: _at_most_doubled(operator.or_),
    ast.BitXor: _at_most_doubled(operator.xor),
}
"""Binary operators of `{% %}`."""

COMPARISONS: Mapping[type[ast.cmpop], Callable[[Any, Any], object]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
    ast.In: lambda left, right: left in right,
    ast.NotIn: lambda left, right: left not in right,
}

OUTPUT_METHODS = frozenset(("split", "get", "join", "replace"))
"""Methods of `{{ }}`."""

_TEXT_METHODS = (
    "capitalize casefold center count endswith find index isalnum isalpha isascii isdecimal isdigit "
    "isidentifier islower isnumeric isprintable isspace istitle isupper join ljust lower lstrip partition removeprefix "
    "removesuffix replace rfind rindex rjust rpartition rsplit rstrip split splitlines startswith strip swapcase title "
    "upper zfill"
)
_LIST_METHODS = "append clear copy count extend index insert pop remove reverse sort"
_DICT_METHODS = "clear copy get items keys pop popitem setdefault update values"
_SET_METHODS = (
    "add clear copy difference discard intersection isdisjoint issubset issuperset pop remove symmetric_difference "
    "union update"
)
_METHODS: tuple[tuple[type, frozenset[str]], ...] = (
    (str, frozenset(_TEXT_METHODS.split())),
    (list, frozenset(_LIST_METHODS.split())),
    (dict, frozenset(_DICT_METHODS.split())),
    (tuple, frozenset(("count", "index"))),
    (set, frozenset(_SET_METHODS.split())),
    (float, frozenset(("is_integer",))),
    (Placeholder, frozenset(("get",))),
)
# Methods that neither compare nor hash what the receiver holds.
_SHALLOW = frozenset(
    ("append", "clear", "copy", "extend", "get", "insert", "items", "keys", "pop", "reverse", "values")
)
_VIEWS = frozenset(("items", "keys", "values"))


def call_method(context: Context, receiver: Any, name: str, arguments: list[Any], options: dict[str, Any]) -> object:
    """Call a method of a text, list, dictionary, tuple or set. Raises AttributeError for all others."""
    if not any(isinstance(receiver, kind) and name in names for kind, names in _METHODS):
        raise AttributeError(f"'{type(receiver).__name__}' has no method '{name}'")
    for value in arguments if name in _SHALLOW else (receiver, *arguments):
        context.bound_depth(value)
    if isinstance(receiver, str):
        context.claim(_text_growth(receiver, name, arguments), MAX_TEXT, "characters")
    result = getattr(receiver, name)(*arguments, **options)
    if isinstance(receiver, Placeholder):
        result = receiver.made(result)
    context.bound_size(receiver)
    return context.bound_size(list(result) if name in _VIEWS else result)


def _text_growth(text: str, name: str, arguments: list[Any]) -> int:
    """How long the result of a method of text may become."""
    match name, arguments:
        case "join", [str(parts)]:
            return len(parts) * (len(text) + 1)
        case "join", [list() | tuple() | set() | dict() as parts]:
            return len(parts) * len(text) + sum(len(part) for part in parts if isinstance(part, str))
        case "replace", [str(old), str(new), *_]:
            return len(text) + text.count(old) * len(new)
        case (("center" | "ljust" | "rjust" | "zfill"), [int(width), *_]):
            return width
    return len(text)


def format_value(context: Context, value: object, conversion: int, specification: str) -> str:
    """One `{value!r:>10}` of an f-string."""
    context.bound_depth(value)
    if any(len(digits) > _MOST_WIDTH for digits in re.findall(r"\d+", specification)):
        raise TemplateTooCostly("a format asks for too many characters")
    shown = _CONVERSIONS[conversion](value) if conversion in _CONVERSIONS else value
    return str(context.bound_size(format(shown, specification)))
