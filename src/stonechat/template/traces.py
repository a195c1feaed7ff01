"""Renderings that go the way of an earlier one: only what that one evaluated is evaluated, and the rest is known.

A trace has the expressions that a rendering came to, in order, and what came of each: how a condition ended, what was
printed. Evaluated for other values, they may end the same way but for what stands in strings that are printed. Then the
text is that of the earlier rendering with other strings, and nobody who reads SQL takes it for a statement of another
shape: they stand where the earlier strings stood, and nothing in them could end them early.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from stonechat.template.context import Context, Deed, Evaluate, Outcome, Request, Value

_QUOTE = "'"
_UNSAFE = re.compile(r"[\\\0\1]")
_MARK = re.compile("\1(\\d+)\1")
Step = tuple[Deed, Evaluate, Outcome]
"""An expression and what comes of it: the outcome of a test, or what is printed, as a list without its strings."""


class AnotherWay(Exception):
    """A rendering for these values goes another way; or fails, and rendering them from the beginning says why."""


@dataclass(frozen=True, slots=True)
class Trace:
    """One rendering: its steps, and the text around the values, of which there is one less.

    `names` and `lists` are those of `Request`; `settings` and `cache_ttl` those of `Rendered`.
    """

    steps: tuple[Step, ...]
    texts: tuple[str, ...]
    names: frozenset[str]
    lists: frozenset[str]
    settings: Mapping[str, str]
    cache_ttl: float | None

    @classmethod
    def of(cls, context: Context, request: Request) -> Trace | None:
        """The trace of a rendering that has ended well; None where it cannot be repeated in parts."""
        steps = context.trace
        if steps is None or context.bound or context.comments or context.aborted:
            return None
        pieces = {index: number for number, (_, _, _, index) in enumerate(steps) if index is not None}
        texts = [""]
        around: dict[int, list[str]] = {}
        for index, piece in enumerate(context.out):
            parts = piece.split(_QUOTE) if index in pieces else [piece]
            if len(parts) % 2 and len(parts) > 1 and not _UNSAFE.search(piece):
                first, *rest = around[pieces[index]] = parts[::2]
                texts[-1] += first + _QUOTE
                texts += [_QUOTE + text + _QUOTE for text in rest[:-1]]
                texts.append(_QUOTE + rest[-1])
            else:
                texts[-1] += piece
        kept = [
            (deed, evaluate, around.get(number, outcome)) for number, (deed, evaluate, outcome, _) in enumerate(steps)
        ]
        return cls(tuple(kept), tuple(texts), request.names, request.lists, context.settings, context.cache_ttl)

    @classmethod
    def of_text(cls, text: str) -> Trace:
        """The trace of SQL that renders to itself."""
        return cls((), (text,), frozenset(), frozenset(), {}, None)

    def again(self, values: Mapping[str, Value], secrets: Mapping[str, str], used: set[str]) -> list[str]:
        """What stands in the strings of a rendering, in order; adds the parameters that it reads. Raises `AnotherWay`.

        Any failure is another way: rendering from the beginning says what it is.
        """
        context = Context(Request(values, self.names, self.lists, secrets))
        strings: list[str] = []
        try:
            same = self._goes_the_same_way(context, strings)
        except Exception as error:
            raise AnotherWay from error
        if not same or context.missing or context.bound or context.comments or context.aborted:
            raise AnotherWay
        if context.settings != self.settings or context.cache_ttl != self.cache_ttl:
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
