"""The table that feeds a view is found, and what would part its rows on the way."""

from __future__ import annotations

import pytest

from stonechat.sql.leftmost import leftmost

_TABLES = {
    "SELECT a FROM t JOIN u ON 1": "t",
    "SELECT a FROM (SELECT b FROM `odd t` WHERE c IN (SELECT d FROM u UNION ALL SELECT e FROM v)) AS s": "odd t",
    "WITH c AS (SELECT * FROM t), d AS (SELECT * FROM c) SELECT (SELECT 1 FROM u), x FROM d CROSS JOIN c": "t",
    "WITH t AS (SELECT * FROM t) SELECT * FROM t": "t",
    "WITH (SELECT max(x) FROM u) AS top SELECT * EXCEPT (a, b), * EXCEPT c FROM t": "t",
    "((SELECT extract(YEAR FROM at) FROM t));": "t",
    "FROM t SELECT a": "t",
    "SELECT 1": None,
    "SELECT 1 FROM": None,
    "": None,
    "((": None,
}
_UNITED = {
    "SELECT a FROM t UNION ALL SELECT a FROM u": "UNION",
    "select a from (select a from t union distinct (select a from u)) join v using a": "union",
    "WITH c AS (SELECT a FROM t EXCEPT SELECT a FROM u) SELECT * FROM c": "EXCEPT",
    "(SELECT a FROM t) INTERSECT ((SELECT a FROM u))": "INTERSECT",
}


@pytest.mark.parametrize("statement", _TABLES)
def test_the_leftmost_table_is_found(statement: str) -> None:
    found = leftmost(statement)
    assert (found.table, found.operator) == (_TABLES[statement], None)


@pytest.mark.parametrize("statement", _UNITED)
def test_a_set_operation_on_the_way_to_it_is_found(statement: str) -> None:
    operator = leftmost(statement).operator
    assert operator is not None
    assert operator.text == _UNITED[statement]
