"""What a reading request brings along: values of its URL and of its body, and which of them are for whom."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Self
from urllib.parse import parse_qsl, unquote, unquote_to_bytes

from starlette.requests import Request

from stonechat.http.bodies import read_body, text_of
from stonechat.http.form_data import FORM_DATA, InvalidBody, form_fields
from stonechat.query.finalizing import FINALIZE

# Keys that clients add to every call and that are no parameters of a pipe.
_NOT_PARAMETERS = frozenset(
    {"token", "q", "cli_version", "from", "debug", "explain", "release_replacements", "__tb__semver"}
)
_DECIDING = frozenset({"q", "explain", FINALIZE})
TRUE = frozenset({"true", "1"})
_JSON = "application/json"
_JSON_OBJECT = re.compile(r"\s*\{(?![{%#])")
_FORM = "application/x-www-form-urlencoded"
_MAX_PARAMETER_BYTES = 1_000_000
_LARGEST_AT_ONCE = 16 * 1024
"""Bytes of a body that is taken apart on the event loop."""

Values = dict[str, str | Sequence[str]]


async def request_values(request: Request, raw_key: str | None = None) -> Values:
    """Parameters of the URL and then of the body: a form, a JSON object or, where `raw_key` names one, plain text.

    The content type is not to be relied on: a browser's `fetch` calls a JSON text plain text, `curl -d` a form.
    """
    pairs: list[tuple[str, str | list[str]]] = [*url_pairs(request.scope["query_string"])]
    if request.method == "POST":
        body = await read_body(request, _MAX_PARAMETER_BYTES)
        kind = media_type(request)
        if kind == FORM_DATA:
            pairs += await form_fields(request, body)
        elif len(body) > _LARGEST_AT_ONCE:
            return await asyncio.to_thread(lambda: collected([*pairs, *_body_pairs(body, kind, raw_key)]))
        else:
            pairs += _body_pairs(body, kind, raw_key)
    return collected(pairs)


def media_type(request: Request) -> str:
    """What the request says that its body is, without parameters; empty where it does not."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def collected(pairs: Iterable[tuple[str, str | list[str]]]) -> Values:
    """Values by key, those of a key that comes again in a list."""
    values: Values = {}
    lists: dict[str, list[str]] = {}
    for key, value in pairs:
        if key not in values:
            values[key] = value
            continue
        if key not in lists:
            values[key] = lists[key] = [*_several(values[key])]
        lists[key] += _several(value)
    return values


def url_pairs(query: bytes) -> Iterable[tuple[str, str]]:
    """The parameters of a URL, as `parse_qsl` has them with blank values. Most need no decoding, the slowest part."""
    text = query.decode("latin-1")
    parts = [part.partition("=") for part in text.split("&") if part]
    if "%" not in text and "+" not in text:
        return [(name, value) for name, _, value in parts]
    return [(name if name.isidentifier() else _decoded(name), _decoded(value)) for name, _, value in parts]


def _decoded(text: str) -> str:
    # Most of what is encoded is a time. A colon is in no code of another character.
    plain = text.replace("+", " ").replace("%3A", ":")
    if "%" not in plain:
        return plain
    return unquote_to_bytes(plain).decode("utf-8", "replace") if plain.isascii() else unquote(plain)


def _several(value: str | Sequence[str]) -> Sequence[str]:
    return [value] if isinstance(value, str) else value


def _body_pairs(body: bytes, kind: str, raw_key: str | None) -> Iterable[tuple[str, str | list[str]]]:
    if not body:
        return []
    try:
        text = text_of(body).decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidBody(f"The request body is not UTF-8 at byte {error.start}") from error
    if kind == _JSON or _JSON_OBJECT.match(text):
        return _json_pairs(text)
    pairs = parse_qsl(text, keep_blank_values=True) if raw_key is None or kind == _FORM else []
    # `curl -d 'SELECT 1'` calls a statement a form: what has no such key is the statement itself.
    if raw_key is not None and raw_key not in dict(pairs):
        return [(raw_key, text)]
    return pairs


def _json_pairs(text: str) -> Iterable[tuple[str, str | list[str]]]:
    try:
        document = json.loads(text, parse_float=_WrittenFloat, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise InvalidBody(f"The request body is not valid JSON: {error}") from error
    if not isinstance(document, dict):
        raise InvalidBody("The request body is not a JSON object of parameters")
    for key, value in document.items():
        if isinstance(value, list):
            # A list of one is a list, too: its element may have commas.
            if items := [_json_text(item) for item in value if item is not None]:
                yield key, items
        elif value is not None:
            yield key, _json_text(value)


class _WrittenFloat(float):
    """A number with a point or an exponent that keeps its text: a Decimal may have more digits than a float."""

    def __new__(cls, text: str) -> Self:
        number = super().__new__(cls, text)
        number.text = text
        return number

    text: str


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _json_text(value: object) -> str:
    if isinstance(value, _WrittenFloat):
        return value.text
    if type(value) is int:  # not a boolean; lists of numbers are long
        return str(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def pipe_parameters(values: Mapping[str, str | Sequence[str]]) -> Values:
    """What is for the pipe among the values of a request."""
    return {key: value for key, value in values.items() if key not in _NOT_PARAMETERS}


def bare_parameters(query: bytes) -> tuple[Values, str | None] | None:
    """The same of a URL that has nothing else but a token, and that token; None of one that has."""
    values = _single_values(query) or collected(url_pairs(query))
    bare: Values = {}
    for name, value in values.items():
        if name in _DECIDING or name.startswith(("output_format_", "__tb__")):
            return None
        if name not in _NOT_PARAMETERS:
            bare[name] = value
    return bare, last_value(values["token"]) if "token" in values else None


def _single_values(query: bytes) -> Values | None:
    """The values of a URL that has each key once, and keys that need no decoding; None of others."""
    values: Values = {}
    for part in query.decode("latin-1").split("&"):
        name, _, value = part.partition("=")
        if name in values or not name.isidentifier():
            return None
        values[name] = _decoded(value) if "%" in value or "+" in value else value
    return values


def output_settings(values: Mapping[str, str | Sequence[str]]) -> dict[str, str]:
    """Settings of the output, and whether states of aggregates are finalised."""
    settings = {key: last_value(value) or "" for key, value in values.items() if key.startswith("output_format_")}
    if last_value(values.get(FINALIZE)) in TRUE:
        settings[FINALIZE] = "1"
    return settings


def csv_header(values: Mapping[str, str | Sequence[str]]) -> bool | None:
    """Whether CSV is to have a header; None where the request does not say."""
    text = last_value(values.get("__tb__csv_header"))
    return None if text is None else text.lower() not in {"0", "false"}


def last_value(value: str | Sequence[str] | None) -> str | None:
    """The value of a key that should come once."""
    return value if value is None or isinstance(value, str) else value[-1]
