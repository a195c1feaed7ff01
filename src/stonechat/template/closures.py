"""The closures that expressions are compiled to, where a lambda does not say enough."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from stonechat.template.context import FREE, MAX_TEXT, Context
from stonechat.template.values import PlaceholderList

Evaluate = Callable[[Context], Any]
"""An expression: its value in a rendering."""
Bind = Callable[[Context, Any], None]
"""A target: takes a value."""
Walk = Callable[[Context], Iterator[None]]
"""The loops of a comprehension: yields once for each element, with the variables bound."""


def nothing(_context: Context) -> None:
    """The value of a bound that a slice does not have."""


def hashable(context: Context, key: object) -> object:
    """A key, unless hashing it would take long."""
    context.bound_depth(key)
    return key


def calling(call: Callable[..., object], arguments: list[Evaluate], options: dict[str, Evaluate]) -> Evaluate:
    """A call, in the form that costs least for its number of arguments: most have one or two."""
    if options:
        return lambda context: call(
            context,
            *[argument(context) for argument in arguments],
            **{name: value(context) for name, value in options.items()},
        )
    match arguments:
        case [one]:
            return lambda context: call(context, one(context))
        case [one, two]:
            return lambda context: call(context, one(context), two(context))
    return lambda context: call(context, *[argument(context) for argument in arguments])


def sliced(container: Evaluate, index: Evaluate) -> Evaluate:
    """`container[1:2]`, within the bound of sizes."""

    def evaluate(context: Context) -> Any:
        part = container(context)[index(context)]
        return part if isinstance(part, str) and len(part) < FREE else context.bound_size(part)

    return evaluate


def sliced_as_written(container: Evaluate, written: slice) -> Evaluate:
    """The same with bounds that are written out in the template."""

    def evaluate(context: Context) -> Any:
        part = container(context)[written]
        return part if isinstance(part, str) and len(part) < FREE else context.bound_size(part)

    return evaluate


def compared(first: Evaluate, operation: Callable[[Any, Any], object], written: tuple[object, ...]) -> Evaluate:
    """`first in ('a', 'b')`: a comparison with what is written out in the template, which needs no bound."""

    def evaluate(context: Context) -> object:
        left = first(context)
        if not isinstance(left, str) or len(left) >= FREE:
            bound_operand(context, left)
        return operation(left, written)

    return evaluate


def bound_operand(context: Context, value: object) -> None:
    """What is compared is read through, at worst as a text within another. Of a short text that costs nothing."""
    if not isinstance(value, str):
        context.bound_depth(value)
    elif len(value) >= FREE:
        context.claim(len(value), MAX_TEXT, "characters")


def assign_name(name: str) -> Bind:
    """Bind a variable."""

    def bind(context: Context, value: Any) -> None:
        context[name] = value

    return bind


def bound(name: str, value: Evaluate) -> Evaluate:
    """`(name := value)`: a value that is bound to a name as well."""

    def evaluate(context: Context) -> Any:
        context[name] = result = value(context)
        return result

    return evaluate


def assign_item(container: Evaluate, index: Evaluate) -> Bind:
    """Bind an element of a list or dictionary."""

    def bind(context: Context, value: Any) -> None:
        changed = container(context)
        changed[hashable(context, index(context))] = value
        context.bound_size(changed)

    return bind


def unpack(targets: list[Bind]) -> Bind:
    """Bind several targets to the elements of one value."""

    def bind(context: Context, value: Any) -> None:
        values = [value[0]] * len(targets) if isinstance(value, PlaceholderList) else list(value)
        if len(values) != len(targets):
            raise ValueError(f"{len(values)} values can not be assigned to {len(targets)} names")
        for target, item in zip(targets, values, strict=True):
            target(context, item)

    return bind


def once(_context: Context) -> Iterator[None]:
    """The innermost loop of a comprehension: its element."""
    yield


def loop(bind: Bind, iterable: Evaluate, tests: list[Evaluate], inner: Walk, weight: int) -> Walk:
    """One `for ... in ... if ...` of a comprehension around the `inner` ones; each turn costs `weight`."""

    def walk(context: Context) -> Iterator[None]:
        for value in iterable(context):
            context.spend(weight)
            bind(context, value)
            if all(test(context) for test in tests):
                yield from inner(context)

    return walk


def scoped(names: frozenset[str], walk: Walk) -> Walk:
    """A comprehension's variables end with it: what they shadowed comes back."""

    def run(context: Context) -> Iterator[None]:
        shadowed = {name: context[name] for name in names if dict.__contains__(context, name)}
        yield from walk(context)
        for name in names:
            context.pop(name, None)
        context.update(shadowed)

    return run
