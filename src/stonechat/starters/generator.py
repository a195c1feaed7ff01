"""Sample messages: seeded NDJSON for the `messages` data source, shaped like the traffic of a chat.

A few people write most of the messages, to a few contacts each, in bursts of replies; days and weeks have their rhythm;
recent messages are often unread. The same arguments give the same bytes on every machine: all chance comes from one
`random.Random`, and nothing depends on the clock unless the caller passes the present as `end`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from random import Random
from typing import NamedTuple

import msgspec

from stonechat.starters.phrases import EMOJI, LANGUAGES

DEFAULT_END = datetime(2026, 1, 1, tzinfo=UTC)
"""The end of the time that sample messages cover, when the caller names none."""
DEFAULT_DAYS = 90

_HOUR_WEIGHTS = (6, 4, 2, 2, 3, 6, 14, 26, 38, 46, 50, 52, 58, 56, 50, 48, 48, 52, 60, 66, 64, 52, 32, 14)
_WEEKDAY_WEIGHTS = (10, 10, 10, 11, 12, 8, 7)
# One entry per percent of messages.
_TYPES = ("text",) * 78 + ("image",) * 9 + ("reaction",) * 5 + ("voice",) * 4 + ("file",) * 3 + ("video",) * 1
_SUFFIXES = {"image": "jpg", "voice": "ogg", "file": "pdf", "video": "mp4"}
_SELF_SHARE = 0.005
_REPLY_SHARE = 0.78
_UNREAD_OLD = 0.02
_UNREAD_RECENT = 0.35
_RECENT_SECONDS = 2 * 86_400
_LONGEST_PAUSE = 6 * 3600


class _Content(NamedTuple):
    """A text as it stands in a row: its JSON with quotes, and its length in code points."""

    json: str
    characters: int


class _Message(NamedTuple):
    """A message before it is written: seconds since the window began, and the numbers of two people."""

    second: int
    sender: int
    recipient: int


def messages(rows: int, seed: int, *, end: datetime | None = None, days: int = DEFAULT_DAYS) -> Iterator[bytes]:
    """`rows` NDJSON lines, each with its newline, about in order of time, from the `days` days before `end`.

    `end` must know its time zone (`DEFAULT_END` when absent); no message is later. Raises ValueError for a negative
    number of rows, less than one day or an `end` without a time zone.
    """
    if rows < 0 or days < 1:
        raise ValueError("Sample messages need rows >= 0 and days >= 1")
    end = end or DEFAULT_END
    if end.tzinfo is None:
        raise ValueError("The end of the sample messages needs a time zone")
    # Of whole seconds, in UTC: timestamps are DateTime.
    end = end.astimezone(UTC).replace(microsecond=0)
    return _lines(rows, seed, end - timedelta(days=days), days)


def chunks(
    rows: int, seed: int, *, size: int = 10_000, end: datetime | None = None, days: int = DEFAULT_DAYS
) -> Iterator[bytes]:
    """The bytes of `messages`, `size` lines at a time: bodies for the Events API."""
    lines: list[bytes] = []
    for line in messages(rows, seed, end=end, days=days):
        lines.append(line)
        if len(lines) == size:
            yield b"".join(lines)
            lines.clear()
    if lines:
        yield b"".join(lines)


def _lines(rows: int, seed: int, start: datetime, days: int) -> Iterator[bytes]:
    chance = Random(seed)  # noqa: S311 - sample data, not secrets
    people = max(8, int(2 * rows**0.6))
    write = _Writer(chance, seed, start, days)
    done = 0
    for hour, target in enumerate(_targets(rows, start, days)):
        batch: list[_Message] = []
        while done + len(batch) < target:
            batch += _burst(chance, people, hour * 3600 + int(chance.random() * 3600), days * 86_400)
        # A burst may be longer than the hour still needs.
        del batch[target - done :]
        done = target
        batch.sort()
        yield from map(write.line, batch)


def _targets(rows: int, start: datetime, days: int) -> Iterator[int]:
    """How many messages there are at the end of each hour of the window."""
    hours = [start + timedelta(hours=hour) for hour in range(days * 24)]
    weights = list(accumulate(_HOUR_WEIGHTS[hour.hour] * _WEEKDAY_WEIGHTS[hour.weekday()] for hour in hours))
    return (rows * weight // weights[-1] for weight in weights)


def _burst(chance: Random, people: int, second: int, end: int) -> list[_Message]:
    """Messages between two people, until they fall silent or the window ends."""
    draw = chance.random
    # Powers of a uniform number give the heavy tails: low numbers write much, and write most to their nearest contacts.
    sender = int(people * draw() ** 3)
    recipient = sender if draw() < _SELF_SHARE else (sender + 1 + int(40 * draw() ** 2)) % people
    burst = []
    going_on = 0.6 + 0.35 * draw()
    while second < end:
        burst.append(_Message(second, sender, recipient))
        if draw() > going_on:
            break
        if draw() < _REPLY_SHARE:
            sender, recipient = recipient, sender
        second += min(int(15 / (1 - draw()) ** 1.1), _LONGEST_PAUSE)
    return burst


class _Writer:
    """Turns messages into lines: it numbers them and chooses what they say."""

    def __init__(self, chance: Random, seed: int, start: datetime, days: int) -> None:
        self._draw = chance.random
        self._seed = seed
        self._number = 0
        self._midnight = start.hour * 3600 + start.minute * 60 + start.second
        self._dates = [f"{start + timedelta(days=day):%Y-%m-%d}" for day in range(days + 1)]
        self._clock = [f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}" for second in range(86_400)]
        self._recent = days * 86_400 - _RECENT_SECONDS
        by_language = [(language.share, _texts(language.phrases)) for language in LANGUAGES]
        self._texts = [texts for share, texts in by_language for _ in range(share)]

    def line(self, message: _Message) -> bytes:
        """One NDJSON line, with the keys in the order of the data source's columns."""
        draw = self._draw
        second, sender, recipient = message
        self._number += 1
        kind = _TYPES[int(draw() * 100)]
        content = self._content(kind, sender)
        attachment = (
            f'"https://files.example.com/{self._seed}/{self._number}.{_SUFFIXES[kind]}"' if kind in _SUFFIXES else ""
        )
        read = int(draw() >= (_UNREAD_OLD if second < self._recent else _UNREAD_RECENT))
        day, clock = divmod(self._midnight + second, 86_400)
        low, high = (sender, recipient) if sender < recipient else (recipient, sender)
        return (
            f'{{"message_id":"msg_{self._seed}_{self._number}","sender_id":"user_{sender}","recipient_id":"user_{recipient}",'
            f'"conversation_id":"conv_{low}_{high}","message_type":"{kind}","message_content":{content.json},'
            f'"timestamp":"{self._dates[day]} {self._clock[clock]}","read":{read},"attachments":[{attachment}],'
            f'"character_count":{content.characters}}}\n'
        ).encode()

    def _content(self, kind: str, sender: int) -> _Content:
        draw = self._draw
        if kind == "reaction":
            return _REACTIONS[int(draw() * len(_REACTIONS))]
        if kind != "text" and draw() < 0.7:
            return _NOTHING
        # A person keeps to one language; the factor spreads languages over busy and quiet people.
        texts = self._texts[sender * 37 % 100]
        return texts[int(draw() * len(texts))]


def _content(text: str) -> _Content:
    return _Content(msgspec.json.encode(text).decode(), len(text))


def _texts(phrases: tuple[str, ...]) -> list[_Content]:
    """Every phrase, every pair of phrases, and phrases with an emoji behind them."""
    pairs = [f"{first} {second}" for first in phrases for second in phrases if first != second]
    cheerful = [f"{phrase} {emoji}" for phrase in phrases for emoji in EMOJI]
    return [_content(text) for text in (*phrases, *pairs, *cheerful)]


_NOTHING = _content("")
_REACTIONS = tuple(_content(emoji) for emoji in EMOJI)
