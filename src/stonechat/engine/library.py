"""chDB without the front of its package.

Importing that opens a database in memory and asks it for its version, which takes longer than loading the library, and
leaves a dozen threads.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any, Final

_PACKAGE: Final = "chdb"


def connect(address: str) -> Any:
    """A connection to the database that an address names; see `connecting`."""
    return _connections.connect(address)


def _import_connections() -> ModuleType:
    """The module of the package that has connections, which only needs the library."""
    if _PACKAGE in sys.modules:
        return import_module(f"{_PACKAGE}.state")
    spec = find_spec(_PACKAGE)
    assert spec is not None
    front = ModuleType(_PACKAGE)
    front.__path__ = list(spec.submodule_search_locations or ())
    sys.modules[_PACKAGE] = front
    flags = sys.getdlopenflags()
    # Without, the library's allocator meets that of any other that has been loaded before.
    sys.setdlopenflags(flags | getattr(os, "RTLD_DEEPBIND", 0))
    try:
        return import_module(f"{_PACKAGE}.state")
    finally:
        sys.setdlopenflags(flags)
        del sys.modules[_PACKAGE]  # whoever imports it gets all of it


_connections: Final = _import_connections()
