"""Connections are bounded, so that whoever opens many leaves the engine the files that it needs."""

from __future__ import annotations

import json
import select
import socket
import subprocess
import sys
from contextlib import ExitStack

from tests.conftest import NO_TELEMETRY, RunningServer, StartServer
from tests.waiting import until

_HEALTH = b"GET /v0/health HTTP/1.1\r\nHost: x\r\n\r\n"
_LIMITS = """
import resource
from stonechat.server.open_files import allow_open_files
resource.setrlimit(resource.RLIMIT_NOFILE, (100, 300))
print(allow_open_files(), *resource.getrlimit(resource.RLIMIT_NOFILE))
"""


def test_a_connection_too_many_is_told_so_and_others_go_on(start_server: StartServer) -> None:
    server = start_server(STONECHAT_MAX_CONNECTIONS="5", **NO_TELEMETRY)
    with ExitStack() as opened:
        first = opened.enter_context(_connected(server))
        first.sendall(_HEALTH)
        assert first.recv(65536).startswith(b"HTTP/1.1 200 ")
        refused = first
        while not select.select([refused], [], [], 0.1)[0]:
            refused = opened.enter_context(_connected(server))
        head, _, body = refused.recv(65536).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 503 ")
        assert {b"connection: close", b"retry-after: 1"} <= {*head.split(b"\r\n")}
        assert json.loads(body)["code"] == "SC917"
        first.sendall(_HEALTH)
        assert first.recv(65536).startswith(b"HTTP/1.1 200 ")
    until(lambda: server.client.get("/v0/health").status_code == 200)


def test_as_many_files_as_may_be_are_allowed_to_be_open() -> None:
    told = subprocess.run([sys.executable, "-c", _LIMITS], capture_output=True, check=True, text=True).stdout
    assert told.split() == ["300", "300", "300"]


def _connected(server: RunningServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=10)
