"""What a trace makes of other values is what rendering them from the beginning makes, or nothing."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import partial

import pytest
from tests.fuzz.fuzz_templates import mutated
from tests.fuzz.running import fuzz

from stonechat.template.casts import CASTS
from stonechat.template.errors import TemplateError, TemplateTooCostly
from stonechat.template.render import Template
from stonechat.template.ways import AnotherWay

_NAMES = ("a", "b", "c", "x", "y", "job_timestamp")
_VARIABLES = ("v", "w")
_LITERALS = (
    *("'q'", "''", "'it\\'s'", "'\\\\'", '"d"', "'5'", "'u,v'", "'2024-01-02'", "'2024-01-02 00:00:00'", "'\u00e9'"),
    *("0", "5", "-3", "1.5", "1e300", "-0.0", "0x10", "True", "False", "None", "9" * 30, "'" + "l" * 1100 + "'"),
)
_TEXTS = (
    *("", "a", "q", "u,v", "5", "-3", "+7", "007", "1.5", "1e5", "nan", "inf", "-0", "1_0", "99999999999", "9" * 101),
    *(
        "true",
        "false",
        "0",
        "1",
        "it's",
        "''",
        "\\",
        "\\'",
        "\0",
        "\1",
        "\x010\x01",
        "--",
        "é",
        "\u2018",
        "\ud800",
        "٣",
    ),
    *("2024-01-02", "2024-01-02\n", "2024-01-02 00:00:00", "2024-01-02T00:00:00.123x", "02/01/2024 1:2:3", " 5", "5 "),
    *("l" * 64, "l" * 1000, "l" * 1001, "l" * 3_000),
)
_TYPES = tuple(sorted(CASTS))

_CALLS = 6

Call = dict[str, str | list[str]]
Case = tuple[str, Sequence[Call]]


class _Author:
    """Writes templates in which few names stand for much."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance

    def template(self) -> str:
        return "%\nSELECT " + "".join(self._tag(3) for _ in range(self._chance.randint(1, 5)))

    def _name(self, variables: float = 0.2) -> str:
        if self._chance.random() < variables:
            return self._chance.choice(_VARIABLES)
        return self._chance.choice(_NAMES[: 5 if self._chance.random() < 0.95 else None])

    def _tag(self, depth: int) -> str:
        tag = self._chance.random()
        if tag < 0.1:
            return self._assigned(self._chance.choice(_VARIABLES))
        if tag < 0.55 or not depth:
            before, behind = self._chance.choice(
                [("", " "), (" -", ", "), ("(", ")"), ("x", "x"), ("'", "'"), ("-- ", "\n")]
            )
            if self._chance.random() < 0.8:
                before, behind = " ", " ,"
            return f"{before}{{{{{self._expression(2, output=True)}}}}}{behind}"
        if tag < 0.75:
            target = self._name(0.7) if self._chance.random() < 0.9 else f"{self._name()}, {self._name()}"
            operator = self._chance.choice(["="] * 6 + ["+="])
            return f"{{% set {target} {operator} {self._expression(2)} %}}"
        body = "".join(self._tag(depth - 1) for _ in range(self._chance.randint(1, 2)))
        if tag < 0.95:
            otherwise = f"{{% else %}}{self._tag(depth - 1)}" if self._chance.random() < 0.4 else ""
            return f"{{% if {self._expression(2)} %}} p {body}{otherwise}{{% end %}}"
        if tag < 0.98:
            return f"{{% for {self._name()} in {self._expression(1)} %}}{body}{{% end %}}"
        return f"{{% try %}}{body}{{% except Exception %}}{self._tag(depth - 1)}{{% end %}}"

    def _assigned(self, variable: str) -> str:
        """A variable that is read by itself and together with another name, and may be set again."""
        alone = f" {{{{{variable}}}}} ," if self._chance.random() < 0.7 else f"{{% if {variable} %}} p {{% end %}}"
        together = self._chance.choice(
            [
                f" {{{{ [{variable}, {self._typed()}] }}}} ,",
                f"{{% set {variable} = {self._typed()} %}} {{{{ {variable} }}}} ,",
            ]
        )
        return f"{{% set {variable} = {self._typed()} %}}{alone}{together}"

    def _typed(self) -> str:
        name, kind = self._name(), self._chance.choice(_TYPES)
        form = self._chance.random()
        default = self._chance.choice(_LITERALS)
        if form < 0.25:
            return f"{kind}({name})"
        if form < 0.65:
            return f"{kind}({name}, {default})"
        if form < 0.8:
            return f"{kind}({name}, default={default}, description='x', required=True)"
        if form < 0.85:
            return f"{kind}({name}, {default}, {self._chance.choice(['True', 'False', 'None'])})"
        return f"Array({name}, '{kind}', {default})"

    def _expression(self, depth: int, *, output: bool = False) -> str:
        below = partial(self._expression, depth - 1, output=output)
        simple: list[Callable[[], str]] = [self._name, self._typed, self._typed, lambda: f"defined({self._name()})"]
        simple += [lambda: self._chance.choice(_LITERALS)]
        if not depth or self._chance.random() < 0.4:
            make = self._chance.choice(simple)
            return make()
        both: list[Callable[[], str]] = [
            lambda: f"{below()} if {below()} else {below()}",
            lambda: f"({below()} + {below()})",
            lambda: f"{self._name()}[1:]",
            lambda: f"split_to_array({self._name()}, 'u,v')",
            lambda: f"sql_and({self._name()}={below()}, {self._name()}__in={below()})",
            lambda: f"[{below()}, {below()}]",
            lambda: f"len({below()})",
        ]
        inside: list[Callable[[], str]] = [
            lambda: f"({self._name()} := {below()})",
            lambda: f"({below()} or {below()})",
            lambda: f"({below()} and {below()})",
            lambda: f"not {below()}",
            lambda: f"({below()} == {below()})",
            lambda: f"({self._name()} in ('q', '5', ''))",
            lambda: f"[{below()} for {self._name()} in {below()} if {below()}]",
            lambda: f"len([1 for {self._name()} in split_to_array({self._name()}, 'u,v')])",
            lambda: f"map(lambda {self._name()}: {below()}, {below()})",
            lambda: f"{self._name()}.append({below()})",
            lambda: f"f'{{{self._name()}}}'",
        ]
        make = self._chance.choice(both if output else [*both, *inside])
        return make()


def _written(chance: random.Random) -> Case:
    return _Author(chance).template(), _calls(chance, [{}], _NAMES[:5])


def _mutated(chance: random.Random) -> Case:
    template, values = mutated(chance)
    # What the clock tells is not the same twice.
    return template.replace("job_timestamp", "x"), _calls(chance, [values], sorted(values) or ["x"])


def _calls(chance: random.Random, first: Sequence[Call], names: Sequence[str]) -> Sequence[Call]:
    """Calls that have much in common with earlier ones."""
    several = [*first]
    while len(several) < _CALLS:
        call = {**chance.choice(several)}
        for name in chance.sample(names, min(len(names), chance.choice([1, 1, 2, 3]))):
            call.pop(name, None)
            if chance.random() < 0.8:
                call[name] = _value(chance)
        several.append(call)
    return several


def _value(chance: random.Random) -> str | list[str]:
    if chance.random() < 0.1:
        return [chance.choice(_TEXTS) for _ in range(chance.randrange(3))]
    return chance.choice(_TEXTS[: 12 if chance.random() < 0.6 else None])


@pytest.mark.parametrize("make", [_written, _mutated])
def test_a_trace_makes_of_other_values_what_a_rendering_does(make: Callable[[random.Random], Case]) -> None:
    followed = 0

    def check(case: Case) -> None:
        nonlocal followed
        followed += _check(case)

    fuzz(make, check, inputs_at_once=_CALLS)
    assert followed


def _check(case: Case) -> int:
    """How many calls went the way of another."""
    sql, several = case
    try:
        template = Template.compile(sql, name="node")
    except TemplateError:
        return 0
    try:
        template.render(several[0])
    except TemplateTooCostly:
        return 0  # rendered for all of them, it would take too long
    except TemplateError:
        pass
    return sum(_follows(template, first, several) for first in several)


def _follows(template: Template, first: Call, several: Sequence[Call]) -> int:
    rendered = _rendered(template, first)
    try:
        traced, trace = template.traced(first, {})
    except TemplateError:
        assert rendered is None
        return 0
    if "job_timestamp" in traced.used and "job_timestamp" not in first:
        return 0
    assert rendered == (traced.sql, traced.used)
    if trace is None:
        return 0
    followed = 0
    for values in several:
        used: set[str] = set()
        try:
            strings = trace.way.follow(values, {}, used)
        except AnotherWay:
            continue
        sql = trace.texts[0] + "".join(map("".join, zip(strings, trace.texts[1:], strict=True)))
        expected = _rendered(template, values)
        assert expected is not None, (first, values)
        assert sql == expected[0], (first, values)
        assert used >= expected[1], (first, values)
        followed += values != first
    return followed


def _rendered(template: Template, values: Call) -> tuple[str, frozenset[str]] | None:
    try:
        rendered = template.render(values)
    except TemplateError:
        return None
    return rendered.sql, rendered.used
