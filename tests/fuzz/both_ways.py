"""Random requests that are sent the short way and the usual one, and the answers that they get."""

from __future__ import annotations

import random
import re
import socket
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote, quote_plus

import zstandard
from tests.conftest import RunningServer

FILES = {
    "visits.datasource": (
        "SCHEMA >\n    page String `json:$.page`,\n    visitor String `json:$.visitor`\n"
        "ENGINE MergeTree\nENGINE_SORTING_KEY page\n"
    ),
    "pages.pipe": (
        "NODE output\nSQL >\n    %\n    SELECT {{String(page, 'none')}} AS asked, {{String(token, 'no')}} AS t,\n"
        "        {{Array(list, 'String', 'x,y')}} AS listed, count() AS visits FROM visits\n"
        "        WHERE page != {{String(page, 'none')}}\n"
        "        {% if defined(visitor) %} AND visitor = {{String(visitor)}} {% end %}\nTYPE endpoint\n"
    ),
}
ROWS = "\n".join(f'{{"page": "{page}", "visitor": "{page}{number}"}}' for page in "abc" for number in range(3))
_PATH = "/v0/pipes/pages"
_CHANGING = frozenset({"date", "server-timing", "x-request-id", "x-cache", "x-db-statistics", "content-length"})
_LENGTH_OF_NEW_ID = 32
_COST = re.compile(rb'"statistics".*?\}', re.DOTALL)
_TEXTS = ["a", "b", "", "a b", "ä", "'", "\\", "\0", "a'--", "%", "with", "visits", "a\r\nX: y", "😀", "x" * 200, "1,2"]
_NAMES = ["page", "visitor", "list", "unused", "from", "cli_version", "debug", "q", "explain", "token", "Page"]
_LINES = [
    "Accept: */*",
    "Accept-Encoding: gzip, zstd",
    "accept-encoding: gzip",
    "Accept-Encoding:identity",
    "ACCEPT-ENCODING: gzip;q=0",
    "Connection: keep-alive",
    "Connection: Keep-Alive",
    "Connection: close",
    "Connection: keep-alive, x",
    "connection: x, close",
    "Connection: upgrade",
    "Proxy-Connection: close",
    "Keep-Alive: timeout=5",
    "Upgrade: h2c",
    "Content-Length: 0",
    "Content-Type: application/json",
    "X-Request-Id: mine",
    "x-request-id:\tother\t",
    "X-Request-Id: mine\r\n  and more",
    "traceparent: 00-1\r\n\tfolded",
    "Tracestate: a=b",
    "X-Forwarded-For: 10.1.2.3",
    "X-Forwarded-Proto: https",
    "Forwarded: for=10.0.0.1",
    "If-None-Match: *",
    "If-None-Match:   * ",
    'If-None-Match: "other"',
    'If-None-Match: W/"other", *',
    "If-None-Match:",
    "User-Agent: a\tb",
    "User-Agent: ü",
    "X-Folded: a\r\n b",
    "X-Bare: a\nX-Second: b",
    "X-Empty:",
    "Origin: http://example.com",
    "Cookie: token=none",
    "Range: bytes=0-3",
    "Host: second",
    "Authorization: Bearer none",
    "Authorization: Basic Og==",
    "X-Stonechat: " + "y" * 900,
]


@dataclass(frozen=True)
class Case:
    """Header lines, and the URLs that are asked for with them, one after the other."""

    lines: Sequence[str]
    urls: Sequence[str]

    def requests(self, token: str) -> list[bytes]:
        """What is sent, for whoever has a token."""
        block = "\r\n".join(self.lines).replace("TOKEN", token)
        return [f"GET {url.replace('TOKEN', token)} HTTP/1.1\r\n{block}\r\n\r\n".encode("latin-1") for url in self.urls]


def random_case(chance: random.Random) -> Case:
    """Headers that are mostly ordinary, and URLs of which the first ones are."""
    lines = ["Host: x", "Authorization: Bearer TOKEN"]
    in_url = chance.random() < 0.25
    if in_url:
        lines = ["Host: x"]
    elif chance.random() < 0.2:
        lines[1] = chance.choice(["authorization:bearer TOKEN", "AUTHORIZATION: BEARER  TOKEN ", lines[1]])
    lines += chance.sample(_LINES, chance.choice([0, 1, 1, 2, 2, 3, 5]))
    if chance.random() < 0.3:
        chance.shuffle(lines)
    salt = f"{chance.getrandbits(40):x}"
    path = f"{_PATH}.{chance.choice(['json', 'json', 'ndjson', 'csv', 'tsv', 'prometheus'])}"
    urls = [f"{path}?page={salt}{number}" for number in range(4)]
    urls += [_random_url(chance, path, salt) for _ in range(4)]
    if in_url:
        urls = [_with_token(chance, url) for url in urls]
    return Case(lines, urls)


def _random_url(chance: random.Random, path: str, salt: str) -> str:
    pairs = []
    for _ in range(chance.randrange(5)):
        name, text = chance.choice(_NAMES[: 3 if chance.random() < 0.7 else None]), chance.choice(_TEXTS)
        if name in {"q", "explain", "token"}:
            text = chance.choice(["", "false", "SELECT * FROM _", "none"])
        value = chance.choice([quote, quote_plus])(text, safe=chance.choice(["", "/'", "!$'()*,:@;?"]))
        if chance.random() < 0.1:
            value = chance.choice(["%zz", "%", "%ff", "%C3", "a;b", "a=b", "a?b", "a#b", "%00", "+", "%2b", "[1]"])
        if chance.random() < 0.1:
            name = "".join(f"%{ord(each):02x}" for each in name)
        pairs.append(f"{name}={value}" if chance.random() < 0.9 else name)
    pairs.insert(chance.randrange(len(pairs) + 1), f"page={salt}" if chance.random() < 0.7 else "")
    path = chance.choice([path] * 12 + [path + "/", "/" + path, path.replace("p", "%70"), "http://h" + path])
    return f"{path}?{'&'.join(pairs)}"


def _with_token(chance: random.Random, url: str) -> str:
    name = chance.choice(["token", "token", "%74oken"])
    others = url.partition("?")[2]
    pair = f"{name}=TOKEN"
    return url + "&" + pair if chance.random() < 0.5 else url.replace("?" + others, f"?{pair}&{others}")


class Sender:
    """Sends the requests of cases to a server, and keeps its connections as browsers do."""

    def __init__(self, server: RunningServer) -> None:
        self._address = "127.0.0.1", server.port
        self._token = server.token
        self._connection: socket.socket | None = None
        self.direct = 0
        self.answered = 0

    def check(self, case: Case) -> None:
        """Each request is answered the same whether it comes at once or in two pieces."""
        self.close()  # it may be in the middle of a case that has failed
        for request in case.requests(self._token):
            usual = self.usual(request)
            for _ in range(2):
                answer = self.answer(request)
                assert answer.told == usual.told, request
                self.answered += 1
                self.direct += answer.direct

    def usual(self, request: bytes) -> Answer:
        """The answer to a request with a line end before it, which looks like no earlier one."""
        return self.answer(b"\r\n" + request)

    def answer(self, request: bytes) -> Answer:
        """The answer to a request that comes alone and at once."""
        if self._connection is None:
            self._connection = socket.create_connection(self._address, timeout=20)
        self._connection.sendall(request)
        answer = Answer.read(self._connection)
        if answer.closed:
            assert not self._connection.recv(1)
            self.close()
        return answer

    def close(self) -> None:
        """End the connection that is kept."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None


@dataclass(frozen=True)
class Answer:
    """What was answered: `told` is all of it that a request decides; whether by the short way, and as the last."""

    told: object
    direct: bool
    closed: bool

    @classmethod
    def read(cls, connection: socket.socket) -> Answer:
        """The next answer of a connection, behind which nothing may come."""
        received = b""
        while b"\r\n\r\n" not in received:
            received += _some(connection)
        head, _, body = received.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = [(name.lower(), value) for name, _, value in (line.partition(": ") for line in lines)]
        known = dict(headers)
        length = int(known.get("content-length", "0")) if " 304 " not in first else 0
        while len(body) < length:
            body += _some(connection)
        assert len(body) == length
        given = known["x-request-id"]
        told = (
            first,
            sorted((name, "" if name in _CHANGING else value) for name, value in headers),
            given if len(given) < _LENGTH_OF_NEW_ID else "",
            _COST.sub(b"", _decoded(body, known.get("content-encoding"))),
        )
        short = known.get("server-timing", "").startswith(("recognize;", "repeat;"))
        return cls(told, short, known.get("connection") == "close")


def _decoded(body: bytes, encoding: str | None) -> bytes:
    return zlib.decompress(body, 31) if encoding == "gzip" else zstandard.decompress(body) if encoding else body


def _some(connection: socket.socket) -> bytes:
    chunk = connection.recv(1_000_000)
    if not chunk:
        raise ConnectionError("the connection has ended before the answer")
    return chunk
