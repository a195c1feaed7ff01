"""The tree of a template to closures: each prints, binds, chooses or repeats, and says how a loop goes on."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any, assert_never

from stonechat.template.closures import Bind, Evaluate
from stonechat.template.context import Context, Deed
from stonechat.template.errors import TemplateRenderError, TemplateSyntaxError
from stonechat.template.expressions import compile_statement, compile_target
from stonechat.template.operations import STATEMENT_OPERATORS
from stonechat.template.printing import Printing
from stonechat.template.python import Assignment, Expression, weigh
from stonechat.template.syntax import Break, Continue, For, Handler, If, Node, Output, Set, Text, Try, While


class Signal(Enum):
    """Why a body ended early."""

    BREAK = "break"
    CONTINUE = "continue"


Step = Callable[[Context], Signal | None]

_FAILURES = (TemplateRenderError, ValueError, TypeError, LookupError, ArithmeticError, AttributeError)
_CATCHABLE: Mapping[str, tuple[type[Exception], ...]] = {
    "Exception": _FAILURES,
    "ValueError": (TemplateRenderError, ValueError),
    "TypeError": (TypeError,),
    "KeyError": (KeyError,),
    "IndexError": (IndexError,),
    "AttributeError": (AttributeError,),
    "ZeroDivisionError": (ZeroDivisionError,),
}


def compile_nodes(nodes: Sequence[Node]) -> Step:
    """Compile a body. Raises `TemplateSyntaxError`."""
    steps = [_compile(node) for node in nodes]

    def run(context: Context) -> Signal | None:
        for step in steps:
            signal = step(context)
            if signal is not None:
                return signal
        return None

    return run


def _compile(node: Node) -> Step:
    step: Step
    match node:
        case Text():
            step = _text(node)
        case Output():
            step = _output(node)
        case Set():
            step = _set(node.assignment)
        case If():
            step = _if(node)
        case For():
            step = _for(node)
        case While():
            step = _while(node)
        case Try():
            step = _try(node)
        case Break():
            step = _signal(Signal.BREAK)
        case Continue():
            step = _signal(Signal.CONTINUE)
        case _:
            assert_never(node)
    return step


def _signal(signal: Signal) -> Step:
    return lambda _context: signal


def _text(node: Text) -> Step:
    text = node.text

    def run(context: Context) -> None:
        context.out.append(text)

    return run


def _output(node: Output) -> Step:
    printed = Printing.of(node)

    def run(context: Context) -> None:
        sql = printed(context)
        if context.tracer is not None:
            context.tracer.note(Deed.PRINT, printed, sql, len(context.out) if sql else None)
        # A negative number after a minus sign would make a comment of the rest of the line.
        if sql.startswith("-") and context.out and context.out[-1].endswith("-"):
            sql = f" {sql}"
        if sql:
            context.out.append(sql)

    return run


def _set(assignment: Assignment) -> Step:
    line = assignment.value.line
    value = compile_statement(assignment.value)
    binds = [compile_target(target, line) for target in assignment.targets]
    if assignment.operator is not None:
        value = _augmented(assignment, value)

    def run(context: Context) -> None:
        context.line = line
        result = value(context)
        for bind in binds:
            bind(context, result)
        if context.tracer is not None:
            context.tracer.note(Deed.SET, run)

    return run


def _augmented(assignment: Assignment, operand: Evaluate) -> Evaluate:
    """The value of `target += operand`. Lists are made anew rather than extended."""
    operation = STATEMENT_OPERATORS.get(type(assignment.operator or ast.Add()))
    target = assignment.targets[0]
    line = assignment.value.line
    if operation is None or isinstance(target, ast.Tuple | ast.List):
        raise TemplateSyntaxError.because(f"Invalid BinOp: {type(assignment.operator).__name__}", line)
    current = compile_statement(Expression(target, assignment.value.source, line))
    return lambda context: operation(context, current(context), operand(context))


def _if(node: If) -> Step:
    branches = [(test.line, compile_statement(test), compile_nodes(body)) for test, body in node.branches]
    otherwise = compile_nodes(node.otherwise)

    def run(context: Context) -> Signal | None:
        for line, test, body in branches:
            context.line = line
            outcome = bool(test(context))
            if context.tracer is not None:
                context.tracer.note(Deed.TEST, test, outcome)
            if outcome:
                return body(context)
        return otherwise(context)

    return run


def _for(node: For) -> Step:
    line, iterable = node.iterable.line, compile_statement(node.iterable)
    bind: Bind = compile_target(node.target, line)
    body, otherwise, weight = compile_nodes(node.body), compile_nodes(node.otherwise), _weight(node.body)

    def run(context: Context) -> Signal | None:
        context.tracer = None
        context.line = line
        for value in iterable(context):
            context.spend(weight)
            bind(context, value)
            if body(context) is Signal.BREAK:
                return None
            context.measure()
        return otherwise(context)

    return run


def _while(node: While) -> Step:
    line, test = node.test.line, compile_statement(node.test)
    weight = _weight(node.body) + weigh(node.test.tree)
    body, otherwise = compile_nodes(node.body), compile_nodes(node.otherwise)

    def run(context: Context) -> Signal | None:
        context.tracer = None
        while _evaluate(context, line, test):
            context.spend(weight)
            if body(context) is Signal.BREAK:
                return None
            context.measure()
        return otherwise(context)

    return run


def _evaluate(context: Context, line: int, evaluate: Evaluate) -> Any:
    context.line = line
    return evaluate(context)


def _try(node: Try) -> Step:
    body, final, otherwise = (compile_nodes(nodes) for nodes in (node.body, node.final, node.otherwise))
    handlers = [(_catchable(handler), handler.name, compile_nodes(handler.body)) for handler in node.handlers]

    def guarded(context: Context) -> Signal | None:
        context.guards += 1
        try:
            return body(context)
        finally:
            context.guards -= 1

    def attempt(context: Context) -> Signal | None:
        try:
            signal = guarded(context)
        except _FAILURES as error:
            for kinds, name, handle in handlers:
                if isinstance(error, kinds):
                    if name:
                        context[name] = str(error)
                    return handle(context)
            raise
        return signal or otherwise(context)

    def run(context: Context) -> Signal | None:
        context.tracer = None
        try:
            signal = attempt(context)
        except Exception:
            final(context)
            raise
        return final(context) or signal

    return run


def _catchable(handler: Handler) -> tuple[type[Exception], ...]:
    if handler.kind not in _CATCHABLE:
        raise TemplateSyntaxError.because(f"Invalid name: {handler.kind}", handler.line)
    return _CATCHABLE[handler.kind]


def _weight(nodes: Sequence[Node]) -> int:
    """How much work one turn of a loop may be at most, inner loops counted for one turn."""
    return 1 + sum(map(_node_weight, nodes))


def _node_weight(node: Node) -> int:
    match node:
        case Text(text=text):
            return 1 + len(text) // 64
        case Output(expression=expression):
            return weigh(expression.tree)
        case Set(assignment=assignment):
            return weigh(assignment.value.tree)
        case If(branches=branches, otherwise=otherwise):
            return sum(weigh(test.tree) + _weight(body) for test, body in branches) + _weight(otherwise)
        case For(iterable=test, body=body, otherwise=otherwise) | While(test=test, body=body, otherwise=otherwise):
            return weigh(test.tree) + _weight(body) + _weight(otherwise)
        case Try(body=body, handlers=handlers, otherwise=otherwise, final=final):
            return sum(map(_weight, (body, otherwise, final, *(handler.body for handler in handlers))))
    return 1
