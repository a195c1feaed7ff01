"""Starts processes of Python that have imported a server already: most of what a start takes goes into importing it.

    python -m tests.forking DESCRIPTOR

is a process that has imported it, and nothing else: no thread, no engine, no settings. Whenever it is asked to, on the
socket of that descriptor, it forks, and the fork goes on as `python -m MODULE ARGUMENTS` would. In between is a fork
that waits for that one and tells how it ended, as only a parent is told.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import importlib
import json
import os
import runpy
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stonechat.importing import quick_imports

_REPOSITORY = Path(__file__).parent.parent
_LONGEST_REQUEST = 1_000_000
_REPORT = struct.Struct("i")
"""The number of the process, and later its exit code."""


class ForkedProcess:
    """A process that was started in this way; what it has of `subprocess.Popen` does the same."""

    def __init__(
        self,
        module: str,
        arguments: Sequence[str],
        *,
        output: int,
        errors: int | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.args = ["python", "-m", module, *arguments]
        self.returncode: int | None = None
        self._reading = threading.Lock()
        variables = dict(os.environ if environment is None else environment)
        request = {"module": module, "arguments": arguments, "environment": variables, "folder": str(Path.cwd())}
        reports, reporting = os.pipe()
        self._reports = reports
        weakref.finalize(self, os.close, reports)
        try:
            socket.send_fds(
                _forking(),
                [json.dumps(request).encode() + b"\n"],
                [output, output if errors is None else errors, reporting],
            )
        finally:
            os.close(reporting)
        self.pid = self._report()

    def poll(self) -> int | None:
        """Its exit code once it has ended, a signal as a negative number."""
        return self._ended(0)

    def wait(self, timeout: float | None = None) -> int:
        """The same, waiting for it; raises `TimeoutExpired` after so many seconds."""
        end = None if timeout is None else time.monotonic() + timeout
        while (code := self._ended(None if end is None else max(0.0, end - time.monotonic()))) is None:
            if end is not None and time.monotonic() >= end:
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return code

    def send_signal(self, number: int) -> None:
        """A signal, unless it has ended."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):  # its end has not been told yet
                os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL, unless it has ended."""
        self.send_signal(signal.SIGKILL)

    def _ended(self, seconds: float | None) -> int | None:
        if self.returncode is None and select.select([self._reports], [], [], seconds)[0]:
            with self._reading:
                if self.returncode is None:
                    self.returncode = self._report()
        return self.returncode

    def _report(self) -> int:
        (number,) = _REPORT.unpack(os.read(self._reports, _REPORT.size))
        return int(number)


def run(module: str, *arguments: str, seconds: float = 120) -> subprocess.CompletedProcess[str]:
    """What `python -m MODULE ARGUMENTS` prints, and its exit code."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        process = ForkedProcess(module, arguments, output=output.fileno(), errors=errors.fileno())
        try:
            code = process.wait(seconds)
        finally:
            process.kill()
        output.seek(0)
        errors.seek(0)
        return subprocess.CompletedProcess(process.args, code, output.read().decode(), errors.read().decode())


@functools.cache
def _forking() -> socket.socket:
    """What asks the one process of this one that forks. It ends with this process, when nobody can ask any more."""
    asking, asked = socket.socketpair()
    with asked:
        command = [sys.executable, "-m", __name__, str(asked.fileno())]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=[asked.fileno()], cwd=_REPOSITORY)
    atexit.register(process.wait)
    atexit.register(asking.close)  # the last comes first
    return asking


def _next_fork(asked: socket.socket) -> Any:
    """What is asked of a fork; returns in that fork alone."""
    while True:
        line, descriptors, _, _ = socket.recv_fds(asked, _LONGEST_REQUEST, 3)
        with contextlib.suppress(ChildProcessError):  # there is none
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        if not line:
            sys.exit()
        assert line.endswith(b"\n"), "too long"
        if os.fork() == 0:
            break
        for each in descriptors:
            os.close(each)
    asked.close()
    output, errors, reporting = descriptors
    if (pid := os.fork()) == 0:
        os.dup2(output, sys.stdout.fileno())
        os.dup2(errors, sys.stderr.fileno())
        for each in descriptors:
            os.close(each)
        return json.loads(line)
    os.close(output)
    os.close(errors)
    os.write(reporting, _REPORT.pack(pid))
    _, status = os.waitpid(pid, 0)
    with contextlib.suppress(BrokenPipeError):  # whoever started it does not want to know
        os.write(reporting, _REPORT.pack(os.waitstatus_to_exitcode(status)))
    os._exit(0)


def _go_on(request: Mapping[str, Any]) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    sys.argv = ["", *request["arguments"]]
    runpy.run_module(request["module"], run_name="__main__", alter_sys=True)


def _main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for who asks, and for the forks
    os.environ["COLUMNS"] = "200"  # which is read when it is imported
    for module in ("stonechat.cli.main", "stonechat.cli.serving"):
        importlib.import_module(module)
    with quick_imports():  # without what the command line has of rich, like that
        importlib.import_module("stonechat.cli.running")
    _go_on(_next_fork(socket.socket(fileno=int(sys.argv[1]))))


if __name__ == "__main__":
    _main()
