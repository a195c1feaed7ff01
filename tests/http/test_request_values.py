"""The values of a request are those that it was sent with, in its URL and in its body."""

from __future__ import annotations

import gzip
import json
from typing import Any
from urllib.parse import parse_qsl

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.conftest import RunningServer

from stonechat.http.request_values import bare_parameters, collected, pipe_parameters, url_pairs

_PIECES = st.sampled_from(
    ["a", "b", "=", "&", "%", "%3", "%3D", "%26", "%3A", "%3a", "%2", "%E9", "%C3%A9", "+", ";", "\xe9", "\xff", " "]
)


@given(st.lists(_PIECES, max_size=20).map("".join))
@example("")
@example("a=1&b=&c&&=d&e==f")
def test_a_url_has_the_parameters_that_the_standard_library_finds(text: str) -> None:
    assert list(url_pairs(text.encode("latin-1"))) == parse_qsl(text, keep_blank_values=True)


@given(st.lists(_PIECES, min_size=1, max_size=20).map("".join))
@example("token=a&a=b%20c&a.b=1")
@example("token=a&a=1&token=b")
def test_a_url_that_is_not_read_as_http_has_the_same_parameters(text: str) -> None:
    values = collected(url_pairs(text.encode("latin-1")))
    token = values.get("token")
    found = bare_parameters(text.encode("latin-1"))
    assert found == (pipe_parameters(values), token if token is None or isinstance(token, str) else token[-1])


def test_a_key_that_comes_again_has_its_values_in_their_order() -> None:
    pairs: list[tuple[str, str | list[str]]] = [("a", "1"), ("b", ["x"]), ("a", ["2", "3"]), ("a", "4"), ("b", "y")]
    assert collected(pairs) == {"a": ["1", "2", "3", "4"], "b": ["x", "y"]}
    assert pairs[1] == ("b", ["x"])


def test_a_key_may_come_as_often_as_a_body_has_room_for() -> None:
    assert collected(url_pairs(b"a&" * 500_000)) == {"a": [""] * 500_000}


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("1.50", "1.50"),
        ("12345678901234567890.123456789", "12345678901234567890.123456789"),
        ("1e400", "1e400"),
        ("true", "true"),
        ('{"a": ["ü", 1.5, null]}', '{"a": ["ü", 1.5, null]}'),
        ('"1.50"', "1.50"),
        ("[1.50]", "1.50"),
    ],
)
def test_a_value_of_a_json_body_has_the_text_that_was_sent(
    module_server: RunningServer, written: str, text: str
) -> None:
    body = '{"q": "%SELECT {{String(x)}} AS x FORMAT JSONEachRow", "x": ' + written + "}"
    answer = module_server.request("POST", "/v0/sql", content=body.encode())
    assert json.loads(answer.text) == {"x": text}, answer.text


@pytest.mark.parametrize("written", ["NaN", "-Infinity", "{'a': 1}", "1,}"])
def test_what_is_no_json_is_refused(module_server: RunningServer, written: str) -> None:
    answer = module_server.request("POST", "/v0/sql", content=b'{"q": "SELECT 1", "x": %b}' % written.encode())
    assert (answer.status_code, answer.json()["code"]) == (400, "SC941")


@pytest.mark.parametrize("body", ['{"q": "SELECT 7 AS n"}', "SELECT 7 AS n"])
def test_a_byte_order_mark_is_passed_over(module_server: RunningServer, body: str) -> None:
    assert module_server.request("POST", "/v0/sql", content=b"\xef\xbb\xbf" + body.encode()).text == "7\n"


@pytest.mark.parametrize("path", ["/v0/sql", "/v0/pipes/any.json"])
def test_a_compressed_body_without_its_encoding_is_told(module_server: RunningServer, path: str) -> None:
    answer = module_server.request("POST", path, content=gzip.compress(b"q=SELECT 1"))
    assert (answer.status_code, answer.json()["code"]) == (400, "SC921")
    assert answer.json()["hint"] == "Send Content-Encoding: gzip, or zstd."


@pytest.mark.parametrize("path", ["//v0/sql", "/v0//sql/", "//v0///sql//"])
def test_slashes_may_be_doubled(module_server: RunningServer, path: str) -> None:
    answer = httpx.get(f"{module_server.url}{path}", params={"q": "SELECT 7", "token": module_server.token})
    assert (answer.status_code, answer.text) == (200, "7\n")


@pytest.mark.parametrize("count", [10, 100_000])
@pytest.mark.parametrize("kind", ["json", "form", "form data"])
def test_a_body_may_have_values_as_long_as_it_has_room_for(module_server: RunningServer, kind: str, count: int) -> None:
    values = {"q": "%SELECT {{len(x)}} AS n FORMAT CSV", "x": "é" * count}
    sent: dict[str, Any] = {
        "json": {"json": values},
        "form": {"data": values},
        "form data": {"files": {name: (None, value) for name, value in values.items()}},
    }
    answer = module_server.request("POST", "/v0/sql", **sent[kind])
    assert (answer.status_code, answer.text) == (200, f"{count}\n")
