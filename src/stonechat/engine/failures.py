"""ClickHouse's exception texts, turned into the classes of the contract and a message without the engine's decoration.

    Code: 60. DB::Exception: Unknown table expression identifier 'nope'. In scope ... (UNKNOWN_TABLE) (version 26.9.2.1)

The number and the name go into fields of their own. Texts may hold words of a caller (`throwIf`), so the number is read
only at the front and the name only at the end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from stonechat.engine.contract import FAILURES_BY_NUMBER, EngineFailure

_PREFIX = re.compile(r"(?:[A-Za-z ]+ failed: |Failed to [a-z ]+: )?Code: (\d+)\. DB::Exception: (?:default: )?")
_VERSION = re.compile(r"\s*\(version [^()]*\)\.?$")
_NAME = re.compile(r"\s*\(([A-Z][A-Z0-9_]+)\)\.?$")
_MARK = re.compile(r"\s*/\* stonechat [0-9a-f]*(?: \*/)?")  # what `running` adds to a statement, as errors quote it
# A statement that was only to be parsed is quoted a second time, as the argument of the function that parsed it.
_PARSED = re.compile(r":? In scope (?:WITH|SELECT) .*\b(?:formatQuery(?:SingleLine)?|parseQueryToJSON)\(.*", re.DOTALL)
_EXECUTING = re.compile(r":\s+While executing \w+\.?$")


@contextmanager
def translated() -> Iterator[None]:
    """Within it, what chDB raises leaves as the contract's error."""
    try:
        yield
    except RuntimeError as error:
        raise failure(str(error)) from error


def failure(text: str) -> EngineFailure:
    """The contract's error for an exception text; a text that is not ClickHouse's becomes a plain `EngineFailure`."""
    front = _PREFIX.match(text)
    if front is None:
        return EngineFailure(text.strip() or "The engine failed without saying why.")
    number = int(front[1])
    body, name = _without_tail(_without_front(text).strip())
    for noise in (_EXECUTING, _PARSED, _MARK):
        body = noise.sub("", body)
    message = " ".join(body.split())
    message = message[:-1] if message.endswith("..") else message
    return FAILURES_BY_NUMBER.get(number, EngineFailure)(message or name, number=number, name=name)


def _without_front(text: str) -> str:
    while front := _PREFIX.match(text):
        text = text[front.end() :]
    return text


def _without_tail(text: str) -> tuple[str, str]:
    """Drop every version and error name at the end: the text of a nested exception carries one pair per level."""
    name = "UNKNOWN"
    while True:
        text = _VERSION.sub("", text)
        end = _NAME.search(text)
        if end is None:
            return text, name
        if name == "UNKNOWN":
            name = end[1]
        text = text[: end.start()]
