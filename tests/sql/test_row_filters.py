"""A row filter is one condition on the columns of its table; whatever else it tries to be is refused."""

from __future__ import annotations

import pytest
from tests.engine.shared import shared_engine

from stonechat.sql.references import statement_of, tree_of
from stonechat.sql.row_filters import LONGEST_FILTER, InvalidRowFilter, conjunction, parse_row_filter
from stonechat.sql.scopes import Node

_COLUMNS = frozenset({"tenant", "n", "tags", "place", "a.b"})


def _parsed(text: str) -> Node:
    return parse_row_filter(text, _COLUMNS, shared_engine().explain)


def _written(condition: Node) -> str:
    tree = tree_of("SELECT 1 FROM t WHERE 1", shared_engine().explain)
    tree["list_of_selects"]["children"][0]["where"] = condition
    return statement_of(tree, shared_engine().explain).removeprefix("SELECT 1 FROM t WHERE ")


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("tenant = 'a'", "tenant = 'a'"),
        ("tenant='a' OR n in (1, 2) -- note", "(tenant = 'a') OR (n IN (1, 2))"),
        ("\n`tenant` /* x */ LIKE 'a%'\n", "tenant LIKE 'a%'"),
        ("n BETWEEN 1 AND 2", "(n >= 1) AND (n <= 2)"),
        ("arrayExists(x -> x = 'a' AND n = 1, tags)", "arrayExists(x -> ((x = 'a') AND (n = 1)), tags)"),
        (
            "has(tags, tenant) AND tags[1] != '' AND place.1 > 0",
            "has(tags, tenant) AND ((tags[1]) != '') AND ((place.1) > 0)",
        ),
        ("place.city = 'x' AND a.b = 1 AND tags.size0 > 0", "(place.city = 'x') AND (a.b = 1) AND (tags.size0 > 0)"),
        ("n > toUnixTimestamp(now() - INTERVAL 1 DAY)", "n > toUnixTimestamp(now() - toIntervalDay(1))"),
        ("n::Int8 = 1 AND tenant = 'it''s; -- FROM t'", "(CAST(n, 'Int8') = 1) AND (tenant = 'it\\'s; -- FROM t')"),
        ("1", "1"),
    ],
)
def test_a_condition_on_columns_is_taken(text: str, written: str) -> None:
    assert _written(_parsed(text)) == written


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Invalid filter"),
        ("-- nothing", "Invalid filter"),
        ("secret = 1", "no column 'secret'"),
        ("t.tenant = 'a'", "no column 't.tenant'"),
        ("tenant = 'a') OR (1", "Invalid filter"),
        ("tenant = 'a' /*", "Invalid filter"),
        ("tenant = 'a", "Invalid filter"),
        ("tenant = 'a'; SELECT 1", "Only one statement"),
        ("tenant, n", "more than one condition"),
        ("tenant = 'a' FROM other", "a clause behind it"),
        ("tenant = 'a' LIMIT 1", "a clause behind it"),
        ("DISTINCT tenant", "a clause behind it"),
        ("tenant = 'a' UNION ALL SELECT 1", "a clause behind it"),
        ("tenant = 'a' SETTINGS final = 1", "a clause behind it"),
        ("tenant = 'a' FORMAT Null", "a clause behind it"),
        ("tenant = 'a' INTO OUTFILE '/tmp/x'", "a clause behind it"),
        ("tenant IN (SELECT tenant FROM other)", "a sub-query"),
        ("EXISTS (SELECT 1 FROM other)", "a sub-query"),
        ("n = (SELECT max(n) FROM other)", "a sub-query"),
        ("n IN other", "no column 'other'"),
        ("(tenant AS x) = 'a'", "the name 'x'"),
        ("tenant = {tenant:String}", "QueryParameter"),
        ("*", "Asterisk"),
        ("COLUMNS('x') = 1", "ColumnsRegexpMatcher"),
        ("count() OVER () > 1", "'count' is not allowed"),
        ("file('/etc/passwd') = ''", "'file' is not allowed"),
        ("DictGet('d', 'x', n) = 1", "'DictGet' is not allowed"),
        ("currentUser() = 'x'", "'currentUser' is not allowed"),
        ("getSetting('x') = 'y'", "'getSetting' is not allowed"),
        ("arrayJoin(tags) = 'a'", "'arrayJoin' is not allowed"),
        ("arrayExists(x -> y = 1, tags)", "no column 'y'"),
        ("arrayExists(x -> x = 1, tags) AND x = 1", "no column 'x'"),
        ("n = 1" + " OR n = 1" * LONGEST_FILTER, "longer than"),
        ("(" * 3000 + "n" + ")" * 3000, "Invalid filter"),
        ("NOT " * 1500 + "n", "Invalid filter"),
    ],
)
def test_anything_else_is_refused(text: str, message: str) -> None:
    with pytest.raises(InvalidRowFilter, match=message.replace("(", r"\(")):
        _parsed(text)


def test_conditions_together_keep_their_own_sense() -> None:
    both = conjunction([_parsed("tenant = 'a' OR 1"), _parsed("n = 1 -- OR 1")])
    assert _written(both) == "and((tenant = 'a') OR 1, n = 1)"
