"""Statements without what has no say in their columns."""

from __future__ import annotations

import pytest

from stonechat.sql.selections import without_conditions


@pytest.mark.parametrize(
    ("statement", "kept"),
    [
        ("SELECT a FROM t WHERE b = 1 AND c IN (SELECT 1 LIMIT 2) ORDER BY a LIMIT 3", "SELECT a FROM t"),
        ("SELECT a FROM t PREWHERE b WHERE c GROUP BY a HAVING n > 1 LIMIT 1 BY a LIMIT 5 OFFSET 2",
         "SELECT a FROM t GROUP BY a"),
        ("SELECT 1 FROM (SELECT b FROM t WHERE c LIMIT 1) UNION ALL SELECT 2 FROM u WHERE d",
         "SELECT 1 FROM ( SELECT b FROM t ) UNION ALL SELECT 2 FROM u"),
        ("SELECT sum(a) OVER (PARTITION BY b ORDER BY c), rank() OVER (ORDER BY d) FROM t",
         "SELECT sum ( a ) OVER ( PARTITION BY b ) , rank ( ) OVER ( ) FROM t"),
        ("SELECT a FROM t WHERE (x AS b) = 1", "SELECT a FROM t WHERE ( x AS b ) = 1"),
        ("SELECT a FROM t ORDER BY a WITH FILL INTERPOLATE (b AS c)",
         "SELECT a FROM t ORDER BY a WITH FILL INTERPOLATE ( b AS c )"),
        ("SELECT limit, 1 FROM t", "SELECT limit , 1 FROM t"),
        ("SELECT a AS offset, t.limit, 2 FROM t", "SELECT a AS offset , t . limit , 2 FROM t"),
        ("SELECT 'WHERE', `WHERE` -- WHERE\nFROM t", "SELECT 'WHERE' , `WHERE` FROM t"),
        ("FROM t WHERE x SELECT y", "FROM t SELECT y"),
        ("SELECT (", "SELECT ("),
        ("SELECT a WHERE b ) SELECT c", "SELECT a ) SELECT c"),
    ],
)  # fmt: skip
def test_what_is_about_rows_is_left_out(statement: str, kept: str) -> None:
    assert without_conditions(statement) == kept
