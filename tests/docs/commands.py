"""Runs the commands of a page, block by block, as a reader would, in a fresh folder and on a free port.

Conventions of the pages:

- ```bash blocks run in their order, each in a shell that begins with the folder and the exported variables of the last.
- A block that is just `make run`, `stonechat dev ...` or `stonechat serve ...` starts a server, which is awaited, stays
  in the background and is stopped by Ctrl-C at the end of the page, or when a block starts the next one.
- A ```text or ```json block right behind shows what is printed: `...` stands for anything, in JSON as a value.
- `<!-- not run: reason -->` right above a block keeps it from running; `<!-- exits 1 -->` says how it ends;
  `<!-- after Ctrl-C -->` stops the server first.
- 127.0.0.1:7181 becomes the server's own address. After a block that changes datafiles, `dev` is given the time to
  deploy them.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.conftest import REPOSITORY, free_port
from tests.docs.markdown import Block, Page

NOT_RUN = "not run: "
_AFTER_STOP = "after Ctrl-C"
_STARTS_SERVER = re.compile(r"(make run|stonechat dev|stonechat serve)\b[^\n&|;]*")
_READY = re.compile(r"Ctrl-C stops\.|Stonechat answers at")
_DEPLOYED = re.compile(r"^(Deployed |No changes|Nothing was deployed)", re.MULTILINE)
_EXITS = re.compile(r"exits (\d+)")
_ADDRESS = "127.0.0.1:7181"
_SUFFIXES = {".datasource", ".pipe", ".connection"}


class BackgroundServer:
    """A server that a block started; what it prints goes to a file."""

    def __init__(self, command: str, folder: Path, environment: Mapping[str, str], output: Path) -> None:
        self._output = output
        self._command = command
        with output.open("wb") as file:
            self._process = subprocess.Popen(
                ["bash", "-c", f"exec {command}"],
                cwd=folder,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.wait_for(_READY, times=1, seconds=60)

    @property
    def printed(self) -> str:
        """Everything printed so far."""
        return self._output.read_text(encoding="utf-8", errors="replace")

    @property
    def watches(self) -> bool:
        """Whether it deploys what changes in its folder."""
        return "serve" not in self._command.split()

    @property
    def deployments(self) -> int:
        """How often a deployment went live, changed nothing or was refused."""
        return len(_DEPLOYED.findall(self.printed))

    def wait_for_deployment(self, number: int) -> None:
        """Until that many deployments have ended."""
        self.wait_for(_DEPLOYED, times=number, seconds=60)

    def wait_for(self, pattern: re.Pattern[str], *, times: int, seconds: float) -> None:
        """Until the pattern has been printed so many times."""
        end = time.monotonic() + seconds
        while len(pattern.findall(self.printed)) < times:
            if self._process.poll() is not None:
                raise AssertionError(f"{self._command} ended with {self._process.returncode}: {self.printed[-3000:]}")
            if time.monotonic() > end:
                self.stop()
                raise AssertionError(f"{self._command} did not print {pattern.pattern}: {self.printed[-3000:]}")
            time.sleep(0.02)

    def stop(self) -> None:
        """Ctrl-C for the whole process group, as a terminal sends it. Fails unless the server ends well.

        Its exit code is 0. GNU make waits for that and then ends itself by the signal it got too, unless it was started
        where that signal is ignored, as background jobs are.
        """
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGINT)
        try:
            code = self._process.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            raise
        make = self._command.startswith("make")
        assert code in ({0, -signal.SIGINT} if make else {0}), (
            f"{self._command} ended with {code}: {self.printed[-3000:]}"
        )
        assert "Traceback" not in self.printed, self.printed[-3000:]
        assert not make or ("Stopped." in self.printed and "Error" not in self.printed), self.printed[-3000:]


class Reader:
    """Someone who types the commands of a page."""

    def __init__(self, folder: Path) -> None:
        self._home = folder
        self._folder = folder / "work"
        self._folder.mkdir()
        self._state = folder / "state"
        self._server: BackgroundServer | None = None
        self._servers = 0
        self.port = free_port()
        self._environment = environment_for(folder, self._folder, self.port)

    def follow(self, page: Page) -> None:
        """Run every block of a page and compare what it prints with what the page shows."""
        blocks = list(page.blocks)
        try:
            for index, block in enumerate(blocks):
                if block.language != "bash" or block.comment.startswith(NOT_RUN):
                    continue
                printed = self._run(page, block)
                after = blocks[index + 1] if index + 1 < len(blocks) else None
                if after is not None and after.follows_block and after.language in {"text", "json"}:
                    assert_shown(after, printed, f"{page.name}:{after.line}")
        finally:
            self._stop_server()

    def _run(self, page: Page, block: Block) -> str:
        text = block.text.replace(_ADDRESS, f"127.0.0.1:{self.port}")
        if block.comment == _AFTER_STOP:
            self._stop_server()
        if _STARTS_SERVER.fullmatch(text.strip()):
            return self._start_server(text.strip())
        files, deployments = self._datafiles(), self._server.deployments if self._server else 0
        script = f"{text}\nstatus=$?\npwd > {self._state}.folder\nenv -0 > {self._state}\nexit $status\n"
        ended = subprocess.run(
            ["bash", "-eo", "pipefail", "-c", script],
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=60,
            check=False,
        )
        printed = ended.stdout.decode(errors="replace")
        wanted = _EXITS.match(block.comment)
        where = f"{page.name}:{block.line}"
        assert ended.returncode == (int(wanted[1]) if wanted else 0), f"{where} {text}\n{printed[-3000:]}"
        if ended.returncode == 0:
            self._remember()
        if self._server and self._server.watches and self._datafiles() != files:
            self._server.wait_for_deployment(deployments + 1)
        return printed

    def _start_server(self, command: str) -> str:
        self._stop_server()
        self._servers += 1
        output = self._home / f"server-{self._servers}.log"
        folder = REPOSITORY if command.startswith("make") else self._folder
        self._server = BackgroundServer(command, folder, self._environment, output)
        return self._server.printed

    def _stop_server(self) -> None:
        if self._server is not None:
            server, self._server = self._server, None
            server.stop()

    def _remember(self) -> None:
        """Keep the folder and the exported variables for the next block."""
        self._folder = Path(Path(f"{self._state}.folder").read_text().strip())
        pairs = (item.partition("=") for item in self._state.read_text().split("\0") if item)
        self._environment = {name: value for name, _, value in pairs}

    def _datafiles(self) -> dict[Path, int]:
        # Beside them are the folders of servers at work, whose own come and go: `os.walk` passes over what has gone.
        walked = os.walk(self._home / "work")
        paths = [Path(folder, name) for folder, _, names in walked for name in names]
        return {path: path.stat().st_mtime_ns for path in paths if path.suffix in _SUFFIXES}


def environment_for(home: Path, folder: Path, port: int) -> dict[str, str]:
    """The variables of a reader: `stonechat` and `python` on the path, the port for the servers and for `make`."""
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("STONECHAT_", "MAKE", "MFLAGS"))
    }
    return inherited | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(home),
        "COLUMNS": "200",
        "STONECHAT_PORT": str(port),
        "STONECHAT_URL": f"http://127.0.0.1:{port}",
        "PORT": str(port),
        "PROJECT": str(folder / "messaging"),
        "HOME_DIR": str(folder / "stonechat-data"),
    }


def assert_shown(shown: Block, printed: str, where: str) -> None:
    """Fail unless the printed text is what the page shows."""
    if shown.language == "json":
        document = json.loads(printed)
        assert _agrees(json.loads(shown.text), document), f"{where} shows {shown.text}, but it is {printed[-3000:]}"
        return
    pattern = ".*?".join(map(re.escape, _squeezed(shown.text).split("...")))
    found = re.search(pattern, _squeezed(printed), re.DOTALL)
    assert found, f"{where} shows\n{shown.text}\nbut it is\n{printed[-3000:]}"


def _squeezed(text: str) -> str:
    return "\n".join(" ".join(line.split()) for line in text.strip().splitlines())


def _agrees(shown: Any, real: Any) -> bool:
    if shown == "...":
        return True
    if isinstance(shown, dict) and isinstance(real, dict):
        return shown.keys() == real.keys() and all(_agrees(value, real[key]) for key, value in shown.items())
    if isinstance(shown, list) and isinstance(real, list):
        if shown and shown[-1] == "...":
            return len(real) >= len(shown) - 1 and all(map(_agrees, shown[:-1], real))
        return len(shown) == len(real) and all(map(_agrees, shown, real))
    return bool(shown == real)
