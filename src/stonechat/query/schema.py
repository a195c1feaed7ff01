"""The columns that an endpoint answers with, asked of the engine without running it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from stonechat.datafile.resources import Pipe
from stonechat.engine.contract import Engine, Query
from stonechat.errors import Kind, StonechatError
from stonechat.project.composition import Composed, compose_pipe, compose_placeholder
from stonechat.project.snapshot import Snapshot
from stonechat.project.variations import Call, Variations
from stonechat.sql.quoting import parameter_text
from stonechat.sql.selections import without_conditions
from stonechat.sql.skeletons import skeleton
from stonechat.sql.types import InvalidType, parse_type
from stonechat.template.values import NO_VALUE

Columns = Mapping[str, str]
"""Names of columns with their types."""

_WRITTEN_OTHERWISE = "output_format_json_"
"""What is in the names of settings that have numbers written as texts, and tuples as lists."""
_MOST_ASKED = 120
"""How many statements of one endpoint are described at most."""


@dataclass(frozen=True, slots=True)
class ResultColumn:
    """A column of an answer. `types` are ClickHouse's, more than one where the parameters decide.

    `always` is whether every call that was tried gives the column. With `open` it may hold anything else: a caller
    chooses what it is, or settings in the SQL how it is written.
    """

    name: str
    types: tuple[str, ...]
    always: bool
    open: bool = False


def result_columns(engine: Engine, snapshot: Snapshot, pipe: Pipe) -> tuple[ResultColumn, ...] | None:
    """The columns of an endpoint; None when the engine cannot tell. Blocks, for milliseconds, and runs no query.

    They are those of calls with all parameters and of ones with as few as possible, and of calls that vary what may
    change them: nobody can list all that a template may select.
    """
    return _Inquiry(engine, snapshot, pipe).columns()


class _Inquiry:
    """Asks for the columns of one endpoint: the same statement only once, and not of too many."""

    def __init__(self, engine: Engine, snapshot: Snapshot, pipe: Pipe) -> None:
        self._engine = engine
        self._snapshot = snapshot
        self._pipe = pipe
        self._variations = Variations(snapshot.project, pipe)
        self._described: dict[str, Columns | None] = {}
        self._skeletons: dict[str, Columns | None] = {}
        self._calls: dict[frozenset[tuple[str, str]], Columns | None] = {}
        self._left = _MOST_ASKED

    def columns(self) -> tuple[ResultColumn, ...] | None:
        """What all calls together say; None where none of them says anything."""
        project, pipe = self._snapshot.project, self._pipe
        least, given = self._variations.least, self._variations.given
        dummies = self._of(partial(compose_placeholder, project, pipe, pipe.output))
        calls = [self._called(least), self._called({**least, **given}), *self._varied((least, given))]
        variants = [found for found in (dummies, *calls) if found is not None]
        if not variants:
            return None
        absent: set[str] = set()
        opened: set[str] = set()
        for base, other in self._named((least, given), variants[0]):
            absent |= base.keys() - other.keys()
            opened |= {name for name in base.keys() & other.keys() if base[name] != other[name]}
        columns = _united(variants)
        if any(_WRITTEN_OTHERWISE in statement for statement in self._described):
            opened.update(column.name for column in columns)
        return tuple(
            replace(column, always=column.always and column.name not in absent, open=column.name in opened)
            for column in columns
        )

    def _varied(self, bases: Sequence[Call]) -> Iterator[Columns | None]:
        for together in self._variations.together():
            for base in bases:
                found = self._called({**base, **together})
                yield found
                if found is None:
                    yield from (self._called({**base, name: text}) for name, text in together.items())
        for alone in self._variations.alone():
            yield from (self._called({**base, **alone}) for base in bases)
        for branching in self._variations.branching():
            yield from (self._called({**base, **branching}, branches_alone=True) for base in bases)

    def _named(self, bases: Sequence[Call], columns: Columns) -> Iterator[tuple[Columns, Columns]]:
        """The columns of a call with those of one like it in which a parameter names something else."""
        for naming in self._variations.naming(columns):
            for base in bases:
                before, after = self._called(base), self._called({**base, **naming})
                if before is not None and after is not None:
                    yield before, after

    def _called(self, values: Call, *, branches_alone: bool = False) -> Columns | None:
        key = frozenset(values.items())
        if key not in self._calls:
            compose = partial(compose_pipe, self._snapshot.project, self._pipe, values)
            self._calls[key] = self._of(compose, branches_alone=branches_alone)
        return self._calls[key]

    def _of(self, compose: Callable[[], Composed], *, branches_alone: bool = False) -> Columns | None:
        """The columns of a call; with `branches_alone` those of one that differs from it at most in its texts."""
        try:
            composed = compose()
        except StonechatError:
            # Dummies suit the types of parameters, not always what an author's own checks ask of their values.
            return None
        sql = composed.sql
        if sql not in self._described:
            found = self._skeletons.get(skeleton(sql)) if branches_alone else None
            self._described[sql] = found or self._found(composed)
            if self._described[sql] is not None:
                self._skeletons.setdefault(skeleton(sql), self._described[sql])
        return self._described[sql]

    def _found(self, composed: Composed) -> Columns | None:
        """The columns of a statement, or of one like it: that may be described where its own conditions forbid it."""
        alike = without_conditions(composed.sql)
        found = self._described.get(alike)
        if found is None and self._left:
            self._left -= 1
            found = self._asked(composed)
        if found is not None:
            self._described[alike] = found
        return found

    def _asked(self, composed: Composed) -> Columns | None:
        bound = {name: parameter_text(value) for name, value in composed.bound.items()}
        statement = f"DESCRIBE TABLE (\n{self._snapshot.placed(composed.sql)}\n)"
        try:
            result = self._engine.query(Query(statement, self._snapshot.workspace.database, "JSONEachRow", bound))
        except StonechatError as error:
            if error.kind is Kind.UNAVAILABLE:
                raise
            return None
        described = map(json.loads, result.data.splitlines())
        # Where a parameter names a column, it has the name of a dummy here, and any in an answer.
        return {row["name"]: _in_one_line(row["type"]) for row in described if NO_VALUE not in row["name"]}


def _in_one_line(text: str) -> str:
    """A type as it stands in the `meta` of answers: where the engine describes columns, it breaks tuples into lines."""
    try:
        return str(parse_type(text)) if "\n" in text else text
    except InvalidType:
        return text


def _united(variants: Sequence[Columns]) -> tuple[ResultColumn, ...]:
    names = dict.fromkeys(name for variant in variants for name in variant)
    return tuple(
        ResultColumn(
            name,
            tuple(dict.fromkeys(variant[name] for variant in variants if name in variant)),
            always=all(name in variant for variant in variants),
        )
        for name in names
    )
