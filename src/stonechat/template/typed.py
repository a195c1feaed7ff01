"""The type functions: they read a parameter, check it, and give a value that prints as SQL.

Each takes the rendering's context, then what the template gives, and by keyword `source`, the parameter's name as the
template has it. None and placeholders mean that the parameter was not supplied; an empty text was.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from stonechat.sql.quoting import template_identifier, template_word
from stonechat.template.casts import array_texts, cast_array, cast_scalar, dummy_text
from stonechat.template.context import Context, is_placeholder
from stonechat.template.errors import ParameterInvalid, TemplateRenderError
from stonechat.template.values import NO_VALUE, Placeholder, PlaceholderList, PlaceholderObject, TypedString

_FUNCTION_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_SHOWN_JSON = 16


def scalar(type_name: str) -> Callable[..., object]:
    """The function of one scalar type. An absent Boolean without default is false, any other is an error."""
    dummy = dummy_text(type_name)
    absent = "0" if type_name == "Boolean" else None

    def read(context: Context, x: object, default: object = None, defined: object = True, *, source: str) -> object:
        if default is None and defined:
            default = absent
        value = _supplied(context, x, default, defined, source, dummy)
        context.charge(value)
        try:
            return None if value is None else cast_scalar(type_name, value)
        except ParameterInvalid as error:
            error.name(source)
            raise

    return read


def array(
    context: Context,
    x: object,
    type: object = "String",  # noqa: A002 - templates name the argument so
    default: object = None,
    defined: object = True,
    *,
    source: str,
) -> object:
    """`Array(x, 'Int32', '1,2')`: a list whose elements are checked one by one.

    While a template is checked an empty default is none: it fails only those who leave the parameter out.
    """
    if is_placeholder(x) and not default:
        return _dummies(str(type))
    value = _supplied(context, x, default, defined, source, [dummy_text(str(type))] * 2)
    if value is None:
        return None
    texts = array_texts(value)
    context.bound_size(texts)
    try:
        elements = cast_array(str(type), texts)
    except ParameterInvalid as error:
        error.name(source)
        raise
    context.charge(elements)
    return elements


def _dummies(element: str) -> list[object]:
    """A list of two for a parameter without a value. Of texts each may be what a template makes of it."""
    text = dummy_text(element)
    return PlaceholderList([Placeholder(text)] * 2) if text == NO_VALUE else cast_array(element, [text] * 2)


def json_value(context: Context, x: object, default: object = None, defined: object = True, *, source: str) -> object:
    """`JSON(x, '[]')`: JSON text as a Python value."""
    text = _supplied(context, x, default, defined, source, PlaceholderObject())
    if is_placeholder(x) and text == "{}":
        return PlaceholderObject()
    if not isinstance(text, str):
        return text
    context.charge(text)
    try:
        return json.loads(text)
    except RecursionError:
        reason = "nested too deeply"
    except ValueError as error:
        reason = str(error)
    shown = text if len(text) <= _SHOWN_JSON else f"{text[:_SHOWN_JSON]}..."
    raise TemplateRenderError(f"Error parsing JSON: '{shown}' - {reason}")


def symbol(context: Context, x: object, default: object = None, *, source: str) -> object:
    """`symbol(x)`: an identifier in backquotes."""
    name = _name(context, x, default, source)
    context.charge(name)
    return TypedString(name, template_identifier(name))


def column(context: Context, x: object, default: object = None, *, source: str) -> object:
    """`column(x, 'a.b')`: a column, each of its dotted parts in backquotes."""
    del source
    if x is None and default is None:
        raise TemplateRenderError(
            "Missing column() default value, use `column(column_name, 'default_column_name')`",
        )
    name = str(default if (x is None or is_placeholder(x)) and default is not None else x)
    context.charge(name)
    parts = name.split(".")
    context.charge(parts)
    return TypedString(name, ".".join(map(template_identifier, parts)))


def columns(context: Context, x: object, default: object = None, fn: object = None, *, source: str) -> object:
    """`columns(x, 'a,b', fn='avg')`: several columns, each within the function and with its name as alias."""
    del source
    if x is None and default is None:
        raise TemplateRenderError("Missing columns() default value, use `columns(column_names, 'default_column_name')`")
    text = default if (x is None or is_placeholder(x)) and default is not None else x
    if not isinstance(text, str):
        raise TemplateRenderError("columns() takes the names as text with commas")
    context.charge(text)
    names = [name.strip() for name in text.split(",")]
    context.charge(names)
    if fn is None:
        return TypedString(text, ",".join(map(template_identifier, names)))
    if not isinstance(fn, str) or not _FUNCTION_NAME.fullmatch(fn):
        raise TemplateRenderError(f"columns() can not call '{fn}'")
    return TypedString(text, ",".join(f"{fn}({template_identifier(name)}) as {template_word(name)}" for name in names))


def table(context: Context, x: object, default: object = None, *, source: str) -> object:
    """`table('db.name')`: a table's name, bare; parts that are not plain words come out quoted."""
    name = _name(context, x, default, source)
    context.charge(name)
    parts = name.split(".")
    context.charge(parts)
    return TypedString(name, ".".join(map(template_word, parts)))


def _supplied(  # noqa: PLR0917 - the caller's own arguments, in their order
    context: Context, x: object, default: object, defined: object, source: str, dummy: object
) -> object:
    """What to check: the value, else the default, else a dummy after noting that the parameter is missing.

    None when the parameter is absent and may be (`defined=False`).
    """
    if x is not None and not is_placeholder(x):
        return x
    if default is not None:
        return default
    if x is None:
        if not defined:
            return None
        context.require(source)
    return dummy


def _name(context: Context, x: object, default: object, source: str) -> str:
    return str(_supplied(context, x, default, True, source, NO_VALUE))
