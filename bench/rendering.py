"""Composing: from the parameters of a call to the statement that the engine gets, without the engine."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from itertools import cycle

from bench.processes import median
from bench.tables import Table
from stonechat.datafile.resources import Pipe
from stonechat.project.composition import Composed, Values, compose_pipe
from stonechat.project.model import Project
from stonechat.project.parameters import endpoint_parameters, minimal_values
from stonechat.project.plans import Plans

_ROUNDS = 7
_CALLS = 2_000


def measure(files: Mapping[str, str]) -> Table:
    """Compose the pipe with the most SQL: for the examples that its parameters have, and for as few as it needs."""
    project = Project.from_files(files)
    pipe = max(project.pipes.values(), key=lambda pipe: sum(len(node.sql) for node in pipe.nodes))
    least, parameters = minimal_values(project, pipe), endpoint_parameters(project, pipe)
    examples = {item.name: str(item.example) for item in parameters if item.example is not None}
    values = {**least, **examples}
    texts = {item.name: f"{values[item.name]}0" for item in parameters if item.type == "String" and item.name in values}
    columns = (
        "Pipe",
        "parameters",
        "characters of SQL",
        "CPU us",
        "CPU us with the fewest parameters",
        "CPU us of a call like an earlier one",
    )
    size = len(compose_pipe(project, pipe, values).sql)
    timed = [_microseconds(partial(compose_pipe, project, pipe, given)) for given in (values, least)]
    # No two calls one after the other have the same values.
    plans, others = Plans(project), cycle([values, values | texts])
    plans.learn(pipe, values)
    timed.append(_microseconds(lambda: _planned(plans, pipe, next(others))))
    return Table("Composing the pipe with the most SQL", columns, [(pipe.name, len(values), size, *timed)])


def _planned(plans: Plans, pipe: Pipe, values: Values) -> Composed:
    composed = plans.compose(pipe, values)
    assert composed is not None
    return composed


def _microseconds(compose: Callable[[], Composed]) -> float:
    rounds = []
    for _ in range(_ROUNDS):
        began = time.process_time()
        for _ in range(_CALLS):
            compose()
        rounds.append((time.process_time() - began) / _CALLS * 1e6)
    return median(rounds)
