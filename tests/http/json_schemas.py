"""Whether a value is what a JSON Schema says, for the keywords that the OpenAPI document uses; others are an error."""

from __future__ import annotations

from collections.abc import Iterator
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


def faults(value: Any, schema: dict[str, Any], document: dict[str, Any], path: str = "$") -> Iterator[str]:
    """Every way in which a value is not what the schema says, with where."""
    for keyword, wanted in schema.items():
        match keyword:
            case "$ref":
                yield from faults(value, resolved(wanted, document), document, path)
            case "type":
                kinds = [wanted] if isinstance(wanted, str) else wanted
                if not any(_is_a(value, kind) for kind in kinds):
                    yield f"{path} is no {' or '.join(kinds)}: {value!r}"
            case "anyOf":
                if all(any(True for _ in faults(value, option, document)) for option in wanted):
                    yield f"{path} is none of the alternatives: {value!r}"
            case "enum":
                if value not in wanted:
                    yield f"{path} is none of {wanted}: {value!r}"
            case "minimum":
                if value is not None and value < wanted:
                    yield f"{path} is too small: {value!r}"
            case "maximum":
                if value is not None and value > wanted:
                    yield f"{path} is too large: {value!r}"
            case "required":
                yield from (f"{path}.{name} is missing" for name in wanted if name not in (value or {}))
            case "properties":
                for name in (value or {}).keys() & wanted.keys():
                    yield from faults(value[name], wanted[name], document, f"{path}.{name}")
            case "additionalProperties":
                for name, item in (value or {}).items():
                    yield from faults(item, wanted, document, f"{path}.{name}")
            case "items":
                for index, item in enumerate(value or []):
                    yield from faults(item, wanted, document, f"{path}[{index}]")
            case "minItems" | "maxItems":
                if value is not None and (len(value) < wanted if keyword == "minItems" else len(value) > wanted):
                    yield f"{path} has {len(value)} items"
            case _ if keyword not in _NOTES:
                yield f"{path} has the unknown keyword {keyword}"


def resolved(reference: str, document: dict[str, Any]) -> dict[str, Any]:
    """What a reference into the document stands for; KeyError where it points to nothing."""
    found = document
    for step in reference.removeprefix("#/").split("/"):
        found = found[step]
    return found


def _is_a(value: Any, kind: str) -> bool:
    return isinstance(value, _TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))
