"""Where in an event a column's value stands: `$.a.b`, `$['a.b']`, `$.tags[:]`, `$.items[:].price`, `$`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from stonechat.datafile.resources import Column
from stonechat.errors import Kind, StonechatError

EACH = "[:]"


class UnsupportedJsonPath(StonechatError):
    """A column's jsonpath is none of the forms that events can be read by."""

    code = "SC601"
    kind = Kind.INVALID

    def __init__(self, column: Column) -> None:
        super().__init__(
            f"The jsonpath '{column.jsonpath}' of column '{column.name}' is not supported",
            hint="Paths look like $.a, $.a.b, $.tags[:], $.items[:].price or $ for the whole event.",
            position=column.position,
        )


@dataclass(frozen=True, slots=True)
class JsonPath:
    """`groups` are the keys between the `[:]` steps: `$.a.b[:].c` is `(("a", "b"), ("c",))`. `$` is one empty group."""

    groups: tuple[tuple[str, ...], ...]

    @property
    def is_whole_event(self) -> bool:
        """Whether the column takes the event itself, as JSON text."""
        return self.groups == ((),)

    def find(self, document: Mapping[str, msgspec.Raw]) -> bytes | None:
        """The JSON text at this path; None where a key on the way is missing or null.

        Behind a `[:]` the text is an array with one element for each of the array's, `null` where one has no such key.
        """
        return _find(document, self.groups)


def path_of(column: Column) -> JsonPath:
    """The path of a column: the one it names, or the top-level key of its own name. Raises `UnsupportedJsonPath`."""
    text = column.jsonpath
    if text is None:
        return JsonPath(((column.name,),))
    if text.startswith("#."):  # of the message around the event, which only a connector has
        return JsonPath(((text.removeprefix("#."),),))
    if text == "$":
        return JsonPath(((),))
    if not _PATH.fullmatch(text):
        raise UnsupportedJsonPath(column)
    groups: list[list[str]] = [[]]
    for step in _STEP.finditer(text.removesuffix(EACH), 1):
        if step[0] == EACH:
            groups.append([])
        else:
            groups[-1].append(next(filter(None, step.groups())))
    if not all(groups):
        raise UnsupportedJsonPath(column)
    return JsonPath(tuple(map(tuple, groups)))


_STEP = re.compile(rf"""\.?\['([^']+)'\]|\.?\["([^"]+)"\]|\.([^.\[\]]+)|{re.escape(EACH)}""")
_PATH = re.compile(rf"\$(?:{_STEP.pattern})+")


_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])


def _find(document: Mapping[str, msgspec.Raw], groups: tuple[tuple[str, ...], ...]) -> bytes | None:
    *parents, last = groups[0]
    for key in parents:
        raw = document.get(key)
        if raw is None or not bytes(raw).lstrip().startswith(b"{"):
            return None
        document = _OBJECT.decode(raw)
    value = document.get(last)
    if value is None:
        return None
    text = bytes(value).strip()
    if len(groups) == 1 or not text.startswith(b"["):
        return text
    found = (_find_in_element(bytes(element).strip(), groups[1:]) for element in _ARRAY.decode(text))
    return b"[" + b",".join(b"null" if each is None else each for each in found) + b"]"


def _find_in_element(text: bytes, groups: tuple[tuple[str, ...], ...]) -> bytes | None:
    return _find(_OBJECT.decode(text), groups) if text.startswith(b"{") else None
