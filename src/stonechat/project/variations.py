"""Calls of an endpoint that differ in what may change its columns: how values print, which branches they lead to, and
which columns they name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from stonechat.datafile.resources import Pipe
from stonechat.project.model import Project
from stonechat.project.parameters import NAMES, endpoint_parameters, likely_value, minimal_values
from stonechat.template.choices import choices
from stonechat.template.parameters import Parameter
from stonechat.template.render import Template
from stonechat.template.values import NO_VALUE

Call = Mapping[str, str]

_INTEGER = re.compile(r"(U?)Int(\d+)")
_PLAIN_BITS = 32
_FRACTIONS = ("0.5", "1", "-1", "1e300")
_UNITS = frozenset(("second", "minute", "hour", "day", "week", "month", "quarter", "year"))
_TYPES = frozenset(
    (
        *(f"{sign}Int{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64, 128, 256)),
        *("String", "Float32", "Float64", "Bool", "Date", "Date32", "DateTime", "DateTime64", "UUID", "Decimal"),
        *("Array", "Map", "Tuple", "Nullable", "LowCardinality"),
    )
)
_TYPES_TO_TRY = ("String", "Float64", "Array(Int64)")
_NAMING = re.compile(r"\b(columns?|symbol|table)\s*\(", re.IGNORECASE)
_CONDITION = re.compile(r"\{%-?\s*(?:if|elif)\b(.*?)%\}", re.DOTALL)
_TEXT = re.compile(r"""(?<=["'])[^"'\\]+(?=["'])""")
_KEY = re.compile(r"""(?:\[|\bget\()\s*["']([^"'\\]*)["']""")
_ALIAS = re.compile(r"\bAS\s+`?(\w+)", re.IGNORECASE)
_MANY = ",".join("a" * 300)
_MOST_TEXTS = 12
_JSON_VALUES: Sequence[object] = (0.5, "a", [1, 2])


@dataclass(frozen=True)
class Variations:
    """The calls to try of one endpoint. None has to be one that it answers."""

    project: Project
    pipe: Pipe

    @cached_property
    def least(self) -> Call:
        """A call with as few parameters as possible."""
        return minimal_values(self.project, self.pipe)

    @cached_property
    def given(self) -> Call:
        """A call with every parameter."""
        return {item.name: likely_value(item) for item in self._parameters}

    def together(self) -> Iterator[Call]:
        """Numbers and switches in all their forms, those of one call for many parameters at once."""
        numbers = self._numbers
        for row in range(max(map(len, numbers.values()), default=0)):
            yield {name: forms[row % len(forms)] for name, forms in numbers.items()}

    def alone(self) -> Iterator[Call]:
        """Texts that the author or a function of the engine tells apart, each by itself."""
        for item in self._parameters:
            for text in dict.fromkeys(self._texts(item)):
                yield {item.name: text}

    def branching(self) -> Iterator[Call]:
        """Texts that conditions may ask for, each by itself; they are of interest only where they lead elsewhere."""
        conditions = [text for template in self._templates for text in _CONDITION.findall(template.sql)]
        if not conditions:
            return
        written = [text for condition in conditions for text in _TEXT.findall(condition)]
        for item in self._parameters:
            if item.type in {"String", "Array(String)"}:
                texts = dict.fromkeys(("", *self._choices.get(item.name, ()), *written[:_MOST_TEXTS]))
                yield from ({item.name: text} for text in texts)

    def naming(self, columns: Mapping[str, str]) -> Iterator[Call]:
        """Values that stand for more than a value, each by itself: names of columns, tables or types, and JSON.

        `columns` are those of the answer with their types: some of them are tried, beside those of what is read.
        """
        naming = any(_NAMING.search(template.sql) for template in self._templates)
        names = self._names(columns)
        for item in self._parameters:
            if item.type == "JSON":
                yield from ({item.name: text} for text in self._json_texts)
            elif item.type == "table":
                tables = (*self.project.data_sources, *self.project.pipes)
                yield from ({item.name: name} for name in tables if name != self.pipe.name)
            elif not _TYPES.isdisjoint(_first_words(item)):
                yield from ({item.name: name} for name in _TYPES_TO_TRY)
            elif item.type in NAMES or (naming and item.type in {"String", "Array(String)"}):
                yield from ({item.name: name} for name in (*names, NO_VALUE))

    def _names(self, columns: Mapping[str, str]) -> Sequence[str]:
        """Two columns of each type, and what the templates themselves call something."""
        by_type: dict[str, list[str]] = {}
        for name, kind in (*self._source_columns(), *columns.items()):
            by_type.setdefault(kind, []).append(name)
        known = [name for names in by_type.values() for name in names[:2]]
        aliases = [name for template in self._templates for name in _ALIAS.findall(template.sql)]
        return list(dict.fromkeys((*known, *aliases[:_MOST_TEXTS])))

    def _source_columns(self) -> Iterator[tuple[str, str]]:
        for name in sorted(self.project.lineage.sources(self.pipe.name)):
            shared = self.project.shared.get(name)
            source = shared.source if shared else self.project.data_sources.get(name)
            yield from ((column.name, str(column.type)) for column in (source.columns if source else ()))

    @cached_property
    def _parameters(self) -> Sequence[Parameter]:
        return endpoint_parameters(self.project, self.pipe)

    @cached_property
    def _templates(self) -> Sequence[Template]:
        nodes = self.project.lineage.statement_nodes(self.pipe.name, self.pipe.output.name)
        return [self.project.templates[key] for key in nodes]

    @cached_property
    def _choices(self) -> Mapping[str, Sequence[str]]:
        """What the conditions of all templates compare each parameter with."""
        found: dict[str, list[str]] = {}
        for template in self._templates:
            for name, choice in choices(template).items():
                found.setdefault(name, []).extend(choice.values)
        return found

    @cached_property
    def _numbers(self) -> Mapping[str, Sequence[str]]:
        forms = {item.name: _number_forms(item.type) for item in self._parameters}
        return {name: found for name, found in forms.items() if found}

    def _texts(self, item: Parameter) -> Iterator[str]:
        if item.type not in {"String", "Array(String)"}:
            yield from self._choices.get(item.name, ())
            return
        listed = item.enum if isinstance(item.enum, list) else []
        yield from map(str, listed[:_MOST_TEXTS])
        if item.used_in or item.type != "String":
            yield from ("1", "-1", "300", _MANY)
        if not _UNITS.isdisjoint(_first_words(item)):
            yield from sorted(_UNITS)

    @cached_property
    def _json_texts(self) -> Sequence[str]:
        """JSON with every key that a template writes out, for values of several types."""
        names = {key for template in self._templates for key in _KEY.findall(template.sql)}
        objects = [dict.fromkeys(sorted(names), value) for value in _JSON_VALUES]
        return [json.dumps(each) for found in objects for each in (found, [found])] + ["[1,2]", '["a"]', "[]", "1"]


def _number_forms(type_name: str) -> Sequence[str]:
    """Values of a type of numbers whose literals have every type that the engine finds for such literals."""
    element = type_name.removeprefix("Array(").removesuffix(")")
    if element == "Boolean":
        return ("1", "0")
    if element.startswith("Float"):
        return _FRACTIONS
    match = _INTEGER.fullmatch(f"Int{_PLAIN_BITS}" if element in {"Int", "Integer"} else element)
    if match is None:
        return ()
    bits = int(match[2])
    if match[1]:
        return ("1", str((1 << bits) - 1), "0")
    return ("1", "-1", str((1 << bits - 1) - 1), str(-(1 << bits - 1)))


def _first_words(item: Parameter) -> frozenset[str]:
    """The words with which the values of a text begin that its author writes down."""
    listed = item.enum if isinstance(item.enum, list) else []
    known = (item.default, item.example, *listed) if item.type == "String" else ()
    return frozenset(str(value).partition("(")[0] for value in known)
