"""JSON Schema for what the API takes and gives: template parameters and ClickHouse columns."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping

from stonechat.project.description import Json
from stonechat.query.schema import ResultColumn
from stonechat.sql.types import DataType, InvalidType, NamedType, parse_type
from stonechat.template.casts import CASTS
from stonechat.template.parameters import Parameter

_INT_BITS = (8, 16, 32, 64, 128, 256)
_MOST_EXACT_BITS = 32
_BOUNDS = frozenset(("minimum", "maximum"))
_NULL: Json = {"type": "null"}
_TEXTS = frozenset(
    (
        *("String", "FixedString", "UUID", "IPv4", "IPv6", "Enum", "Enum8", "Enum16", "AggregateFunction"),
        *("DateTime", "DateTime32", "DateTime64", "Time", "Time64"),
    )
)
_DATES = frozenset(("Date", "Date32"))
_DECIMALS = frozenset(("Decimal", "Decimal32", "Decimal64", "Decimal128", "Decimal256"))
_OTHERS: Mapping[str, Json] = {"Bool": {"type": "boolean"}, "JSON": {"type": "object"}, "Nothing": _NULL}
_FLOATS = frozenset(("Float32", "Float64", "BFloat16"))


def _integer(bits: int, *, signed: bool) -> Json:
    """Bounds only where every reader of JSON keeps them exactly."""
    if bits > _MOST_EXACT_BITS:
        return {"type": "integer"} if signed else {"type": "integer", "minimum": 0}
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    return {"type": "integer", "minimum": low, "maximum": high}


_INTEGERS: Mapping[str, Json] = {f"Int{bits}": _integer(bits, signed=True) for bits in _INT_BITS} | {
    f"UInt{bits}": _integer(bits, signed=False) for bits in _INT_BITS
}
_PARAMETERS: Mapping[str, Json] = {
    **_INTEGERS,
    "Int": _INTEGERS["Int32"],
    "Integer": _INTEGERS["Int32"],
    "Float32": {"type": "number"},
    "Float64": {"type": "number"},
    "Boolean": {"type": "boolean"},
    "Date": {"type": "string", "format": "date"},
    "DateTime": {"type": "string", "examples": ["2024-01-31 12:00:00"]},
    "DateTime64": {"type": "string", "examples": ["2024-01-31 12:00:00.000"]},
    "JSON": {"type": "string", "contentMediaType": "application/json"},
}


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)  # which JSON has not
    return value


_COERCIONS: Mapping[object, Callable[[str], object]] = {
    "integer": int,
    "number": _number,
    "string": str,
    "boolean": lambda text: text.lower() not in {"0", "false"},
}


def parameter_schema(parameter: Parameter) -> Json:
    """The schema of a parameter's value: its type, default, enum and example, as far as a call may have them."""
    if parameter.type.startswith("Array("):
        items = _PARAMETERS.get(parameter.type[len("Array(") : -1], {"type": "string"})
        schema: Json = {"type": "array", "items": items | _enum(parameter, items)}
    else:
        plain = _PARAMETERS.get(parameter.type, {"type": "string"})
        schema = plain | _enum(parameter, plain)
    if (default := _coerced(parameter.default, schema, parameter)) is not None:
        schema["default"] = default
        schema.pop("examples", None)
        _take_in(default, schema)
    if (example := _coerced(parameter.example, schema, parameter)) is not None:
        schema["examples"] = [example]
    if isinstance(parameter.format, str) and "format" not in schema:
        schema["format"] = parameter.format
    return schema


def _enum(parameter: Parameter, schema: Json) -> Json:
    if not isinstance(parameter.enum, list):
        return {}
    values = [value for item in parameter.enum if (value := _coerced(item, schema, parameter)) is not None]
    return {"enum": values} if values else {}


def _take_in(default: object, schema: Json) -> None:
    """Let an enum have the default: authors list what else there is, and readers refuse one that is not listed."""
    if isinstance(default, list):
        items = schema["items"]
        assert isinstance(items, dict)
        for each in default:
            _take_in(each, items)
    elif isinstance(enum := schema.get("enum"), list) and default not in enum:
        schema["enum"] = [default, *enum]


def _coerced(value: object, schema: Json, parameter: Parameter) -> object:
    """A value as the schema's type has it: authors write '10' for 10, and 'a,b' for a list.

    None where it has none, and for what a call with that value is refused for.
    """
    if value is None:
        return None
    if schema["type"] == "array":
        items = schema["items"]
        assert isinstance(items, dict)
        parts = value if isinstance(value, list) else str(value).split(",") if value != "" else []
        coerced = [_coerced(part, items, parameter) for part in parts]
        return None if None in coerced else coerced
    try:
        CASTS.get(parameter.type.removeprefix("Array(").removesuffix(")"), str)(str(value))
        return _COERCIONS[schema["type"]](str(value))
    except ValueError:
        return None


def column_schema(column: ResultColumn) -> Json:
    """The schema of a column's values in the JSON formats.

    Where its type depends on the call, numbers have no bounds: the literals of other values have other types.
    """
    told: Json = {"description": " or ".join(column.types)}
    if column.open:
        return told | {"description": f"{told['description']}, or other"}
    schemas = [_text_schema(text) for text in column.types]
    if len(schemas) > 1:
        schemas = _different(map(_unbounded, schemas))
    return (schemas[0] if len(schemas) == 1 else {"anyOf": schemas}) | told


def _different(schemas: Iterable[Json]) -> list[Json]:
    found: list[Json] = []
    for schema in schemas:
        if schema not in found:
            found.append(schema)
    return found


def _unbounded(schema: Json) -> Json:
    """The schema without the bounds of its numbers, on all levels."""
    return {key: _unbounded_within(key, value) for key, value in schema.items() if key not in _BOUNDS}


def _unbounded_within(keyword: str, value: object) -> object:
    match value:
        case dict() if keyword == "properties":
            return {name: _unbounded(inner) for name, inner in value.items()}
        case dict():
            return _unbounded(value)
        case list() if keyword == "anyOf":
            return _different(map(_unbounded, value))
    return value


def _text_schema(text: str) -> Json:
    try:
        return _type_schema(parse_type(text))
    except InvalidType:
        return {}


def _type_schema(data_type: DataType | NamedType | str) -> Json:
    """What JSON holds for a type; nothing is promised of those that depend on the value, such as Dynamic."""
    match data_type:
        case NamedType(type=inner):
            return _type_schema(inner)
        case DataType(name="LowCardinality" | "SimpleAggregateFunction", arguments=(*_, inner)):
            return _type_schema(inner)
        case DataType(name="Nullable", arguments=(inner,)):
            return _nullable(_type_schema(inner))
        case DataType():
            return _composite_schema(data_type) or _scalar_schema(data_type.name)
        case _:
            return {}


def _composite_schema(data_type: DataType) -> Json | None:
    match data_type:
        case DataType(name="Array", arguments=(inner,)):
            return {"type": "array", "items": _type_schema(inner)}
        case DataType(name="Map", arguments=(_, inner)):
            return {"type": "object", "additionalProperties": _type_schema(inner)}
        case DataType(name="Nested", arguments=elements):
            return {"type": "array", "items": _tuple_schema(elements)}
        case DataType(name="Tuple", arguments=elements):
            return _tuple_schema(elements)
        case _:
            return None


def _nullable(schema: Json) -> Json:
    kind = schema.get("type")
    if isinstance(kind, str) and schema != _NULL:
        return schema | {"type": [kind, "null"]}
    # Lists of types have null in them already, and no type at all allows everything.
    return schema


def _tuple_schema(elements: tuple[DataType | NamedType | str, ...]) -> Json:
    named = {item.name: _type_schema(item) for item in elements if isinstance(item, NamedType)}
    if len(named) == len(elements):
        return {"type": "object", "properties": named, "required": list(named)}
    # Many readers of schemas do not know `prefixItems`.
    items = {"anyOf": [_type_schema(item) for item in elements]}
    return {"type": "array", "items": items, "minItems": len(elements), "maxItems": len(elements)}


def _scalar_schema(name: str) -> Json:
    if name in _INTEGERS:
        return _INTEGERS[name]
    if name in _FLOATS:
        # JSON has no infinity and no NaN: they come as null.
        return {"type": ["number", "null"]}
    if name in _DECIMALS:
        return {"type": "number"}
    if name in _DATES:
        return {"type": "string", "format": "date"}
    if name in _TEXTS:
        return {"type": "string"}
    return _OTHERS.get(name, {})
