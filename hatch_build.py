"""Compiles the bulk reading when the package is built. Without a C compiler the package works, slower."""

from __future__ import annotations

import importlib.util
import sysconfig
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_ROOT = Path(__file__).parent
_COMPILING = _ROOT / "src" / "stonechat" / "ingest" / "bulk" / "compiling.py"


class CompileBulkReading(BuildHookInterface[Any]):
    """Adds the library to the wheel, which then is for this kind of machine."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - the hook's signature
        """Called before a wheel is made, editable ones too."""
        compiling = _compiling()
        try:
            library = compiling.compile_library()
        except compiling.CompilationFailed as failure:
            self.app.display_warning(f"Masses of events will be read without compiled code: {failure}")
            return
        platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{platform}"
        build_data["artifacts"].append(f"/{library.relative_to(_ROOT).as_posix()}")


def _compiling() -> ModuleType:
    """The module by itself: the package is not installed yet."""
    specification = importlib.util.spec_from_file_location("compiling", _COMPILING)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module
