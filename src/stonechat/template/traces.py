"""Renderings that go the way of an earlier one: only what may come out differently is evaluated, the rest is known.

Evaluated for other values, the expressions of a rendering may end the same way but for what stands in strings that are
printed. Then the text is that of the earlier rendering with other strings, and nobody who reads SQL takes it for a
statement of another shape: they stand where the earlier strings stood, and nothing in them could end them early.
Expressions that read nothing but parameters which the call does not have come out as they did.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import NamedTuple

from stonechat.template.context import Context, Deed, Evaluate, Outcome, Request
from stonechat.template.printing import Printing
from stonechat.template.readings import Presence, TypedReading
from stonechat.template.ways import QUOTE, UNSAFE, Latest, Step, Way, leaves_more_than_text

_MARK = re.compile("\1(\\d+)\1")
#: Filled with the present when a call does not have it.
_CLOCK = "job_timestamp"
_UNCHANGEABLE = (str, int, float, type(None))


@dataclass(frozen=True, slots=True)
class Trace:
    """One rendering: its way, and the text around the strings that it printed, of which there is one less."""

    way: Way
    texts: tuple[str, ...]

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
        # The variables of a comprehension end with it: nobody behind it sees what they were.
        writes = frozenset(name for name in self._writes if name in self)
        self._notes.append(_Note(deed, evaluate, outcome, piece, frozenset(self._reads), writes))
        self._changeable |= not all(isinstance(self[name], _UNCHANGEABLE) for name in writes)
        self._reads.clear()
        self._writes.clear()

    def trace(self, sql: str) -> Trace | None:
        """The trace of the rendering, which has ended well; None where it cannot be repeated in parts."""
        if self.tracer is None or leaves_more_than_text(self):
            return None
        unchanged = self._unchanged()
        needed = self._needed(unchanged)
        kept = [note for number, note in enumerate(self._notes) if number in needed]
        # What is left out may have read a variable that is needed, and so set again.
        read = frozenset[str]().union(*(self._notes[number].reads for number in unchanged))
        steps, texts = self._divided(kept) if self.out else ([], [sql])
        way = Way(tuple(steps), read & self._absent_names(), self.request.names, self.request.lists)
        return Trace(way, tuple(texts))

    def _absent_names(self) -> frozenset[str]:
        request = self.request
        return frozenset(name for name in request.names - {_CLOCK} if name not in request.values)

    def _unchanged(self) -> set[int]:
        """The notes, by number, that come out the same for every call without the parameters that this one has not."""
        changing = self.request.names - self._absent_names()
        unchanged: set[int] = set()
        if self._changeable:
            return unchanged  # an expression may change what another has set
        for number, note in enumerate(self._notes):
            if note.reads & changing:
                changing |= note.writes
            else:
                changing -= note.writes
                unchanged.add(number)
        return unchanged

    def _needed(self, unchanged: AbstractSet[int]) -> set[int]:
        """The others, and those of them that set what these read."""
        needed: set[int] = set()
        read: set[str] = set()
        for number, note in reversed(list(enumerate(self._notes))):
            if number not in unchanged or note.writes & read:
                needed.add(number)
                read = read - note.writes | note.reads
        return needed

    def _divided(self, kept: Sequence[_Note]) -> tuple[list[Step], list[str]]:
        """The steps that are kept, and the text around what stands in the strings that they print."""
        around: dict[int | None, list[str]] = {}
        texts = [""]
        printed = {note.piece for note in kept}
        for index, piece in enumerate(self.out):
            parts = piece.split(QUOTE) if index in printed else [piece]
            if len(parts) % 2 and len(parts) > 1 and not UNSAFE.search(piece):
                first, *rest = around[index] = parts[::2]
                texts[-1] += first + QUOTE
                texts += [QUOTE + text + QUOTE for text in rest[:-1]]
                texts.append(QUOTE + rest[-1])
            else:
                texts[-1] += piece
        steps = [
            Step(note.deed, note.evaluate, around.get(note.piece, note.outcome), self._reading(note), Latest())
            for note in kept
        ]
        return steps, texts

    def _reading(self, note: _Note) -> TypedReading | Presence | None:
        """The expression of a note, if a parameter that comes out as the call has it is all that it looks at."""
        request = self.request
        reading = note.evaluate
        if isinstance(reading, Printing) and not reading.forbidden:
            reading = reading.evaluate
        wanted = {Deed.TEST: Presence, Deed.PRINT: TypedReading}.get(note.deed)
        if wanted is None or not isinstance(reading, wanted):
            return None
        assert isinstance(reading, TypedReading | Presence)
        changed = any(reading.name in each.writes for each in self._notes)
        plain = reading.name in request.names and reading.name not in request.lists and reading.name != _CLOCK
        return reading if plain and not changed else None
