"""The way of a rendering: the expressions that it came to, in order, and what came of each.

Followed for other values it is a rendering's cheapest part: they may end the same way but for what stands in strings
that are printed. Where all of them are parameters of a type, or whether one is defined, nothing is rendered: what they
print is made of the values alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from stonechat.template.context import Context, Deed, Evaluate, Outcome, Request, Value
from stonechat.template.readings import Presence, TypedReading

QUOTE = "'"
UNSAFE = re.compile(r"[\\\0\1]")
"""What may not be in a string for this: the end of it would be another, or it would pass for a mark."""
_NO_VALUE = object()


class AnotherWay(Exception):
    """A rendering for these values goes another way; or fails, and rendering them from the beginning says why."""


@dataclass(slots=True)
class Latest:
    """What a reading was last followed for, and the strings that it printed. Most callers have few values for most."""

    value: object = _NO_VALUE
    strings: tuple[str, ...] = ()


class Step(NamedTuple):
    """An expression, and its outcome: as a list what is printed around strings.

    `reading` is there where it tells its outcome from the values of a request alone.
    """

    deed: Deed
    evaluate: Evaluate
    outcome: Outcome | list[str]
    reading: TypedReading | Presence | None
    latest: Latest


@dataclass(frozen=True, slots=True)
class Way:
    """The steps of a rendering. One thread at a time follows them.

    `absent` are parameters that no call which goes this way may have, read for nothing but to find them absent, and
    `reads` all that are read without a rendering, these among them. `names` and `lists` are those of `Request`.
    """

    steps: tuple[Step, ...]
    absent: frozenset[str]
    names: frozenset[str]
    lists: frozenset[str]
    reads: frozenset[str] = field(init=False)
    evaluates: bool = field(init=False)
    """Whether any step has to be rendered."""

    def __post_init__(self) -> None:
        reads = self.absent.union(step.reading.name for step in self.steps if step.reading is not None)
        object.__setattr__(self, "reads", reads)
        object.__setattr__(self, "evaluates", any(step.reading is None for step in self.steps))

    def follow(self, values: Mapping[str, Value], secrets: Mapping[str, str], used: set[str]) -> list[str]:
        """What stands in the strings of a rendering, in order; adds the parameters that it reads. Raises `AnotherWay`.

        Any failure is another way: rendering from the beginning says what it is.
        """
        if not self.absent.isdisjoint(values):
            raise AnotherWay
        strings: list[str] = []
        context = Context(Request(values, self.names, self.lists, secrets)) if self.evaluates else None
        try:
            same = self._is_the_same(values, context, strings)
        except Exception as error:
            raise AnotherWay from error
        if not same:
            raise AnotherWay
        used |= self.reads
        if context is not None:
            if context.missing or leaves_more_than_text(context):
                raise AnotherWay
            used |= context.used
        return strings

    def _is_the_same(self, values: Mapping[str, Value], context: Context | None, strings: list[str]) -> bool:
        for deed, evaluate, outcome, reading, latest in self.steps:
            value: object = None
            if reading is None:
                result = evaluate(context)  # type: ignore[arg-type]  # there is one where any step has no reading
                if deed is Deed.TEST:
                    result = bool(result)
            elif isinstance(reading, Presence):
                value = values.get(reading.name)
                if value is not None and not isinstance(value, str):
                    return False
                result = value is not None
            else:
                value = values.get(reading.name)
                if value == latest.value:
                    strings += latest.strings
                    continue
                result = reading.printed(values)
                if result is None:
                    return False
            printed: tuple[str, ...] = ()
            if isinstance(outcome, list):
                parts = result.split(QUOTE)
                if parts[::2] != outcome or UNSAFE.search(result):
                    return False
                printed = tuple(parts[1::2])
                strings += printed
            elif deed is not Deed.SET and result != outcome:
                return False
            if isinstance(reading, TypedReading):
                latest.value, latest.strings = value, printed
        return True


def joined(ways: Iterable[Way]) -> tuple[Way, ...]:
    """Ways to be followed one after the other, for what that tells: as one unless two of them have to be rendered."""
    whole: list[Way] = []
    for way in ways:
        if whole and not (way.evaluates and whole[-1].evaluates):
            last = whole[-1]
            rendered = way if way.evaluates else last
            whole[-1] = replace(rendered, steps=last.steps + way.steps, absent=last.absent | way.absent)
        else:
            whole.append(way)
    return tuple(whole)


def leaves_more_than_text(context: Context) -> bool:
    """Whether a rendering has come to more than its text."""
    return bool(
        context.bound or context.comments or context.settings or context.aborted or context.cache_ttl is not None
    )
