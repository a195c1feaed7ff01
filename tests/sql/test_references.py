from __future__ import annotations

from contextlib import suppress

import pytest
from tests.engine.shared import shared_engine

from stonechat.engine.contract import EngineBusy
from stonechat.sql.references import (
    References,
    SeveralStatements,
    UnreadableStatement,
    classify,
    exact_statement_of,
    references_of,
    statement_of,
    tree_of,
    without_settings,
)


def read(statement: str, **parameters: str) -> References:
    return classify(statement, shared_engine().explain, parameters=parameters)


def test_a_select_names_its_tables_functions_settings_and_format() -> None:
    references = read(
        """
        WITH recent AS (SELECT * FROM messages FINAL WHERE sent > now() - INTERVAL 1 DAY)
        SELECT toDate(sent) AS day, uniqIf(author, kind IN ('a', 'b')), {x:String}
        FROM recent JOIN team.users AS u USING (author), numbers(3) AS n
        GROUP BY day SETTINGS join_use_nulls = 1, final = DEFAULT FORMAT CSV
        """
    )
    assert references.statement == "SELECT"
    assert references.tables == {(None, "messages"), ("team", "users")}
    assert references.functions == {"greater", "minus", "now", "toIntervalDay", "toDate", "uniqIf", "in"}
    assert references.table_functions == {"numbers"}
    assert references.settings == {"join_use_nulls", "final"}
    assert (references.format, references.writes_file) == ("CSV", False)


def test_tables_need_not_exist_and_nothing_runs() -> None:
    references = read("SELECT throwIf(1), (SELECT sleep(3)) FROM no_database.no_table WHERE no_column IN no_other")
    assert references.tables == {("no_database", "no_table"), (None, "no_other")}


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("a", (None, "a")),
        ("`a b`", (None, "a b")),
        ("`a.b`", (None, "a.b")),
        ("a.b", ("a", "b")),
        ("`a.b`.`c\nd`", ("a.b", "c\nd")),
        ("`it``s`", (None, "it`s")),
        ('"a""b"', (None, 'a"b')),
        ("`é🐦`", (None, "é🐦")),
    ],
)
def test_names_come_in_parts_whatever_they_hold(name: str, parts: tuple[str | None, str]) -> None:
    assert read(f"SELECT 1 FROM {name}").tables == {parts}
    assert read(f"SELECT 1 IN {name}").tables == {parts}


def test_a_name_in_a_parameter_is_one_part() -> None:
    assert read("SELECT 1 FROM {t:Identifier}", t="a.b`\n").tables == {(None, "a.b`\n")}
    assert read("SELECT 1 FROM {d:Identifier}.{t:Identifier}", d="d", t="t").tables == {("d", "t")}
    assert read("SELECT 1 FROM d.{t:Identifier}", t="t").tables == {("d", "t")}
    with pytest.raises(UnreadableStatement, match=r"^The parameter 't' names a table and has no value\.$"):
        read("SELECT 1 FROM {t:Identifier}")


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("DROP TABLE t", "DROP"),
        ("INSERT INTO t VALUES (1)", "INSERT"),
        ("DESCRIBE t", "DESCRIBE"),
        ("SHOW TABLES", "SHOWTABLES"),
        ("EXISTS t", "EXISTSTABLE"),
        ("EXPLAIN SELECT 1", "EXPLAIN"),
    ],
)
def test_other_statements_are_named_and_not_looked_into(statement: str, kind: str) -> None:
    assert read(statement) == References(kind)


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("SELECT FRM x y z", r"^Syntax error: failed at position 14 \(y\): y z\. Expected one of"),
        ("SELEC 1", r"Maybe you meant: SELECT\. Expected one of: .{100,200} \.\.\.$"),
        ("", "^Empty query"),
        ("SELECT 'it", "not closed"),
        ("SELECT " + "-" * 30_000, "SELECT|depth|Empty|Syntax"),
        ("SELECT " + "[" * 5000, "depth"),
    ],
)
def test_what_is_no_sql_is_unreadable_and_says_where(statement: str, message: str) -> None:
    with pytest.raises(UnreadableStatement, match=message) as caught:
        read(statement)
    assert "parseQueryToJSON" not in caught.value.message


def test_several_statements_are_refused_and_one_semicolon_is_not() -> None:
    with pytest.raises(SeveralStatements):
        read("SELECT 1; SELECT 2")
    assert read("SELECT 1;").statement == "SELECT"


def test_an_engine_without_time_is_not_the_statements_fault() -> None:
    def busy(_: str) -> str:
        raise EngineBusy("later")

    with pytest.raises(EngineBusy):
        classify("SELECT 1", busy)


def test_a_tree_that_is_not_the_whole_statement_is_not_trusted() -> None:
    with pytest.raises(UnreadableStatement, match="cannot be checked"):
        classify("SELECT 1", lambda _: "\n")


def test_settings_move_out_of_the_statement() -> None:
    statement = (
        "SELECT a FROM (SELECT 'x' AS a SETTINGS final = true) -- why\n"
        "SETTINGS join_use_nulls = 1, union_default_mode = 'ALL' FORMAT JSON"
    )
    assert without_settings(statement, shared_engine().explain) == (
        "SELECT a FROM (SELECT 'x' AS a) FORMAT JSON",
        {"join_use_nulls": "1", "union_default_mode": "ALL", "final": "1"},
    )


def test_settings_of_how_a_query_is_run_are_left_out() -> None:
    statement = "SELECT a FROM (SELECT 1 AS a SETTINGS enable_analyzer = 0) SETTINGS max_threads = 9, final = 1"
    plain, settings = without_settings(statement, shared_engine().explain)
    assert " ".join(plain.split()) == "SELECT a FROM (SELECT 1 AS a)"
    assert settings == {"final": "1"}


def test_a_statement_without_settings_stays_what_it_is() -> None:
    statement = "SELECT 'settings a\\'b\n' AS `x y` -- as written"
    assert without_settings(statement, shared_engine().explain) == (statement, {})


def test_strings_of_any_bytes_can_be_looked_through_and_not_be_written_anew() -> None:
    statement = "SELECT hex('\\xff') FROM t"
    tree = tree_of(statement, shared_engine().explain)
    assert references_of(tree).tables == {(None, "t")}
    with pytest.raises(UnreadableStatement, match="not UTF-8"):
        statement_of(tree, shared_engine().explain)


def test_a_changed_tree_that_its_text_does_not_say_is_refused() -> None:
    tree = tree_of("SELECT a FROM t", shared_engine().explain)
    assert exact_statement_of(tree, shared_engine().explain) == "SELECT a FROM t"
    tree["list_of_selects"]["children"][0]["where"] = {"type": "Literal", "value": {"field_type": "UInt64", "value": 1}}
    assert exact_statement_of(tree, shared_engine().explain) == "SELECT a FROM t WHERE 1"

    def careless(statement: str) -> str:
        return shared_engine().explain(statement).replace("WHERE 1", "")

    with pytest.raises(UnreadableStatement, match="cannot be checked"):
        exact_statement_of(tree, careless)


@pytest.mark.parametrize("depth", [10, 150, 200, 250, 300, 400, 990])
def test_a_statement_is_read_whole_or_said_to_be_nested_too_deeply(depth: int) -> None:
    ask = shared_engine().explain
    statement = f"SELECT {'abs(' * depth}1{')' * depth} SETTINGS final = 1"

    def ways() -> set[str]:
        tree = tree_of(statement, ask)
        return {exact_statement_of(tree, ask).rpartition(" SETTINGS")[0], without_settings(statement, ask)[0]}

    whole = {statement.rpartition(" SETTINGS")[0]}
    if depth <= 250:
        assert ways() == whole
        return
    with suppress(UnreadableStatement):
        assert ways() == whole
