"""What can go wrong in a template, one class per cause. Clients compare these texts: they are part of the interface."""

from __future__ import annotations

from collections.abc import Sequence

from stonechat.errors import Kind, Position, StonechatError

PREFIX = "Template Syntax Error: "
_FORMS = {"Date": "YYYY-MM-DD", "DateTime": "YYYY-MM-DD HH:MM:SS", "DateTime64": "YYYY-MM-DD HH:MM:SS.mmm"}


class TemplateError(StonechatError):
    """Base of all template failures. `template` and `line` (from 1, in the node's SQL) say where it is at fault."""

    code = "SC200"
    kind = Kind.INVALID

    def __init__(
        self, message: str, *, line: int = 0, hint: str | None = None, position: Position | None = None
    ) -> None:
        super().__init__(message, hint=hint, position=position)
        self.line = line
        self.template = ""

    def locate(self, template: str, line: int) -> None:
        """Remember the template, and the line unless the error knows a better one."""
        self.template = self.template or template
        self.line = self.line or line


class TemplateSyntaxError(TemplateError):
    """The text is no template, or uses what the language forbids. Raised when a template is compiled."""

    code = "SC200"

    @classmethod
    def because(cls, reason: str, line: int) -> TemplateSyntaxError:
        """The error for a reason, its message with the prefix that all template failures share."""
        return cls(PREFIX + reason, line=line)


class TemplateMarkMissing(TemplateError):
    """Plain SQL holds a template expression: its author forgot the mark that makes it a template."""

    code = "SC201"

    def __init__(self, *, line: int) -> None:
        super().__init__(
            f"{PREFIX}The SQL has a {{{{ }}}} expression but is not a template: start it with %, line {line}",
            line=line,
            hint="Put a line with a single % in front of the SQL.",
        )


class TemplateRenderError(TemplateError):
    """The values do not suit the template. The only kind of failure that `{% try %}` catches."""

    code = "SC202"

    def __init__(self, reason: str, *, line: int = 0, hint: str | None = None) -> None:
        super().__init__(PREFIX + reason, line=line, hint=hint)


class ParameterMissing(TemplateRenderError):
    """Parameters without a value and without a default. `names` are in the order in which they are asked for."""

    code = "SC203"

    def __init__(self, names: Sequence[str], *, line: int = 0) -> None:
        *others, last = names
        listed = f"{', '.join(others)} and {last}" if others else last
        super().__init__(
            f"Required parameter is not defined. Check the parameters {listed}. "
            "Please provide a value or set a default value in the pipe code.",
            line=line,
        )
        self.names = tuple(names)


class ParameterInvalid(TemplateRenderError):
    """A value, or a default, is not of the declared type. `subject` is the value as the message shows it."""

    code = "SC204"

    def __init__(self, subject: str, type_name: str) -> None:
        super().__init__(f"Error validating {subject} to type {type_name}")
        self._form = _FORMS.get(type_name)

    def name(self, source: str) -> None:
        """Say in the hint what the value is of: a parameter, or an expression."""
        what = f"the parameter '{source}'" if source.isidentifier() else f"'{source}'"
        self.hint = f"It is the value of {what}" + (f", which is written as {self._form}." if self._form else ".")


class TemplateAborted(TemplateError):
    """The template called `error(...)`. The message is the author's own, unadorned."""

    code = "SC205"


class TemplateCustomError(TemplateError):
    """The template called `custom_error(...)`. `body` is the whole JSON answer, `status` its HTTP status."""

    code = "SC206"

    def __init__(self, body: object, status: int) -> None:
        said = body.get("error") if isinstance(body, dict) else body
        super().__init__(said if isinstance(said, str) else str(body))
        self.body = body
        self.status = status


class TemplateTooCostly(TemplateError):
    """A loop, a text, a number or the nesting grew out of bounds. `{% try %}` cannot catch it."""

    code = "SC207"

    def __init__(self, reason: str, *, line: int = 0) -> None:
        super().__init__(PREFIX + reason, line=line)


class SecretMissing(TemplateRenderError):
    """`tb_secret` names what the workspace does not have, and gives no default."""

    code = "SC208"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"Cannot access secret '{name}'. "
            "Check the secret exists in the Workspace and the token has the required scope."
        )


class TemplateEmpty(TemplateError):
    """The template renders to nothing."""

    code = "SC209"

    def __init__(self) -> None:
        super().__init__("Empty query", line=1)
