"""Lineage says who reads whom, and who writes where."""

from __future__ import annotations

from stonechat.project.lineage import Lineage
from stonechat.project.model import Project

_SOURCE = "SCHEMA >\n    `a` UInt8 `json:$.a`\n"


def _pipe(*nodes: tuple[str, str], end: str = "TYPE endpoint\n") -> str:
    return "".join(f"NODE {name}\nSQL >\n    {sql}\n\n" for name, sql in nodes) + end


def _lineage(**pipes: str) -> Lineage:
    sources = {f"{name}.datasource": _SOURCE for name in ("events", "totals", "archive")}
    return Project.from_files({**sources, **{f"{name}.pipe": text for name, text in pipes.items()}}).lineage


_FULL = _lineage(
    view=_pipe(("n", "SELECT a FROM events"), end="TYPE materialized\nDATASOURCE totals\n"),
    copy=_pipe(("n", "SELECT * FROM top"), end="TYPE copy\nTARGET_DATASOURCE archive\n"),
    top=_pipe(("step", "SELECT * FROM totals"), ("unread", "SELECT * FROM archive"), ("last", "SELECT * FROM step")),
    all=_pipe(("step", "SELECT a FROM events_quarantine, top"), ("last", "SELECT a FROM step WHERE a IN archive")),
)


def test_nodes_read_nodes_pipes_data_sources_and_quarantines() -> None:
    assert _FULL.nodes["top", "last"] == {"step"}
    assert _FULL.nodes["all", "step"] == {"events_quarantine", "top"}
    assert _FULL.nodes["all", "last"] == {"step", "archive"}


def test_a_pipe_reads_what_any_of_its_nodes_reads_but_not_the_nodes() -> None:
    assert _FULL.reads("top") == {"totals", "archive"}
    assert _FULL.reads("all") == {"events_quarantine", "top", "archive"}


def test_a_table_is_read_behind_a_definition_of_its_name() -> None:
    own = _lineage(own=_pipe(("n", "WITH events AS (SELECT * FROM events WHERE a) SELECT * FROM events")))
    assert own.reads("own") == {"events"}
    other = _lineage(other=_pipe(("n", "WITH events AS (SELECT * FROM totals) SELECT * FROM events")))
    assert other.reads("other") == {"totals"}


def test_what_a_definition_reads_that_nothing_uses_is_not_read() -> None:
    unused = "WITH unused AS (SELECT * FROM top), other AS (SELECT * FROM unused) SELECT a FROM events"
    lineage = _lineage(top=_pipe(("n", "SELECT * FROM below")), below=_pipe(("n", unused)))
    assert lineage.reads("below") == {"events"}


def test_the_alias_of_another_table_is_not_read() -> None:
    aliased = "SELECT top.a FROM events AS top JOIN top AS other ON top.a = other.a"
    assert _lineage(top=_pipe(("n", aliased))).reads("top") == {"events"}


def test_an_alias_behind_in_closes_no_circle() -> None:
    listed = "WITH (SELECT groupArray(a) FROM events) AS top SELECT a FROM events WHERE a IN top"
    beside = "SELECT a, [1] other FROM top WHERE a IN other"
    lineage = _lineage(top=_pipe(("n", listed)), other=_pipe(("n", beside)))
    assert lineage.surely_reads("top", "n") == {"events"}
    assert lineage.surely_reads("other", "n") == {"top"}


def test_readers_and_writers_are_pipes() -> None:
    assert _FULL.readers("top") == {"copy", "all"}
    assert _FULL.readers("events") == {"view"}
    assert _FULL.readers("copy") == set()
    assert _FULL.writers("totals") == {"view"}
    assert _FULL.writers("archive") == {"copy"}


def test_sources_lie_behind_other_pipes_too_but_not_behind_nodes_that_nobody_reads() -> None:
    assert _FULL.sources("copy") == {"totals"}
    assert _FULL.sources("all") == {"events_quarantine", "totals", "archive"}


def test_a_statement_holds_every_node_that_it_reads_once() -> None:
    assert _FULL.statement_nodes("all", "last") == (("all", "last"), ("all", "step"), ("top", "last"), ("top", "step"))
    assert _FULL.statement_nodes("top", "step") == (("top", "step"),)


def test_names_that_are_columns_strings_or_comments_are_not_read() -> None:
    lineage = _lineage(p=_pipe(("n", "SELECT events.a, 'FROM totals' AS archive FROM events AS e -- FROM totals")))
    assert lineage.reads("p") == {"events"}


def test_a_template_reads_what_any_of_its_branches_reads() -> None:
    choosing = "%\n    {% if x == 'a' %} SELECT * FROM events {% elif x == 'b' %} SELECT * FROM totals"
    lineage = _lineage(
        p=_pipe(("n", f"{choosing} {{% else %}} {{{{ error('a or b') }}}} {{% end %}}")),
        q=_pipe(("n", "%\n    SELECT * FROM {% if defined(x) %}events{% else %}archive{% end %} {# FROM totals #}")),
        r=_pipe(("n", "%\n    SELECT * FROM {{ table('totals') }}")),
    )
    assert [lineage.reads(pipe) for pipe in "pqr"] == [{"events", "totals"}, {"events", "archive"}, {"totals"}]


def test_a_name_means_the_node_of_the_own_pipe_only() -> None:
    lineage = _lineage(
        a=_pipe(("step", "SELECT a FROM events"), ("m", "SELECT * FROM step")),
        b=_pipe(("step", "SELECT a FROM totals"), ("m", "SELECT * FROM step, a")),
    )
    assert lineage.reads("b") == {"totals", "a"}
    assert lineage.sources("b") == {"totals", "events"}
