"""Names are found where tables stand, and not where columns, strings and comments do."""

from __future__ import annotations

import pytest

from stonechat.sql import tables
from stonechat.sql.tables import table_names

_CASES = {
    "SELECT a FROM t": "t",
    "select user, t.name from t as x where user = 1 group by user": "t",
    "SELECT * FROM a, b AS c, d": "a b d",
    "SELECT * FROM a JOIN b ON a.x = b.x LEFT ANY JOIN c USING (x)": "a b c",
    "SELECT * FROM (SELECT x, y FROM inner_one WHERE z IN set_one) WHERE x IN (SELECT y FROM inner_two)": (
        "inner_one set_one inner_two"
    ),
    "SELECT (SELECT count() FROM scalar), other FROM t": "scalar t",
    "SELECT * FROM t ARRAY JOIN tags AS tag": "t",
    "SELECT * FROM t FINAL SAMPLE 0.1 PREWHERE x": "t",
    'SELECT * FROM `odd name` JOIN "other" ON 1': "odd name,other",
    "SELECT 'FROM t' -- FROM u\nFROM /* FROM v */ w": "w",
    "WITH c AS (SELECT * FROM t) SELECT * FROM c JOIN d ON 1": "t d",
    "WITH c AS (SELECT * FROM c) SELECT * FROM c": "c",
    "WITH c (x) AS MATERIALIZED (SELECT * FROM c) SELECT * FROM c": "c",
    "WITH c AS (SELECT * FROM d), d AS (SELECT * FROM c), e AS (SELECT * FROM c) SELECT * FROM e": "c",
    "(WITH c AS (SELECT * FROM t) SELECT * FROM c) UNION ALL SELECT * FROM u": "t u",
    "SELECT * FROM (WITH c AS (SELECT * FROM t) SELECT * FROM c) JOIN c ON 1": "t c",
    "SELECT * FROM (WITH c AS (SELECT * FROM t) SELECT * FROM c)": "t",
    "WITH c AS (SELECT * FROM t) SELECT * FROM c UNION ALL WITH d AS (SELECT 1) SELECT * FROM c": "t c",
    "WITH c AS (SELECT * FROM t) SELECT * FROM c UNION ALL SELECT * FROM c": "t",
    "WITH c AS (SELECT * FROM t) SELECT * FROM view(SELECT * FROM c)": "c",
    "WITH RECURSIVE c AS (SELECT 1 AS x UNION ALL SELECT x + 1 FROM c) SELECT * FROM c": "",
    "WITH RECURSIVE c AS (SELECT x FROM c UNION ALL SELECT x + 1 FROM c) SELECT * FROM c": "c",
    "WITH c AS (SELECT * FROM t), d AS (SELECT * FROM u) SELECT * FROM d": "u",
    "WITH c AS (SELECT x FROM t WHERE x IN d), d AS (SELECT x FROM u WHERE x IN c) SELECT * FROM c": "t u c",
    "SELECT * FROM t AS c, c JOIN c AS d ON 1 WHERE x IN d": "t",
    "SELECT * FROM t c, (SELECT * FROM c) d": "t c",
    "WITH (SELECT max(x) FROM t) AS top SELECT * FROM u WHERE x = top": "t u",
    "SELECT a FROM t UNION ALL SELECT b, c FROM u": "t u",
    "SELECT * FROM a JOIN b ON a.x = b.x AND (a.y, 1) = (b.y, 1), c WHERE d": "a b c",
    "SELECT * FROM numbers(10), t": "t",
    "SELECT * FROM values('a UInt8', 1) AS v JOIN values ON 1": "values",
    "SELECT * FROM view(SELECT c FROM t)": "t",
    "SELECT * FROM t WHERE a IN (1, 2) AND b NOT IN other, c": "t other",
    "SELECT \u2018FROM u\u2019 FROM “odd name” JOIN 2024_t ON 1": "odd name,2024_t",
    "SELECT \u2018it's\u2019 FROM t -- \u2019": "t",
    "SELECT $$ 'FROM u $$ FROM t /* FROM v /* */ FROM w */ // FROM x": "t",
    "SELECT in(x, t), notIn(y, (u)) FROM v WHERE (a, b) IN (c, d) AND a IN (1, e)": "t u v",
    "SELECT a FROM v WHERE NOT in(x, t) AND y NOT IN (u, w)": "t v",
    "WITH c AS (SELECT * FROM t) SELECT * FROM c UNION ALL (WITH d AS (SELECT 1) SELECT * FROM c)": "t c",
    "WITH c AS (SELECT * FROM t) SELECT * FROM u UNION ALL (SELECT * FROM u UNION DISTINCT SELECT * FROM c)": "t u",
    "SELECT a FROM settings, order AS o JOIN window USING (a) WHERE x IN limit ORDER BY format": (
        "settings order window limit"
    ),
    "SELECT 1": "",
    "": "",
    ")))(((": "",
}


@pytest.mark.parametrize("statement", _CASES)
def test_names_in_place_of_tables_are_found(statement: str) -> None:
    expected = _CASES[statement]
    names = expected.split(",") if "," in expected else expected.split()
    assert table_names(statement) == frozenset(names)


def test_calls_that_differ_in_their_strings_are_looked_through_once() -> None:
    before = tables._remembered.cache_info()
    for value in ("x", "it''s", "a\\'b", "FROM u", "-- no comment", "/*"):
        assert table_names(f"SELECT 'FROM v' AS w FROM t WHERE a = '{value}' -- don't FROM z") == {"t"}
    after = tables._remembered.cache_info()
    assert after.misses - before.misses == 1
