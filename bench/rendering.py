"""Composing: from the parameters of a call to the statement that the engine gets, without the engine."""

from __future__ import annotations

import time
from collections.abc import Mapping

from bench.processes import median
from bench.tables import Table
from stonechat.project.composition import Values, compose_pipe
from stonechat.project.model import Project
from stonechat.project.parameters import endpoint_parameters, minimal_values

_ROUNDS = 7
_CALLS = 2_000


def measure(files: Mapping[str, str]) -> Table:
    """Compose the pipe with the most SQL: for the examples that its parameters have, and for as few as it needs."""
    project = Project.from_files(files)
    pipe = max(project.pipes.values(), key=lambda pipe: sum(len(node.sql) for node in pipe.nodes))
    least = minimal_values(project, pipe)
    examples = {item.name: str(item.example) for item in endpoint_parameters(project, pipe) if item.example is not None}
    values = {**least, **examples}
    columns = ("Pipe", "parameters", "characters of SQL", "CPU us", "CPU us with the fewest parameters")
    size = len(compose_pipe(project, pipe, values).sql)
    timed = [_microseconds(project, pipe.name, given) for given in (values, least)]
    return Table("Composing the pipe with the most SQL", columns, [(pipe.name, len(values), size, *timed)])


def _microseconds(project: Project, name: str, values: Values) -> float:
    pipe = project.pipes[name]
    rounds = []
    for _ in range(_ROUNDS):
        began = time.process_time()
        for _ in range(_CALLS):
            compose_pipe(project, pipe, values)
        rounds.append((time.process_time() - began) / _CALLS * 1e6)
    return median(rounds)
