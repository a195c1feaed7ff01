"""The values of single instructions: words of a list, switches, schedules and names."""

from __future__ import annotations

import re
from collections.abc import Sequence

from stonechat.datafile.problems import DatafileProblem, Findings, InvalidValue
from stonechat.datafile.resources import TokenGrant
from stonechat.datafile.scanner import Instruction
from stonechat.datafile.spans import Span

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TRUE = ("y", "yes", "t", "true", "on", "1")
_FALSE = ("n", "no", "f", "false", "off", "0")
_TEMPLATE = re.compile(r"\{\{.*?(?:\}\}|$)", re.DOTALL)
SECRET = re.compile(
    r"""\{\{-?\s*tb_secret\(\s*
        (?:name\s*=\s*)?(?P<quote>['"])(?P<name>[^'"\\]+)(?P=quote)
        (?:\s*,\s*(?:default\s*=\s*)?(?P<default>'[^'\\]*'|"[^"\\]*"))?
        \s*\)\s*-?\}\}""",
    re.VERBOSE,
)
"""A `{{ tb_secret("NAME", "default") }}`, its default with quotes."""


class UnavailableFunction(DatafileProblem):
    """A value has a template expression other than `tb_secret`."""

    code = "SC113"


class InvalidToken(DatafileProblem):
    """A TOKEN line does not say which token may do what."""

    code = "SC114"


def is_name(text: str) -> bool:
    """Whether a resource or a node may be called so: letters, digits and `_`, not beginning with a digit."""
    return _NAME.fullmatch(text) is not None


def is_templated(text: str) -> bool:
    """Whether a value is known only when its secrets are filled in."""
    return "{{" in text


def check_template(value: Span) -> None:
    """Raise `UnavailableFunction` for a `{{ }}` that is no `tb_secret("NAME")` or `tb_secret("NAME", "default")`."""
    for match in _TEMPLATE.finditer(value.text):
        if not SECRET.fullmatch(match[0]):
            message = "Only tb_secret() is available in this file"
            hint = 'Write {{ tb_secret("NAME") }} or {{ tb_secret("NAME", "default") }}'
            raise UnavailableFunction(message, value.at(match.start()), hint=hint)


def text_of(instruction: Instruction | None) -> str:
    """The value as text for people: a block without its indentation; empty when there is none."""
    if instruction is None:
        return ""
    return instruction.value.dedented()[0].text if instruction.is_block else instruction.value.text


def one_of(options: Sequence[str]) -> str:
    """A hint that lists what may be written."""
    return f"Use {options[0]}" if len(options) == 1 else f"Use one of {', '.join(options)}"


def choice(instruction: Instruction, options: Sequence[str], *, templated: bool = False) -> str:
    """The value as one of the options, found in any case. If `templated`, text that holds secrets is taken as it is."""
    text = instruction.value.text
    found = next((option for option in options if option.lower() == text.lower()), None)
    if found is None and not (templated and is_templated(text)):
        message = f"Invalid value '{text}' for {instruction.command}"
        raise InvalidValue(message, instruction.value.position, hint=one_of(options))
    return found or text


def switch(instruction: Instruction, *, templated: bool = False) -> str:
    """The value of a switch as `true` or `false`."""
    word = choice(instruction, _TRUE + _FALSE, templated=templated)
    return {**dict.fromkeys(_TRUE, "true"), **dict.fromkeys(_FALSE, "false")}.get(word, word)


def name_of(instruction: Instruction) -> str:
    """The value as the name of a resource or a node."""
    text = instruction.value.text
    if not text:
        raise InvalidValue(f"{instruction.command} needs a name", instruction.position)
    if not is_name(text):
        hint = "Names have letters, digits and underscores, and begin with no digit"
        raise InvalidValue(f"Invalid name '{text}' for {instruction.command}", instruction.value.position, hint=hint)
    return text


def listed(value: Span) -> tuple[str, ...]:
    """The entries of a list whose separators are commas and line ends, without quotes."""
    entries = (entry.strip().strip("'\"").strip() for entry in re.split(r"[,\n]", value.text))
    return tuple(entry for entry in entries if entry)


def token_grants(
    instructions: Sequence[Instruction], permissions: Sequence[str], findings: Findings
) -> tuple[TokenGrant, ...]:
    """The TOKEN lines among the instructions: each a name and one of the permissions."""
    grants: list[TokenGrant] = []
    for instruction in instructions:
        with findings.collecting():
            if instruction.command == "TOKEN":
                grants.append(_token_grant(instruction, permissions))
    return tuple(grants)


def _token_grant(instruction: Instruction, permissions: Sequence[str]) -> TokenGrant:
    allowed = " or ".join(permissions)
    if len(instruction.words) != 2:
        message = "TOKEN takes a name and a permission"
        raise InvalidToken(message, instruction.position, hint=f'TOKEN "name" {allowed}')
    name, permission = instruction.words
    if permission.text.upper() not in permissions:
        raise InvalidToken(f"Invalid permission '{permission.text}'", permission.position, hint=f"Use {allowed}")
    return TokenGrant(name.text, permission.text.upper(), instruction.position)
