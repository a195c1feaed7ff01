"""The parameters that a call of an endpoint may have: those of all nodes behind it, and which it cannot do without."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from stonechat.datafile.resources import Pipe
from stonechat.errors import StonechatError
from stonechat.project.composition import compose_pipe
from stonechat.project.model import Project
from stonechat.template.casts import dummy_text
from stonechat.template.errors import ParameterMissing
from stonechat.template.functions import METADATA
from stonechat.template.parameters import Parameter

NAMES = frozenset({"column", "columns", "symbol", "table"})
"""Functions that print a parameter as a name."""


def endpoint_parameters(project: Project, pipe: Pipe) -> tuple[Parameter, ...]:
    """Each parameter once, in the order of the files, with what all nodes together say of it.

    `required` is True or False: whether a call without any parameters is refused for want of this one, or the author
    says so and gives no default.
    """
    found = _declared(project, pipe)
    needed = minimal_values(project, pipe, found).keys()
    return tuple(
        replace(item, required=item.name in needed or (item.required is True and item.default is None))
        for item in found.values()
    )


def minimal_values(project: Project, pipe: Pipe, parameters: Mapping[str, Parameter] | None = None) -> dict[str, str]:
    """Dummies for the parameters without which the endpoint refuses a call. Empty where it needs none.

    Other refusals, such as the author's own `error()`, end the search: nobody can tell what would satisfy them.
    """
    known = _declared(project, pipe) if parameters is None else parameters
    values: dict[str, str] = {}
    while True:
        try:
            compose_pipe(project, pipe, values)
        except ParameterMissing as error:
            asked = [name for name in error.names if name not in values]
            if not asked:
                return values
            values |= {name: _dummy(known.get(name)) for name in asked}
        except StonechatError:
            return values
        else:
            return values


def likely_value(parameter: Parameter) -> str:
    """What a parameter most likely is called with, as far as its author says; else a dummy."""
    for known in (parameter.example, parameter.default):
        if isinstance(known, str | int | float) and not isinstance(known, bool) and str(known):
            return str(known)
    if isinstance(parameter.enum, list) and parameter.enum:
        return str(parameter.enum[0])
    return dummy_text(parameter.type.removeprefix("Array(").removesuffix(")"))


def _declared(project: Project, pipe: Pipe) -> dict[str, Parameter]:
    reached = project.lineage.statement_nodes(pipe.name, pipe.output.name)
    own = [(pipe.name, node.name) for node in pipe.nodes if (pipe.name, node.name) in reached]
    found: dict[str, Parameter] = {}
    for key in (*own, *(key for key in reached if key not in own)):
        for parameter in project.templates[key].parameters:
            before = found.get(parameter.name)
            found[parameter.name] = parameter if before is None else _merged(before, parameter)
    return found


def _merged(first: Parameter, second: Parameter) -> Parameter:
    """The first declaration with what it leaves out.

    One by a type function counts before one that only makes a name of the value, and that before a mere mention.
    """
    if _precision(second) > _precision(first):
        first, second = second, first
    keys: Sequence[str] = ("default", *METADATA)
    return replace(first, **{key: getattr(second, key) for key in keys if getattr(first, key) is None})


def _precision(parameter: Parameter) -> int:
    if parameter.used_in:
        return 0
    return 1 if parameter.type in NAMES else 2


def _dummy(parameter: Parameter | None) -> str:
    kind = parameter.type if parameter else "String"
    return dummy_text(kind.removeprefix("Array(").removesuffix(")"))
