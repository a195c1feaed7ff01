"""Compositions that go the way of earlier ones: the statement is known, and only its values are new.

Calls of an endpoint mostly differ in values alone. To render every node, to look through what came of it for the names
of others and to put all of it together costs as much again for each of them; here only the expressions are evaluated
that the templates came to, in the same order, and what they print is put where it stood. A call for which any of them
ends in another way than before is composed from the beginning.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from stonechat.datafile.resources import Pipe
from stonechat.errors import StonechatError
from stonechat.project.composition import Composed, Composer, Values
from stonechat.project.model import Project
from stonechat.project.service_data_sources import NAMESPACE
from stonechat.sql.skeletons import remember_skeleton, skeleton
from stonechat.template.render import Rendered, Template
from stonechat.template.traces import Trace, split_at_marks
from stonechat.template.ways import AnotherWay, Way, joined

_MOST_PLANS = 8
_PATIENCE = 20
"""Calls in a row that none of a pipe's plans is right for, after which as many go by without a new one being made."""
# What stands before a string or behind it, and makes nothing else of it: letters, digits and other quotes would.
_BEFORE = re.compile(r"(?:.*[\s(\[,=<>+*/%-])?'", re.DOTALL)
_BEHIND = re.compile(r"'(?:[\s)\],=<>+*/%;-].*)?", re.DOTALL)


class Gaps(NamedTuple):
    """A text with gaps: `pieces` are what stands around them, and `numbers` those of the values that fill them."""

    pieces: tuple[str, ...]
    numbers: tuple[int, ...]

    @classmethod
    def of(cls, marked: str) -> Gaps:
        """Those of a text with marks in their places."""
        parts = split_at_marks(marked)
        return cls(tuple(parts[::2]), tuple(map(int, parts[1::2])))

    def filled(self, printed: Sequence[str]) -> str:
        """The whole text."""
        parts = [self.pieces[0]]
        for number, piece in zip(self.numbers, self.pieces[1:], strict=True):
            parts += printed[number], piece
        return "".join(parts)


@dataclass(frozen=True, eq=False, slots=True)
class Plan:
    """The statement of a pipe with gaps, as `marked` and apart.

    `composed` is one that was made of it, and `skeleton` that of all of them. `known` is what those who run statements
    have found out about these, by the formats of their answers: it lasts as long as the plan.
    """

    ways: tuple[Way, ...]
    marked: str
    gaps: Gaps
    composed: Composed
    skeleton: str
    words: re.Pattern[str]
    known: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, project: Project, pipe: Pipe, values: Values) -> Plan | None:
        """The plan by which calls like this one are composed, if there is one. Raises what `compose_pipe` does."""
        traces: list[Trace | None] = []

        def render(template: Template, _owner: Pipe) -> Rendered:
            rendered, trace = template.traced(values, project.secrets)
            traces.append(trace)
            return rendered

        composed = Composer(project, render).pipe(pipe)
        whole = [trace for trace in traces if trace is not None]
        if len(whole) < len(traces) or "\1" in composed.sql:
            return None
        marked = Composer(project, _marking(iter(whole))).pipe(pipe).sql
        gaps = Gaps.of(marked)
        ways = joined(trace.way for trace in whole)
        plan = cls(ways, marked, gaps, composed, skeleton(marked), _words(project))
        alone = all(map(_BEFORE.fullmatch, gaps.pieces[:-1])) and all(map(_BEHIND.fullmatch, gaps.pieces[1:]))
        if "\1" in plan.skeleton or not alone:
            return None
        return plan if plan.compose(project, values) == composed else None

    def compose(self, project: Project, values: Values) -> Composed | None:
        """The statement for other values; None where it would be another."""
        found = self.printed(project, values)
        return None if found is None else self.filled(*found)

    def printed(self, project: Project, values: Values) -> tuple[list[str], set[str]] | None:
        """What stands in the gaps for other values, and the parameters that were read; None as `compose`."""
        used: set[str] = set()
        printed: list[str] = []
        try:
            for way in self.ways:
                printed += way.follow(values, project.secrets, used)
        except AnotherWay:
            return None
        return None if self.words.search("".join(printed)) else (printed, used)

    def filled(self, printed: Sequence[str], used: Iterable[str]) -> Composed:
        """The statement with this in its gaps."""
        sql = self.gaps.filled(printed)
        remember_skeleton(sql, self.skeleton)
        return replace(self.composed, sql=sql, used=frozenset(used))


class Found(NamedTuple):
    """How a call is composed: by a plan, with what stands in its gaps. `used` are the parameters that were read."""

    plan: Plan
    printed: Sequence[str]
    used: AbstractSet[str]


class _Known:
    """What is known of one pipe: its plans, those that are right most often first, and how often none was of late."""

    __slots__ = ("failures", "plans")

    def __init__(self) -> None:
        self.plans: list[Plan] = []
        self.failures = 0


class Plans:
    """The plans of a project's pipes. One event loop's own."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._known: dict[str, _Known] = defaultdict(_Known)

    def compose(self, pipe: Pipe, values: Values) -> Composed | None:
        """What `compose_pipe` makes of a call, if an earlier one shows how."""
        found = self.find(pipe, values)
        return None if found is None else found.plan.filled(found.printed, found.used)

    def find(self, pipe: Pipe, values: Values) -> Found | None:
        """The plan that a call goes by, and what it fills its gaps with."""
        known = self._known[pipe.name]
        for place, plan in enumerate(known.plans):
            found = plan.printed(self._project, values)
            if found is not None:
                known.failures = 0
                if place:
                    known.plans[place - 1 : place + 1] = plan, known.plans[place - 1]
                return Found(plan, *found)
        return None

    def learn(self, pipe: Pipe, values: Values) -> None:
        """Find out how calls like this one are composed.

        A plan takes the place of the one that was right least often, and has to be right itself to get a better one: so
        calls that come once drive out none by which others go. Where they are all that comes, few are tried.
        """
        known = self._known[pipe.name]
        known.failures += 1
        if known.failures > _PATIENCE and known.failures % _PATIENCE:
            return
        try:
            plan = Plan.of(self._project, pipe, values)
        except StonechatError:
            return  # a secret may be gone meanwhile
        if plan is not None:
            known.plans[_MOST_PLANS - 1 :] = [plan]


def _words(project: Project) -> re.Pattern[str]:
    """What may not be in a value: a name there counts as one that is read, and a word as one of the statement's."""
    shared = (word for name in project.shared for word in name.split("."))
    return re.compile("|".join(["(?i:with)", *map(re.escape, (*project.data_sources, *shared, NAMESPACE))]))


def _marking(traces: Iterator[Trace]) -> Callable[[Template, Pipe], Rendered]:
    """Renders the text of each trace in turn, with marks in the places of its values."""
    marks = 0

    def render(_template: Template, _owner: Pipe) -> Rendered:
        nonlocal marks
        trace = next(traces)
        first, marks = marks, marks + len(trace.texts) - 1
        return Rendered(trace.marked(first))

    return render
