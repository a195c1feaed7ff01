"""A caller's statement is composed with the pipes that it names, each behind a fence of its own."""

from __future__ import annotations

import pytest
from tests.engine.shared import shared_engine

from stonechat.auth.access import Caller, Scope
from stonechat.engine.contract import Query
from stonechat.project.model import Project
from stonechat.query.statement import (
    LONGEST_STATEMENT,
    SecretRefused,
    StatementTooLong,
    compose_own,
    render_statement,
)
from stonechat.sql.references import References
from stonechat.template.render import Rendered

_PIPE = "NODE n\nSQL >\n    SELECT a FROM rows\n\nNODE m\nSQL >\n    SELECT * FROM n\n\nTYPE endpoint\n"
_SECRET = "NODE s\nSQL >\n    %\n    SELECT {{ tb_secret('KEY') }} AS a\n\nTYPE endpoint\n"
_PROJECT = Project.from_files(
    {"rows.datasource": "SCHEMA >\n    `a` UInt8 `json:$.a`\n", "p.pipe": _PIPE, "hidden.pipe": _SECRET},
    {"KEY": "hunter2"},
)


def _caller(*scopes: str) -> Caller:
    return Caller.of("w", "t", "token", [Scope.parse(scope) for scope in scopes])


_ADMIN = _caller("ADMIN")


def _composed(statement: str, *names: str, pipe: str | None = None, caller: Caller = _ADMIN) -> str:
    references = References("SELECT", tables=frozenset((None, name) for name in names))
    own = Rendered(statement)
    composed = compose_own(_PROJECT, own, references, {}, _PROJECT.pipes[pipe] if pipe else None, caller=caller)
    return " ".join(composed.sql.split())


def _asked(statement: str) -> str:
    raise AssertionError(statement)


def test_pipes_stand_behind_a_fence() -> None:
    assert _composed("SELECT count() FROM p", "p") == (
        "WITH `p` AS ( SELECT * FROM view(WITH 'p' SELECT * FROM ( "
        "WITH `n` AS ( SELECT a FROM rows ) SELECT * FROM n )) ) SELECT count() FROM p"
    )


def test_the_fence_has_a_limit_where_the_pipe_reads_more_than_the_caller_may() -> None:
    limited = "SELECT * FROM n ) LIMIT 18446744073709551615) ) SELECT count() FROM p"
    for scopes in (["PIPES:READ:p"], ["PIPES:READ:p", "DATASOURCES:READ:others"]):
        assert _composed("SELECT count() FROM p", "p", caller=_caller(*scopes)).endswith(limited)
    for scopes in (["WORKSPACE:READ_ALL"], ["PIPES:READ:p", "DATASOURCES:READ:rows"]):
        assert "LIMIT" not in _composed("SELECT count() FROM p", "p", caller=_caller(*scopes))


def test_underscore_and_nodes_belong_to_the_pipe_that_is_asked() -> None:
    assert "WITH `_` AS ( SELECT * FROM view(WITH '_'" in _composed("SELECT * FROM _", "_", pipe="p")
    assert "WITH `n` AS ( SELECT * FROM view(WITH 'n'" in _composed("SELECT * FROM n", "n", pipe="p")
    assert _composed("SELECT * FROM n", "n") == "SELECT * FROM n"


def test_pipes_that_differ_in_their_aliases_alone_are_kept_apart() -> None:
    pipe = "NODE n\nSQL >\n    SELECT number AS {} FROM numbers(2)\nTYPE endpoint\n"
    project = Project.from_files({f"{name}.pipe": pipe.format(alias) for name, alias in (("one", "a"), ("other", "b"))})
    references = References("SELECT", tables=frozenset({(None, "one"), (None, "other")}))
    own = Rendered("SELECT a, b FROM one JOIN other ON a = b ORDER BY a")
    composed = compose_own(project, own, references, {}, None, caller=_ADMIN)
    assert shared_engine().query(Query(composed.sql, "default", "JSONCompactEachRow")).data == b"[0, 0]\n[1, 1]\n"


def test_a_table_is_read_as_it_stands() -> None:
    references = References("SELECT", tables=frozenset({(None, "rows")}))
    composed = compose_own(_PROJECT, Rendered("SELECT * FROM rows"), references, {}, None, caller=_ADMIN)
    assert composed.sql == "SELECT * FROM rows"
    assert composed.reads == {"rows"}


def test_a_pipes_secret_is_bound_whatever_the_request_says() -> None:
    references = References("SELECT", tables=frozenset({(None, "hidden")}))
    composed = compose_own(
        _PROJECT, Rendered("SELECT * FROM hidden"), references, {"KEY": "guess"}, None, caller=_ADMIN
    )
    assert composed.bound == {"KEY": "hunter2"}
    assert "hunter2" not in composed.sql


def test_a_template_is_rendered_and_may_use_secrets_only_for_admins() -> None:
    assert render_statement("% SELECT {{ Int32(x, 1) }}", {"x": "7"}, None, _asked).sql.strip() == "SELECT toInt32('7')"
    with pytest.raises(SecretRefused):
        render_statement("% SELECT {{ tb_secret('KEY', 'x') }}", {}, None, _asked)


def test_only_who_may_read_all_says_how_many_threads_a_query_takes() -> None:
    references = References("SELECT")
    own = render_statement("%\n{{ max_threads(64) }}\nSELECT 1", {}, None, _asked)
    for scope, expected in (("DATASOURCES:READ:rows", {}), ("WORKSPACE:READ_ALL", {"max_threads": "64"})):
        assert compose_own(_PROJECT, own, references, {}, None, caller=_caller(scope)).settings == expected


def test_a_long_statement_is_refused_as_written_and_as_rendered() -> None:
    with pytest.raises(StatementTooLong):
        render_statement("SELECT 1" + " " * LONGEST_STATEMENT, {}, None, _asked)
    with pytest.raises(StatementTooLong):
        render_statement("% SELECT {{ String(x) }}", {"x": "x" * LONGEST_STATEMENT}, None, _asked)
