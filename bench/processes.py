"""The processes of a run: on free loopback ports over throw-away folders, measured through /proc, ended by id."""

from __future__ import annotations

import itertools
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import httpx

_TICKS = os.sysconf("SC_CLK_TCK")
_MERGING = "MergeMutate\n"
_READY_SECONDS = 30.0
_STOP_SECONDS = 30.0


class ProcessFailed(Exception):
    """A process of the benchmark did not start, or ended before its time."""


class Process:
    """A child of this one: a Python module with arguments, ended when the `with` block ends."""

    def __init__(self, module: str, *arguments: str, log: Path, **options: Any) -> None:
        self._log = log
        with log.open("ab") as errors:
            command = [sys.executable, "-m", module, *arguments]
            self.popen = subprocess.Popen(command, **{"stdout": errors, "stderr": errors, **options})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def cpu_seconds(self) -> float:
        """User and system time of all its threads so far, in steps of a clock tick."""
        fields = Path(f"/proc/{self.popen.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    @property
    def merging_seconds(self) -> float:
        """What of it the threads took in which the engine merges parts."""
        return merging_seconds(self.popen.pid)

    @property
    def resident_bytes(self) -> int:
        """Memory that it holds now."""
        return status_bytes(self._status(), "VmRSS")

    @property
    def peak_bytes(self) -> int:
        """The most memory that it held since its start, or since `forget_peak`."""
        return status_bytes(self._status(), "VmHWM")

    def forget_peak(self) -> None:
        """Measure `peak_bytes` from now on."""
        Path(f"/proc/{self.popen.pid}/clear_refs").write_text("5")

    def failed(self) -> ProcessFailed:
        """The error that says what the process wrote last."""
        return ProcessFailed(f"{self.popen.args!r} ended or hangs: {self._log.read_text(errors='replace')[-2000:]}")

    def stop(self) -> None:
        """End it politely, or after a while for good."""
        if self.popen.poll() is None:
            self.popen.terminate()
            try:
                self.popen.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait()

    def _status(self) -> str:
        return Path(f"/proc/{self.popen.pid}/status").read_text()


class HttpProcess(Process):
    """A process that answers HTTP on a free loopback port; ready when the constructor returns."""

    def __init__(self, module: str, *arguments: str, log: Path, health: str = "/") -> None:
        self.port = _free_port()
        began = time.perf_counter()
        super().__init__(module, *arguments, "--port", str(self.port), log=log, stdin=subprocess.DEVNULL)
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=60)
        try:
            self._wait_until_ready(health)
        except BaseException:
            self.stop()
            raise
        self.ready_seconds = time.perf_counter() - began

    def stop(self) -> None:
        """Close the client and end the process."""
        self.client.close()
        super().stop()

    def _wait_until_ready(self, health: str) -> None:
        end = time.monotonic() + _READY_SECONDS
        while time.monotonic() < end and self.popen.poll() is None:
            try:
                if self.client.get(health).status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.01)
        raise self.failed()


class Stonechat(HttpProcess):
    """The real server over a data folder, and what the benchmark asks of it."""

    def __init__(self, home: Path) -> None:
        log = home.with_name(f"{home.name}.log")
        super().__init__("stonechat", "serve", "--home", str(home), log=log, health="/v0/health")
        self._counts = itertools.count()
        self.token: str = self.client.get("/tokens").json()["admin_token"]
        self.client.headers["Authorization"] = f"Bearer {self.token}"

    def deploy(self, files: Mapping[str, str]) -> None:
        """Make the files the live project."""
        parts = [("data_project://", (name, text.encode(), "text/plain")) for name, text in files.items()]
        self.client.post("/v1/deploy", params={"auto_promote": "true"}, files=parts).raise_for_status()

    def send(self, rows: bytes, *, wait: bool) -> None:
        """Rows for `messages`; with `wait` they, and all rows sent before, are committed when this returns."""
        params = {"name": "messages", "wait": str(wait).lower()}
        self.client.post("/v0/events", params=params, content=rows).raise_for_status()

    def count(self) -> int:
        """Rows in `messages`, counted by the engine: no two questions are the same, so no cache knows the answer."""
        query = f"SELECT count() AS rows, {next(self._counts)} AS question FROM messages FORMAT JSON"
        return int(self.client.get("/v0/sql", params={"q": query}).raise_for_status().json()["data"][0]["rows"])


class Worker(Process):
    """A child that answers questions, one JSON line for each: see `answer_questions`."""

    def __init__(self, module: str, *arguments: str, log: Path) -> None:
        super().__init__(module, *arguments, log=log, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, **question: Any) -> dict[str, Any]:
        """The answer to a question; raises `ProcessFailed` when the child ends instead."""
        if self.popen.stdin is None or self.popen.stdout is None:
            raise self.failed()
        with suppress(BrokenPipeError):  # it has ended, so there will be no line either
            self.popen.stdin.write(json.dumps(question) + "\n")
            self.popen.stdin.flush()
        line = self.popen.stdout.readline()
        if not line:
            self.popen.wait(_STOP_SECONDS)
            raise self.failed()
        answer: dict[str, Any] = json.loads(line)
        return answer

    def stop(self) -> None:
        """Let it end by itself, which it does when no more questions can come."""
        for pipe in (self.popen.stdin, self.popen.stdout):
            with suppress(BrokenPipeError):  # an unsent rest of a question, to a child that has ended
                if pipe is not None:
                    pipe.close()
        try:
            self.popen.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            super().stop()


def answer_questions(answer: Callable[..., Mapping[str, Any]]) -> None:
    """The child's side of `Worker`: call `answer` with each question until there are no more."""
    for line in sys.stdin:
        print(json.dumps(answer(**json.loads(line))), flush=True)


def merging_seconds(process: int) -> float:
    """CPU time so far of the threads of a process in which an engine merges parts."""
    tasks = [task for task in Path(f"/proc/{process}/task").iterdir() if (task / "comm").read_text() == _MERGING]
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def status_bytes(status: str, name: str) -> int:
    """A size out of the text of /proc/PID/status."""
    for line in status.splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise ProcessFailed(f"no {name} in the status of a process")


def median(values: Sequence[float]) -> float:
    """The middle value; of two middle values, the lower, so that it is one that was measured."""
    return sorted(values)[(len(values) - 1) // 2]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
