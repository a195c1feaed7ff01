from __future__ import annotations

import json

import pytest

from stonechat.engine.chdb import ChdbEngine
from stonechat.engine.contract import EngineFailure, NotReadOnly, Query, QueryLimits, QueryTimeout, QueryTooLarge
from stonechat.errors import Kind
from stonechat.sql.gate import SettingNotAllowed


def lines(engine: ChdbEngine, statement: str, database: str = "default", **parameters: str) -> list[object]:
    result = engine.query(Query(statement, database, "JSONCompactEachRow", parameters))
    return [json.loads(line) for line in result.data.splitlines()]


def test_a_query_reads_its_own_database(engine: ChdbEngine, database: str) -> None:
    engine.command(f"CREATE DATABASE {database}_b")
    for name, value in ((database, 1), (f"{database}_b", 2)):
        engine.command("CREATE TABLE t (a UInt8) ORDER BY a", database=name)
        engine.command(f"INSERT INTO t SELECT {value}", database=name)
    for _ in range(3):
        assert lines(engine, "SELECT a FROM t", database) == [[1]]
        assert lines(engine, "SELECT a FROM t", f"{database}_b") == [[2]]
    with pytest.raises(EngineFailure, match="t"):
        lines(engine, "SELECT a FROM t")
    engine.command(f"DROP DATABASE {database}_b SYNC")


def test_groups_that_tie_come_in_the_order_that_projects_were_tested_with(engine: ChdbEngine) -> None:
    sources = ["baidu.com", "duckduckgo.com", "google.com", "petty-queen.com", "wilted-tick.com"]
    found = lines(engine, f"SELECT arrayJoin({sources}) AS source, count() AS n GROUP BY source ORDER BY n DESC")
    in_their_order = ["google.com", "baidu.com", "wilted-tick.com", "duckduckgo.com", "petty-queen.com"]
    assert found == [[source, 1] for source in in_their_order]


def test_a_limit_keeps_the_first_groups(engine: ChdbEngine, database: str) -> None:
    rows = "SELECT number, 'u' || toString(number % 20) FROM numbers(50)"
    engine.command(f"CREATE TABLE t (n UInt8, user String) ORDER BY n AS {rows}", database=database)
    groups = "SELECT user, count() FROM t GROUP BY user"
    assert lines(engine, f"{groups} LIMIT 5", database) == lines(engine, groups, database)[:5]


@pytest.mark.parametrize("kind", ["LEFT", "ANY LEFT", "FULL"])
def test_joined_rows_come_in_the_order_of_the_left_side(engine: ChdbEngine, database: str, kind: str) -> None:
    engine.command(
        "CREATE TABLE t (at DateTime, user String) ORDER BY at"
        " AS SELECT 1714521600 + number * 37, toString(number % 300) FROM numbers(1000)",
        database=database,
    )
    seconds = "range(1714521600, 1714608000, 3600)"
    hours = f"(SELECT arrayJoin(arrayMap(x -> toDateTime(x), {seconds})) AS hour WHERE hour <= now())"
    users = "(SELECT toStartOfHour(at) AS hour, uniq(user) AS n FROM t GROUP BY hour)"
    statement = f"SELECT toHour(a.hour), b.n > 0 FROM {hours} AS a {kind} JOIN {users} AS b USING hour"
    for _ in range(3):
        assert lines(engine, statement, database) == [[hour, int(hour < 11)] for hour in range(24)]


def test_tables_are_joined_in_the_order_of_the_statement(engine: ChdbEngine, database: str) -> None:
    engine.command("CREATE TABLE few (k UInt8) ORDER BY k AS SELECT number FROM numbers(3)", database=database)
    engine.command(
        "CREATE TABLE many (k UInt8, v UInt32) ORDER BY k AS SELECT number % 3, number FROM numbers(9)",
        database=database,
    )
    engine.command("CREATE TABLE some (v UInt32) ORDER BY v AS SELECT number FROM numbers(9)", database=database)
    statement = "SELECT few.k, v FROM few JOIN many ON few.k = many.k JOIN some ON many.v = some.v"
    assert lines(engine, statement, database) == [[k, v] for k in range(3) for v in range(k, 9, 3)]


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("toTime(toDateTime('2026-01-02 10:11:12'))", "1970-01-02 10:11:12"),
        ("toTypeName(date_trunc('hour', toDateTime64('2026-01-02 10:11:12.5', 3, 'UTC')))", "DateTime('UTC')"),
        ("geoToH3(37.79506683, 55.71290588, 15)", 644325524701193974),
        ("rank(number) OVER (ORDER BY number)", 1),
    ],
)
def test_functions_mean_what_projects_were_written_for(engine: ChdbEngine, expression: str, value: object) -> None:
    assert lines(engine, f"SELECT {expression} FROM numbers(1)") == [[value]]


def test_types_that_are_unwise_work(engine: ChdbEngine, database: str) -> None:
    columns = "n LowCardinality(UInt16), s FixedString(300), c UInt64 CODEC(Delta), v Variant(UInt64, Int32), j JSON"
    engine.command(f"CREATE TABLE t ({columns}) ORDER BY ()", database=database)
    document = """if(number % 2, '{"k": 7}', '{"k": "a"}')"""
    engine.command(f"INSERT INTO t SELECT number, 'x', 1, 5::UInt64, {document} FROM numbers(3)", database=database)
    assert lines(engine, "SELECT j.k AS k, count() AS c FROM t GROUP BY k ORDER BY k", database) == [[7, 1], ["a", 2]]
    joined = "SELECT count() FROM t AS one JOIN t AS other ON one.j.k = other.j.k"
    assert lines(engine, joined, database) == [[5]]


def test_a_statement_may_say_how_it_is_joined(engine: ChdbEngine) -> None:
    used = "SELECT getSetting('join_algorithm') AS used"
    for algorithm in ("partial_merge", "direct,hash"):
        query = Query(used, "default", "JSONEachRow", settings={"join_algorithm": algorithm})
        assert json.loads(engine.query(query).data) == {"used": algorithm}


def test_joined_subqueries_need_no_names(engine: ChdbEngine) -> None:
    joined = "SELECT a, n FROM (SELECT 1 AS a, 2 AS n) LEFT JOIN (SELECT 1 AS a, 3 AS m) USING a"
    assert lines(engine, joined) == [[1, 2]]


def test_an_unknown_database_is_the_callers_error(engine: ChdbEngine) -> None:
    with pytest.raises(EngineFailure) as caught:
        lines(engine, "SELECT 1", "no_such_database")
    assert caught.value.name == "UNKNOWN_DATABASE"


def test_a_result_says_what_was_scanned(engine: ChdbEngine) -> None:
    result = engine.query(Query("SELECT count() FROM numbers(1000)", "default"))
    assert (result.rows_read, result.bytes_read) == (1000, 8000)
    assert 0 < result.elapsed < 5


@pytest.mark.parametrize("text", ["plain", "tab\there", "line\nbreak", "back\\slash", "quote'", "", "é🐦"])
def test_a_parameter_arrives_as_it_was_written(engine: ChdbEngine, text: str) -> None:
    escaped = text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")
    assert lines(engine, "SELECT {x:String}", x=escaped) == [[text]]


@pytest.mark.parametrize("statement", ["SELECT 1 -- c", "SELECT 1;", "SELECT 1 /* c */ ;", "SELECT 1 -- c /*"])
def test_a_statement_may_end_in_comments_and_semicolons(engine: ChdbEngine, statement: str) -> None:
    assert lines(engine, statement) == [[1]]


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE x (a UInt8) ORDER BY a",
        "INSERT INTO t SELECT 1",
        "DROP TABLE t",
        "TRUNCATE TABLE t",
        "SET max_threads = 8",
        "SELECT 1 SETTINGS max_execution_time = 600",
        "SELECT * FROM file('/etc/passwd', 'LineAsString')",
        "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')",
        "SELECT addressToSymbol(1)",
    ],
)
def test_a_reader_changes_nothing_and_reaches_nothing_else(engine: ChdbEngine, database: str, statement: str) -> None:
    engine.command("CREATE TABLE t (a UInt8) ORDER BY a AS SELECT 7", database=database)
    with pytest.raises(EngineFailure):
        lines(engine, statement, database)
    assert lines(engine, "SELECT a FROM t", database) == [[7]]


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT 1; SELECT 2",
        "KILL QUERY WHERE 1",
        "SYSTEM STOP MERGES",
        "SELECT 1 INTO OUTFILE '/tmp/stonechat-must-not-exist'",
        "KILL QUERY WHERE 1; SELECT 1",
        "",
        "-- nothing",
    ],
)
def test_what_a_read_only_connection_would_run_is_refused_all_the_same(engine: ChdbEngine, statement: str) -> None:
    with pytest.raises(EngineFailure) as caught:
        lines(engine, statement)
    assert isinstance(caught.value, NotReadOnly) or caught.value.name == "SYNTAX_ERROR"


@pytest.mark.parametrize(
    "hidden",
    [
        "a'; SYSTEM STOP MERGES; SELECT '",
        "a\\'; SELECT 1 INTO OUTFILE '/tmp/x",
        "' INTO OUTFILE '/tmp/x",
        "a\\\\'; SELECT 'b",
    ],
)
def test_what_was_admitted_once_admits_nothing_else(engine: ChdbEngine, hidden: str) -> None:
    assert lines(engine, "SELECT 'a' AS a") == [["a"]]
    assert lines(engine, "SELECT 'a;' AS a") == [["a;"]]
    with pytest.raises(EngineFailure) as caught:
        lines(engine, f"SELECT '{hidden}' AS a")
    assert isinstance(caught.value, NotReadOnly) or caught.value.name == "SYNTAX_ERROR"


def test_nothing_runs_before_a_syntax_error_is_found(engine: ChdbEngine, database: str) -> None:
    with pytest.raises(EngineFailure, match=r"^Syntax error.*Multi-statements.*position 9"):
        lines(engine, "SELECT 1; SYSTEM STOP MERGES; nonsense", database)


def test_text_that_is_no_statement_is_refused(engine: ChdbEngine) -> None:
    with pytest.raises(EngineFailure, match=r"^Syntax error: failed at position 1 \(nonsense\)") as caught:
        lines(engine, "nonsense")
    assert "stonechat" not in caught.value.message


def test_a_slow_query_meets_its_time_limit(engine: ChdbEngine) -> None:
    limits = QueryLimits(seconds=0.2)
    with pytest.raises(QueryTimeout) as caught:
        engine.query(Query("SELECT count() FROM numbers(100000000000)", "default", limits=limits))
    assert caught.value.kind is Kind.TIMEOUT


@pytest.mark.parametrize(
    ("statement", "limits"),
    [
        ("SELECT groupArray(number) FROM numbers(100000000)", QueryLimits(memory_bytes=50_000_000)),
        ("SELECT number FROM numbers(1000000)", QueryLimits(result_bytes=100_000)),
        ("SELECT toUInt8(1) AS a_very_long_column_name FROM numbers(5000)", QueryLimits(result_bytes=20_000)),
    ],
    ids=["memory", "result in memory", "result as text"],
)
def test_a_large_query_meets_its_size_limits(engine: ChdbEngine, statement: str, limits: QueryLimits) -> None:
    with pytest.raises(QueryTooLarge) as caught:
        engine.query(Query(statement, "default", "JSONEachRow", limits=limits))
    assert caught.value.kind is Kind.TOO_LARGE


def test_settings_hold_for_their_query_only(engine: ChdbEngine) -> None:
    statement = "SELECT toUInt64(1) AS a"
    quoted = {"output_format_json_quote_64bit_integers": "1"}
    for _ in range(3):
        assert engine.query(Query(statement, "default", "JSONEachRow", settings=quoted)).data == b'{"a":"1"}\n'
        assert engine.query(Query(statement, "default", "JSONEachRow")).data == b'{"a":1}\n'


@pytest.mark.parametrize(
    "settings",
    [{"max_execution_time": "600"}, {"readonly": "0"}, {"final": "1&readonly=0"}, {"session_timezone": "a b"}],
)
def test_settings_that_could_lift_a_limit_are_refused(engine: ChdbEngine, settings: dict[str, str]) -> None:
    with pytest.raises(SettingNotAllowed):
        engine.query(Query("SELECT 1", "default", settings=settings))


def test_fetch_gives_rows_as_dictionaries(engine: ChdbEngine) -> None:
    rows = engine.fetch("SELECT number AS n, toString(number) AS s FROM numbers(2)")
    assert rows == [{"n": 0, "s": "0"}, {"n": 1, "s": "1"}]
    assert engine.fetch("SELECT 1 WHERE 0") == []


def test_commands_run_in_the_database_that_they_name(engine: ChdbEngine, database: str) -> None:
    engine.command("CREATE TABLE t (a UInt8) ORDER BY a", database=database)
    assert engine.fetch("SELECT database() AS d, name FROM system.tables WHERE database = d", database=database) == [
        {"d": database, "name": "t"}
    ]


def test_a_failing_command_says_why(engine: ChdbEngine, database: str) -> None:
    with pytest.raises(EngineFailure, match=r"^Table .*nope does not exist") as caught:
        engine.command("DROP TABLE nope", database=database)
    assert (caught.value.number, caught.value.name) == (60, "UNKNOWN_TABLE")


def test_explain_gives_plain_text(engine: ChdbEngine) -> None:
    assert engine.explain("EXPLAIN AST SELECT 'a\tb'").startswith("SelectWithUnionQuery")
    assert engine.explain("SELECT 'a\\tb\\\\'") == "a\tb\\\n"


def test_the_engine_says_what_it_is(engine: ChdbEngine) -> None:
    assert (engine.capabilities.name, engine.capabilities.embedded) == ("chDB", True)
    assert engine.capabilities.version.count(".") == 3


def test_rows_that_a_join_left_unread_are_there_for_the_next_query(engine: ChdbEngine, database: str) -> None:
    engine.command("CREATE TABLE t (kind String, n UInt32) ORDER BY n", database=database)
    engine.command("INSERT INTO t VALUES ('a', 1), ('a', 2), ('b', 3)", database=database)
    side = "(SELECT * FROM t WHERE kind = 'a' LIMIT 1000)"
    none = f"SELECT * FROM (SELECT x.n AS n FROM {side} AS x JOIN {side} AS y ON x.n = y.n) WHERE n - 101 = n"
    assert lines(engine, none, database) == []
    assert lines(engine, "SELECT n FROM t WHERE kind = 'a'", database) == [[1], [2]]
