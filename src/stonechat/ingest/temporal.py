"""Codecs of dates and times.

Text without an offset is in the column's time zone, as ClickHouse reads it; numbers are seconds since 1970 (with 13, 16
or 19 digits milli-, micro- or nanoseconds), or days for dates. A fraction finer than the column is cut off. What lies
outside the documented range of the type is refused, because the engine would clamp or wrap it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_FLOOR, Decimal
from typing import Any
from zoneinfo import ZoneInfo

from stonechat.ingest.codecs import FINER_THAN_CLOCK, UNREADABLE, Codec, each, number, plain_text, whole_number
from stonechat.ingest.verdicts import Misfit

_EPOCH = date(1970, 1, 1)
_DAY = timedelta(days=1)
_NANOSECOND = Decimal("1e-9")
_FIRST = datetime(1900, 1, 1, tzinfo=UTC)
_LAST = datetime(2299, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
_LAST_NANOSECOND = datetime(2262, 4, 11, 23, 47, 16, tzinfo=UTC)
_LAST_SECOND = datetime(2106, 2, 7, 6, 28, 15, 999999, tzinfo=UTC)
_FIRST_SECOND = datetime(1970, 1, 1, tzinfo=UTC)
_ISO = re.compile(r"(\d{4}-\d\d-\d\d)(?:[ Tt](\d\d:\d\d(?::\d\d)?)(\.\d+)?)? ?([Zz]|[+-]\d\d(?::?\d\d)?)?", re.ASCII)
_LONGEST_FRACTION = len(".123456789")
_SECONDS_SCALE = {10: 0, 13: 3, 16: 6, 19: 9}
"""Digits of whole seconds since 1970, and of the milli-, micro- and nanoseconds that clocks of programs count.

As seconds, what has so many digits would be outside the range of every type.
"""


def day(label: str, *, wide: bool) -> Codec:
    """Date (1970 to 2149-06-06) and Date32 (1900 to 2299)."""
    low, high = (date(1900, 1, 1), date(2299, 12, 31)) if wide else (_EPOCH, date(2149, 6, 6))

    def fits(values: Sequence[date]) -> bool:
        return not values or (low <= min(values) and max(values) <= high)

    def lenient(text: bytes) -> date:
        return _EPOCH + timedelta(days=whole_number(text, (low - _EPOCH).days, (high - _EPOCH).days))

    return Codec(label, date, lenient, fits=fits, verbatim=True)


def moment(label: str, zone: str | None) -> Codec:
    """DateTime: whole seconds from 1970 to 2106."""
    return _moment(label, zone, 0, _FIRST_SECOND, _LAST_SECOND)


def precise_moment(label: str, precision: int, zone: str | None) -> Codec:
    """DateTime64(p): 1900 to 2299, at nine digits to 2262."""
    return _moment(label, zone, precision, _FIRST, _LAST_NANOSECOND if precision == 9 else _LAST)


def _moment(label: str, zone: str | None, precision: int, low: datetime, high: datetime) -> Codec:
    local = ZoneInfo(zone) if zone else UTC

    def in_range(value: datetime) -> bool:
        return low <= (value if value.tzinfo else value.replace(tzinfo=local)) <= high

    def lenient(text: bytes) -> datetime | str:
        if not text.startswith(b'"'):
            seconds = number(text)
            scale = _SECONDS_SCALE.get(len(text), 0) if text.isdigit() else 0
            return _from_seconds(seconds.scaleb(-scale), precision, low, high)
        try:
            plain = plain_text(text)
        except UNREADABLE:
            raise Misfit from None
        if plain.isdecimal() and plain.isascii() and len(plain) in _SECONDS_SCALE:
            return _from_seconds(Decimal(plain).scaleb(-_SECONDS_SCALE[len(plain)]), precision, low, high)
        return _from_text(plain, in_range)

    if precision > 6:
        # Finer than Python's clock: the text itself goes to the engine.
        return Codec(label, str, lenient, fits=each(lambda value: _is_exact(value, in_range)), verbatim=True)
    fits = _range_check(low + _DAY, high - _DAY)
    # Python's clock rounds to microseconds; the engine cuts the text, but knows no small t and z.
    return Codec(label, datetime, lenient, fits=fits, verbatim=True, canonical_text=str.upper, rounds=FINER_THAN_CLOCK)


def _range_check(low: datetime, high: datetime) -> Callable[[Sequence[Any]], bool]:
    """A check of many at C speed, a day inside the limits, where no time zone matters. The rest is read leniently."""
    naive_low, naive_high = low.replace(tzinfo=None), high.replace(tzinfo=None)

    def fits(values: Sequence[datetime]) -> bool:
        if not values:
            return True
        try:
            if values[0].tzinfo is None:
                return naive_low <= min(values) and max(values) <= naive_high
            return low <= min(values) and max(values) <= high
        except TypeError:  # with and without an offset in one body
            return all(low <= (value if value.tzinfo else value.replace(tzinfo=UTC)) <= high for value in values)

    return fits


def _from_seconds(seconds: Decimal, precision: int, low: datetime, high: datetime) -> str:
    """Seconds since 1970 as the text of a moment in UTC, cut to the precision."""
    if not low.timestamp() <= seconds <= high.timestamp():
        raise Misfit
    whole, fraction = divmod(int(seconds.quantize(_NANOSECOND, ROUND_FLOOR) / _NANOSECOND), 10**9)
    text = (_FIRST_SECOND + timedelta(seconds=whole)).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{fraction:09d}"[: 20 + precision].rstrip(".") + "Z"


def _from_text(plain: str, in_range: Callable[[datetime], bool]) -> str:
    """The canonical text of an ISO 8601 date with optional time, fraction and offset."""
    matched = _ISO.fullmatch(plain)
    if matched is None:
        raise Misfit
    day_text, time, fraction, offset = matched.groups()
    if time is None and offset is not None:
        raise Misfit
    time = (time or "00:00:00") + (":00" if time and len(time) == 5 else "")
    offset = _offset(offset)
    try:
        value = datetime.fromisoformat(f"{day_text}T{time}{offset}")
    except ValueError:
        raise Misfit from None
    if not in_range(value):
        raise Misfit
    return f"{day_text}T{time}{(fraction or '')[:_LONGEST_FRACTION]}{'Z' if offset == '+00:00' else offset}"


def _offset(text: str | None) -> str:
    if not text:
        return ""
    if text in "Zz":
        return "+00:00"
    return f"{text[:3]}:{text[3:].removeprefix(':') or '00'}"


def _is_exact(value: str, in_range: Callable[[datetime], bool]) -> bool:
    try:
        return _from_text(value, in_range) == value
    except Misfit:
        return False
