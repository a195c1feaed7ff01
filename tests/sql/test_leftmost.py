"""The tables that feed a view are found, and what would part its rows on the way."""

from __future__ import annotations

import pytest

from stonechat.sql.leftmost import as_one_select, fed_by_table, leftmost, united_selects

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
    "SELECT a FROM t UNION ALL SELECT a FROM u UNION ALL SELECT 1": (["t", "u", None], ["UNION", "UNION"]),
    "select a from (select a from t union distinct (select a from u)) join v using a": (["t", "u"], ["union"]),
    "WITH c AS (SELECT a FROM t EXCEPT SELECT a FROM u) SELECT * FROM c": (["t", "u"], ["EXCEPT"]),
    "(SELECT a FROM t) INTERSECT ((SELECT a FROM u))": (["t", "u"], ["INTERSECT"]),
    "WITH c AS (SELECT * FROM t) SELECT * FROM c UNION ALL SELECT * FROM (SELECT 1 FROM c)": (["t", "t"], ["UNION"]),
    "SELECT 1 FROM t UNION ALL (SELECT 2 FROM u UNION ALL SELECT 3 FROM v)": (["t", "u", "v"], ["UNION", "UNION"]),
    "WITH t AS (SELECT 1 FROM t UNION ALL SELECT 2 FROM t) SELECT 1 FROM t": (["t", "t"], ["UNION"]),
    "SELECT 1 FROM t UNION ALL": (["t"], []),
}


@pytest.mark.parametrize("statement", _TABLES)
def test_the_leftmost_table_is_found(statement: str) -> None:
    found = leftmost(statement)
    assert (found.tables, found.operators) == ((_TABLES[statement],), ())


@pytest.mark.parametrize("statement", _UNITED)
def test_the_tables_of_set_operations_are_found(statement: str) -> None:
    found = leftmost(statement)
    assert (list(found.tables), [operator.text for operator in found.operators]) == _UNITED[statement]


def test_only_what_is_a_set_operation_gets_a_select_around_it() -> None:
    united = "WITH c AS (SELECT 1 FROM t) (SELECT * FROM c) UNION ALL SELECT 2 FROM t -- and no more"
    assert as_one_select(united) == f"SELECT * FROM (\n{united}\n)"
    single = "SELECT * EXCEPT (a) FROM (SELECT 1 FROM t UNION ALL SELECT 2 FROM t)"
    assert as_one_select(single) == single


_GIVEN = "1 AS x, c AS (WITH 2 AS y SELECT a FROM t UNION ALL SELECT y FROM u)"
_SELECTS = {
    "SELECT a FROM t": [],
    "SELECT a FROM t UNION ALL SELECT a FROM t": [],
    "SELECT a FROM t JOIN (SELECT a FROM t UNION ALL SELECT a FROM u) USING a": [],
    "SELECT a FROM t UNION ALL SELECT b FROM u": [
        ["SELECT * FROM (SELECT a FROM t)", "SELECT * FROM (SELECT b FROM u)"]
    ],
    "SELECT a FROM (SELECT a FROM t UNION ALL (SELECT b FROM u)) WHERE a": [
        ["SELECT * FROM (SELECT a FROM t)", "SELECT * FROM ((SELECT b FROM u))"]
    ],
    "WITH 1 AS x, c AS (WITH 2 AS y SELECT a FROM t UNION ALL SELECT y FROM u) SELECT x FROM c": [
        [f"WITH {_GIVEN}, 2 AS y SELECT * FROM (SELECT {name} FROM {table})" for name, table in ("at", "yu")]
    ],
    "SELECT a FROM t UNION ALL SELECT a FROM (SELECT a FROM u UNION ALL SELECT c FROM v)": [
        [
            "SELECT * FROM (SELECT a FROM t)",
            "SELECT * FROM (SELECT a FROM (SELECT a FROM u UNION ALL SELECT c FROM v))",
        ],
        ["SELECT * FROM (SELECT a FROM u)", "SELECT * FROM (SELECT c FROM v)"],
    ],
}


@pytest.mark.parametrize("statement", _SELECTS)
def test_what_brings_tables_together_is_found_select_by_select(statement: str) -> None:
    assert list(united_selects(statement)) == _SELECTS[statement]


_FED_BY_U = {
    "SELECT a FROM t UNION ALL SELECT a FROM u": "SELECT a FROM u",
    "SELECT a FROM u UNION ALL SELECT a FROM t": "SELECT a FROM u ",
    "SELECT a FROM t UNION ALL SELECT a FROM u UNION DISTINCT SELECT a FROM v UNION ALL (SELECT b FROM u); ": (
        "SELECT a FROM u  UNION ALL (SELECT b FROM u); "
    ),
    "WITH c AS (SELECT 1 FROM t) SELECT a FROM c UNION ALL SELECT a FROM u JOIN c ON 1": (
        "WITH c AS (SELECT 1 FROM t) SELECT a FROM u JOIN c ON 1"
    ),
    "WITH c AS (SELECT 1 FROM t), quantile(0.5)(x) AS q SELECT a FROM c UNION ALL (SELECT a FROM u)": (
        "WITH c AS (SELECT 1 FROM t), quantile(0.5)(x) AS q SELECT * FROM (SELECT a FROM u)"
    ),
    "WITH c AS (SELECT 1 FROM t UNION ALL SELECT 2 FROM u /* kept */) SELECT * FROM c UNION ALL SELECT 3 FROM c": (
        "WITH c AS (SELECT 2 FROM u /* kept */) SELECT * FROM c UNION ALL SELECT 3 FROM c"
    ),
    "SELECT a FROM (SELECT a FROM t UNION ALL (SELECT a FROM v UNION ALL SELECT a FROM `u`)) JOIN t USING a": (
        "SELECT a FROM ((SELECT a FROM `u`)) JOIN t USING a"
    ),
    "SELECT a FROM u WHERE a IN (SELECT a FROM t UNION ALL SELECT a FROM v)": (
        "SELECT a FROM u WHERE a IN (SELECT a FROM t UNION ALL SELECT a FROM v)"
    ),
}


@pytest.mark.parametrize("statement", _FED_BY_U)
def test_the_members_that_begin_with_other_tables_are_left_out(statement: str) -> None:
    fed = fed_by_table(statement, "u")
    assert fed == _FED_BY_U[statement]
    assert set(leftmost(fed).tables) == {"u"}


def test_what_is_nested_without_end_is_given_up() -> None:
    deep = "SELECT * FROM (" * 5_000 + "SELECT 1 FROM t" + ")" * 5_000
    doubled = ", ".join(f"c{n + 1} AS (SELECT 1 FROM c{n} UNION ALL SELECT 2 FROM c{n})" for n in range(60))
    wide = f"WITH c0 AS (SELECT 1 FROM t), {doubled} SELECT * FROM c60"
    for statement in (deep, "(" * 20_000, wide, "(" * 5_000 + "SELECT 1 FROM t" + ")" * 5_000):
        found = leftmost(statement)
        assert None in found.tables
        assert not found.united_tables
