"""ClickHouse column types: text to a tree and back."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DataType:
    """A type such as `Array(Nullable(DateTime64(3, 'UTC')))`.

    `name` is the family (`Array`). `arguments` are nested types, or plain text for what is no type: a precision, a quoted
    time zone, an enum's `'a' = 1`, an aggregate function's name, a named tuple element's `name Type` (as `NamedType`).
    """

    name: str
    arguments: tuple[DataType | NamedType | str, ...] = ()

    def __str__(self) -> str:
        return f"{self.name}({', '.join(map(str, self.arguments))})" if self.arguments else self.name


@dataclass(frozen=True, slots=True)
class NamedType:
    """An element of a named `Tuple` or `Nested`: `name Type`."""

    name: str
    type: DataType

    def __str__(self) -> str:
        return f"{self.name} {self.type}"
