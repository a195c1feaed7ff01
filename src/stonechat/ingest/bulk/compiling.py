"""The compiled half of the bulk reading: which file it is, and how it is made when the package is built.

The build loads this module by itself, so it needs nothing but the standard library.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

SOURCES: Final = Path(__file__).with_name("native")
_FLAGS: Final = ("-std=c11", "-O3", "-fPIC", "-shared", "-fvisibility=hidden")
COMPILERS: Final = ("cc", "gcc", "clang")
_LONGEST_COMPILATION: Final = 120


class CompilationFailed(Exception):
    """There is no C compiler, or it does not take the sources: the message says what it said."""


def library_path() -> Path:
    """The file of the library, named after its sources: one that was made from others is never taken for it."""
    digest = hashlib.blake2b(digest_size=8)
    for source in sorted(SOURCES.glob("*.[ch]")):
        digest.update(source.read_bytes())
    return SOURCES / f"bulk-{digest.hexdigest()}.so"


def compile_library() -> Path:
    """Make the library if it is not there. Raises `CompilationFailed`."""
    path = library_path()
    if path.exists():
        return path
    compiler = os.environ.get("CC") or next(filter(None, map(shutil.which, COMPILERS)), None)
    if compiler is None:
        raise CompilationFailed("there is no C compiler")
    # Two builds at once must not see each other's unfinished file.
    made = path.with_suffix(f".{os.getpid()}.tmp")
    compile_sources(compiler, _FLAGS, made)
    for earlier in SOURCES.glob("bulk-*.so"):
        earlier.unlink(missing_ok=True)
    made.replace(path)
    return path


def compile_sources(compiler: str, flags: tuple[str, ...], to: Path, *more: Path) -> None:
    """Compile the sources, and `more`, into one file. Raises `CompilationFailed`."""
    sources = [str(source) for source in (*sorted(SOURCES.glob("*.c")), *more)]
    command = [*compiler.split(), *flags, "-o", str(to), *sources]
    try:
        subprocess.run(command, capture_output=True, text=True, timeout=_LONGEST_COMPILATION, check=True)  # noqa: S603 - the compiler of whoever builds
    except (OSError, subprocess.SubprocessError) as error:
        raise CompilationFailed(getattr(error, "stderr", None) or str(error)) from None
