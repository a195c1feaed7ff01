"""Events that span lines, as people paste them into a shell: pretty-printed JSON where one event a line is expected."""

from __future__ import annotations

import json
from collections.abc import Iterator

_LARGEST = 16 * 1024 * 1024
_BOUNDARIES = json.JSONDecoder()
_BREAKS = str.maketrans("\n\r", "  ")


def on_single_lines(body: bytes) -> bytes:
    """The body with each of its JSON objects on a line of its own, if its first line does not end one.

    Anything but a clean sequence of objects comes back as it is: a broken line among good ones is judged alone.
    Line breaks in an object stand between its parts, never in its strings: JSON forbids that. So they become spaces.
    """
    end = body.find(b"\n", len(body) - len(body.lstrip()))
    first = body[: end if end >= 0 else _LARGEST].strip()
    if not first.startswith(b"{") or first.endswith(b"}") or len(body) > _LARGEST:
        return body
    try:
        text = body.decode()
        return "\n".join(_objects(text)).encode()
    except (ValueError, RecursionError):
        return body


def _objects(text: str) -> Iterator[str]:
    """Each object's text on one line. Raises ValueError where something else stands."""
    position = _next_event(text, 0)
    while position < len(text):
        value, end = _BOUNDARIES.raw_decode(text, position)
        if not isinstance(value, dict):
            raise ValueError(text[position:end])  # noqa: TRY004 - bad text, like what the decoder raises
        yield text[position:end].translate(_BREAKS)
        position = _next_event(text, end)


def _next_event(text: str, position: int) -> int:
    while position < len(text) and text[position] in " \t\r\n":
        position += 1
    return position
