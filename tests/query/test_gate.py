"""The gate asks the parser once about statements of one shape, and each of them gets its own verdict."""

from __future__ import annotations

import contextlib

import pytest
from tests.engine.shared import shared_engine

from stonechat.auth.access import Caller, Scope
from stonechat.datafile.resources import Pipe
from stonechat.project.model import Project
from stonechat.query.gate import BoundParameterRefused, StatementGate
from stonechat.sql.gate import ColumnNotAllowed, FunctionNotAllowed, TableNotAllowed
from stonechat.sql.references import References
from stonechat.template.render import Rendered

_PROJECT = Project.from_files({"rows.datasource": "SCHEMA >\n    `a` UInt8 `json:$.a`\n"})
_ADMIN = Caller("w", "t", "admin", frozenset({Scope.parse("ADMIN")}))
_NOBODY = Caller("w", "u", "nobody", frozenset())


class _Gate(StatementGate):
    """Counts the questions."""

    def __init__(self) -> None:
        self.asked = 0

        def ask(statement: str) -> str:
            self.asked += 1
            return shared_engine().explain(statement)

        super().__init__(ask)

    def admit(self, statement: str, caller: Caller = _ADMIN) -> frozenset[tuple[str | None, str]]:
        return self.statement(Rendered(statement), _PROJECT, caller, None).tables


@pytest.mark.parametrize("statement", ["SELECT `_database` FROM rows", "SELECT x._database AS d FROM rows AS x"])
def test_the_column_that_names_the_engines_database_is_closed(statement: str) -> None:
    with pytest.raises(ColumnNotAllowed, match="'_database'"):
        _Gate().admit(statement)


def test_a_column_of_that_name_is_a_column() -> None:
    project = Project.from_files({"rows.datasource": "SCHEMA >\n    `_database` String `json:$.a`\n"})
    _Gate().statement(Rendered("SELECT _database FROM rows"), project, _ADMIN, None)


_UNBOUNDED = [
    "arrayLevenshteinDistance([1], [2])",
    "arraySimilarity([1], [2], [1.], [1.])",
    "EDITDISTANCE('a', 'b')",
    "editDistanceUTF8('a', 'b')",
    "arrayMap(x -> levenshteinDistance(x, 'b'), ['a'])",
    "damerauLevenshteinDistance('a', 'b')",
    "jaroWinklerSimilarity('a', 'b')",
    "polygonsUnionCartesian([[[(0., 0.)]]], [[[(0., 0.)]]])",
    "geometryIntersectSpherical((0., 0.), (0., 0.))",
    "seriesDecomposeSTL([1, 2, 3, 4], 2)",
    "h3PolygonToCells([(0., 0.)], 15)",
    "kolmogorovSmirnovTestIf('two-sided', 'exact')(1, 0, 1)",
]


@pytest.mark.parametrize("call", _UNBOUNDED)
def test_what_no_time_limit_interrupts_is_for_those_who_may_read_all(call: str) -> None:
    gate = _Gate()
    narrow = Caller("w", "v", "narrow", frozenset({Scope.parse("DATASOURCES:READ:rows"), Scope.parse("PIPES:READ:p")}))
    pipe = Project.from_files({"p.pipe": "NODE n\nSQL >\n    SELECT 1 AS a\nTYPE endpoint\n"}).pipes["p"]
    for refused in (lambda: gate.admit(f"SELECT {call}", narrow), lambda: _wrap(gate, call, pipe, narrow)):
        with pytest.raises(FunctionNotAllowed):
            refused()
    assert gate.admit(f"SELECT {call}") == frozenset()
    assert _wrap(gate, call, pipe, _ADMIN).tables == frozenset({(None, "_")})
    assert (
        gate.admit("SELECT arrayDistinct([1]), geoDistance(0, 0, 1, 1), ngramDistance('a', 'b')", narrow) == frozenset()
    )


def _wrap(gate: StatementGate, call: str, pipe: Pipe, caller: Caller) -> References:
    return gate.wrap(Rendered(f"SELECT {call} FROM _"), pipe, caller)


def test_statements_that_differ_in_values_are_asked_about_once() -> None:
    gate = _Gate()
    for number in range(5):
        assert gate.admit(f"SELECT {number}, 'x{number}' FROM rows LIMIT {number}") == {(None, "rows")}
    assert gate.asked == 1


def test_each_caller_gets_a_verdict_of_its_own() -> None:
    gate = _Gate()
    gate.admit("SELECT 1 FROM rows")
    assert gate.knows("SELECT 2 FROM rows")
    with pytest.raises(TableNotAllowed):
        gate.admit("SELECT 2 FROM rows", _NOBODY)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT 1 FROM system.parts",
        "SELECT 1 FROM rows2",
        "SELECT '' FROM rows -- ', 'x' FROM secret",
        "SELECT '\\' FROM rows UNION ALL SELECT 1 FROM secret --'",
        "SELECT 1 FROM rows, secret",
    ],
)
def test_another_statement_is_not_taken_for_one_that_was_admitted(statement: str) -> None:
    gate = _Gate()
    for admitted in ("SELECT 1 FROM rows", "SELECT '' FROM rows", "SELECT 'a' FROM rows -- ', 'x' FROM secret"):
        gate.admit(admitted)
    before = gate.asked
    with contextlib.suppress(TableNotAllowed):
        assert gate.admit(statement) <= {(None, "rows")}
    assert gate.asked == before + 1


def test_what_the_engine_must_read_first_is_not_known() -> None:
    gate = _Gate()
    gate.admit("SELECT 'a' FROM rows")
    assert gate.knows("SELECT 'b' FROM rows")
    assert not gate.knows("SELECT 'é' FROM rows")
    assert not gate.knows("% SELECT 'b' FROM rows")
    with pytest.raises(BoundParameterRefused):
        gate.admit("SELECT {x:String} FROM rows")
