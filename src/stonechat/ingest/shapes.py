"""The shapes of events: which of their objects columns are fed from, as typed structs and as what takes them apart."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from operator import attrgetter
from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType

from stonechat.ingest.codecs import Codec
from stonechat.ingest.feeding import FedColumn
from stonechat.ingest.types import codec_of
from stonechat.sql.types import DataType

Extract = Callable[[Sequence[Any]], list[Any]]


@dataclass(slots=True)
class Branch:
    """An object of the event that columns are read from; `many` if it is each object of an array."""

    many: bool = False
    children: dict[str, Branch | FedColumn] = field(default_factory=dict)

    def attribute(self, key: str) -> str:
        """The name in Python of the member with a key."""
        return f"k{list(self.children).index(key)}"

    @property
    def optional(self) -> bool:
        """Whether an event fits that has no such object."""
        return not self.many and all(
            child.optional if isinstance(child, Branch) else not child.required for child in self.children.values()
        )


def tree_of(columns: Sequence[FedColumn]) -> Branch:
    """The event as the columns see it. Raises ValueError if two of them read the same key, or read it differently."""
    root = Branch()
    for column in columns:
        branch = root
        for key, many in _steps(column):
            child = branch.children.setdefault(key, Branch(many=many))
            if not isinstance(child, Branch) or child.many != many:
                raise ValueError(key)
            branch = child
        leaf = column.path.groups[-1][-1]
        if leaf in branch.children:
            raise ValueError(leaf)
        branch.children[leaf] = column
    return root


def _steps(column: FedColumn) -> Iterator[tuple[str, bool]]:
    """The keys above the column's own, and whether each leads into the objects of an array."""
    *outer, last = column.path.groups
    for group in outer:
        yield from ((key, False) for key in group[:-1])
        yield group[-1], True
    yield from ((key, False) for key in last[:-1])


def struct_of(branch: Branch, *, exact: bool = False) -> type[Struct]:
    """The struct that an object is decoded into; an `exact` one refuses keys at its top that no column is fed from.

    Raises ValueError for a key that needs escapes in JSON, and where a column's type and the arrays on its way differ.
    """
    fields: list[Any] = []
    for key, child in branch.children.items():
        name = branch.attribute(key)
        if isinstance(child, FedColumn):
            fields.append(_leaf_field(name, child))
        elif child.many:
            fields.append((name, list[struct_of(child)]))  # type: ignore[misc]  # a run-time type
        elif child.optional:
            inner = struct_of(child)
            fields.append((name, inner, msgspec.field(default_factory=inner)))
        else:
            fields.append((name, struct_of(child)))
    rename = {branch.attribute(key): key for key in branch.children}
    return msgspec.defstruct("Event", fields, rename=rename, kw_only=True, gc=False, forbid_unknown_fields=exact)


def _leaf_field(name: str, column: FedColumn) -> Any:
    depth = len(column.path.groups) - 1
    if depth == 0:
        return field_of(name, column, column.codec)
    element = column.type
    for _ in range(depth):
        inner = element.arguments[0] if element.name == "Array" else None
        if not isinstance(inner, DataType):
            raise ValueError(name)  # noqa: TRY004 - the lenient reading takes it
        element = inner
    codec = codec_of(element)
    assert codec is not None
    return (name, codec.strict, None) if codec.nullable else (name, codec.strict)


def extract_of(root: Branch, column: FedColumn) -> Extract:
    """What takes the values of a column from decoded events."""
    getters: list[Callable[[Any], Any]] = []
    branch = root
    for group in column.path.groups:
        attributes = []
        for key in group:
            attributes.append(branch.attribute(key))
            child = branch.children[key]
            branch = child if isinstance(child, Branch) else branch
        getters.append(attrgetter(".".join(attributes)))
    return partial(_values, getters)


def _values(getters: Sequence[Callable[[Any], Any]], objects: Sequence[Any]) -> list[Any]:
    """One value of each object: a plain one, or for each `[:]` on the way a list of those behind it."""
    values = list(map(getters[0], objects))
    return values if len(getters) == 1 else [_values(getters[1:], inner) for inner in values]


def field_of(name: str, column: FedColumn, codec: Codec | None) -> Any:
    """The field of a struct that holds a column's value, as `msgspec.defstruct` takes it."""
    strict = codec.strict if codec else Any
    if column.required:
        return (name, strict)
    if column.keeps_null:
        return (name, strict | UnsetType, UNSET)
    return (name, strict | None, None)
