"""Calls that take a function or a type: `map`, `filter`, `sorted`, `min` and `max` by a key, `isinstance`.

A function is written where it is used: a lambda, a builtin by its name, or a method of texts as `str.strip`. It is no
value: nothing can keep it, print it or call it by another name, so that no call of it can end in itself.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from stonechat.template.closures import Evaluate
from stonechat.template.context import Context
from stonechat.template.operations import call_method
from stonechat.template.python_builtins import BUILTINS

_Callee = Callable[..., object]
"""A function: takes the context, then its arguments."""
_Compile = Callable[[ast.expr], Evaluate]
_BY_KEY: dict[str, tuple[Callable[..., Any], str]] = {
    "sorted": (sorted, "reverse"), "min": (min, "default"), "max": (max, "default"),
}  # fmt: skip
_KINDS = {kind.__name__: kind for kind in (bool, dict, float, int, list, set, str, tuple)}


HIGHER_ORDER = ("map", "filter", "isinstance")
"""Calls that are only these; `sorted`, `min` and `max` are functions without a key, too."""


def function_argument(call: ast.Call) -> ast.expr | None:
    """The argument of a call that is no value but a function or a type, if there is one."""
    match call:
        case ast.Call(func=ast.Name(id="map"), args=[function, _, *_], keywords=[]):
            return function
        case ast.Call(func=ast.Name(id="filter"), args=[function, _], keywords=[]):
            return function
        case ast.Call(func=ast.Name(id="isinstance"), args=[_, kinds], keywords=[]):
            return kinds
        case ast.Call(func=ast.Name(id="sorted" | "min" | "max"), args=[_], keywords=keywords):
            return next((keyword.value for keyword in keywords if keyword.arg == "key"), None)
    return None


def lambda_names(function: ast.Lambda) -> list[str] | None:
    """The names of the arguments of a lambda; None for one that has others than plain ones."""
    own = function.args
    if own.posonlyargs or own.kwonlyargs or own.vararg or own.kwarg or own.defaults:
        return None
    return [argument.arg for argument in own.args]


def compile_higher_order(call: ast.Call, function: ast.expr, compiled: _Compile, weight: int) -> Evaluate | None:
    """A call whose `function_argument` is that one; None where it is none. Each call of a lambda costs `weight`."""
    name = ast.unparse(call.func)
    values = [compiled(argument) for argument in call.args if argument is not function]
    if name == "isinstance":
        return _of_kind(values[0], function)
    callee = _callee(function, compiled, weight)
    others = {keyword.arg: compiled(keyword.value) for keyword in call.keywords if keyword.value is not function}
    if callee is None or others.keys() - {_BY_KEY[name][1] if name in _BY_KEY else None}:
        return None
    match name:
        case "map":
            return _mapped(callee, values)
        case "filter":
            return _filtered(callee, values[0])
    return _by_key(_BY_KEY[name][0], callee, values[0], {str(option): value for option, value in others.items()})


def _callee(function: ast.expr, compiled: _Compile, weight: int) -> _Callee | None:
    """A function as it is written; `None` in its place asks whether a value is true."""
    match function:
        case ast.Lambda(body=body):
            names = lambda_names(function)
            return None if names is None else _lambda(names, compiled(body), weight)
        case ast.Name(id=name):
            return BUILTINS.get(name)
        case ast.Attribute(value=ast.Name(id="str"), attr=name) if not name.startswith(("_", "format")):
            return lambda context, text, *rest: call_method(context, text, name, list(rest), {})
        case ast.Constant(value=None):
            return lambda _context, value: value
    return None


def _lambda(names: Sequence[str], body: Evaluate, weight: int) -> _Callee:
    """A lambda. Its arguments end with it: what they shadowed comes back."""

    def call(context: Context, *arguments: object) -> object:
        if len(arguments) != len(names):
            raise TypeError(f"a lambda of {len(names)} arguments is given {len(arguments)}")
        context.spend(weight)
        shadowed = {name: context[name] for name in names if dict.__contains__(context, name)}
        context.update(zip(names, arguments, strict=True))
        result = body(context)
        for name in names:
            context.pop(name, None)
        context.update(shadowed)
        return result

    return call


def _mapped(callee: _Callee, iterables: Sequence[Evaluate]) -> Evaluate:
    def evaluate(context: Context) -> object:
        rows = zip(*[iterable(context) for iterable in iterables], strict=False)
        return context.bound_size([callee(context, *row) for row in _counted(context, rows)])

    return evaluate


def _filtered(callee: _Callee, iterable: Evaluate) -> Evaluate:
    return lambda context: context.bound_size(
        [item for item in _counted(context, iterable(context)) if callee(context, item)]
    )


def _by_key(choose: Callable[..., Any], callee: _Callee, iterable: Evaluate, options: dict[str, Evaluate]) -> Evaluate:
    """`sorted`, `min` or `max` of the elements by what the function says of each, which is asked once."""

    def evaluate(context: Context) -> object:
        items = list(_counted(context, iterable(context)))
        keys: list[Any] = [callee(context, item) for item in items]
        context.bound_depth(keys)
        if choose is sorted:
            order = sorted(range(len(items)), key=keys.__getitem__, **_values(context, options))
            return [items[index] for index in order]
        if not items:
            return choose(items, **_values(context, options))
        return items[choose(range(len(items)), key=keys.__getitem__)]

    return evaluate


def _values(context: Context, options: dict[str, Evaluate]) -> dict[str, Any]:
    return {name: value(context) for name, value in options.items()}


def _counted(context: Context, values: Iterable[Any]) -> Iterable[Any]:
    for value in values:
        context.spend(1)
        yield value


def _of_kind(value: Evaluate, kinds: ast.expr) -> Evaluate | None:
    named = kinds.elts if isinstance(kinds, ast.Tuple) else [kinds]
    wanted = tuple(_KINDS[kind.id] for kind in named if isinstance(kind, ast.Name) and kind.id in _KINDS)
    return (lambda context: isinstance(value(context), wanted)) if len(wanted) == len(named) else None
