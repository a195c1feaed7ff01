"""What the compiled reading is told of a data source: its columns, and the fields of events that lead to them."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from stonechat.ingest.bulk.kinds import CompiledType, Trait, compiled_type
from stonechat.ingest.bulk.library import NO_COLUMN, Column, Field, Member, Plan
from stonechat.ingest.feeding import FedColumn
from stonechat.ingest.shapes import Branch, tree_of

_DEEPEST: Final = 32


class BulkPlan:
    """A plan, and the memory that it points to. `types` are the columns' types, by the engine's names."""

    def __init__(self, columns: Sequence[FedColumn], types: Sequence[CompiledType]) -> None:
        self.types = [each.name for each in types]
        self.marks_defaults = any(map(has_default, columns))
        compiled = [_column(column, kind) for column, kind in zip(columns, types, strict=True)]
        fields = _fields(tree_of(columns), {column.name: index for index, column in enumerate(columns)})
        self._memory = ((Column * len(compiled))(*compiled), (Field * len(fields))(*fields))
        renames = any(column.path.groups != ((column.name,),) for column in columns)
        self.plan = Plan(*self._memory, len(compiled), len(fields), self.marks_defaults, renames)


def bulk_plan(columns: Sequence[FedColumn]) -> BulkPlan | None:
    """The plan for the columns of a data source; None if some are beyond the library."""
    types = [kind for kind in (compiled_type(column.type) for column in columns) if kind is not None]
    if not columns or len(types) < len(columns) or not all(map(_is_plain, columns)):
        return None
    try:
        return BulkPlan(columns, types)
    except ValueError:  # two columns that read the same key differently
        return None


def has_default(column: FedColumn) -> bool:
    """Whether the column takes a DEFAULT where an event has no value for it."""
    nullable = column.codec is not None and column.codec.nullable
    return column.keeps_null if nullable else not column.required


def _is_plain(column: FedColumn) -> bool:
    """Whether the column is fed from objects in objects, by keys that need no escapes in JSON."""
    groups = column.path.groups
    if len(groups) > 1 or column.path.is_whole_event or column.path.has_index or len(groups[0]) > _DEEPEST:
        return False
    return not any(byte < ord(" ") or byte in b'"\\' for byte in "".join(groups[0]).encode())


def _column(column: FedColumn, kind: CompiledType) -> Column:
    label = msgspec.json.encode(column.name) + b":"
    traits = kind.traits | (Trait.DEFAULT if has_default(column) else 0)
    members = _members(kind.members or {})
    return Column(
        label, members, len(label), len(members), kind.width, kind.kind, traits, kind.digits, kind.scale
    )  # fmt: skip


def _members(numbers: Mapping[str, int]) -> ctypes.Array[Member]:
    """The members of an enum in the order in which the library looks for them."""
    named = sorted((len(name), name, number) for name, number in ((n.encode(), i) for n, i in numbers.items()))
    return (Member * len(named))(*(Member(name, size, number) for size, name, number in named))


def _fields(event: Branch, positions: Mapping[str, int]) -> list[Field]:
    """The event, the fields of its inner objects, and last its own."""
    fields = [Field()]
    fields[0] = Field(b"", 0, NO_COLUMN, *_add_fields(fields, event, positions))
    return fields


def _add_fields(fields: list[Field], branch: Branch, positions: Mapping[str, int]) -> tuple[int, int]:
    """Add the fields of an object, those of the objects in it before; where they begin, and how many they are."""
    own = []
    for text, child in branch.children.items():
        key = text.encode()
        if isinstance(child, Branch):
            own.append(Field(key, len(key), NO_COLUMN, *_add_fields(fields, child, positions)))
        else:
            own.append(Field(key, len(key), positions[child.name], 0, 0))
    begin = len(fields)
    fields += own
    return begin, len(own)
