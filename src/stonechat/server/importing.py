"""Importing a server quickly."""

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
    hidden = "rich" not in sys.modules
    if hidden:
        sys.modules["rich"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        if hidden:
            del sys.modules["rich"]
        gc.freeze()
        gc.enable()
