"""Whether a value is what a JSON Schema says, for the keywords that the OpenAPI document uses; others are an error."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

_TYPES: dict[str, tuple[type, ...]] = {
    "array": (list,),
    "boolean": (bool,),
    "integer": (int,),
    "null": (type(None),),
    "number": (int, float),
    "object": (dict,),
    "string": (str,),
}
_NOTES = {"description", "examples", "default", "format", "contentMediaType"}
_SIMPLE: Mapping[str, Callable[[Any, Any], bool]] = {
    "type": lambda value, kinds: any(_is_a(value, kind) for kind in ([kinds] if isinstance(kinds, str) else kinds)),
    "enum": lambda value, values: value in values,
    "minimum": lambda value, least: not isinstance(value, int | float) or value >= least,
    "maximum": lambda value, most: not isinstance(value, int | float) or value <= most,
    "minItems": lambda value, least: not isinstance(value, list) or len(value) >= least,
    "maxItems": lambda value, most: not isinstance(value, list) or len(value) <= most,
    "required": lambda value, names: not isinstance(value, dict) or value.keys() >= set(names),
}
_Children = Callable[[Any, Any], list[tuple[str, Any, Any]]]
_NESTED: Mapping[str, _Children] = {
    "properties": lambda value, schemas: [(name, value[name], schemas[name]) for name in value.keys() & schemas.keys()],
    "additionalProperties": lambda value, schema: [(name, item, schema) for name, item in value.items()],
    "items": lambda value, schema: [(str(index), item, schema) for index, item in enumerate(value)],
}


def faults(value: Any, schema: dict[str, Any], document: dict[str, Any], path: str = "$") -> Iterator[str]:
    """Every way in which a value is not what the schema says, with where."""
    for keyword, wanted in schema.items():
        if keyword == "$ref":
            yield from faults(value, resolved(wanted, document), document, path)
        elif keyword == "anyOf":
            if all(list(faults(value, option, document)) for option in wanted):
                yield f"{path}: {value!r} is none of the alternatives"
        elif keyword in _SIMPLE:
            if not _SIMPLE[keyword](value, wanted):
                yield f"{path}: {value!r} breaks {keyword} {wanted}"
        elif keyword in _NESTED:
            kind = list if keyword == "items" else dict
            for step, child, inner in _NESTED[keyword](value, wanted) if isinstance(value, kind) else []:
                yield from faults(child, inner, document, f"{path}.{step}")
        elif keyword not in _NOTES:
            yield f"{path}: the keyword {keyword} is unknown"


def resolved(reference: str, document: dict[str, Any]) -> dict[str, Any]:
    """What a reference into the document stands for; KeyError where it points to nothing."""
    found = document
    for step in reference.removeprefix("#/").split("/"):
        found = found[step]
    return found


def _is_a(value: Any, kind: str) -> bool:
    return isinstance(value, _TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))
