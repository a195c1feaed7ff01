"""ClickHouse's exception texts, turned into the classes of the contract and a message without the engine's decoration.

    Code: 60. DB::Exception: Unknown table expression identifier 'nope'. In scope ... (UNKNOWN_TABLE) (version 26.9.2.1)

The number and the name go into fields of their own. Texts may hold words of a caller (`throwIf`), so the number is read
only at the front and the name only at the end.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Mapping

from stonechat.engine.contract import FAILURES_BY_NUMBER, EngineFailure, StorageFull, SystemFailure
from stonechat.sql.quoting import literal, parameter_value

_PREFIX = re.compile(r"(?:[A-Za-z ]+ failed: |Failed to [a-z ]+: )?Code: (\d+)\. DB::(Errno)?Exception: (?:default: )?")
#: What the system said, without the names of its files.
_ERRNO = re.compile(r"errno: (\d+), strerror: ([\w ]+)")
_VERSION = re.compile(r"\s*\(version [^()]*\)\.?$")
_NAME = re.compile(r"\s*\(([A-Z][A-Z0-9_]+)\)\.?$")
_MARK = re.compile(r"\s*/\* stonechat [0-9a-f]*(?: \*/)?")  # what `running` adds to a statement, as errors quote it
# A statement that was only to be parsed is quoted a second time, as the argument of the function that parsed it.
_PARSER = re.compile(r"\b(?:formatQuery(?:SingleLine)?|parseQueryToJSON)\(")
_PARSED = re.compile(rf":? In scope (?:WITH|SELECT) .*{_PARSER.pattern}.*", re.DOTALL)
#: Where a table or a database is unknown, the engine suggests any that it has: also those of other workspaces.
_UNKNOWN_PLACES = frozenset({60, 81})
_MEANT = re.compile(r" Maybe you meant .*?\?(?=[ .]|$)", re.DOTALL)
_EXECUTING = re.compile(r":\s+While executing \w+\.?$")
_LONGEST, _TAIL = 10_000, 300
"""Characters. The tail has the name of the error and the version."""
_SHORTEST_ALONE = 4
"""Bytes; a shorter value stands in ordinary words too, and is looked for within quotation marks alone."""


class translated:  # noqa: N801 - it reads as a function does, and a generator would cost a hundredth of a small query
    """Within it, what chDB raises leaves as the contract's error.

    Bound `parameters` are secrets, and the engine quotes statements with their values: names take the place of these.
    """

    __slots__ = ("_parameters",)

    def __init__(self, parameters: Mapping[str, str] | None = None) -> None:
        self._parameters = parameters

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: type[BaseException] | None, error: BaseException | None, _traceback: object) -> None:
        if not isinstance(error, RuntimeError):
            return
        if self._parameters:
            raise failure(_without_values(str(error), self._parameters)) from None
        raise failure(str(error)) from error


def _without_values(text: str, parameters: Mapping[str, str]) -> str:
    values = {name: parameter_value(bound) for name, bound in parameters.items()}
    # The longest first: one may be a part of another.
    for name, value in sorted(values.items(), key=lambda item: -len(item[1])):
        text = text.replace(literal(value), f"{{{name}}}")
        if len(value) >= _SHORTEST_ALONE:
            text = text.replace(value, f"{{{name}}}").replace(literal(value)[1:-1], f"{{{name}}}")
    return text


def failure(text: str) -> EngineFailure:
    """The contract's error for an exception text; a text that is not ClickHouse's becomes a plain `EngineFailure`."""
    text = _shortened(text)
    front = _PREFIX.match(text)
    if front is None:
        return EngineFailure(text.strip() or "The engine failed without saying why.")
    number = int(front[1])
    body, name = _without_tail(_without_front(text).strip())
    if front[2]:
        return _system_failure(body, number, name)
    for noise in (_EXECUTING, _PARSED, _MARK, *([_MEANT] if number in _UNKNOWN_PLACES else [])):
        body = noise.sub("", body)
    message = " ".join(body.split())
    message = message[:-1] if message.endswith("..") else message
    return FAILURES_BY_NUMBER.get(number, EngineFailure)(message or name, number=number, name=name)


def _system_failure(body: str, number: int, name: str) -> EngineFailure:
    said = _ERRNO.search(body)
    kind = StorageFull if said is not None and int(said[1]) == errno.ENOSPC else SystemFailure
    message = f"The system refused the engine something: {said[2].strip() if said else name}"
    return kind(message, number=number, name=name)


def _shortened(text: str) -> str:
    """What is too long without its end, but for the name there: statements decide how long the engine's texts are."""
    if len(text) <= _LONGEST:
        return text
    name = _NAME.search(_VERSION.sub("", text[-_TAIL:]))
    front, _, statement = text.partition(" In scope ")
    kept = front.rstrip(":") if len(front) < _LONGEST and _PARSER.search(statement) else f"{text[:_LONGEST]} ..."
    return f"{kept}{name[0] if name else ''}"


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
