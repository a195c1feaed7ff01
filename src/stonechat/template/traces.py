"""Renderings that go the way of an earlier one: only what may come out differently is evaluated, the rest is known.

A trace has the expressions that a rendering came to, in order, and what came of each: how a condition ended, what was
printed. Evaluated for other values, they may end the same way but for what stands in strings that are printed. Then the
text is that of the earlier rendering with other strings, and nobody who reads SQL takes it for a statement of another
shape: they stand where the earlier strings stood, and nothing in them could end them early.

Expressions that read nothing but parameters which the call does not have come out as they did. Where all others are
parameters of a type, or whether one is defined, nothing is rendered: what they print is made of the values alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from stonechat.template.context import Context, Deed, Evaluate, Outcome, Request, Value
from stonechat.template.printing import Printing
from stonechat.template.readings import Presence, TypedReading

_QUOTE = "'"
_UNSAFE = re.compile(r"[\\\0\1]")
_MARK = re.compile("\1(\\d+)\1")
#: Filled with the present when a call does not have it.
_CLOCK = "job_timestamp"
_UNCHANGEABLE = (str, int, float, type(None))


class AnotherWay(Exception):
    """A rendering for these values goes another way; or fails, and rendering them from the beginning says why."""


_Around = Outcome | list[str]
_Step = tuple[Deed, Evaluate, _Around]


@dataclass(frozen=True, slots=True)
class _Shortcut:
    """Steps of a trace, all of which tell their outcomes from the values alone, and the parameters that they read."""

    steps: tuple[tuple[TypedReading | Presence, _Around], ...]
    reads: frozenset[str]

    @classmethod
    def of(cls, steps: Sequence[_Step], plain: frozenset[str]) -> _Shortcut | None:
        """That of a trace, if it has one; `plain` are the parameters that come out as the call has them."""
        found: list[tuple[TypedReading | Presence, _Around]] = []
        for deed, evaluate, outcome in steps:
            if isinstance(evaluate, Printing) and isinstance(evaluate.evaluate, TypedReading):
                if evaluate.forbidden:
                    return None
                found.append((evaluate.evaluate, outcome))
            elif deed is Deed.TEST and isinstance(evaluate, Presence):
                found.append((evaluate, outcome))
            else:
                return None
        reads = frozenset(reading.name for reading, _ in found)
        return cls(tuple(found), reads) if reads <= plain else None

    def strings(self, values: Mapping[str, Value]) -> list[str] | None:
        """What stands in the strings of a rendering; None if it goes another way, or has to be rendered to be known."""
        strings: list[str] = []
        for reading, outcome in self.steps:
            if isinstance(reading, Presence):
                value = values.get(reading.name)
                if (value is not None) is not outcome or not isinstance(value, str | None):
                    return None
                continue
            result = reading.printed(values)
            if result is None:
                return None
            if isinstance(outcome, list):
                parts = result.split(_QUOTE)
                if parts[::2] != outcome or _UNSAFE.search(result):
                    return None
                strings += parts[1::2]
            elif result != outcome:
                return None
        return strings


@dataclass(frozen=True, slots=True)
class Trace:
    """One rendering: what may come out differently, and the text around the strings, of which there is one less.

    Each step has its outcome, or as a list what is printed around strings. `absent` are parameters that no call which
    goes this way may have, `used` those that the rendering read for nothing but to find them absent. `names` and
    `lists` are those of `Request`.
    """

    steps: tuple[_Step, ...]
    shortcut: _Shortcut | None
    texts: tuple[str, ...]
    absent: frozenset[str]
    names: frozenset[str]
    lists: frozenset[str]

    def again(self, values: Mapping[str, Value], secrets: Mapping[str, str], used: set[str]) -> list[str]:
        """What stands in the strings of a rendering, in order; adds the parameters that it reads. Raises `AnotherWay`.

        Any failure is another way: rendering from the beginning says what it is.
        """
        used |= self.absent
        if not self.absent.isdisjoint(values):
            raise AnotherWay
        try:
            if self.shortcut is None:
                return self._rendered(values, secrets, used)
            strings = self.shortcut.strings(values)
        except Exception as error:
            raise AnotherWay from error
        if strings is None:
            raise AnotherWay
        used |= self.shortcut.reads
        return strings

    def _rendered(self, values: Mapping[str, Value], secrets: Mapping[str, str], used: set[str]) -> list[str]:
        strings: list[str] = []
        context = Context(Request(values, self.names, self.lists, secrets))
        same = self._goes_the_same_way(context, strings)
        if not same or context.missing or _leaves_more_than_text(context):
            raise AnotherWay
        used |= context.used
        return strings

    def _goes_the_same_way(self, context: Context, strings: list[str]) -> bool:
        for deed, evaluate, outcome in self.steps:
            result = evaluate(context)
            if deed is Deed.TEST:
                if bool(result) is not outcome:
                    return False
            elif isinstance(outcome, list):
                parts = result.split(_QUOTE)
                if parts[::2] != outcome or _UNSAFE.search(result):
                    return False
                strings += parts[1::2]
            elif deed is Deed.PRINT and result != outcome:
                return False
        return True

    def marked(self, first: int) -> str:
        """The text with marks in the places of what is in its strings, numbered from `first` on."""
        return self.texts[0] + "".join(f"\1{number}\1{text}" for number, text in enumerate(self.texts[1:], first))


def split_at_marks(text: str) -> list[str]:
    """Texts and numbers of marks in turns."""
    return _MARK.split(text)


class _Note(NamedTuple):
    deed: Deed
    evaluate: Evaluate
    outcome: Outcome
    piece: int | None
    reads: frozenset[str]
    writes: frozenset[str]


class Tracing(Context):
    """A rendering that leaves a trace."""

    __slots__ = ("_changeable", "_notes", "_reads", "_writes")

    def __init__(self, request: Request) -> None:
        super().__init__(request)
        self.tracer = self
        self._notes: list[_Note] = []
        self._reads: set[str] = set()
        self._writes: set[str] = set()
        self._changeable = False

    def __getitem__(self, name: str) -> object:
        self._reads.add(name)
        return super().__getitem__(name)

    def __setitem__(self, name: str, value: object) -> None:
        self._writes.add(name)
        super().__setitem__(name, value)

    def __missing__(self, name: str) -> object:
        value = super().__missing__(name)
        self._writes.discard(name)
        return value

    def note(self, deed: Deed, evaluate: Evaluate, outcome: Outcome = None, piece: int | None = None) -> None:
        """Note an expression, with the names that it has read and set since the one before."""
        self._notes.append(_Note(deed, evaluate, outcome, piece, frozenset(self._reads), frozenset(self._writes)))
        self._changeable |= not all(isinstance(self.get(name), _UNCHANGEABLE) for name in self._writes)
        self._reads.clear()
        self._writes.clear()

    def trace(self, sql: str) -> Trace | None:
        """The trace of the rendering, which has ended well; None where it cannot be repeated in parts."""
        if self.tracer is None or _leaves_more_than_text(self):
            return None
        names = self.request.names
        known = self._known()
        kept = [note for number, note in enumerate(self._notes) if number not in known]
        read = frozenset[str]().union(*(self._notes[number].reads for number in known))
        steps, texts = self._divided(kept) if self.out else ([], [sql])
        written = frozenset[str]().union(*(note.writes for note in self._notes))
        shortcut = _Shortcut.of(steps, names - written - self.request.lists - {_CLOCK})
        return Trace(tuple(steps), shortcut, tuple(texts), read & self._absent_names(), names, self.request.lists)

    def _absent_names(self) -> frozenset[str]:
        request = self.request
        return frozenset(name for name in request.names - {_CLOCK} if name not in request.values)

    def _known(self) -> set[int]:
        """The notes, by number, that come out the same for every call without the parameters that this one has not."""
        changing = self.request.names - self._absent_names()
        known: set[int] = set()
        if self._changeable:
            return known  # an expression may change what another has set
        for number, note in enumerate(self._notes):
            if note.reads & changing:
                changing |= note.writes
            else:
                changing -= note.writes
                known.add(number)
        # What is set is needed by those that read it.
        needed: set[str] = set()
        for number in reversed(range(len(self._notes))):
            note = self._notes[number]
            if number in known and note.writes & needed:
                known.remove(number)
            if number not in known:
                needed |= note.reads
        return known

    def _divided(self, kept: Sequence[_Note]) -> tuple[list[_Step], list[str]]:
        """The steps that are kept, and the text around what stands in the strings that they print."""
        around: dict[int | None, list[str]] = {}
        texts = [""]
        printed = {note.piece for note in kept}
        for index, piece in enumerate(self.out):
            parts = piece.split(_QUOTE) if index in printed else [piece]
            if len(parts) % 2 and len(parts) > 1 and not _UNSAFE.search(piece):
                first, *rest = around[index] = parts[::2]
                texts[-1] += first + _QUOTE
                texts += [_QUOTE + text + _QUOTE for text in rest[:-1]]
                texts.append(_QUOTE + rest[-1])
            else:
                texts[-1] += piece
        return [(note.deed, note.evaluate, around.get(note.piece, note.outcome)) for note in kept], texts


def _leaves_more_than_text(context: Context) -> bool:
    return bool(
        context.bound or context.comments or context.settings or context.aborted or context.cache_ttl is not None
    )
