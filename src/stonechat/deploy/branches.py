"""The branches of a template, each tried with the engine as calls would reach it.

For every parameter that a condition reads, calls with and without it are composed, and with each value that it is
compared with. A call that the template refuses is fine. One whose SQL no call can save is a branch that is broken: it
fails whether all other parameters are given or none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from stonechat.datafile.resources import Node, Pipe
from stonechat.deploy.placeholders import says_nothing, what_fails
from stonechat.engine.contract import EngineFailure
from stonechat.errors import StonechatError
from stonechat.project.composition import Composed, compose_pipe
from stonechat.project.model import Project
from stonechat.project.parameters import likely_value
from stonechat.template.casts import dummy_text
from stonechat.template.choices import choices
from stonechat.template.errors import ParameterMissing
from stonechat.template.parameters import Parameter

MOST_CALLS = 60
"""How many calls of one node are tried at most."""
_SYNTAX_ERROR, _UNKNOWN_FUNCTION, _UNKNOWN_IDENTIFIER, _UNKNOWN_TABLE = 62, 46, 47, 60
# Those that no value of a parameter can mend.
_OF_STATEMENTS = frozenset({_SYNTAX_ERROR, _UNKNOWN_FUNCTION, _UNKNOWN_IDENTIFIER, _UNKNOWN_TABLE})

Try = Callable[[Composed], EngineFailure | None]
"""Asks the engine for a plan of a statement."""


@dataclass(frozen=True, slots=True)
class BrokenBranch:
    """A call whose SQL is wrong: its `failure`, its SQL, its `values`, which of them does it, and where that is read.

    `line` is counted from 1, in the node's SQL. `by_absence`: it is wrong for want of a parameter, which a caller may
    always give.
    """

    failure: EngineFailure
    sql: str
    values: Mapping[str, str]
    told: str
    line: int
    by_absence: bool


class Branches:
    """The branches of one node. `known` has what came of statements that were tried before, by their text."""

    def __init__(
        self, project: Project, pipe: Pipe, node: Node, attempt: Try, known: Mapping[str, EngineFailure | None]
    ) -> None:
        self._project = project
        self._pipe = pipe
        self._node = node
        self._attempt = attempt
        self._known = known
        self._failures: dict[str, EngineFailure | None] = {}
        self._compositions: dict[frozenset[tuple[str, str]], tuple[Composed, Mapping[str, str]] | None] = {}
        self._left = MOST_CALLS

    def broken(self) -> Iterator[BrokenBranch]:
        """Each failure once, with the first call that leads to it."""
        found: dict[str, BrokenBranch] = {}
        for name, choice in choices(self._project.template(self._pipe, self._node)).items():
            others = {key: value for key, value in self._given.items() if key != name}
            switches = self._switches(name) if choice.by_value else ()
            for value in (None, self._given.get(name, dummy_text("String")), *choice.values, *switches):
                given = {} if value is None else {name: value}
                # The call with every parameter is the same for all of them: mostly it spares the one with this alone.
                if others | given == self._given and self._failing(self._given) is None:
                    continue
                first = self._failing(given)
                if first is None or self._failing(others | given) is None:
                    continue
                failure, sql, call = first
                told = _told(name, value, compared=value in (*choice.values, *switches))
                found.setdefault(failure.message, BrokenBranch(failure, sql, call, told, choice.line, value is None))
        # Where no call at all has a plan, it is not for the branches.
        return iter(found.values() if None in self._failures.values() else ())

    def _switches(self, name: str) -> tuple[str, ...]:
        """What a number or a Boolean may be where it is a condition by itself."""
        kind = self._parameters[name].type if name in self._parameters else "String"
        return ("0", "1") if kind == "Boolean" or "Int" in kind else ()

    @cached_property
    def _given(self) -> Mapping[str, str]:
        """A value for each parameter."""
        return {name: likely_value(parameter) for name, parameter in self._parameters.items()}

    @cached_property
    def _parameters(self) -> Mapping[str, Parameter]:
        """The parameters of the node and of what it reads."""
        found: dict[str, Parameter] = {}
        for key in self._project.lineage.statement_nodes(self._pipe.name, self._node.name):
            for parameter in self._project.templates[key].parameters:
                known = found.get(parameter.name)
                if known is None or (known.used_in and not parameter.used_in):
                    found[parameter.name] = parameter
        return found

    def _failing(self, values: Mapping[str, str]) -> tuple[EngineFailure, str, Mapping[str, str]] | None:
        """Why a call's SQL is wrong whatever its values are, that SQL, and all that the call was given."""
        key = frozenset(values.items())
        if key not in self._compositions:
            self._compositions[key] = self._composed(values)
        call = self._compositions[key]
        if call is None:
            return None
        composed, given = call
        if composed.sql in self._known:
            self._failures[composed.sql] = self._known[composed.sql]
        if composed.sql not in self._failures:
            if self._left <= 0:
                return None
            self._left -= 1
            self._failures[composed.sql] = self._attempt(composed)
        failure = self._failures[composed.sql]
        if failure is None or failure.number not in _OF_STATEMENTS or says_nothing(failure, composed, self._pipe):
            return None
        if _names_a_value(failure, self._given):
            return None
        return failure, composed.sql, given

    def _composed(self, values: Mapping[str, str]) -> tuple[Composed, Mapping[str, str]] | None:
        """A call's statement, and its values with what it cannot do without; None where the template refuses it."""
        given = dict(values)
        while True:
            try:
                return compose_pipe(self._project, self._pipe, given, node=self._node), given
            except ParameterMissing as error:
                asked = [name for name in error.names if name not in given]
                if not asked:
                    return None
                given |= {name: self._given.get(name, dummy_text("String")) for name in asked}
            except StonechatError:
                return None


def _names_a_value(failure: EngineFailure, given: Mapping[str, str]) -> bool:
    """Whether the failure is about a value that a call would not have, such as the name of a column."""
    about = what_fails(failure)
    return any(f"`{value}`" in about or f"'{value}'" in about for value in given.values())


def _told(name: str, value: str | None, *, compared: bool) -> str:
    if value is None:
        return f"'{name}' is not given"
    return f"'{name}' is '{value}'" if compared else f"'{name}' is given"
