"""Attacks on the gate: every file of the corpus is a statement, its first line the verdict."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.engine.shared import shared_engine

from stonechat.engine.contract import EngineFailure, Query
from stonechat.errors import Kind, StonechatError
from stonechat.sql.gate import (
    COPY_TABLE_FUNCTIONS,
    HARMLESS_SETTINGS,
    SYSTEM_TABLES,
    InvalidSwitch,
    SettingNotAllowed,
    TableNotAllowed,
    check_settings,
    require_read_only,
)
from stonechat.sql.references import References, classify
from stonechat.sql.scopes import TableName

CORPUS = sorted((Path(__file__).parent / "corpus" / "gate").glob("*.sql"))
PARAMETERS = {"hidden": "secret", "database": "other"}
ALLOWED: frozenset[TableName] = frozenset({(None, "messages"), (None, "users")})
DATABASE = "gate"


@pytest.fixture(scope="module", autouse=True)
def _tables() -> None:
    """Real tables of every name that the statements below use, to see what the engine would read."""
    engine = shared_engine()
    engine.command(f"DROP DATABASE IF EXISTS {DATABASE} SYNC")
    engine.command(f"CREATE DATABASE {DATABASE}")
    for name in ("messages", "users", "secret", "x", "y", "d"):
        engine.command(
            f"CREATE TABLE {name} (a UInt64) ENGINE = ReplacingMergeTree ORDER BY a SAMPLE BY a", database=DATABASE
        )


def judge(statement: str) -> None:
    references = classify(statement, shared_engine().explain, parameters=PARAMETERS)
    require_read_only(references, tables=ALLOWED)


def read_by_the_engine(statement: str) -> set[str]:
    """Tables that the engine's analyser resolves the statement to. Raises `EngineFailure` where it refuses it."""
    rows = shared_engine().fetch(f"EXPLAIN QUERY TREE {statement}", database=DATABASE)
    tree = "\n".join(str(row["explain"]) for row in rows)
    return {name for name in re.findall(r"table_name: ([\w.]+)", tree) if "_tmp_" not in name and "." in name}


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_each_statement_of_the_corpus_gets_its_verdict(path: Path) -> None:
    verdict, statement = path.read_text().removeprefix("-- ").split("\n", 1)
    if verdict == "allowed":
        judge(statement)
        return
    with pytest.raises(StonechatError) as caught:
        judge(statement)
    code, *words = verdict.split()
    assert caught.value.code == code, caught.value
    if isinstance(caught.value, TableNotAllowed):
        refused = classify(statement, shared_engine().explain, parameters=PARAMETERS).tables - ALLOWED
        assert {name if database is None else f"{database}.{name}" for database, name in refused} == set(words)
    for word in words:
        assert isinstance(caught.value, TableNotAllowed) or re.search(rf"\b{word}\b", caught.value.message), (
            caught.value
        )


@pytest.mark.parametrize(
    "path", [path for path in CORPUS if path.read_text().startswith("-- allowed")], ids=lambda path: path.stem
)
def test_what_passes_reads_only_allowed_tables_in_the_engine_too(path: Path) -> None:
    statement = path.read_text()
    if "{" in statement:
        pytest.skip("needs values")
    own = {f"{DATABASE}.{name}" for _, name in ALLOWED}
    assert read_by_the_engine(statement) <= own | {f"{database}.{name}" for database, name in SYSTEM_TABLES}


NAMES = st.sampled_from(["messages", "secret", "x", "y"])


def queries(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Statements whose few names are tables, common table expressions and aliases at once."""
    source = st.one_of(NAMES, inner.map(lambda query: f"({query})"))
    where = st.one_of(st.just(""), NAMES.map(lambda name: f" WHERE a IN {name}"))
    column = st.one_of(
        st.just("a"), NAMES.map(lambda name: f"a, [1] AS {name}"), NAMES.map(lambda name: f"a, a IN {name} AS b")
    )
    select = st.builds("SELECT {} FROM {} AS t{}".format, column, source, where)
    definition = st.one_of(
        st.builds("{} AS ({})".format, NAMES, inner), st.builds("(SELECT max(a) FROM {}) AS {}".format, NAMES, NAMES)
    )
    named = st.lists(definition, min_size=1, max_size=3).map(", ".join)
    with_definitions = st.builds("WITH {} {}".format, named, select)
    union = st.builds("SELECT a FROM ({}) AS u UNION ALL {}".format, inner, with_definitions)
    return st.one_of(select, with_definitions, with_definitions, union)


@settings(max_examples=250, deadline=None, derandomize=True)
@given(st.recursive(NAMES.map("SELECT a FROM {}".format), queries, max_leaves=8))
def test_no_statement_of_many_like_names_reads_a_hidden_table(statement: str) -> None:
    references = classify(statement, shared_engine().explain)
    try:
        require_read_only(references, tables=ALLOWED)
    except TableNotAllowed:
        return
    try:
        found = read_by_the_engine(statement)
    except EngineFailure:
        return
    assert found <= {f"{DATABASE}.messages", "system.one"}


def test_without_a_list_any_table_of_the_own_database_is_allowed() -> None:
    require_read_only(References("SELECT", tables=frozenset({(None, "secret")})), tables=None)
    with pytest.raises(TableNotAllowed):
        require_read_only(References("SELECT", tables=frozenset({("other", "secret")})), tables=None)


def test_a_table_with_a_database_is_allowed_where_it_is_listed_so() -> None:
    references = References("SELECT", tables=frozenset({("tinybird", "pipe_stats")}))
    require_read_only(references, tables={("tinybird", "pipe_stats")})
    with pytest.raises(TableNotAllowed, match=r"^Resource 'tinybird\.pipe_stats' not found\.$"):
        require_read_only(references, tables={(None, "pipe_stats")})


def test_a_format_a_setting_and_a_copy_source_are_allowed_where_asked_for() -> None:
    statement = "SELECT * FROM s3('http://x/*.csv') SETTINGS join_use_nulls = 1 FORMAT CSV"
    references = classify(statement, shared_engine().explain)
    require_read_only(
        references, tables=ALLOWED, table_functions=COPY_TABLE_FUNCTIONS, settings=True, output_format=True
    )
    assert references.format == "CSV"


def test_settings_of_how_a_query_is_run_are_for_authors_alone() -> None:
    references = classify("SELECT 1 SETTINGS max_threads = 9, optimize_read_in_order = 0", shared_engine().explain)
    require_read_only(references, tables=None, settings=True, tuning=True)
    with pytest.raises(SettingNotAllowed):
        require_read_only(references, tables=None, settings=True)
    for setting in ("max_execution_time = 0", "max_memory_usage = 0", "readonly = 0", "max_rows_to_read = 0"):
        references = classify(f"SELECT 1 SETTINGS {setting}", shared_engine().explain)
        with pytest.raises(SettingNotAllowed):
            require_read_only(references, tables=None, settings=True, tuning=True)


def test_refusals_are_the_callers_to_mend() -> None:
    kinds: dict[str, Kind] = {"SC510": Kind.INVALID, "SC511": Kind.INVALID}
    for path in CORPUS:
        if path.read_text().startswith("-- SC"):
            with pytest.raises(StonechatError) as caught:
                judge(path.read_text().split("\n", 1)[1])
            assert caught.value.kind is kinds.get(caught.value.code, Kind.FORBIDDEN)
            assert "parseQueryToJSON" not in caught.value.message


def test_every_harmless_setting_exists_in_the_engine() -> None:
    rows = shared_engine().fetch("SELECT name FROM system.settings")
    assert {str(row["name"]) for row in rows} >= HARMLESS_SETTINGS


@pytest.mark.parametrize(
    "given_settings", [{"max_threads": "1"}, {"final": "1&readonly=0"}, {"final": "1 "}, {"final": "'"}]
)
def test_settings_beside_a_statement_are_checked_too(given_settings: dict[str, str]) -> None:
    check_settings({"final": "1", "session_timezone": "America/Argentina/Buenos_Aires"})
    with pytest.raises(SettingNotAllowed):
        check_settings(given_settings)


def test_settings_of_the_output_are_switches_for_the_engine_and_for_the_gate() -> None:
    rows = shared_engine().fetch("SELECT name FROM system.settings WHERE type = 'Bool'")
    switches = {name for name in HARMLESS_SETTINGS if name.startswith("output_format_")}
    assert {str(row["name"]) for row in rows} >= switches
    for value in ["0", "1", "true", "False", "TRUE", ""]:
        shared_engine().query(Query("SELECT 1", DATABASE, settings=dict.fromkeys(switches, value)))
    for value in ["maybe", "2", "yes", "1 ", "1&readonly=0"]:
        for name in switches:
            with pytest.raises(InvalidSwitch, match=f"'{name}' may be 1, 0, true or false, not '{value}'"):
                check_settings({name: value})
