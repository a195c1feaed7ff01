"""Values that remember their SQL, and how any value is printed.

A type function gives a Python value, so that templates can compare, add and loop, together with the SQL that it prints
as. Arithmetic on it gives a plain value again, which prints as any plain value does: numbers bare, text quoted.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self, SupportsIndex

from stonechat.sql.quoting import template_string

NO_VALUE = "__no_value__"


class Fragment:
    """SQL that stands for no value a template could look at: clauses, comments, bound secrets."""

    __slots__ = ("sql",)

    def __init__(self, sql: str) -> None:
        self.sql = sql

    def __repr__(self) -> str:
        return self.sql


class NoCondition(Fragment):
    """SQL for no condition at all: it holds for every row, and counts as nothing where a template asks."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__("1")

    def __bool__(self) -> bool:
        return False


class TypedString(str):
    """Text and the SQL it prints as."""

    __slots__ = ("sql",)
    sql: str

    def __new__(cls, value: str, sql: str) -> Self:
        """Bind the SQL to the value."""
        typed = super().__new__(cls, value)
        typed.sql = sql
        return typed


class TypedInteger(int):
    """A whole number and the SQL it prints as."""

    sql: str

    def __new__(cls, value: int, sql: str) -> Self:
        """Bind the SQL to the value."""
        typed = super().__new__(cls, value)
        typed.sql = sql
        return typed


class TypedFloat(float):
    """A floating-point number and the SQL it prints as."""

    sql: str

    def __new__(cls, value: float, sql: str) -> Self:
        """Bind the SQL to the value."""
        typed = super().__new__(cls, value)
        typed.sql = sql
        return typed


class TypedList(list[object]):
    """The elements of `Array(...)`, printed without blanks between them."""

    __slots__ = ()


class Placeholder(str):
    """Stands for a parameter without a value while a template is checked, and for all that is made of it."""

    __slots__ = ()

    def __getitem__(self, key: SupportsIndex | slice) -> str:
        """Any part of it stands for that part of the value."""
        return self

    def __add__(self, other: object) -> str:
        """What is added changes nothing."""
        return self

    __radd__ = __add__

    def __iter__(self) -> Iterator[str]:
        """Two, as in the list that it may stand for."""
        return iter((self, self))

    def get(self, _key: object, _default: object = None) -> str:
        """What JSON has under a key."""
        return self

    def made(self, result: object) -> object:
        """What stands for the result of a method: texts for texts, and as many parts as a template asks for."""
        match result:
            case str():
                return self
            case list():
                return PlaceholderList([self, self])
            case tuple():
                return tuple(self for _ in result)
        return result


class PlaceholderList(list[object]):
    """A `Placeholder` for a parameter that some `Array(...)` declares. It has every index."""

    __slots__ = ()

    def __getitem__(self, index: Any) -> Any:
        """An element, the first one for what lies beyond the last."""
        return super().__getitem__(index if isinstance(index, slice) or -len(self) <= index < len(self) else 0)


class PlaceholderObject(dict[str, object]):
    """A `Placeholder` for JSON: it has every key."""

    __slots__ = ()

    def __missing__(self, key: str) -> object:
        return Placeholder(NO_VALUE)

    def get(self, key: str, _default: object = None) -> object:
        """The value of any key; the default is never needed."""
        return self[key]


Typed = Fragment | TypedString | TypedInteger | TypedFloat


class Unprintable(TypeError):
    """A value has no SQL."""

    def __init__(self, value: object) -> None:
        super().__init__(f"a value of type {type(value).__name__} can not be printed")


def sql_of(value: object) -> str:
    """The SQL that a value prints as. None is NULL here, inside of containers; on its own it is refused elsewhere."""
    if isinstance(value, Typed):
        return value.sql
    if isinstance(value, str):
        return template_string(value)
    if value is None:
        return "NULL"
    if isinstance(value, bool | int | float):
        return str(value)
    return _container_sql(value)


def _container_sql(value: object) -> str:
    """Each element is escaped: printing Python's own form of a list would let its text out of the quotes."""
    match value:
        case TypedList() | PlaceholderList():
            return f"[{','.join(map(sql_of, value))}]"
        case list():
            return f"[{', '.join(map(sql_of, value))}]"
        case tuple():
            return f"({', '.join(map(sql_of, value))}{',' if len(value) == 1 else ''})"
        case set() | frozenset():
            return f"[{', '.join(sorted(map(sql_of, value)))}]"
        case dict():
            return f"map({', '.join(f'{sql_of(key)}, {sql_of(item)}' for key, item in value.items())})"
    raise Unprintable(value)


def plain(value: object) -> object:
    """A value for JSON: what `custom_error` answers with, free of the types of this module."""
    match value:
        case None | bool():
            return value
        case str():
            return str(value)
        case int():
            return int(value)
        case float():
            return float(value)
        case dict():
            return {str(key): plain(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [plain(item) for item in value]
    raise Unprintable(value)
