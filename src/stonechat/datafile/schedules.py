"""When jobs run: cron expressions and the words that stand for no time at all."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from cronsim import CronSim, CronSimError

from stonechat.datafile.problems import InvalidValue
from stonechat.datafile.scanner import Instruction
from stonechat.datafile.values import is_templated, one_of

_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()  # noqa: SIM905 - the order is what matters
_DAYS = "sun mon tue wed thu fri sat".split()  # noqa: SIM905 - the order is what matters
_FIELDS: tuple[tuple[int, int, list[str]], ...] = (
    (0, 59, []),
    (0, 23, []),
    (1, 31, []),
    (1, 12, ["", *_MONTHS]),
    (0, 7, _DAYS),
)
"""Lowest and highest number of minute, hour, day, month and weekday, and the names that numbers have."""

_NICKNAMES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}

_ITEM = re.compile(r"(?:\*|(?P<low>\w+)(?:-(?P<high>\w+))?)(?:/(?P<step>[0-9]{1,3}))?", re.ASCII)


def schedule(instruction: Instruction, words: Sequence[str], *, cron: bool) -> str:
    """The value as one of the words, such as `@on-demand`, or as a cron expression where that is allowed: `@daily` and
    its like in the five fields that they stand for.

    Raises `InvalidValue` for anything else. Text that holds secrets is taken as it is.
    """
    text = instruction.value.text
    if text.lower() in words:
        return text.lower()
    if cron and text.lower() in _NICKNAMES:
        return _NICKNAMES[text.lower()]
    if is_templated(text) or (cron and is_cron(text)):
        return text
    options = (*words, "a cron expression such as '*/5 * * * *'") if cron else words
    message = f"Invalid value '{text}' for {instruction.command}"
    raise InvalidValue(message, instruction.value.position, hint=one_of(options))


def is_cron(text: str) -> bool:
    """Whether a text is a cron expression of five fields, each number in its range, that is due some day."""
    fields = text.split()
    plain = len(fields) == len(_FIELDS) and all(
        _is_item(item, *bounds) for field, bounds in zip(fields, _FIELDS, strict=True) for item in field.split(",")
    )
    return plain and _comes(text)


def _comes(text: str) -> bool:
    """Whether there is a moment that it names: a 30th of February never comes."""
    try:
        next(CronSim(text, datetime.now(UTC)))
    except (CronSimError, StopIteration):
        return False
    return True


def _is_item(item: str, lowest: int, highest: int, names: list[str]) -> bool:
    match = _ITEM.fullmatch(item.lower())
    if match is None or match["step"] in {"0", "00", "000"}:
        return False
    numbers = [_number(match[bound], names) for bound in ("low", "high") if match[bound]]
    return all(lowest <= number <= highest for number in numbers) and numbers == sorted(numbers)


def _number(word: str, names: list[str]) -> int:
    if word in names:
        return names.index(word)
    return int(word) if word.isdigit() and len(word) <= 2 else -1
