"""The expressions that templates have most: a parameter of a type, and whether a parameter is defined.

They are objects rather than closures, for those who want to know what an expression is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from stonechat.sql.quoting import template_string
from stonechat.template.casts import CASTS
from stonechat.template.context import Context, Value
from stonechat.template.functions import defined
from stonechat.template.values import TypedString, sql_of

LONGEST = 1_000
"""Characters of a value that takes nothing worth counting off the budget of a rendering."""


@dataclass(frozen=True, slots=True)
class TypedReading:
    """`Type(name, default)` with a type of the casts, and a default that is written out or none."""

    type_name: str
    name: str
    default: object
    read: Callable[..., object]

    def __call__(self, context: Context) -> object:
        """Its value in a rendering."""
        return self.read(context, context[self.name], self.default)

    def printed(self, values: Mapping[str, Value]) -> str | None:
        """What it prints for values of a request; None where that is not to be had without a rendering.

        For a parameter that nothing else sets, and that is no list. Raises ValueError for what is not of the type.
        """
        value = values.get(self.name)
        if value is None and self.default is not None:
            value = str(self.default)
        if not isinstance(value, str) or len(value) > LONGEST:
            return None
        if self.type_name == "String":  # what its cast makes of text takes longer than all else here
            return template_string(value)
        typed = CASTS[self.type_name](value)
        return typed.sql if isinstance(typed, TypedString) else sql_of(typed)


@dataclass(frozen=True, slots=True)
class Presence:
    """`defined(name)`."""

    name: str

    def __call__(self, context: Context) -> object:
        """Its value in a rendering."""
        return defined(context, context[self.name])
