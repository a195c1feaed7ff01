"""A request like an earlier one is answered from memory, and never with what has changed since."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import httpx
import pytest
from tests.conftest import NO_TELEMETRY, RunningServer
from tests.waiting import until

_FILES = {
    "visits.datasource": "SCHEMA >\n    page String `json:$.page`\nENGINE MergeTree\nENGINE_SORTING_KEY page\n",
    "pages.pipe": (
        "NODE output\nSQL >\n    %\n    SELECT page, count() AS visits FROM visits\n"
        "    WHERE page != {{String(hidden, '')}} GROUP BY page ORDER BY page\nTYPE endpoint\n"
    ),
    "clock.pipe": "NODE output\nSQL >\n    SELECT now64(9) AS moment\nTYPE endpoint\n",
    "many.pipe": "NODE output\nSQL >\n    SELECT number, 'a' AS letter FROM numbers(500)\nTYPE endpoint\n",
}
_PAGES = "/v0/pipes/pages.ndjson"
_SQL = "/v0/sql?q=SELECT+count()+AS+n+FROM+visits+FORMAT+CSV"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server for the tests of this module."""
    running = RunningServer(tmp_path_factory.mktemp("repeats") / "home", arguments=("serve",), environment=NO_TELEMETRY)
    yield running
    assert running.stop() == 0


@pytest.fixture
def server(served: RunningServer) -> RunningServer:
    """The server with the project as it is above, and at least one visit of one page."""
    assert served.deploy(_FILES).status_code == 200
    assert served.send(json.dumps({"page": "a"}), name="visits").status_code == 200
    return served


def _repeated(server: RunningServer, path: str = _PAGES, token: str | None = None, **headers: str) -> httpx.Response:
    """The first of equal requests that is answered from memory; those before it may come before that is filled."""

    def repeated() -> httpx.Response | None:
        response = server.request("GET", path, token=token, headers=headers)
        assert response.status_code == 200
        return response if response.headers["server-timing"].startswith("repeat;") else None

    response = until(repeated)
    assert response.headers["x-cache"] == "hit"
    return response


def _token(server: RunningServer, name: str, *scopes: str) -> str:
    response = server.request("POST", "/v0/tokens", params={"name": name, "scope": list(scopes)})
    value: str = response.raise_for_status().json()["token"]
    return value


def test_a_repeat_has_the_body_and_the_headers_of_the_first_answer(server: RunningServer) -> None:
    first = server.request("GET", "/v0/pipes/many.json")
    again = _repeated(server, "/v0/pipes/many.json")
    assert again.content == first.content
    changing = {"date", "server-timing", "x-request-id", "x-cache"}
    kept = {name: value for name, value in first.headers.items() if name not in changing}
    assert {name: value for name, value in again.headers.items() if name not in changing} == kept
    assert again.headers["x-request-id"] != first.headers["x-request-id"]


@pytest.mark.parametrize("path", [_PAGES, _SQL])
def test_a_repeat_shows_every_event_that_was_acknowledged(server: RunningServer, path: str) -> None:
    before = _repeated(server, path).content
    for _ in range(5):
        server.send(json.dumps({"page": "a"}), name="visits")
        after = server.request("GET", path).content
        assert after != before
        assert _repeated(server, path).content == after
        before = after


def test_a_repeat_is_of_the_project_that_is_live(server: RunningServer) -> None:
    _repeated(server)
    server.deploy({**_FILES, "pages.pipe": "NODE output\nSQL >\n    SELECT 'new' AS page\nTYPE endpoint\n"})
    assert server.request("GET", _PAGES).json() == {"page": "new"}


def test_a_token_that_was_revoked_or_lost_its_right_gets_no_repeat(server: RunningServer) -> None:
    revoked = _token(server, "revoked", "PIPES:READ:pages")
    changed = _token(server, "changed", "PIPES:READ:pages")
    _repeated(server, token=revoked)
    _repeated(server, token=changed)
    assert server.request("DELETE", "/v0/tokens/revoked").is_success
    assert server.request("PUT", "/v0/tokens/changed", params={"scope": "PIPES:READ:many"}).is_success
    assert server.request("GET", _PAGES, token=revoked).status_code == 403
    assert server.request("GET", _PAGES, token=changed).status_code == 403


def test_a_statement_is_repeated_only_to_those_who_may_read_what_it_reads(server: RunningServer) -> None:
    reader = _token(server, "reader", "DATASOURCES:READ:visits")
    _repeated(server, _SQL, token=reader)
    assert server.request("PUT", "/v0/tokens/reader", params={"scope": "PIPES:READ:many"}).is_success
    assert server.request("GET", _SQL, token=reader).status_code == 403


def test_repeats_count_as_requests_of_a_limited_token(server: RunningServer) -> None:
    body = {"scopes": [{"type": "PIPES:READ", "resource": "pages"}], "limits": {"rps": 4}, "name": "limited"}
    expires = {"name": "limited", "expiration_time": int(time.time()) + 600}
    token = server.request("POST", "/v0/tokens", params=expires, json=body).raise_for_status().json()["token"]
    began = time.monotonic()
    answers = [server.request("GET", _PAGES, token=token) for _ in range(40)]
    counted = [answer for answer in answers if answer.status_code == 200]
    # Four at once, and four more with each second.
    assert len(counted) <= 5 + 4 * (time.monotonic() - began)
    repeats = [answer for answer in counted if answer.headers["server-timing"].startswith("repeat;")]
    assert {int(answer.headers["x-ratelimit-remaining"]) for answer in repeats} <= {0, 1, 2, 3}
    assert repeats
    assert {answer.status_code for answer in answers} <= {200, 429}


def test_who_has_the_answer_is_told_so_in_a_repeat(server: RunningServer) -> None:
    etag = _repeated(server).headers["etag"]
    known = server.request("GET", _PAGES, headers={"If-None-Match": etag})
    assert (known.status_code, known.content, known.headers["etag"]) == (304, b"", etag)
    other = server.request("GET", _PAGES, headers={"If-None-Match": 'W/"other"'})
    assert (other.status_code, other.headers["etag"]) == (200, etag)


def test_each_encoding_is_repeated_to_those_who_asked_for_it(server: RunningServer) -> None:
    path = "/v0/pipes/many.ndjson"
    plain = _repeated(server, path, **{"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    packed = _repeated(server, path, **{"Accept-Encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) < len(plain.content)
    assert packed.content == plain.content


def test_what_the_clock_has_a_part_in_is_never_repeated(server: RunningServer) -> None:
    moments = {server.request("GET", "/v0/pipes/clock.json").json()["data"][0]["moment"] for _ in range(4)}
    assert len(moments) == 4


def test_a_question_for_the_headers_alone_is_answered_with_no_body(server: RunningServer) -> None:
    _repeated(server)
    other = server.request("HEAD", _PAGES)
    assert (other.status_code, other.content) == (200, b"")


def test_headers_of_a_repeat_decide_nothing_that_the_first_did_not_ask(server: RunningServer) -> None:
    path = "/v0/sql?q=SELECT+count()+AS+n+FROM+visits"
    plain = _repeated(server, path, **{"Content-Type": "text/plain"})
    assert plain.content == _repeated(server, path).content
