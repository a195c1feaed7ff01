"""Waiting for what comes sooner or later, however busy the machine is."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

_Value = TypeVar("_Value")
_PATIENCE = 90.0
"""Seconds after which what does not come counts as never coming. A machine under load takes its time."""


def until(found: Callable[[], _Value | None], what: Callable[[], object] | str = "") -> _Value:
    """What is found once it is true, or not empty; fails with `what` if it never is."""
    end = time.monotonic() + _PATIENCE
    while not (value := found()):
        assert time.monotonic() < end, what() if callable(what) else what
        time.sleep(0.02)
    return value
