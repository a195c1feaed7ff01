"""Calls of functions and methods to closures: none is called that is not listed."""

from __future__ import annotations

import ast
import functools
import inspect
from collections.abc import Callable, Mapping

from stonechat.template.casts import CASTS
from stonechat.template.closures import Evaluate, calling
from stonechat.template.errors import TemplateSyntaxError
from stonechat.template.functions import METADATA, OUTPUT_FUNCTIONS, STATEMENT_FUNCTIONS, Function, defined
from stonechat.template.higher_order import compile_higher_order, function_argument
from stonechat.template.operations import OUTPUT_METHODS, call_method
from stonechat.template.python import weigh
from stonechat.template.readings import Presence, TypedReading
from stonechat.template.tokens import below

_LITERAL_SECRETS = ("tb_secret", "tb_var")


class Calls:
    """Compiles the calls in the expression of a tag at a line: in `{{ }}`, `output`, there are fewer.

    `compiled` is for what stands in them, `refused` makes the error about a part of the expression.
    """

    def __init__(
        self,
        compiled: Callable[[ast.expr], Evaluate],
        refused: Callable[[ast.expr | ast.keyword, str], TemplateSyntaxError],
        line: int,
        *,
        output: bool,
    ) -> None:
        self._compiled = compiled
        self._refused = refused
        self._line = line
        self._output = output
        self._functions = OUTPUT_FUNCTIONS if output else STATEMENT_FUNCTIONS

    def compile(self, node: ast.Call) -> Evaluate:
        """Raises `TemplateSyntaxError` for a call of what is not listed, or with what it does not take."""
        for argument in node.args:
            if isinstance(argument, ast.Starred):
                raise self._refused(argument, "Invalid expression type: Starred")
        options: dict[str, ast.expr] = {}
        for keyword in node.keywords:
            if keyword.arg is None or keyword.arg in options:
                raise self._refused(keyword, "invalid syntax: keyword arguments are given one by one, and once")
            options[keyword.arg] = keyword.value
        if not self._output and (function := function_argument(node)) is not None:
            evaluate = compile_higher_order(node, function, self._compiled, weigh(function))
            if evaluate is None:
                raise self._refused(node, f"Invalid function or type: {ast.unparse(function)[:20]}")
            return evaluate
        match node.func:
            case ast.Name(id=name) if name in self._functions:
                return self._function(node, self._functions[name], options)
            case ast.Name(id=name):
                raise self._refused(node, f"Invalid function name: {name}")
            case ast.Attribute(value=receiver, attr=name):
                return self._method(node, receiver, name, options)
        raise self._refused(node, f"Invalid expression type: {type(node.func).__name__}")

    def _function(self, node: ast.Call, function: Function, options: dict[str, ast.expr]) -> Evaluate:
        try:
            bound = function.signature.bind(*node.args, **options)
        except TypeError as error:
            raise self._refused(node, f"{function.name}() {error}") from None
        for name in METADATA:
            if (described := bound.arguments.pop(name, None)) is not None:
                self._compiled(described)
        call = function.call
        if function.declares:
            self._check_subject(bound.arguments["x"])
            call = functools.partial(call, source=_subject_name(bound.arguments["x"]))
        elif function.name in _LITERAL_SECRETS and not isinstance(bound.arguments["name"], ast.Constant):
            raise self._refused(node, f"{function.name}() takes the name of a secret between quotes")
        arguments = [self._compiled(argument) for argument in bound.args]
        keywords = {name: self._compiled(argument) for name, argument in bound.kwargs.items()}
        return _reading(function, call, bound) or calling(call, arguments, keywords)

    def _check_subject(self, subject: ast.expr) -> None:
        if isinstance(subject, ast.Constant) and (not subject.value or not isinstance(subject.value, str)):
            line = below(self._line, subject.lineno - 1)
            shown = "" if subject.value is None else str(subject.value)
            raise self._refused(subject, f'"{shown}" can not be used as a variable name, line {line}')

    def _method(self, node: ast.Call, receiver: ast.expr, name: str, options: Mapping[str, ast.expr]) -> Evaluate:
        forbidden = name.startswith("_") or name in {"format", "format_map"}
        if forbidden or (self._output and name not in OUTPUT_METHODS):
            raise self._refused(node, f"Invalid method name: {name}")
        subject = self._compiled(receiver)
        arguments = [self._compiled(argument) for argument in node.args]
        keywords = {key: self._compiled(value) for key, value in options.items()}
        return lambda context: call_method(
            context,
            subject(context),
            name,
            [argument(context) for argument in arguments],
            {key: value(context) for key, value in keywords.items()},
        )


def _reading(function: Function, call: Callable[..., object], bound: inspect.BoundArguments) -> Evaluate | None:
    """A call that is one of the frequent expressions, as such."""
    declared = function.declares if function.declares in CASTS else None
    match bound.args:
        case _ if bound.kwargs:
            return None
        case [ast.Name(id=name)] if function.call is defined:
            return Presence(name)
        case [ast.Name(id=name)] if declared:
            return TypedReading(declared, name, None, call)
        case [ast.Name(id=name), ast.Constant(value=default)] if declared:
            return TypedReading(declared, name, default, call)
    return None


def _subject_name(subject: ast.expr) -> str:
    """What a type function reads, as error messages name it: the parameter, or the expression."""
    return subject.id if isinstance(subject, ast.Name) else ast.unparse(subject)
