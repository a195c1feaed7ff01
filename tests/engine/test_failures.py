from __future__ import annotations

import pytest

from stonechat.engine.chdb import ChdbEngine
from stonechat.engine.contract import (
    DataFolderLocked,
    EngineFailure,
    Query,
    QueryCancelled,
    QueryTimeout,
    QueryTooLarge,
    StorageFull,
    SystemFailure,
)
from stonechat.engine.failures import failure, translated
from stonechat.sql.quoting import literal, parameter_text

MARK = "/* stonechat 476e927a4dd74e89b13bb4679f66fce3 */"


CASES = {
    "Code: 60. DB::Exception: Table w.t does not exist. (UNKNOWN_TABLE)": (
        *(EngineFailure, 60, "UNKNOWN_TABLE"),
        "Table w.t does not exist.",
    ),
    "Code: 164. DB::Exception: Code: 164. DB::Exception: Cannot modify. (READONLY) (version 26.9.2.1). (READONLY)": (
        *(EngineFailure, 164, "READONLY"),
        "Cannot modify.",
    ),
    "Streaming insert finish failed: Code: 27. DB::Exception: Cannot parse: (at row 101)\n"
    ": While executing JSONEachRowRowInputFormat. (CANNOT_PARSE) (version 26.9.2.1)": (
        *(EngineFailure, 27, "CANNOT_PARSE"),
        "Cannot parse: (at row 101)",
    ),
    f"Code: 62. DB::Exception: Syntax error: failed at position 13 (t): t\n{MARK}. Expected x. (SYNTAX_ERROR)": (
        *(EngineFailure, 62, "SYNTAX_ERROR"),
        "Syntax error: failed at position 13 (t): t. Expected x.",
    ),
    "Code: 62. DB::Exception: Syntax error: x. : In scope SELECT formatQuery('SELECT (1'). (SYNTAX_ERROR)": (
        *(EngineFailure, 62, "SYNTAX_ERROR"),
        "Syntax error: x.",
    ),
    f"Code: 306. DB::Exception: Deep: In scope WITH '{'(' * 60_000}' AS text SELECT parseQueryToJSON(text). (DEEP)": (
        *(EngineFailure, 306, "DEEP"),
        "Deep",
    ),
    f"Code: 306. DB::Exception: Too deep: In scope SELECT {'(' * 60_000}1{')' * 60_000}. (DEEP) (version 26.9.2.1)": (
        *(EngineFailure, 306, "DEEP"),
        f"Too deep: In scope SELECT {'(' * (10_000 - 52)} ..",
    ),
    "Code: 395. DB::Exception: Code: 159. DB::Exception: mine (TIMEOUT_EXCEEDED): while executing 'f'. (THROW)": (
        *(EngineFailure, 395, "THROW"),
        "mine (TIMEOUT_EXCEEDED): while executing 'f'.",
    ),
    "Code: 159. DB::Exception: Timeout. (TIMEOUT)": (QueryTimeout, 159, "TIMEOUT", "Timeout."),
    "Code: 241. DB::Exception: Memory. (MEMORY)": (QueryTooLarge, 241, "MEMORY", "Memory."),
    "Code: 394. DB::Exception: Cancelled. (CANCEL)": (QueryCancelled, 394, "CANCEL", "Cancelled."),
    "Code: 243. DB::Exception: No space. (SPACE)": (StorageFull, 243, "SPACE", "No space."),
    "Code: 573. DB::ErrnoException: Cannot open epoll descriptor: , errno: 24, strerror: Too many open files. "
    "(EPOLL_ERROR) (version 26.9.2.1)": (
        *(SystemFailure, 573, "EPOLL_ERROR"),
        "The system refused the engine something: Too many open files",
    ),
    "Code: 76. DB::ErrnoException: Cannot open file /var/lib/s/e.sql.tmp: , errno: 24, strerror: Too many open files. "
    "(CANNOT_OPEN_FILE)": (
        *(SystemFailure, 76, "CANNOT_OPEN_FILE"),
        "The system refused the engine something: Too many open files",
    ),
    "Code: 75. DB::ErrnoException: Cannot write to file /x: , errno: 28, strerror: No space left on device. "
    "(CANNOT_WRITE_TO_FILE_DESCRIPTOR)": (
        *(StorageFull, 75, "CANNOT_WRITE_TO_FILE_DESCRIPTOR"),
        "The system refused the engine something: No space left on device",
    ),
    "Code: 76. DB::Exception: Locked. (LOCKED)": (DataFolderLocked, 76, "LOCKED", "Locked."),
    "something else": (EngineFailure, 0, "UNKNOWN", "something else"),
    "": (EngineFailure, 0, "UNKNOWN", "The engine failed without saying why."),
}


@pytest.mark.parametrize("text", CASES)
def test_an_exception_text_becomes_a_class_a_name_and_a_plain_message(text: str) -> None:
    error = failure(text)
    assert (type(error), error.number, error.name, error.message) == CASES[text]


def test_a_table_of_another_database_is_not_suggested(engine: ChdbEngine) -> None:
    engine.command("CREATE DATABASE IF NOT EXISTS neighbour")
    engine.command("CREATE TABLE IF NOT EXISTS neighbour.invoices (a UInt8) ENGINE = Memory")
    for statement, told in (
        ("SELECT * FROM invoice", "Unknown table expression identifier 'invoice'. In scope SELECT * FROM invoice."),
        ("SELECT * FROM neighbor.x", ""),
        ("SELECT * FROM neighbour.invoice", ""),
    ):
        with pytest.raises(EngineFailure) as raised:
            engine.query(Query(statement, "default"))
        assert raised.value.message.startswith(told)
        assert "invoices" not in raised.value.message
        assert "meant" not in raised.value.message
        assert statement.count("neighbour") or "neighbour" not in raised.value.message


def test_only_what_the_engine_raises_is_translated() -> None:
    with pytest.raises(EngineFailure, match="Gone"), translated():
        raise RuntimeError("Code: 1. DB::Exception: Gone. (X)")
    with pytest.raises(ValueError, match="mine"), translated():
        raise ValueError("mine")


@pytest.mark.parametrize("value", ["hunter2", "it's \\ a\tlong\n one", "é“x”", "abcd"])
def test_no_text_quotes_a_bound_parameter(engine: ChdbEngine, value: str) -> None:
    for statement in (
        "SELECT nothing, {key:String} FROM (SELECT 1 AS a)",
        "SELECT toUInt8({key:String})",
        "SELECT a FROM (SELECT 1 AS a) WHERE toDate({key:String})",
        "SELECT throwIf(1, {key:String})",
    ):
        query = Query(statement, "default", "JSON", parameters={"key": parameter_text(value)})
        with pytest.raises(EngineFailure) as raised:
            engine.query(query)
        text = str(raised.value)
        assert value not in text
        assert literal(value)[1:-1] not in text
        assert " ".join(value.split()) not in text
        assert raised.value.__cause__ is None


def test_a_short_parameter_is_taken_out_where_it_is_quoted(engine: ChdbEngine) -> None:
    query = Query("SELECT nothing, {key:String} FROM (SELECT 1)", "default", "JSON", parameters={"key": "n"})
    with pytest.raises(EngineFailure) as raised:
        engine.query(query)
    assert (
        str(raised.value) == "Unknown expression identifier `nothing`. In scope SELECT nothing, {key} FROM (SELECT 1)."
    )


def test_a_text_that_a_statement_makes_long_is_cut_and_keeps_its_name(engine: ChdbEngine) -> None:
    statement = "SELECT throwIf(1, concat('begin', repeat('x', 1000000)))"
    with pytest.raises(EngineFailure) as raised:
        engine.query(Query(statement, "default"))
    assert raised.value.message.startswith("beginxxx")
    assert 9_000 < len(raised.value.message) < 11_000
    assert raised.value.name == "FUNCTION_THROW_IF_VALUE_IS_NON_ZERO"
