"""The parameters that a template declares or reads, found in its tree without rendering it."""

from __future__ import annotations

import ast
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from stonechat.template.casts import dummy_text
from stonechat.template.errors import TemplateSyntaxError
from stonechat.template.functions import METADATA, STATEMENT_FUNCTIONS, Function
from stonechat.template.higher_order import function_argument, lambda_names
from stonechat.template.python import Expression
from stonechat.template.syntax import For, If, Node, Output, Set, Try, While
from stonechat.template.tokens import below
from stonechat.template.values import NO_VALUE, Placeholder, PlaceholderList

_REFUSED = frozenset(("q", "format"))
_SERVICE_NAMES = frozenset(
    (
        "__tb__csv_header",
        "__tb__semver",
        "debug_source_tables",
        "debug",
        "explain",
        "finalize_aggregations",
        "output_format_json_quote_64bit_integers",
        "output_format_json_quote_denormals",
        "output_format_parquet_string_as_string",
        "pipeline",
        "playground",
        "query_id",
        "release_replacements",
        "tag",
        "template_parameters",
        "token",
        "job_timestamp",
    )
)
_MOST_EXACT_INTEGER = 2**53 - 1


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter, as documentation shows it.

    `type` is as in `Int32` or `Array(Int32)`. Metadata is as written, None where it is not; a whole `default` that
    JSON readers would round, and a number that JSON has not, are text. `used_in` is `function_call` when only helper
    functions see the parameter.
    """

    name: str
    type: str = "String"
    default: object = None
    required: object = None
    description: object = None
    enum: object = None
    example: object = None
    format: object = None
    used_in: str | None = None


@dataclass(frozen=True, slots=True)
class Survey:
    """What the tree says: parameters in the order of first use, all names that may be read, those that become lists.

    `binds_within`: whether there is an expression that sets a variable, which it need not come to.
    """

    parameters: tuple[Parameter, ...]
    names: frozenset[str]
    lists: frozenset[str]
    service_names: tuple[str, ...]
    binds_within: bool = False

    def dummies(self) -> dict[str, object]:
        """What stands in for each parameter while the template is checked."""
        found: dict[str, object] = {name: Placeholder(NO_VALUE) for name in self.names}
        for parameter in self.parameters:
            element = parameter.type.removeprefix("Array(").removesuffix(")")
            text = Placeholder(dummy_text(element))
            found[parameter.name] = PlaceholderList([text, text]) if parameter.name in self.lists else text
        return found


def survey(nodes: Sequence[Node]) -> Survey:
    """Find the parameters of a template that has been compiled. Raises `TemplateSyntaxError` for refused names."""
    surveyor = _Surveyor()
    surveyor.nodes(nodes)
    service_names = tuple(sorted(surveyor.names & _SERVICE_NAMES - {"job_timestamp"}))
    names, lists = frozenset(surveyor.names), frozenset(surveyor.lists)
    return Survey(tuple(surveyor.found.values()), names, lists, service_names, surveyor.binds_within)


class _Surveyor:
    """Walks the tree in the order in which it is written: a name that is read before it is bound is a parameter."""

    def __init__(self) -> None:
        self.found: dict[str, Parameter] = {}
        self.names: set[str] = set()
        self.lists: set[str] = set()
        self.binds_within = False
        self._bound: set[str] = set()
        self._typed: set[str] = set()
        self._line = 1
        self._printed = False

    def nodes(self, nodes: Sequence[Node]) -> None:
        for node in nodes:
            match node:
                case Output(expression=expression):
                    self._printed = True
                    self._expression(expression)
                    self._printed = False
                case Set(assignment=assignment):
                    if assignment.operator is not None:
                        self._visit(assignment.targets[0], helper=False)
                    self._expression(assignment.value)
                    self._bind(assignment.targets)
                case If(branches=branches, otherwise=otherwise):
                    for test, body in branches:
                        self._expression(test)
                        self.nodes(body)
                    self.nodes(otherwise)
                case For(target=target, iterable=iterable, body=body, otherwise=otherwise):
                    self._expression(iterable)
                    self._bind([target])
                    self.nodes((*body, *otherwise))
                case While(test=test, body=body, otherwise=otherwise):
                    self._expression(test)
                    self.nodes((*body, *otherwise))
                case Try():
                    self._try(node)

    def _try(self, node: Try) -> None:
        self.nodes(node.body)
        for handler in node.handlers:
            if handler.name:
                self._bind_name(handler.name, handler.line)
            self.nodes(handler.body)
        self.nodes((*node.otherwise, *node.final))

    def _expression(self, expression: Expression) -> None:
        self._line = expression.line
        self._visit(expression.tree, helper=False)

    def _visit(self, node: ast.AST, *, helper: bool) -> None:
        """Note the names under a node; `helper` says that a function which declares nothing takes its value."""
        match node:
            case ast.Name(id=name):
                self._read(name, below(self._line, node.lineno - 1), helper=helper)
            case ast.Call() if (function := function_argument(node)) is not None:
                self._higher_order(node, function)
            case ast.NamedExpr(target=target, value=value):
                self._visit(value, helper=False)
                self._bind([target])
                self.binds_within = True
            case ast.Call(func=ast.Name(id=name)):
                self._call(STATEMENT_FUNCTIONS[name], node)
            case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
                self._comprehension(node)
            case _:
                for child in ast.iter_child_nodes(node):
                    self._visit(child, helper=helper)

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp) -> None:
        outside = set(self._bound)
        for generator in node.generators:
            self._visit(generator.iter, helper=False)
            self._bind([generator.target])
            for test in generator.ifs:
                self._visit(test, helper=False)
        elements = (node.key, node.value) if isinstance(node, ast.DictComp) else (node.elt,)
        for element in elements:
            self._visit(element, helper=False)
        self._bound = outside

    def _higher_order(self, node: ast.Call, function: ast.expr) -> None:
        for argument in (*node.args, *(keyword.value for keyword in node.keywords)):
            if argument is not function:
                self._visit(argument, helper=True)
        if isinstance(function, ast.Lambda):
            outside = set(self._bound)
            for name in lambda_names(function) or ():
                self._bind_name(name, self._line)
            self._visit(function.body, helper=False)
            self._bound = outside

    def _call(self, function: Function, node: ast.Call) -> None:
        arguments = function.signature.bind(
            *node.args, **{str(keyword.arg): keyword.value for keyword in node.keywords}
        )
        subject = arguments.arguments.get("x")
        describes = METADATA[0] in function.signature.parameters
        if describes and isinstance(subject, ast.Name) and subject.id not in self._bound:
            self._read(subject.id, below(self._line, subject.lineno - 1), helper=not function.declares)
            self._declare(_described(subject.id, function, arguments.arguments), typed=bool(function.declares))
        elif subject is not None:
            self._visit(subject, helper=not function.declares)
        for argument in (*node.args, *(keyword.value for keyword in node.keywords)):
            if argument is not subject:
                self._visit(argument, helper=True)

    def _declare(self, parameter: Parameter, *, typed: bool) -> None:
        """The first declaration of a type counts; later calls add the metadata that it leaves out."""
        name, known = parameter.name, self.found[parameter.name]
        if typed and name not in self._typed:
            self._typed.add(name)
            known = replace(known, type=parameter.type, used_in=None)
        if parameter.type.startswith("Array("):
            self.lists.add(name)
        absent = {key: getattr(parameter, key) for key in ("default", *METADATA) if getattr(known, key) is None}
        self.found[name] = replace(known, **absent)

    def _read(self, name: str, line: int, *, helper: bool) -> None:
        if name in self._bound:
            return
        self._check(name, line, local=False)
        self.names.add(name)
        used_in = "function_call" if helper else None
        known = self.found.setdefault(name, Parameter(name, used_in=used_in))
        if known.used_in and not helper:
            self.found[name] = replace(known, used_in=None)

    def _bind(self, targets: Iterable[ast.expr]) -> None:
        for target in targets:
            match target:
                case ast.Name(id=name):
                    self._bind_name(name, self._line)
                case ast.Tuple(elts=elements) | ast.List(elts=elements):
                    self._bind(elements)
                case _:
                    self._visit(target, helper=False)

    def _bind_name(self, name: str, line: int) -> None:
        self._check(name, line, local=True)
        self._bound.add(name)

    def _check(self, name: str, line: int, *, local: bool) -> None:
        """A variable may begin with one underscore, as a loop's unused ones do, and so may a parameter in `{{ }}`."""
        if name in _REFUSED:
            raise TemplateSyntaxError.because(f'"{name}" can not be used as a variable name, line {line}', line)
        if name.startswith("__" if local or self._printed else "_") and name not in _SERVICE_NAMES:
            raise TemplateSyntaxError.because(f"Invalid name: {name}", line)


def _described(name: str, function: Function, arguments: dict[str, object]) -> Parameter:
    """What one call says of a parameter."""
    written = {key: _literal(arguments.get(key)) for key in ("default", *METADATA)}
    if isinstance(written["default"], int) and abs(written["default"]) > _MOST_EXACT_INTEGER:
        written["default"] = str(written["default"])
    kind = function.declares or "String"
    if kind == "Array":
        kind = f"Array({_literal(arguments.get('type')) or 'String'})"
    return Parameter(name, kind, used_in=None if function.declares else "function_call", **written)


def _literal(node: object) -> object:
    """The value of a literal as JSON has it; None for what only rendering can tell, and for what JSON has not."""
    if not isinstance(node, ast.expr):
        return None
    try:
        return _as_json(ast.literal_eval(node))
    except (ValueError, TypeError):
        return None


def _as_json(value: object) -> object:
    match value:
        case str():
            return value.encode("utf-8", "replace").decode()
        case float() if not math.isfinite(value):
            return str(value)
        case bool() | int() | float():
            return value
        case list() | tuple() | set():
            return [_as_json(each) for each in value]
        case dict():
            return {str(_as_json(key)): _as_json(each) for key, each in value.items()}
    return None
