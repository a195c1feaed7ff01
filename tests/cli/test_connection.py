"""What a command says whose server is not there, is another program, or has nothing for it."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from typing import ClassVar

import pytest

from stonechat.client import Remote
from stonechat.requesting import ServerUnreachable


class _OtherProgram(http.server.BaseHTTPRequestHandler):
    """Answers every path as programs do that know nothing of ours."""

    status: ClassVar[int]
    body: ClassVar[bytes]

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(params=[(200, b"<h1>Hello</h1>"), (404, b"Not Found"), (200, b"[]"), (200, b'{"version": 1}')])
def other_program(request: pytest.FixtureRequest) -> Iterator[str]:
    status, body = request.param
    handler = type("Handler", (_OtherProgram,), {"status": status, "body": body})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_another_program_at_the_url_is_told_from_a_server_of_ours(other_program: str) -> None:
    with Remote(other_program, None) as remote, pytest.raises(ServerUnreachable, match="is no stonechat server"):
        remote.count("messages")


@pytest.mark.parametrize("url", ["127.0.0.1:1", "http://127.0.0.1:port", "http://127.0.0.1:1"])
def test_where_no_server_answers_the_url_is_shown(url: str) -> None:
    with pytest.raises(ServerUnreachable) as raised, Remote(url, None) as remote:
        remote.count("messages")
    assert url in str(raised.value)
    assert raised.value.hint
