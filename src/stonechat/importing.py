"""Importing quickly: most of the time that a start takes goes into it."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quick_imports() -> Iterator[None]:
    """Import what a server needs in here.

    No garbage is looked for, which would take a fifth longer: all of it stays. And structlog does not find rich, whose
    tracebacks it would otherwise import to offer them.
    """
    gc.disable()
    try:
        with absent("rich"):
            yield
    finally:
        gc.freeze()
        gc.enable()


@contextmanager
def absent(module: str) -> Iterator[None]:
    """What is imported in here goes without an optional module, unless that is there already."""
    if module in sys.modules:
        yield
        return
    sys.modules[module] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[module]
