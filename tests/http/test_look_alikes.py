"""Requests that differ in the values of their URLs alone are recognized, and get just what the usual way would give."""

from __future__ import annotations

import json
import random
import re
import signal
import socket
import time
from collections.abc import Iterator
from http.client import HTTPResponse
from itertools import count, pairwise
from urllib.parse import quote_plus, urlencode

import httpx
import pytest
from tests.conftest import RunningServer, StartServer
from tests.waiting import until

_FILES = {
    "visits.datasource": (
        "SCHEMA >\n    page String `json:$.page`,\n    visitor String `json:$.visitor`\n"
        "ENGINE MergeTree\nENGINE_SORTING_KEY page\n"
    ),
    "pages.pipe": (
        "NODE output\nSQL >\n    %\n    SELECT {{String(page, 'none')}} AS asked, count() AS visits,\n"
        "        groupUniqArray(visitor) AS visitors FROM visits WHERE page = {{String(page, 'none')}}\n"
        "        {% if defined(visitor) %} AND visitor = {{String(visitor)}} {% end %}\nTYPE endpoint\n"
    ),
    "failing.pipe": (
        "NODE output\nSQL >\n    %\n    SELECT throwIf(count() < {{Int32(least)}}, 'too few') AS enough FROM visits\n"
        "TYPE endpoint\n"
    ),
    "sized.pipe": (
        "NODE output\nSQL >\n    %\n    SELECT arrayJoin(range(toUInt32({{String(size)}}))) AS number, page FROM\n"
        "        (SELECT page FROM visits LIMIT 1)\nTYPE endpoint\n"
    ),
    # Of so many seconds for each of so many rows.
    "slow.pipe": (
        "NODE output\nSQL >\n    %\n    SELECT {{String(tag)}} AS tag, (SELECT count() FROM visits) AS visits,\n"
        "        max(sleepEachRow(toFloat64({{String(seconds, '0')}}))) AS pause, sum(sipHash64(number)) AS hashes\n"
        "    FROM numbers(toUInt64({{String(rows, '1')}}))\nTYPE endpoint\n"
    ),
}
_PAGES = "/v0/pipes/pages.json"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server for the tests of this module."""
    home = tmp_path_factory.mktemp("looks") / "home"
    running = RunningServer(home, arguments=("serve",), environment={"STONECHAT_QUERY_SECONDS": "600"})
    yield running
    assert running.stop() == 0


@pytest.fixture
def server(served: RunningServer) -> RunningServer:
    """The server with the project as it is above, and visits of three pages."""
    assert served.deploy(_FILES).status_code == 200
    assert served.request("POST", "/v0/datasources/visits/truncate").is_success
    rows = [{"page": page, "visitor": f"{page}{number}"} for page in "abc" for number in range(3)]
    assert served.send("\n".join(map(json.dumps, rows)), name="visits").status_code == 200
    return served


def _is_direct(answer: httpx.Response) -> bool:
    return answer.headers["server-timing"].startswith("recognize;")


def _recognized(server: RunningServer, path: str = _PAGES, token: str | None = None, **headers: str) -> httpx.Response:
    """The answer to the first call in a row that is recognized by its look."""
    numbers = count()

    def recognized() -> httpx.Response | None:
        params = {"page": f"new {next(numbers)}"}
        answer = server.request("GET", path, params=params, token=token, headers=headers)
        assert answer.status_code == 200
        return answer if _is_direct(answer) else None

    return until(recognized)  # how such calls are composed is found out while the query of one runs


def _usual(server: RunningServer, path: str) -> httpx.Response:
    """The same call as a request that comes in two pieces, which is read as HTTP."""
    lines = f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.token}\r\nConnection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(lines[:20].encode())
        time.sleep(0.01)
        connection.sendall(lines[20:].encode())
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = received.partition(b"\r\n\r\n")
    first, *others = head.decode("latin-1").split("\r\n")
    headers = [tuple(line.split(": ", 1)) for line in others]
    return httpx.Response(int(first.split()[1]), headers=headers, content=body)  # type: ignore[arg-type]


def _without_cost(answer: httpx.Response) -> dict[str, object]:
    document: dict[str, object] = answer.json()
    document.pop("statistics", None)
    return document


def test_each_call_gets_the_rows_of_its_own_values(server: RunningServer) -> None:
    _recognized(server)
    chance = random.Random(7)
    odd = [
        "a",
        "b",
        "c",
        "",
        "a b",
        "a+b",
        "ä",
        "'",
        "\\",
        "\0",
        "a'--",
        "%",
        "with",
        "visits",
        "a\r\nX: y",
        "😀",
        "x" * 300,
    ]
    direct = 0
    for _ in range(150):
        values = {"page": chance.choice(odd) + chance.choice(["", "", chance.choice(odd)])}
        if chance.random() < 0.4:
            values["visitor"] = f"{values['page']}{chance.randrange(4)}"
        if chance.random() < 0.2:
            values["unused"] = chance.choice(odd)
        path = f"{_PAGES}?{urlencode(values)}"
        answer = server.request("GET", path)
        usual = _usual(server, path)
        assert answer.status_code == usual.status_code
        assert _without_cost(answer) == _without_cost(usual), values
        changing = {"date", "server-timing", "x-request-id", "x-cache", "connection", "content-length"}
        assert set(answer.headers) - changing == set(usual.headers) - changing
        assert answer.headers.get("etag") == usual.headers.get("etag")
        direct += _is_direct(answer)
    assert direct > 10


@pytest.mark.parametrize(
    "query", ["page=a#b", "page=%zz", "page=a;b", "page", "page=a&&page=b", 'page="a"', "=a", "page=a?b=c"]
)
def test_odd_urls_mean_what_they_always_do(server: RunningServer, query: str) -> None:
    head = f"Host: odd\r\nAuthorization: Bearer {server.token}\r\n\r\n"
    with _connected(server) as connection:
        _until_recognized(connection, f"{_PAGES}?page=odd", head)
    odd = f"GET {_PAGES}?{query} HTTP/1.1\r\n{head}".encode()
    answers = []
    for pieces in ([odd], [odd[:30], odd[30:]]):
        with _connected(server) as connection:
            response, body = _answer(connection, *pieces)
        answers.append((response.status, body.partition(b'"statistics"')[0]))
    assert answers[0] == answers[1]


def test_an_answer_shows_every_event_that_was_acknowledged(server: RunningServer) -> None:
    _recognized(server)
    for number in range(30):
        page = f"acknowledged {number}"
        server.send(json.dumps({"page": page, "visitor": "v"}), name="visits")
        assert server.request("GET", _PAGES, params={"page": page}).json()["data"][0]["visits"] == 1


def test_what_is_asked_for_beside_parameters_is_not_overlooked(server: RunningServer) -> None:
    _recognized(server)
    wrapped = server.request("GET", _PAGES, params={"page": "a", "q": "SELECT visits * 2 AS twice FROM _"})
    assert wrapped.json()["data"] == [{"twice": 6}]
    quoted = server.request("GET", _PAGES, params={"page": "a", "output_format_json_quote_64bit_integers": "1"})
    assert quoted.json()["data"][0]["visits"] == "3"
    assert "debug_query" in server.request("GET", _PAGES, params={"page": "a", "explain": "true"}).json()
    assert server.request("GET", _PAGES, params={"page": "a", "__tb__deployment": "staging"}).status_code == 404
    assert server.request("GET", _PAGES.replace("json", "csv"), params={"page": "a"}).text.startswith('"asked"')


def test_a_token_in_the_url_is_that_of_its_request_alone(server: RunningServer) -> None:
    tokens = {
        name: server.request("POST", "/v0/tokens", params={"name": name, "scope": scope}).json()["token"]
        for name, scope in [("reads", "PIPES:READ:pages"), ("other", "PIPES:READ:sized")]
    }
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}") as client:
        for number in range(20):
            good = client.get(_PAGES, params={"page": f"url {number}", "token": tokens["reads"]})
            assert good.json()["data"][0]["asked"] == f"url {number}"
            assert client.get(_PAGES, params={"page": f"u {number}", "token": tokens["other"]}).status_code == 403
            assert client.get(_PAGES, params={"page": f"u {number}", "token": "none"}).status_code == 403
            assert client.get(_PAGES, params={"page": f"u {number}"}).status_code == 403
    assert _is_direct(good)


def test_a_token_that_was_revoked_or_lost_its_right_is_refused(server: RunningServer) -> None:
    for name, change in [("gone", ("DELETE", {})), ("lost", ("PUT", {"scope": "PIPES:READ:sized"}))]:
        made = server.request("POST", "/v0/tokens", params={"name": name, "scope": "PIPES:READ:pages"})
        token = made.json()["token"]
        _recognized(server, token=token)
        method, params = change
        assert server.request(method, f"/v0/tokens/{name}", params=params).is_success
        assert server.request("GET", _PAGES, params={"page": "after"}, token=token).status_code == 403


def test_what_a_signed_token_hides_stays_hidden(server: RunningServer) -> None:
    def signed(visitor: str) -> str:
        scope = {"type": "PIPES:READ", "resource": "pages", "fixed_params": {"visitor": visitor}}
        params = {"name": visitor, "expiration_time": int(time.time()) + 600}
        made = server.request("POST", "/v0/tokens", params=params, json={"name": visitor, "scopes": [scope]})
        value: str = made.raise_for_status().json()["token"]
        return value

    _recognized(server)
    tokens = {visitor: signed(visitor) for visitor in ("a0", "a1")}
    for _ in range(4):
        for visitor, token in tokens.items():
            answer = server.request("GET", _PAGES, params={"page": "a"}, token=token)
            assert answer.json()["data"][0]["visitors"] == [visitor]


def test_a_limited_token_is_counted_once_for_each_call(server: RunningServer) -> None:
    scopes = [{"type": "PIPES:READ", "resource": "pages"}]
    params = {"name": "limited", "expiration_time": int(time.time()) + 600}
    body = {"name": "limited", "scopes": scopes, "limits": {"rps": 6}}
    token = server.request("POST", "/v0/tokens", params=params, json=body).raise_for_status().json()["token"]
    began = time.monotonic()
    answers = [server.request("GET", _PAGES, params={"page": f"n{n}"}, token=token) for n in range(40)]
    counted = [answer for answer in answers if answer.status_code == 200]
    # Six at once, and six more with each second.
    assert 6 <= len(counted) <= 7 + 6 * (time.monotonic() - began)
    left = [int(answer.headers["x-ratelimit-remaining"]) for answer in counted]
    assert all(after >= before - 1 for before, after in pairwise(left))
    assert {answer.status_code for answer in answers} <= {200, 429}


def test_a_deployment_is_seen_by_the_next_call(server: RunningServer) -> None:
    _recognized(server)
    server.deploy({**_FILES, "pages.pipe": "NODE output\nSQL >\n    SELECT 'new' AS page\nTYPE endpoint\n"})
    assert server.request("GET", _PAGES, params={"page": "a"}).json()["data"] == [{"page": "new"}]


def test_ids_of_requests_and_of_traces_tell_them_apart_and_no_more(server: RunningServer) -> None:
    _recognized(server)
    for number in range(5):
        trace = f"00-{number:032x}-{number:016x}-01"
        headers = {"X-Request-Id": f"id {number}", "Traceparent": trace}
        answer = server.request("GET", _PAGES, params={"page": f"id {number}"}, headers=headers)
        assert answer.headers["x-request-id"] == f"id {number}"
    assert _is_direct(answer)
    for text in ("x-request-id: a", "\r\nx-request-id: b\r\n", "traceparent:c"):
        first, second = (
            server.request("GET", f"{_PAGES}?page={quote_plus(text)}{more}").json()["data"][0] for more in ("1", "2")
        )
        assert (first["asked"], second["asked"]) == (text + "1", text + "2")


def test_a_failure_is_told_as_it_always_is(server: RunningServer) -> None:
    answers = [server.request("GET", "/v0/pipes/failing.json", params={"least": str(least)}) for least in range(4)]
    assert [answer.status_code for answer in answers] == [200] * 4
    failed = server.request("GET", "/v0/pipes/failing.json", params={"least": "100"})
    usual = _usual(server, "/v0/pipes/failing.json?least=100")
    assert (failed.status_code, failed.json()) == (usual.status_code, usual.json())
    assert "too few" in failed.json()["error"]
    assert server.request("GET", "/v0/pipes/failing.json", params={"least": "5"}).status_code == 200
    assert server.request("GET", "/v0/pipes/failing.json", params={"least": "none"}).status_code == 400


def test_large_answers_come_whole_to_whoever_asks(server: RunningServer) -> None:
    for size in (1, 2, 3, 4, 200_000, 5, 200_001, 700_000, 6):
        for encoding in ("identity", "gzip"):
            answer = server.request(
                "GET", "/v0/pipes/sized.json", params={"size": str(size)}, headers={"Accept-Encoding": encoding}
            )
            assert answer.status_code == 200
            assert len(answer.json()["data"]) == size


def test_a_call_whose_client_leaves_is_ended(server: RunningServer) -> None:
    head = f"Host: x\r\nAuthorization: Bearer {server.token}\r\n\r\n"
    with _connected(server) as connection:
        _until_recognized(connection, "/v0/pipes/slow.json?rows=1&tag=before", head)
        endless = "/v0/pipes/slow.json?tag=leaves&rows=100000000000000"
        connection.sendall(f"GET {endless} HTTP/1.1\r\n{head}".encode())
        _until_queries(server, 1)
    _until_queries(server, 0)


def _until_recognized(connection: socket.socket, path: str, head: str) -> None:
    """Have calls recognized that have such a head, and whose paths are this one and a number."""
    numbers = count()

    def is_recognized() -> bool:
        response, _ = _answer(connection, f"GET {path}{next(numbers)} HTTP/1.1\r\n{head}".encode())
        return str(response.headers["server-timing"]).startswith("recognize;")

    until(is_recognized)


def _until_queries(server: RunningServer, running: int) -> None:
    until(lambda: re.search(rf"stonechat_queries {running}\b", server.request("GET", "/metrics").text))


def _answer(connection: socket.socket, *pieces: bytes) -> tuple[HTTPResponse, bytes]:
    """The answer, and its body, to a request that comes in pieces."""
    _send_apart(connection, *pieces)
    response = HTTPResponse(connection)
    response.begin()
    return response, response.read()


def _send_apart(connection: socket.socket, *pieces: bytes) -> None:
    """Send what shall arrive one after the other."""
    for number, piece in enumerate(pieces):
        time.sleep(0.05 if number else 0)
        connection.sendall(piece)


def _connected(server: RunningServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=60)


@pytest.mark.parametrize(
    ("first", "last"),
    [
        (b"GET /v0/health HTTP/1.1\r\nHost: x\r\nX-Value: ", b""),
        (b"GET /v0/health HTTP/1.1\r\nHost: x\r\nX-Value: a\r\n", b""),
        (b"POST /v0/nothing HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", b""),
        (b"POST /v0/nothing HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n", b"\r\n0\r\n\r\n"),
    ],
    ids=["in a header's value", "between headers", "in a body", "in a chunk"],
)
def test_what_is_a_part_of_another_request_is_never_answered(server: RunningServer, first: bytes, last: bytes) -> None:
    # Behind a proxy, an answer that nobody asked for would be taken for that to the next caller's request.
    lines = f"Host: x\r\nAuthorization: Bearer {server.token}\r\n\r\n"
    known = [f"GET {_PAGES}?page=part{number} HTTP/1.1\r\n{lines}".encode() for number in range(4)]
    for request in known:
        with _connected(server) as connection:
            assert _answer(connection, request)[0].status == 200
    next_request = f"GET /v0/health HTTP/1.1\r\nX-Request-Id: next\r\n{lines}".encode()
    with _connected(server) as connection:
        _send_apart(connection, first % len(known[0]) if b"%" in first else first, known[0], last, next_request)
        received = b""
        while b"\r\nx-request-id: next\r\n" not in received and (chunk := connection.recv(65536)):
            received += chunk
    assert received.count(b"HTTP/1.1 ") <= 2
    assert b"asked" not in received
    with _connected(server) as connection:
        assert [_answer(connection, known[0])[0].status for _ in range(2)] == [200, 200]


def test_a_stop_waits_for_the_answer_that_is_under_way(start_server: StartServer) -> None:
    server = start_server()
    assert server.deploy(_FILES).status_code == 200
    server.send(json.dumps({"page": "a", "visitor": "a"}), name="visits")
    head = f"Host: x\r\nAuthorization: Bearer {server.token}\r\n\r\n"
    with _connected(server) as connection:
        _until_recognized(connection, "/v0/pipes/slow.json?seconds=0.01&tag=before", head)
        connection.sendall(f"GET /v0/pipes/slow.json?seconds=2.9&tag=stop HTTP/1.1\r\n{head}".encode())
        _until_queries(server, 1)
        server.process.send_signal(signal.SIGTERM)
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    assert received.count(b"HTTP/1.1 ") == 1
    assert b'"tag": "stop"' in received
    assert b"server-timing: recognize" in received
    assert b"\r\nconnection: close\r\n" in received
