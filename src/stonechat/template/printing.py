"""What `{{ }}` does with its expression."""

from __future__ import annotations

from dataclasses import dataclass

from stonechat.template.context import Context, Evaluate
from stonechat.template.errors import TemplateRenderError
from stonechat.template.expressions import compile_output
from stonechat.template.syntax import Output
from stonechat.template.values import sql_of

_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Printing:
    """Evaluates an expression, and gives the SQL of its value, in which nothing may be that is `forbidden` there."""

    evaluate: Evaluate
    line: int
    shown: str
    forbidden: tuple[str, ...]

    @classmethod
    def of(cls, node: Output) -> Printing:
        """Compile a tag. Raises `TemplateSyntaxError`."""
        expression = node.expression
        source = expression.source
        shown = source if len(source) <= _SHOWN else f"{source[:_SHOWN]}..."
        return cls(compile_output(expression), expression.line, shown, tuple(node.forbidden))

    def __call__(self, context: Context) -> str:
        """What is printed in a rendering."""
        context.line = self.line
        value = self.evaluate(context)
        if value is None:
            raise TemplateRenderError(f'expression "{self.shown}" evaluated to null')
        context.bound_depth(value)
        sql = sql_of(value)
        if self.forbidden and any(mark in sql for mark in self.forbidden):
            raise TemplateRenderError(
                f'expression "{self.shown}" is printed inside of quotes or a comment, which its value would end',
                hint="Values are quoted when they are printed: remove the quotes around the expression.",
            )
        return sql
