"""`/v0/sql_format` and `/v0/sql_tables`: nothing is lost, nothing runs, and what is no SQL is refused."""

from __future__ import annotations

import re
import socket

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.conftest import NO_TELEMETRY, RunningServer, StartServer
from tests.engine.shared import shared_engine
from tests.waiting import until

from stonechat.errors import StonechatError
from stonechat.http.sql_tools import formatted, tables
from stonechat.sql.gate import NotASelect
from stonechat.sql.references import SeveralStatements, UnreadableStatement
from stonechat.template.errors import TemplateSyntaxError


def layout(statement: str) -> str:
    return formatted(statement, shared_engine().explain)


def tables_of(statement: str) -> list[list[str]]:
    return tables(statement, shared_engine().explain)


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("select a,b from t where x=1", "SELECT\n    a,\n    b\nFROM t\nWHERE x = 1"),
        ("  select 1  ", "SELECT 1"),
        ("select 'a -- b', \"c#d\" from t", "SELECT\n    'a -- b',\n    `c#d`\nFROM t"),
        ("select 1 format json", "SELECT 1\nFORMAT json"),
        ("drop table t", "DROP TABLE t"),
        ("%\nselect 1", "%\nSELECT 1"),
        ("% select 1 % 2", "%\nSELECT 1 % 2"),
    ],
)
def test_sql_is_laid_out_by_the_engine(statement: str, expected: str) -> None:
    assert layout(statement) == expected


@pytest.mark.parametrize(
    "statement",
    [
        "select 1 -- why",
        "select /* why */ 1",
        "select 1 # why",
        "%\nselect {{Int8(x, 1)}}",
        "% select {% if defined(x) %} 1 {% else %} 2 {% end %}",
        "% select 1 {# why #}",
        "insert into t values (1, 'a')",
        "%\n insert into t format JSONEachRow {}",
    ],
)
def test_what_the_engine_would_lose_stays_as_it_is_written(statement: str) -> None:
    assert layout(statement) == statement


@pytest.mark.parametrize(
    "statement", ["selec 1", "select 1; select 2", "select (", "select 'it", "selec 1 -- why", "%"]
)
def test_what_is_no_sql_is_refused_in_the_engines_words(statement: str) -> None:
    with pytest.raises(StonechatError, match=r"Syntax error|not closed|Empty|Unmatched"):
        layout(statement)


def test_a_template_that_is_none_is_refused() -> None:
    for question in (layout, tables_of):
        with pytest.raises(TemplateSyntaxError):
            question("% select {{Int8(x}}")


_WORDS = st.sampled_from(["select", "1", "a", ",", "from", "t", "(", ")", "'x y'", "where", "as", "`b c`", "and", "="])


@settings(max_examples=200, deadline=None)
@given(st.lists(_WORDS, max_size=12))
def test_laying_out_twice_changes_nothing(words: list[str]) -> None:
    try:
        once = layout(" ".join(["select", *words]))
    except StonechatError:
        return
    assert layout(once) == once


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("SELECT 1", []),
        ("SELECT * FROM b, a JOIN x.y USING (i)", [["", "a"], ["", "b"], ["x", "y"]]),
        ("WITH c AS (SELECT * FROM t) SELECT * FROM c WHERE a IN u", [["", "t"], ["", "u"]]),
        ("SELECT 'FROM t' -- FROM u\nFROM `v w`", [["", "v w"]]),
        ("SELECT * FROM numbers(3)", []),
        ("% SELECT * FROM t WHERE a = {{Int8(x)}} {% if defined(y) %} AND b IN u {% end %}", [["", "t"], ["", "u"]]),
    ],
)
def test_the_tables_of_a_statement_are_listed_with_their_databases(statement: str, expected: list[list[str]]) -> None:
    assert tables_of(statement) == expected


def test_only_a_select_has_tables_to_list() -> None:
    with pytest.raises(NotASelect):
        tables_of("DROP TABLE t")
    with pytest.raises(SeveralStatements):
        tables_of("SELECT 1; SELECT 2")
    with pytest.raises(UnreadableStatement):
        tables_of("SELECT FRM x y z")


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/v0/sql_format", {"q": "SELECT *\nFROM nothing"}),
        ("/v0/sql_tables", {"tables": [["", "nothing"]]}),
    ],
)
def test_any_valid_token_may_ask_in_every_way(
    messaging_server: RunningServer, path: str, answer: dict[str, object]
) -> None:
    token, statement = messaging_server.tokens()["messaging_append"], "select * from nothing"
    text = {"content-type": "text/plain"}
    answers = [
        messaging_server.request("GET", path, params={"q": statement}, token=token),
        messaging_server.request("POST", path, params={"q": statement}, token=token),
        messaging_server.request("POST", path, data={"q": statement}, token=token),
        messaging_server.request("POST", path, json={"q": statement}, token=token),
        messaging_server.request("POST", path, content=statement, headers=text, token=token),
    ]
    assert [response.json() for response in answers] == [answer] * len(answers)
    refused = [
        messaging_server.client.get(path, params={"q": statement}),
        messaging_server.request("GET", path),
        messaging_server.request("GET", path, params={"q": "selec 1"}),
        messaging_server.request("PUT", path),
        messaging_server.request("POST", path, content=f"select '{'a' * 70_000}'", headers=text),
    ]
    assert [response.status_code for response in refused] == [403, 400, 400, 405, 413]
    assert all(response.json()["error"] for response in refused)


@pytest.mark.parametrize("tool", ["sql_format", "sql_tables"])
def test_a_look_at_sql_takes_the_place_of_a_query(start_server: StartServer, tool: str) -> None:
    server = start_server(
        STONECHAT_QUERY_CONNECTIONS="1", STONECHAT_QUERY_QUEUE="0", STONECHAT_QUERY_SECONDS="600", **NO_TELEMETRY
    )
    endless = "SELECT+sum(cityHash64(number,rand()))+FROM+numbers(100000000000000)"
    with socket.create_connection(("127.0.0.1", server.port)) as busy:
        busy.sendall(f"GET /v0/sql?q={endless}&token={server.token} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        until(lambda: re.search(r"stonechat_queries 1\b", server.request("GET", "/metrics").text))
        refused = until(lambda: _refusal(server, tool))
        assert (refused.status_code, refused.json()["code"]) == (503, "SC804")
    until(lambda: _refusal(server, tool) is None)


def _refusal(server: RunningServer, tool: str) -> httpx.Response | None:
    answer = server.request("GET", f"/v0/{tool}", params={"q": "SELECT 1"})
    return answer if answer.status_code != 200 else None
