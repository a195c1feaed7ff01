"""Real servers for tests: processes of their own, on free loopback ports, over throw-away data folders."""

from __future__ import annotations

import compileall
import gc
import os
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing
from copy import copy
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, settings
from tests.forking import ForkedProcess

# How long an example takes says what else the machine does. And what one run has found good, all do: new examples are
# for `make fuzz`, which says how many it wants.
settings.register_profile(
    "repeatable",
    deadline=None,
    derandomize="STONECHAT_EXAMPLES" not in os.environ,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("repeatable")

REPOSITORY = Path(__file__).parent.parent
MESSAGING = REPOSITORY / "src" / "stonechat" / "starters" / "messaging"
SHARED = REPOSITORY.parent / "shared"
_LONGEST = (
    "docs/test_commands.py",
    "deploy/test_corpus.py",
    "http/test_copies.py",
    "ingest/test_crashes.py",
    "http/test_staging.py",
    "system/test_crashes.py",
    "system/test_deployment_crashes.py",
    "system/test_contents_crashes.py",
    "system/test_job_crashes.py",
    "system/test_faults.py",
    "system/test_lifecycle.py",
    "http/test_schema_changes.py",
    "deploy/test_filling.py",
    "ingest/test_ingestion.py",
    "jobs/test_copy_crashes.py",
    "testing/test_projects.py",
    "testing/test_pytest_plugin.py",
    "system/test_sharing_crashes.py",
    "system/test_united_views.py",
    "system/test_development.py",
    "system/test_power_loss.py",
    "http/test_contents.py",
    "cli/test_testing.py",
    "cli/test_datasources.py",
    "template/test_hostile.py",
)
"""Files that take long, in the order in which they begin: at the end, one of them would leave a worker idle."""


# Python may have been told to write no bytecode. What pytest has made of the tests is written all the same: each worker
# would make it anew, which is half of what it takes to collect them.
sys.dont_write_bytecode = False


def pytest_configure(config: pytest.Config) -> None:
    """Have bytecode for the many servers of the tests: without, where Python writes none, each compiles the program."""
    if not hasattr(config, "workerinput"):  # the workers of xdist begin afterwards
        compileall.compile_dir(REPOSITORY / "src", quiet=2)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is collected stays, so no garbage is looked for meanwhile, nor later among it."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first; the order is the same otherwise."""
    places = {str(Path(__file__).parent / name): place for place, name in enumerate(_LONGEST)}
    items.sort(key=lambda item: places.get(str(item.path), len(places)))


NO_TELEMETRY: Mapping[str, str] = {"STONECHAT_TELEMETRY": "false"}
"""For servers of tests that do not read it: the tables of that, and what is written there, would take as long as the
tests.
"""


class RunningServer:
    """A `stonechat` process that serves a data folder, and a client for it."""

    def __init__(
        self,
        home: Path,
        *,
        arguments: tuple[str, ...],
        environment: Mapping[str, str],
        port: int | None = None,
        module: str = "stonechat",
        forked: bool = True,
    ) -> None:
        self.home = home
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = home.with_suffix(".log")
        arguments = (*arguments, "--home", str(home), "--port", str(self.port))
        environment = {**os.environ, "HOME": str(home.parent), "COLUMNS": "200", **environment}
        self.process: ForkedProcess | subprocess.Popen[bytes]
        with self.log.open("ab") as log:
            if forked:
                self.process = ForkedProcess(module, arguments, environment=environment, output=log.fileno())
            else:
                command = [sys.executable, "-m", module, *arguments]
                self.process = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env=environment
                )
        self.client = httpx.Client(base_url=self.url, timeout=60, verify=_NO_CERTIFICATES)
        try:
            self._wait_until_ready()
            self.token: str = self.client.get("/tokens").json()["workspace_admin_token"]
        except BaseException:
            self.kill()
            raise

    def _wait_until_ready(self, seconds: float = 60) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise RuntimeError(f"the server ended with {self.process.returncode}: {self.log.read_text()[-3000:]}")
            if _listens(self.port) and self.client.get("/v0/health").status_code == 200:
                return
            time.sleep(0.02)
        raise RuntimeError(f"the server was not ready after {seconds} s: {self.log.read_text()[-3000:]}")

    def request(self, method: str, path: str, *, token: str | None = None, **arguments: Any) -> httpx.Response:
        """A request with the admin token, or another."""
        headers = {"Authorization": f"Bearer {token or self.token}", **arguments.pop("headers", {})}
        return self.client.request(method, path, headers=headers, **arguments)

    def send(self, rows: bytes | str, *, name: str = "messages", wait: bool = True, **arguments: Any) -> httpx.Response:
        """Events to a data source."""
        params = {"name": name, "wait": str(wait).lower(), **arguments.pop("params", {})}
        return self.request("POST", "/v0/events", params=params, content=rows, **arguments)

    def rows(self, path: str, **params: str | int) -> list[dict[str, Any]]:
        """The data of an endpoint, or of a statement with `/v0/sql`."""
        response = self.request("GET", path, params=params)
        assert response.status_code == 200, response.text
        data: list[dict[str, Any]] = response.json()["data"]
        return data

    def sql(self, statement: str) -> list[dict[str, Any]]:
        """Rows of a statement."""
        return self.rows("/v0/sql", q=f"{statement} FORMAT JSON")

    def value(self, statement: str) -> Any:
        """The one value of a statement."""
        (row,) = self.sql(statement)
        (value,) = row.values()
        return value

    def deploy(self, files: Mapping[str, str], **params: str) -> httpx.Response:
        """Deploy a project as the clients do: it is live in the end unless a parameter says otherwise."""
        parts = [("data_project://", (name, text.encode(), "text/plain")) for name, text in files.items()]
        parts.append(("context://", ("cli-version", b"1.0.0", "text/plain")))
        return self.request("POST", "/v1/deploy", params={"auto_promote": "true", **params}, files=parts)

    def new_workspace(self, name: str | None = None) -> RunningServer:
        """The same server as it is for the admin of a new, empty workspace."""
        owner = self.client.get("/tokens").json()["user_token"]
        params = {"name": name or f"w{os.urandom(6).hex()}"}
        return self.seen_with(self.request("POST", "/v1/workspaces", params=params, token=owner).json()["token"])

    def seen_with(self, token: str) -> RunningServer:
        """The same server as it is for whoever has a token."""
        seen = copy(self)
        seen.token = token
        return seen

    def tokens(self) -> dict[str, str]:
        """Values of all tokens by name."""
        return {each["name"]: each["token"] for each in self.request("GET", "/v0/tokens").json()["tokens"]}

    def database(self, workspace: str = "stonechat") -> str:
        """The database of the engine that a workspace has its tables in. No answer names it."""
        with closing(sqlite3.connect(f"file:{self.home / 'state.sqlite'}?mode=ro", uri=True)) as state:
            (name,) = state.execute("SELECT database FROM workspaces WHERE name = ?", (workspace,)).fetchone()
        return str(name)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End the process by a signal; its exit code."""
        self.process.send_signal(number)
        code = self.process.wait(60)
        self.client.close()
        return code

    def kill(self) -> None:
        """End the process without a chance to clean up."""
        self.process.kill()
        self.process.wait(60)
        self.client.close()


_NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Reading them takes longer than most tests, and no server of theirs has one."""
StartServer = Callable[..., RunningServer]


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[StartServer]:
    """Start servers; whatever still runs after the test is killed. The default data folder is the same each time."""
    started: list[RunningServer] = []

    def start(home: Path | None = None, *arguments: str, **environment: str) -> RunningServer:
        server = RunningServer(home or tmp_path / "home", arguments=arguments or ("serve",), environment=environment)
        started.append(server)
        return server

    yield start
    for server in started:
        if server.process.poll() is None:
            server.kill()


@pytest.fixture(scope="module")
def module_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """One server for the tests of a module, each of which has a workspace of its own."""
    home = tmp_path_factory.mktemp("module") / "home"
    server = RunningServer(home, arguments=("serve",), environment=NO_TELEMETRY)
    try:
        yield server
        assert server.stop() == 0
    finally:
        if server.process.poll() is None:
            server.kill()


@pytest.fixture(scope="session")
def messaging_files() -> Mapping[str, str]:
    """The messaging project as it is deployed."""
    paths = [path for path in MESSAGING.rglob("*") if path.suffix in {".datasource", ".pipe"}]
    return {path.relative_to(MESSAGING).as_posix(): path.read_text() for path in sorted(paths)}


@pytest.fixture(scope="module")
def messaging_server(
    tmp_path_factory: pytest.TempPathFactory, messaging_files: Mapping[str, str]
) -> Iterator[RunningServer]:
    """One server with the messaging project for the tests of a module, which must not depend on each other's rows."""
    server = RunningServer(
        tmp_path_factory.mktemp("messaging") / "home", arguments=("serve",), environment=NO_TELEMETRY
    )
    response = server.deploy(messaging_files)
    assert response.status_code == 200, response.text
    yield server
    assert server.stop() == 0


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data beside the repository; tests that need it skip where it is absent."""
    if not SHARED.is_dir():
        pytest.skip("needs the real messages, which are not part of the project")
    return SHARED


def _listens(port: int) -> bool:
    """Whether a server has the port; asked often, and a client takes a hundred times as long to find out."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_port() -> int:
    """A port that nobody listens on, and that the system gives to nobody else who asks for any for a minute: it was
    that of a connection, which its end has closed first.
    """
    with socket.socket() as listener, socket.socket() as client:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        client.connect(listener.getsockname())
        connection, _ = listener.accept()
        connection.close()
        assert client.recv(1) == b""
        port: int = listener.getsockname()[1]
        return port
