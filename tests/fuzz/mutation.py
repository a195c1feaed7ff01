"""Inputs that are nearly right: texts of the corpora, changed at random by a seed."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from pathlib import Path

TESTS = Path(__file__).parent.parent
STARTERS = TESTS.parent / "src" / "stonechat" / "starters"
LONGEST = 60_000
_MARKS = "'\"`\u2018\u2019“”()[]{},;:.$#%\\/*-_<>=| \t\r\n\0\x1c\xa0\ufeff09axé中😀"


def texts(*folders: Path, suffixes: Iterable[str]) -> list[str]:
    """The texts of all files below folders with one of the suffixes, in the same order on every machine."""
    accepted = frozenset(suffixes)
    paths = [path for folder in folders for path in sorted(folder.rglob("*")) if path.suffix in accepted]
    return [path.read_bytes().decode("utf-8", "surrogateescape") for path in paths]


class Mutation:
    """Changes texts of a corpus; `pieces` are what the language is made of. Equal seeds give equal texts."""

    def __init__(self, corpus: Sequence[str], pieces: Sequence[str]) -> None:
        self._corpus = corpus
        self._pieces = pieces

    def __call__(self, chance: random.Random) -> str:
        """One text: mostly a file with few changes, sometimes pieces only, rarely something long and repetitive."""
        kind = chance.random()
        if kind < 0.15:
            return self._random(chance)
        text = chance.choice(self._corpus)
        for _ in range(chance.choice((1, 1, 1, 2, 2, 3, 5, 9))):
            text = self._changed(text, chance)
        return self._long(text, chance) if kind > 0.999 else text[:LONGEST]

    def _random(self, chance: random.Random) -> str:
        return "".join(self._piece(chance) for _ in range(chance.randrange(30)))

    def _piece(self, chance: random.Random) -> str:
        kind = chance.random()
        if kind < 0.2:
            return chance.choice(_MARKS)
        if kind < 0.22:
            return chr(chance.randrange(0xD800) or 1)
        return chance.choice(self._pieces) + chance.choice(("", "", " "))

    def _changed(self, text: str, chance: random.Random) -> str:
        start, end = _span(text, chance)
        kind = chance.randrange(7)
        if kind == 0:
            return text[:start] + text[end:]
        if kind == 1:
            return text[:end] + text[start:]
        if kind == 2:
            return text[:start] + self._piece(chance) + text[end:]
        if kind == 3:
            other = chance.choice(self._corpus)
            first, last = _span(other, chance)
            return text[:start] + other[first:last] + text[end:]
        if kind == 4:
            at = chance.randrange(len(text) + 1)
            return text[:start] + text[end:at] + text[start:end] + text[max(at, end) :]
        return text[:start] + self._piece(chance) + text[start:]

    @staticmethod
    def _long(text: str, chance: random.Random) -> str:
        start, end = _span(text, chance)
        repeated = text[start:end] or chance.choice(_MARKS)
        times = chance.choice((50, 500, LONGEST)) * 3 // (2 + len(repeated))
        return (text[:start] + repeated * times)[:LONGEST] + chance.choice(("", text[end:]))[:LONGEST]


def _span(text: str, chance: random.Random) -> tuple[int, int]:
    """A slice of characters, mostly short, or of whole lines."""
    start = chance.randrange(len(text) + 1)
    end = min(len(text), start + chance.choice((1, 1, 2, 4, 8, 20, 80)))
    if chance.random() < 0.3:
        start = text.rfind("\n", 0, start) + 1
        end = text.find("\n", end) + 1 or len(text)
    return start, end
