"""Pretty-printed events count as events; broken lines among good ones are still judged alone."""

from __future__ import annotations

import json

import pytest

from stonechat.ingest.spanning import on_single_lines

_EVENTS = [{"a": 1, "b": {"c": "x\ny", "d": [1, 2]}}, {"a": 2, "e": "}\\n{"}, {}]


def _read(body: bytes) -> list[object]:
    return [json.loads(line) for line in body.split(b"\n") if line]


@pytest.mark.parametrize("separator", ["\n", "\n\n", " ", "\r\n"])
@pytest.mark.parametrize("indent", [1, 4, "\t"])
def test_events_that_span_lines_come_on_one_line_each(indent: int | str, separator: str) -> None:
    text = separator.join(json.dumps(event, indent=indent) for event in _EVENTS)
    assert _read(on_single_lines(text.encode())) == _EVENTS
    assert _read(on_single_lines(text.replace("\n", "\r\n").encode())) == _EVENTS


def test_numbers_keep_their_digits() -> None:
    assert on_single_lines(b'{\n"a": 1.10e400,\n"b": 123456789012345678901234567890}') == (
        b'{ "a": 1.10e400, "b": 123456789012345678901234567890}'
    )


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\n\n",
        b'{"a": 1}\n{"a": 2}\n',
        b'{"a": 1\n{"a": 2}\n',
        b'{\n"a": 1',
        b'{\n"a": 1}\nnonsense',
        b'{\n"a": "\xff"}',
        b'{\n"a": ' + b"[" * 100_000,
        b'[\n{"a": 1}\n]',
        b"{",
    ],
)
def test_anything_else_stays_as_it_is(body: bytes) -> None:
    assert on_single_lines(body) == body
