"""Runs a check over many inputs, each within a second of processor time, and gathers every different failure.

STONECHAT_FUZZ_INPUTS says how many inputs each target gets, STONECHAT_FUZZ_SEED which is the first. A failure names its
seed: `STONECHAT_FUZZ_SEED=<seed> STONECHAT_FUZZ_INPUTS=1 make fuzz FUZZ="-k <target>"` runs that input alone.
"""

from __future__ import annotations

import os
import random
import signal
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

INPUTS = int(os.environ.get("STONECHAT_FUZZ_INPUTS", "100000"))
FIRST_SEED = int(os.environ.get("STONECHAT_FUZZ_SEED", "0"))
SECONDS = 1.0
_MOST_FAILURES = 20
_SHOWN = 2_000

Input = TypeVar("Input")


class TooSlow(BaseException):
    """One input took longer than it may. No code under test catches it."""


def fuzz(make: Callable[[random.Random], Input], check: Callable[[Input], object], *, inputs_at_once: int = 1) -> None:
    """Check every input; raise the failures, one for each place in the code, with their seeds and inputs.

    `make` gives the input of a seed, or several `inputs_at_once`.
    """
    failures: dict[str, BaseException] = {}
    for seed in range(FIRST_SEED, FIRST_SEED + -(-INPUTS // inputs_at_once)):
        value = make(random.Random(seed))
        try:
            with _bounded():
                check(value)
        except (Exception, TooSlow) as failure:
            place = traceback.extract_tb(failure.__traceback__)[-1]
            key = f"{type(failure).__name__} {place.filename}:{'' if isinstance(failure, TooSlow) else place.lineno}"
            if key not in failures:
                failure.add_note(f"STONECHAT_FUZZ_SEED={seed}, {_shown(value)}")
                failures[key] = failure
            if len(failures) == _MOST_FAILURES:
                break
    if failures:
        raise BaseExceptionGroup("inputs that break a promise", list(failures.values()))


@contextmanager
def _bounded() -> Iterator[None]:
    """Raise `TooSlow` in what runs inside when it has used up its time: of the processor, not of a busy machine."""
    before = signal.signal(signal.SIGVTALRM, _too_slow)
    signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def _too_slow(_number: int, _frame: object) -> None:
    raise TooSlow(f"more than {SECONDS} s")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}... ({len(text)} characters)"
