"""A server that is thrown away afterwards, as a process of its own, for whoever tests a project or an application."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from stonechat.errors import Kind, StonechatError

_STOP_SECONDS = 30


class ServerDidNotStart(StonechatError):
    """The throw-away server ended before it was ready."""

    code = "SC970"
    kind = Kind.UNAVAILABLE


@dataclass(frozen=True, slots=True)
class ThrowawayServer:
    """Where a running throw-away server answers, and its admin token."""

    url: str
    token: str = field(repr=False)


@contextmanager
def throwaway_server() -> Iterator[ThrowawayServer]:
    """A server over an empty data folder on a free port of this machine; both are gone afterwards.

    Raises `ServerDidNotStart` with what it printed.
    """
    command = [sys.executable, "-m", "stonechat.testing.child"]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)  # noqa: S603 - it is this Python
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            if not line:
                process.wait(_STOP_SECONDS)
                log.seek(0)
                printed = log.read().decode(errors="replace").strip()
                raise ServerDidNotStart(f"The throw-away server ended with {process.returncode}: {printed[-2000:]}")
            yield ThrowawayServer(**json.loads(line))
        finally:
            process.stdin.close()
            process.stdout.close()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
