"""Expressions to closures. Nothing of a template is ever run by Python: what is not listed here does not exist.

`{{ }}` has a short list of what it allows; `{% %}` allows comparisons, boolean operators, all arithmetic,
comprehensions and the methods of plain values besides.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Any

from stonechat.template.calls import Calls
from stonechat.template.closures import (
    Bind,
    Evaluate,
    Walk,
    assign_item,
    assign_name,
    bound,
    bound_operand,
    compared,
    hashable,
    loop,
    nothing,
    once,
    scoped,
    sliced,
    sliced_as_written,
    unpack,
)
from stonechat.template.context import Context
from stonechat.template.errors import TemplateSyntaxError
from stonechat.template.operations import (
    COMPARISONS,
    OUTPUT_OPERATORS,
    STATEMENT_OPERATORS,
    format_value,
)
from stonechat.template.python import Expression, Target, weigh
from stonechat.template.tokens import below

MAX_DEPTH = 100
_LITERALS = (str, int, float, bool, type(None))


def compile_output(expression: Expression) -> Evaluate:
    """Compile the expression of `{{ }}`. Raises `TemplateSyntaxError` for what is not allowed there."""
    return _Compiler(expression.line, output=True).compile(expression.tree)


def compile_statement(expression: Expression) -> Evaluate:
    """Compile an expression of `{% %}`. Raises `TemplateSyntaxError` for what is not allowed there."""
    return _Compiler(expression.line, output=False).compile(expression.tree)


def compile_target(target: Target, line: int) -> Bind:
    """Compile what `set` or `for` binds to."""
    return _Compiler(line, output=False).target(target)


class _Compiler:
    """Compiles the expression of one tag. `_depth` counts the nesting on the way down."""

    def __init__(self, line: int, *, output: bool) -> None:
        self._line = line
        self._output = output
        self._operators = OUTPUT_OPERATORS if output else STATEMENT_OPERATORS
        self._depth = 0

    def call(self, node: ast.Call) -> Evaluate:
        return Calls(self.compile, self._refused, self._line, output=self._output).compile(node)

    def compile(self, node: ast.expr) -> Evaluate:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._refused(node, f"the expression is nested more than {MAX_DEPTH} deep")
        evaluate = self._node(node)
        self._depth -= 1
        return evaluate

    def _node(self, node: ast.expr) -> Evaluate:
        handlers = _OUTPUT_NODES if self._output else _STATEMENT_NODES
        handler = handlers.get(type(node))
        if handler is None:
            raise self._refused(node, f"Invalid expression type: {type(node).__name__}")
        return handler(self, node)

    def _refused(self, node: ast.expr | ast.keyword, reason: str) -> TemplateSyntaxError:
        return TemplateSyntaxError.because(reason, below(self._line, node.lineno - 1))

    def constant(self, node: ast.Constant) -> Evaluate:
        value = node.value
        if not isinstance(value, _LITERALS):
            raise self._refused(node, f"Invalid expression type: {type(value).__name__}")
        return lambda _context: value

    def name(self, node: ast.Name) -> Evaluate:
        return itemgetter(node.id)

    def unary(self, node: ast.UnaryOp) -> Evaluate:
        operand = self.compile(node.operand)
        match node.op:
            case ast.Not():
                return lambda context: not operand(context)
            case ast.USub():
                return lambda context: -operand(context)
            case ast.UAdd() if not self._output:
                return lambda context: +operand(context)
            case ast.Invert() if not self._output:
                return lambda context: ~operand(context)
        raise self._refused(node, f"Invalid UnaryOp: {type(node.op).__name__}")

    def binary(self, node: ast.BinOp) -> Evaluate:
        operation = self.operator(node.op, node)
        left, right = self.compile(node.left), self.compile(node.right)
        return lambda context: operation(context, left(context), right(context))

    def operator(self, symbol: ast.operator, node: ast.expr) -> Callable[[Context, Any, Any], object]:
        if type(symbol) not in self._operators:
            raise self._refused(node, f"Invalid BinOp: {type(symbol).__name__}")
        return self._operators[type(symbol)]

    def boolean(self, node: ast.BoolOp) -> Evaluate:
        operands = [self.compile(value) for value in node.values]
        stops_at = isinstance(node.op, ast.Or)

        def evaluate(context: Context) -> object:
            value: object = None
            for operand in operands:
                value = operand(context)
                if bool(value) is stops_at:
                    break
            return value

        return evaluate

    def comparison(self, node: ast.Compare) -> Evaluate:
        first = self.compile(node.left)
        match node.ops, node.comparators:
            case [[op], [right]] if (written := _constants(right)) is not None:
                self.compile(right)
                return compared(first, COMPARISONS[type(op)], written)
        # What is written out in the template needs no bound: its nodes are counted.
        rest = [
            (COMPARISONS[type(op)], self.compile(right), _constants(right) is None)
            for op, right in zip(node.ops, node.comparators, strict=True)
        ]

        def evaluate(context: Context) -> object:
            left, result = first(context), None
            for operation, operand, to_bound in rest:
                right = operand(context)
                bound_operand(context, left)
                if to_bound:
                    bound_operand(context, right)
                result = operation(left, right)
                if not result:
                    break
                left = right
            return result

        return evaluate

    def conditional(self, node: ast.IfExp) -> Evaluate:
        test, body, otherwise = self.compile(node.test), self.compile(node.body), self.compile(node.orelse)
        return lambda context: body(context) if test(context) else otherwise(context)

    def subscript(self, node: ast.Subscript) -> Evaluate:
        container, index = self.compile(node.value), self.compile(node.slice)
        if isinstance(node.slice, ast.Slice):
            written = _written_slice(node.slice)
            return sliced(container, index) if written is None else sliced_as_written(container, written)

        def evaluate(context: Context) -> object:
            key = index(context)
            context.bound_depth(key)
            return container(context)[key]

        return evaluate

    def slice(self, node: ast.Slice) -> Evaluate:
        lower, upper, step = (self.compile(part) if part else nothing for part in (node.lower, node.upper, node.step))
        return lambda context: slice(lower(context), upper(context), step(context))

    def listing(self, node: ast.List | ast.Tuple | ast.Set) -> Evaluate:
        items = [self.compile(item) for item in node.elts]
        if (constants := _constants(node)) is not None:
            return lambda _context: constants
        if isinstance(node, ast.List):
            return lambda context: [item(context) for item in items]
        if isinstance(node, ast.Tuple):
            return lambda context: tuple([item(context) for item in items])
        return lambda context: {hashable(context, item(context)) for item in items}

    def dictionary(self, node: ast.Dict) -> Evaluate:
        if None in node.keys:
            raise self._refused(node, "Invalid expression type: DictUnpack")
        keys = [self.compile(key) for key in node.keys if key]
        items = list(zip(keys, [self.compile(value) for value in node.values], strict=True))
        return lambda context: {hashable(context, key(context)): value(context) for key, value in items}

    def joined(self, node: ast.JoinedStr) -> Evaluate:
        parts = [self.compile(part) for part in node.values]
        return lambda context: context.bound_size("".join([part(context) for part in parts]))

    def formatted(self, node: ast.FormattedValue) -> Evaluate:
        value = self.compile(node.value)
        specification = self.compile(node.format_spec) if node.format_spec else lambda _context: ""
        conversion = node.conversion
        return lambda context: format_value(context, value(context), conversion, specification(context))

    def comprehension(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp) -> Evaluate:
        walk, element = self._generators(node), self.compile(node.elt)
        if isinstance(node, ast.SetComp):
            return lambda context: {hashable(context, element(context)) for _ in walk(context)}
        return lambda context: [element(context) for _ in walk(context)]

    def dictionary_comprehension(self, node: ast.DictComp) -> Evaluate:
        walk = self._generators(node)
        key, value = self.compile(node.key), self.compile(node.value)
        return lambda context: {hashable(context, key(context)): value(context) for _ in walk(context)}

    def _generators(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp) -> Walk:
        """The loops of a comprehension: yields once for each element, with the variables bound."""
        names = set[str]()
        walk: Walk = once
        for generator in reversed(node.generators):
            if generator.is_async or not isinstance(generator.target, ast.Name | ast.Tuple | ast.List):
                raise self._refused(node, "Invalid expression type: comprehension")
            tests = [self.compile(test) for test in generator.ifs]
            walk = loop(self.target(generator.target), self.compile(generator.iter), tests, walk, weigh(node))
            names |= {part.id for part in ast.walk(generator.target) if isinstance(part, ast.Name)}
        return scoped(frozenset(names), walk)

    def target(self, target: ast.expr) -> Bind:
        match target:
            case ast.Name(id=name):
                return assign_name(name)
            case ast.Tuple(elts=elements) | ast.List(elts=elements):
                return unpack([self.target(element) for element in elements])
            case ast.Subscript(value=container, slice=index):
                return assign_item(self.compile(container), self.compile(index))
        raise self._refused(target, "cannot assign to this")

    def walrus(self, node: ast.NamedExpr) -> Evaluate:
        name, value = node.target.id, self.compile(node.value)
        return bound(name, value)


_Handler = Callable[[_Compiler, Any], Evaluate]

_OUTPUT_NODES: Mapping[type[ast.expr], _Handler] = {
    ast.Constant: _Compiler.constant,
    ast.Name: _Compiler.name,
    ast.UnaryOp: _Compiler.unary,
    ast.BinOp: _Compiler.binary,
    ast.IfExp: _Compiler.conditional,
    ast.Subscript: _Compiler.subscript,
    ast.Slice: _Compiler.slice,
    ast.List: _Compiler.listing,
    ast.Tuple: _Compiler.listing,
    ast.Set: _Compiler.listing,
    ast.Dict: _Compiler.dictionary,
    ast.JoinedStr: _Compiler.joined,
    ast.FormattedValue: _Compiler.formatted,
    ast.Call: _Compiler.call,
}
_STATEMENT_NODES: Mapping[type[ast.expr], _Handler] = {
    **_OUTPUT_NODES,
    ast.BoolOp: _Compiler.boolean,
    ast.Compare: _Compiler.comparison,
    ast.NamedExpr: _Compiler.walrus,
    ast.ListComp: _Compiler.comprehension,
    ast.SetComp: _Compiler.comprehension,
    ast.GeneratorExp: _Compiler.comprehension,
    ast.DictComp: _Compiler.dictionary_comprehension,
}


def _written_slice(node: ast.Slice) -> slice | None:
    """A slice with bounds that are written out; None for any other."""
    parts = (node.lower, node.upper, node.step)
    bounds = [part.value if isinstance(part, ast.Constant) else None for part in parts]
    return slice(*bounds) if all(part is None or isinstance(part, ast.Constant) for part in parts) else None


def _constants(node: ast.expr) -> tuple[object, ...] | None:
    """The elements of a tuple of literals; None for anything else."""
    if not isinstance(node, ast.Tuple):
        return None
    values = tuple(item.value for item in node.elts if isinstance(item, ast.Constant))
    return values if len(values) == len(node.elts) else None
