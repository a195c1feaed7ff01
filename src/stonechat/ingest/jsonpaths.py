"""Where in an event a column's value stands: `$.a.b`, `$['a.b']`, `$.tags[:]`, `$.items[:].price`, `$.a[0]`, `$`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
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
            hint="Paths look like $.a, $.a.b, $.tags[:], $.items[:].price, $.tags[0] or $ for the whole event.",
            position=column.position,
        )


class Index(str):
    """A step that is the place of an element in an array, counted from zero, rather than a key."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class JsonPath:
    """`groups` are the steps between the `[:]`: `$.a.b[:].c` is `(("a", "b"), ("c",))`. `$` is one empty group.

    A step is a key, or an `Index`.
    """

    groups: tuple[tuple[str, ...], ...]

    @property
    def is_whole_event(self) -> bool:
        """Whether the column takes the event itself, as JSON text."""
        return self.groups == ((),)

    @property
    def has_index(self) -> bool:
        """Whether the column takes an element at one place of an array, or something in it."""
        return any(isinstance(step, Index) for group in self.groups for step in group)

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
    for step in _STEP.finditer(_LAST_ELEMENTS.sub("", text), 1):
        if step["elements"]:
            groups.append([])
        elif step["index"]:
            groups[-1].append(Index(int(step["index"])))
        else:
            groups[-1].append(step["plain"] or step["single"] or step["double"])
    if not all(groups) or isinstance(groups[0][0], Index):
        raise UnsupportedJsonPath(column)
    return JsonPath(tuple(map(tuple, groups)))


_STEP = re.compile(
    r"""\.?(?:\['(?P<single>[^']+)'\]|\["(?P<double>[^"]+)"\]|\[(?P<index>[0-9]{1,9})\]|(?P<elements>\[:\]))
        |\.(?P<plain>[^.\[\]]+)""",
    re.VERBOSE,
)
_PATH = re.compile(rf"\$(?:{_STEP.pattern})+", re.VERBOSE)
_LAST_ELEMENTS = re.compile(r"(?:\.?\[:\])+$")
"""Nothing is taken from within the elements of the last arrays: the value is the array itself."""


_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])


def _find(document: Mapping[str, msgspec.Raw], groups: tuple[tuple[str, ...], ...]) -> bytes | None:
    first, *steps = groups[0]
    value = document.get(first)
    return None if value is None else _follow(bytes(value).strip(), steps, groups[1:])


def _follow(text: bytes, steps: Sequence[str], groups: tuple[tuple[str, ...], ...]) -> bytes | None:
    """What the steps of a group, and then the groups behind it, lead to from a value."""
    for step in steps:
        inner = _step(text, step)
        if inner is None:
            return None
        text = bytes(inner).strip()
    if not groups or not text.startswith(b"["):
        return text
    found = (_follow(bytes(element).strip(), groups[0], groups[1:]) for element in _ARRAY.decode(text))
    return b"[" + b",".join(b"null" if each is None else each for each in found) + b"]"


def _step(text: bytes, step: str) -> msgspec.Raw | None:
    if isinstance(step, Index):
        elements = _ARRAY.decode(text) if text.startswith(b"[") else []
        return elements[int(step)] if int(step) < len(elements) else None
    return _OBJECT.decode(text).get(step) if text.startswith(b"{") else None
