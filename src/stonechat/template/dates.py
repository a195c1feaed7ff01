"""Differences of dates: whole units, never negative."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from stonechat.template.context import Context, is_placeholder
from stonechat.template.errors import TemplateRenderError

_DAY = "%Y-%m-%d"
_SECOND = "%Y-%m-%d %H:%M:%S"
_LONGEST = 100
# Reading a text by a format that was not used lately compiles a regular expression.
_STEPS = 100


def day_diff(context: Context, d0: object, d1: object) -> object:
    """Days between two `YYYY-MM-DD` dates."""
    return _difference(context, d0, d1, (_DAY,), timedelta(days=1))


def date_difference(unit: timedelta) -> Callable[..., object]:
    """The function `date_diff_in_...` of a unit, truncated to whole ones.

    Texts are read by `date_format`, else by `backup_date_format`. When they can not be, the answer is `default` if
    there is one, None if `none_if_error`, else `TemplateRenderError`.
    """
    usual = _DAY if unit == timedelta(days=1) else _SECOND

    def difference(  # noqa: PLR0917 - templates give them by place
        context: Context,
        d0: object,
        d1: object,
        date_format: object = usual,
        default: object = None,
        backup_date_format: object = None,
        none_if_error: object = False,
    ) -> object:
        formats = (str(date_format),) if backup_date_format is None else (str(date_format), str(backup_date_format))
        try:
            return _difference(context, d0, d1, formats, unit)
        except TemplateRenderError:
            if default is not None or none_if_error:
                return default
            raise

    return difference


def _difference(context: Context, first: object, second: object, formats: tuple[str, ...], unit: timedelta) -> int:
    context.spend(_STEPS * len(formats))
    if is_placeholder(first) or is_placeholder(second):
        return 0
    return abs(_moment(first, formats) - _moment(second, formats)) // unit


def _moment(value: object, formats: tuple[str, ...]) -> datetime:
    text = str(value)
    for date_format in formats:
        if len(text) > _LONGEST or len(date_format) > _LONGEST:
            continue
        try:
            moment = datetime.strptime(text, date_format)  # noqa: DTZ007 - the format may hold a zone
        # A format that is no format fails in the regular expression it is turned into.
        except (ValueError, re.error, IndexError, KeyError):
            continue
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    shown = "an absent value" if value is None else f"'{value}'"
    raise TemplateRenderError(f"{shown} is not a date of the form {' or '.join(formats)}")
