"""The compiled reading under the compiler's watch for memory that is not its own, and for what C leaves undefined."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from stonechat.ingest.bulk.compiling import CompilationFailed, compile_sources

_ROOT = Path(__file__).parents[3]
_FLAGS = ("-std=c11", "-O1", "-g", "-fPIC", "-shared", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror")
_WATCH = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")


def run_watched(folder: Path, inputs: int) -> str:
    """Read so many random bodies in a process of its own; what it prints. Skips without gcc's runtime for that."""
    if shutil.which("gcc") is None:
        pytest.skip("there is no gcc")
    asked = subprocess.run(["gcc", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True)
    runtime = Path(asked.stdout.strip())
    library = folder / "watched.so"
    try:
        compile_sources("gcc", (*_FLAGS, *_WATCH), library)
    except CompilationFailed as failure:
        if not runtime.is_absolute():
            pytest.skip(f"gcc has no runtime that watches memory: {failure}")
        raise
    watched = {
        "LD_PRELOAD": str(runtime),
        "PYTHONMALLOC": "malloc",
        "ASAN_OPTIONS": "detect_leaks=0",  # the interpreter's own
        "UBSAN_OPTIONS": "print_stacktrace=1",
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.watched", str(library), str(inputs)],
        cwd=_ROOT, env=os.environ | watched, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout
