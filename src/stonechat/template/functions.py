"""The functions of the template language, by name, with the arguments that they take."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta

from stonechat.sql.quoting import template_string
from stonechat.template import python_builtins, typed
from stonechat.template.casts import CASTS
from stonechat.template.context import Context, is_placeholder
from stonechat.template.dates import date_difference, day_diff
from stonechat.template.errors import SecretMissing, TemplateAborted, TemplateCustomError, TemplateRenderError
from stonechat.template.values import (
    NO_VALUE,
    Fragment,
    NoCondition,
    Placeholder,
    PlaceholderList,
    TypedString,
    plain,
    sql_of,
)

METADATA = ("required", "description", "enum", "example", "format")
"""Arguments that describe a parameter and never change what is printed."""

CACHE_SECONDS = {"5s": 5.0, "1m": 60.0, "5m": 300.0, "30m": 1800.0, "1h": 3600.0}
_COMPARISONS = {"in": "in", "not_in": "not in", "gt": ">", "lt": "<", "gte": ">=", "lte": "<="}
_ACTIVATED = ("analyzer", "parallel_replicas", "optimize_aggregation_in_order")
_DEFAULT_STATUS = 400


@dataclass(frozen=True, slots=True)
class Function:
    """A function: `call` takes the context, then the arguments of `signature` that are not metadata.

    With `declares` its first argument is a parameter of that type; `call` then takes the parameter's name as `source`.
    """

    name: str
    call: Callable[..., object]
    signature: inspect.Signature
    declares: str | None = None


def defined(context: Context, x: object) -> object:
    """Whether a parameter was supplied, the empty text included. Of placeholders the request says whether they are."""
    return x is not None and (context.request.defines or not is_placeholder(x))


def error(context: Context, message: object = "") -> object:
    """Abort with a message of the author's own."""
    if context.checking:
        context.aborted = True
        return Fragment("")
    raise TemplateAborted(str(message))


def custom_error(context: Context, body: object, code: object = _DEFAULT_STATUS) -> object:
    """Abort with a JSON body and an HTTP status from 400 to 599."""
    if context.checking:
        context.aborted = True
        return Fragment("")
    context.bound_depth(body)
    status = code if isinstance(code, int) and 400 <= code <= 599 else _DEFAULT_STATUS
    raise TemplateCustomError(plain(body), int(status))


def split_to_array(context: Context, x: object, default: object = "", separator: object = ",") -> object:
    """Text to a list of its parts, without outer blanks."""
    if is_placeholder(x) and default == "":
        return PlaceholderList([Placeholder(NO_VALUE)] * 2)
    value = default if x is None or is_placeholder(x) else x
    parts = value if isinstance(value, list) else str(value).split(str(separator))
    context.charge(parts)
    return [str(part).strip() for part in parts]


def enumerate_with_last(context: Context, values: Iterable[object]) -> object:
    """Pairs of whether it is the last one, and the item."""
    items = list(values)
    context.charge(items)
    return [(index == len(items), item) for index, item in enumerate(items, 1)]


def sql_and(context: Context, /, **clauses: object) -> object:
    """`sql_and(a=1, b__in=[2])`: the clauses whose value is not None, joined with `and`."""
    context.bound_depth(list(clauses.values()))
    for value in clauses.values():
        context.charge(value)
    given = [_clause(name, value) for name, value in clauses.items() if value is not None]
    return Fragment(" and ".join(given)) if given else NoCondition()


def _clause(name: str, value: object) -> str:
    subject, separator, suffix = name.rpartition("__")
    if not separator:
        return f"{name} = {sql_of(value)}"
    if suffix not in _COMPARISONS:
        raise TemplateRenderError(f"operand {suffix} not supported")
    return f"{subject} {_COMPARISONS[suffix]} {sql_of(value)}"


def sql_unescape(context: Context, x: object, what: object = "") -> object:
    """Text quoted with the characters of `what` as they are, `%` of LIKE patterns above all."""
    if x is None:
        return None
    text = str(x)
    context.spend(len(text) >> 3)
    return TypedString(text, template_string(text, unescaped=str(what)))


def max_threads(context: Context, n: object) -> object:
    """Set how many threads the query may use."""
    if is_placeholder(n):
        return _comment(context, "max_threads")
    text = str(n)
    if not re.fullmatch(r"[0-9]{1,4}", text):
        raise TemplateRenderError(f"max_threads takes a number of threads, not '{text}'")
    context.settings["max_threads"] = text
    return _comment(context, f"max_threads {text}")


def cache_ttl(context: Context, ttl: object) -> object:
    """Say how long the result may be cached."""
    if is_placeholder(ttl):
        return _comment(context, "cache_ttl")
    if str(ttl) not in CACHE_SECONDS:
        raise TemplateRenderError(f"cache_ttl takes one of {', '.join(CACHE_SECONDS)}, not '{ttl}'")
    context.cache_ttl = CACHE_SECONDS[str(ttl)]
    return _comment(context, f"cache_ttl {ttl}")


def backend_hint(context: Context, hint: object) -> object:
    """A routing hint. One engine answers everything, so it only shows in the SQL."""
    shown = "" if hint is None or hint is False else f" {template_string(str(hint))}"
    return _comment(context, f"backend_hint{shown}")


def activate(context: Context, feature: object) -> object:
    """Switch a feature of the engine on. The analyzer is always on, and parallel replicas are the cluster's matter."""
    if feature not in _ACTIVATED:
        raise TemplateRenderError(f"activate takes one of {', '.join(_ACTIVATED)}, not '{feature}'")
    if feature == "optimize_aggregation_in_order":
        context.settings["optimize_aggregation_in_order"] = "1"
    return _comment(context, f"activate {feature}")


def disable(context: Context, feature: object) -> object:
    """Accepted for `analyzer`, and without effect: the engine has no other way to plan."""
    if feature != "analyzer":
        raise TemplateRenderError(f"disable takes analyzer, not '{feature}'")
    return _comment(context, f"disable {feature}")


def _comment(context: Context, text: str) -> Fragment:
    """What a function that only sets something prints."""
    context.comments.add(f"-- {text}")
    return Fragment(f"-- {text}")


def tb_secret(context: Context, name: object, default: object = None) -> object:
    """A secret of the workspace as a bound parameter: its value never becomes SQL text."""
    value = context.request.secrets.get(str(name), default)
    if value is None:
        if not context.checking:
            raise SecretMissing(str(name))
        value = NO_VALUE
    key = re.sub(r"\W|^(?=[0-9])", "_", str(name), flags=re.ASCII)
    # The same name with another default is another parameter.
    while context.bound.get(key, value) != value:
        key += "_"
        context.spend(1)
    context.bound[key] = str(value)
    return Fragment(f"{{{key}: String}}")


def _function(
    name: str, call: Callable[..., object], declares: str | None = None, *, described: bool = False
) -> Function:
    _, *own = inspect.signature(call).parameters.values()
    arguments = [argument for argument in own if argument.name != "source"]
    if declares or described:
        arguments += [inspect.Parameter(key, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=None) for key in METADATA]
    return Function(name, call, inspect.Signature(arguments), declares)


def _functions() -> dict[str, Function]:
    listed = [_function(name, typed.scalar(name), name) for name in CASTS]
    declaring = {"symbol": typed.symbol, "column": typed.column, "columns": typed.columns, "table": typed.table}
    listed += [_function(name, call, name) for name, call in declaring.items()]
    listed += [
        _function("TABLE", typed.table, "table"),
        _function("JSON", typed.json_value, "JSON"),
        _function("Array", typed.array, "Array"),
        _function("split_to_array", split_to_array, described=True),
    ]
    calls: tuple[Callable[..., object], ...] = (
        defined,
        error,
        custom_error,
        enumerate_with_last,
        sql_and,
        sql_unescape,
    )
    calls += (max_threads, cache_ttl, backend_hint, activate, disable, tb_secret, day_diff)
    listed += [_function(call.__name__, call) for call in calls]
    listed.append(_function("tb_var", tb_secret))
    for unit in ("days", "hours", "minutes", "seconds"):
        listed.append(_function(f"date_diff_in_{unit}", date_difference(timedelta(**{unit: 1}))))
    return {function.name: function for function in listed}


_TEMPLATE_FUNCTIONS = _functions()
OUTPUT_FUNCTIONS = _TEMPLATE_FUNCTIONS | {
    name: _function(name, python_builtins.BUILTINS[name]) for name in python_builtins.IN_OUTPUT
}
"""What `{{ }}` may call."""
_CAPITALISED = {"Symbol": typed.symbol, "Column": typed.column}
STATEMENT_FUNCTIONS = _TEMPLATE_FUNCTIONS | {
    **{name: _function(name, call, name.lower()) for name, call in _CAPITALISED.items()},
    **{name: _function(name, call) for name, call in python_builtins.BUILTINS.items()},
}
"""What `{% %}` may call."""
