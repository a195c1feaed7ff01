"""What one rendering of a template carries: values, output, what was asked for, and how much work is left."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Protocol

from stonechat.template.errors import ParameterMissing, TemplateTooCostly
from stonechat.template.values import Placeholder, PlaceholderList

MAX_WORK = 1_000_000
MAX_TEXT = 1_000_000
MAX_ITEMS = 100_000
MAX_BITS = 2_048

Value = str | Sequence[str]
FREE = 64
"""Characters that a text has to have before it takes anything off the budget."""
_CONTAINERS = (list, tuple, dict, set, frozenset)
_PLACEHOLDERS = (Placeholder, PlaceholderList)


class Deed(Enum):
    """What is done with an expression."""

    SET = "set"
    TEST = "test"
    PRINT = "print"


Evaluate = Callable[["Context"], Any]
Outcome = bool | str | None


class Tracer(Protocol):
    """Hears of a rendering what it evaluates."""

    def note(self, deed: Deed, evaluate: Evaluate, outcome: Outcome = None, piece: int | None = None) -> None:
        """An expression was evaluated: what came of it, and where in the output that stands, if anywhere."""
        ...


@dataclass(frozen=True, slots=True)
class Request:
    """What a template is rendered with.

    `names` are the parameters that it may read, `lists` those that arrive as `a,b,c` or repeated and become lists.
    `dummies` stand in for missing values while a template is checked; None when it is rendered for an answer. `defines`
    says whether they count as given.
    """

    values: Mapping[str, Value]
    names: frozenset[str]
    lists: frozenset[str]
    secrets: Mapping[str, str] = field(default_factory=dict)
    now: datetime | None = None
    dummies: Mapping[str, object] | None = None
    defines: bool = True


class Context(dict[str, object]):
    """The variables of one rendering, read from the request when they are first named, with its output and its budget.

    Work is counted in expression nodes evaluated inside of loops, and in blocks of 64 characters or elements made.
    """

    __slots__ = (
        "_measured",
        "aborted",
        "bound",
        "cache_ttl",
        "comments",
        "guards",
        "line",
        "missing",
        "out",
        "request",
        "settings",
        "tracer",
        "used",
        "work",
    )

    def __init__(self, request: Request) -> None:
        super().__init__()
        self.request = request
        self.out: list[str] = []
        self.comments: set[str] = set()
        self.bound: dict[str, str] = {}
        self.settings: dict[str, str] = {}
        self.cache_ttl: float | None = None
        self.used: set[str] = set()
        self.missing: dict[str, int] = {}
        self.aborted = False
        self.guards = 0
        self.line = 1
        self.work = MAX_WORK
        self._measured = 0
        #: There while somebody wants to know what is evaluated, and that can be told as a list.
        self.tracer: Tracer | None = None

    def __missing__(self, name: str) -> object:
        value = self._parameter(name) if name in self.request.names else None
        self[name] = value
        return value

    def _parameter(self, name: str) -> object:
        self.used.add(name)
        value = self.request.values.get(name)
        if not value and value != "":
            return self._absent(name)
        if not isinstance(value, str):
            if name in self.request.lists:
                return list(value)
            # Of repeated keys the last one counts, as in the query strings of most servers.
            value = value[-1]
        return value.split(",") if name in self.request.lists else value

    def _absent(self, name: str) -> object:
        if name == "job_timestamp":
            return f"{self.request.now or datetime.now(UTC):%Y-%m-%d %H:%M:%S}"
        if self.request.dummies is None:
            return None
        dummy = self.request.dummies.get(name, "")
        return PlaceholderList(dummy) if isinstance(dummy, PlaceholderList) else dummy

    @property
    def checking(self) -> bool:
        """Whether the template is only checked, with placeholders for missing values."""
        return self.request.dummies is not None

    def require(self, name: str) -> None:
        """Note a parameter without value and default; rendering goes on with a dummy so that one error names them all.

        Inside of `{% try %}` the failure is raised at once, for the template to handle.
        """
        if self.guards:
            raise ParameterMissing([name])
        self.missing.setdefault(name, self.line)

    def spend(self, work: int) -> None:
        """Take from the budget. Raises `TemplateTooCostly` when it is used up."""
        self.work -= work
        if self.work < 0:
            raise TemplateTooCostly("the template takes too many steps")

    def measure(self) -> None:
        """Take what was printed since the last time from the budget."""
        printed = sum(map(len, self.out[self._measured :]))
        self._measured = len(self.out)
        self.spend(printed >> 4)

    def charge(self, value: object) -> None:
        """Take what it costs to read a text or a list through off the budget."""
        if isinstance(value, str):
            if len(value) > FREE:
                self.spend(len(value) >> 4)
        elif isinstance(value, _CONTAINERS):
            self.spend(len(value))

    def bound_size(self, value: object) -> object:
        """The value, unless it is too large a text, container or number. Its size comes off the budget."""
        if isinstance(value, str):
            self.claim(len(value), MAX_TEXT, "characters")
        elif isinstance(value, _CONTAINERS):
            self.claim(len(value), MAX_ITEMS, "elements")
            self.spend(len(value) >> 4)
        elif isinstance(value, int) and value.bit_length() > MAX_BITS:
            raise TemplateTooCostly(f"a number has more than {MAX_BITS} bits")
        return value

    def claim(self, size: int, limit: int, unit: str) -> None:
        """Take the size of what is to be made off the budget. Raises `TemplateTooCostly` when it is over the limit."""
        if size > limit:
            raise TemplateTooCostly(f"a value has more than {limit} {unit}")
        self.spend(size >> 6)

    def bound_depth(self, value: object) -> None:
        """Refuse a container with too many elements or characters, on all levels, to compare, hash or print."""
        if not isinstance(value, _CONTAINERS):
            return
        pending: list[object] = [value]
        elements, characters = 0, 0
        while pending:
            container = pending.pop()
            if not isinstance(container, _CONTAINERS):
                continue
            items = list(container)
            if isinstance(container, dict):
                items += container.values()
            elements += len(items)
            characters += sum(len(item) for item in items if isinstance(item, str))
            if elements > MAX_ITEMS or characters > MAX_TEXT:
                raise TemplateTooCostly(f"a value has more than {MAX_ITEMS} elements or {MAX_TEXT} characters")
            pending += [item for item in items if isinstance(item, _CONTAINERS)]
        self.spend((elements >> 2) + (characters >> 6))


def is_placeholder(value: object) -> bool:
    """Whether a value stands for a missing one."""
    return isinstance(value, _PLACEHOLDERS)
