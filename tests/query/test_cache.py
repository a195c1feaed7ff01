"""Answers are kept while they are true, within a bound, and not where the next call would answer differently."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest
from tests.engine.shared import shared_engine

from stonechat.engine.contract import Query, QueryLimits, QueryResult
from stonechat.project.composition import Composed
from stonechat.project.model import Project
from stonechat.query.cache import AnswerCache, CacheKey, cache_key, etag_of, may_be_kept
from stonechat.sql.gate import is_forbidden


def _key(statement: str = "SELECT 1", deployment: int = 1, **changes: str) -> CacheKey:
    return cache_key(Query(statement, "db", settings=changes), (deployment,))


def _answer(text: bytes = b"1") -> QueryResult:
    return QueryResult(text, rows_read=1, bytes_read=1, elapsed=0.1)


def test_an_answer_is_kept_until_its_data_changes() -> None:
    cache = AnswerCache(20_000)
    cache.put(_key(), (1, 7), _answer(), lifetime=None)
    assert cache.get(_key(), (1, 7)) == _answer()
    assert cache.get(_key(), (2, 7)) is None
    assert cache.get(_key(), (1, 7)) is None


def test_an_answer_with_a_lifetime_is_kept_to_its_end() -> None:
    moment = [0.0]
    cache = AnswerCache(20_000, lambda: moment[0])
    cache.put(_key(), (1,), _answer(), lifetime=5)
    moment[0] = 4.9
    assert cache.get(_key(), (2,)) == _answer()
    moment[0] = 5.0
    assert cache.get(_key(), (1,)) is None


def test_whatever_shapes_an_answer_parts_it_from_others() -> None:
    cache = AnswerCache(100_000)
    cache.put(_key(), (), _answer(), lifetime=None)
    others = [
        _key("SELECT 2"),
        _key(deployment=2),
        _key(output_format_json_quote_64bit_integers="1"),
        cache_key(Query("SELECT 1", "other"), (1,)),
        cache_key(Query("SELECT 1", "db"), (1,), 60.0),
        cache_key(Query("SELECT 1", "db", format="CSV"), (1,)),
        cache_key(Query("SELECT 1", "db", parameters={"secret": "x"}), (1,)),
    ]
    assert [cache.get(key, ()) for key in others] == [None] * len(others)


def test_whatever_shapes_an_answer_is_in_its_name() -> None:
    query, limits = Query("SELECT 1", "db"), QueryLimits()
    others: dict[str, Any] = {"statement": "SELECT 2", "database": "other", "format": "CSV"}
    others |= {"parameters": {"a": "1"}, "settings": {"a": "1"}}
    queries = [replace(query, **{name: other}) for name, other in others.items()]
    queries += [
        replace(query, limits=replace(limits, **{each.name: getattr(limits, each.name) + 1})) for each in fields(limits)
    ]
    assert {*others, "limits", "query_id"} == {each.name for each in fields(query)}
    key = cache_key(query, (1,))
    keys = [cache_key(query, (2,)), cache_key(query, (1,), 5.0), *(cache_key(each, (1,)) for each in queries)]
    names = {etag_of(key, "epoch", (1,)), etag_of(key, "other", (1,)), etag_of(key, "epoch", (2,))}
    assert len({*names, *(etag_of(each, "epoch", (1,)) for each in keys)}) == 3 + len(keys)


def test_a_value_cannot_pass_for_the_statement_behind_it() -> None:
    one = Query("a\0b", "db", parameters={"x": "c"})
    other = Query("b", "db", parameters={"x": "c\0a"})
    assert cache_key(one, ()) != cache_key(other, ())
    assert etag_of(cache_key(Query("SELECT '\udc80'", "db"), ()), "epoch", ()).startswith('W/"')


def test_the_oldest_answers_go_when_the_room_is_used_up() -> None:
    cache = AnswerCache(20_000)
    for number in range(100):
        cache.put(_key(f"SELECT {number}"), (), _answer(bytes(500)), lifetime=None)
        cache.get(_key("SELECT 0"), ())
    assert cache.size <= 20_000
    assert cache.get(_key("SELECT 0"), ()) is not None
    assert cache.get(_key("SELECT 1"), ()) is None
    assert cache.get(_key("SELECT 99"), ()) is not None


def test_an_answer_that_would_fill_the_cache_is_not_kept() -> None:
    cache = AnswerCache(20_000)
    cache.put(_key(), (), _answer(bytes(5000)), lifetime=None)
    assert cache.size == 0


def test_replacing_an_answer_does_not_leak_its_size() -> None:
    cache = AnswerCache(20_000)
    for _ in range(50):
        cache.put(_key(), (), _answer(bytes(500)), lifetime=None)
    assert cache.size < 3000


_PROJECT = Project.from_files(
    {
        "rows.datasource": "SCHEMA >\n    `a` DateTime `json:$.a`\n",
        "fading.datasource": "SCHEMA >\n    `a` DateTime `json:$.a`\n\nENGINE_TTL a + toIntervalDay(1)\n",
    }
)


@pytest.mark.parametrize(
    ("statement", "reads", "kept"),
    [
        ("SELECT count() FROM rows", {"rows"}, True),
        ("SELECT 'now()' AS text FROM rows -- rand()", {"rows"}, True),
        ("SELECT count() FROM rows WHERE a > NOW()", {"rows"}, False),
        ("SELECT rand() FROM rows", {"rows"}, False),
        ("SELECT parseDateTimeBestEffort('Dec 5 10:00:00') FROM rows", {"rows"}, False),
        ("SELECT parseDateTime64BestEffortUSOrNull('12/5 10:00') FROM rows", {"rows"}, False),
        ("SELECT parseDateTimeBestEffort('2025-12-05 10:00:00', 'UTC') FROM rows", {"rows"}, True),
        ("SELECT parseDateTimeBestEffort( '2025-12-05'), parseDateTime64BestEffort(a) FROM rows", {"rows"}, False),
        ("SELECT parseDateTimeBestEffort(a), 'parseDateTimeBestEffort(\\'2025-12-05' FROM rows", {"rows"}, False),
        ("SELECT parseDateTimeBestEffort(a), parseDateTime('2024-12-05', '%F') FROM rows", {"rows"}, False),
        ("SELECT parseDateTime('2024', '%Y') FROM rows", {"rows"}, True),
        ("SELECT * FROM rows WHERE a < today()", {"rows"}, False),
        ("SELECT * FROM system.one", set[str](), False),
        ("SELECT count() FROM fading", {"fading"}, False),
        ("SELECT count() FROM rows_quarantine", {"rows_quarantine"}, False),
    ],
)
def test_clock_chance_and_fading_data_are_not_kept(statement: str, reads: set[str], kept: bool) -> None:
    composed = Composed(statement, frozenset(reads), {}, {}, None, frozenset())
    assert may_be_kept(_PROJECT, composed) is kept


#: The engine does not promise these to repeat themselves, but while the server and the data are the same they do.
_STEADY = {
    *("arrayjoin", "unnest", "arraypartialsort", "arraypartialreversesort", "isconstant", "tocolumntypename"),
    *("chdb", "version", "timezone", "assigncentroid", "financialnetpresentvalueextended"),
    *("naivebayesclassifier", "naivebayesclassifierwithprob", "naivebayesclassifierwithallprobs"),
}


def test_whatever_the_engine_calls_unsteady_is_known_or_closed_to_all() -> None:
    listed = "SELECT lower(name) FROM system.functions WHERE deterministic = 0 AND name NOT LIKE 'timeSeries%'"
    names = shared_engine().query(Query(listed, "default", format="TSV")).data.decode().split()
    assert len(names) > 50
    kept = {
        name
        for name in names
        if may_be_kept(_PROJECT, Composed(f"SELECT {name}(a)", frozenset({"rows"}), {}, {}, None, frozenset()))
    }
    assert {name for name in kept if not is_forbidden(name)} == _STEADY
