"""Calls with very many values hold up nobody else: they are composed in a thread, where all others are not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence

import pytest
from tests.engine.shared import shared_engine

from stonechat.auth.access import Caller, Scope
from stonechat.engine.contract import QueryLimits
from stonechat.errors import StonechatError
from stonechat.project.composition import are_many
from stonechat.project.model import Project
from stonechat.project.snapshot import Snapshot
from stonechat.project.versions import DataVersions
from stonechat.project.workspaces import Workspace
from stonechat.query.execute import QueryBounds, QueryService
from stonechat.query.requests import EndpointRequest, StatementRequest
from stonechat.template.errors import TemplateError

_PIPE = "NODE n\nSQL >\n    %\n    SELECT length({{ Array(ids, 'Int32') }}) AS n\nTYPE endpoint\n"
_SNAPSHOT = Snapshot(Workspace("w", "main", "default", "2026-01-01"), 3, Project.from_files({"count.pipe": _PIPE}), {})
_ADMIN = Caller("w", "t", "admin", frozenset({Scope.parse("ADMIN")}))
Ask = Callable[[QueryService, Sequence[str]], Awaitable[object]]


@pytest.fixture(scope="module")
def service() -> Iterator[QueryService]:
    queries = QueryService(shared_engine(), DataVersions(), QueryBounds(QueryLimits(), 2, 10, 1_000_000, 1_000_000))
    yield queries
    queries.close()


def _call(service: QueryService, ids: Sequence[str]) -> Awaitable[object]:
    return service.endpoint(_SNAPSHOT, _ADMIN, EndpointRequest("count", values={"ids": ids}))


def _statement(service: QueryService, ids: Sequence[str]) -> Awaitable[object]:
    return service.statement(_SNAPSHOT, _ADMIN, StatementRequest("SELECT n FROM count", values={"ids": ids}))


def _explain(service: QueryService, ids: Sequence[str]) -> Awaitable[object]:
    return service.explain(_SNAPSHOT, _ADMIN, EndpointRequest("count", values={"ids": ids}))


async def _is_composed_at_once(service: QueryService, ask: Ask, ids: Sequence[str]) -> bool:
    """Whether a call that cannot be composed has failed before anything else had its turn."""
    asked = asyncio.ensure_future(ask(service, ids))
    await asyncio.sleep(0)
    at_once = asked.done()
    with pytest.raises(TemplateError):
        await asked
    return at_once


@pytest.mark.parametrize("ask", [_call, _statement, _explain])
def test_others_have_their_turn_while_a_long_call_is_composed(service: QueryService, ask: Ask) -> None:
    assert asyncio.run(_once_known(service, ask, ["1"] * 10 + ["x"]))
    assert not asyncio.run(_once_known(service, ask, ["1"] * 5000 + ["x"]))


async def _once_known(service: QueryService, ask: Ask, ids: Sequence[str]) -> bool:
    await ask(service, ["1"])  # so that the statement itself is known
    return await _is_composed_at_once(service, ask, ids)


@pytest.mark.parametrize("count", [1, 1000, 1001, 20_000])
def test_a_long_call_is_answered_as_a_short_one(service: QueryService, count: int) -> None:
    for _ in range(2):
        answer = asyncio.run(
            service.endpoint(_SNAPSHOT, _ADMIN, EndpointRequest("count", values={"ids": "1," * count + "1"}))
        )
        assert b'"n": %d' % (count + 1) in answer.result.data  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("values", "many"),
    [
        ({}, False),
        ({"a": "x" * 1999}, False),
        ({"a": "x" * 2000}, True),
        ({"a": ["x"] * 999, "b": ""}, False),
        ({"a": ["x"] * 1000}, True),
        ({f"{number}": "" for number in range(2001)}, True),
    ],
)
def test_what_a_long_call_is(values: dict[str, str | Sequence[str]], many: bool) -> None:
    assert are_many(values) is many


def test_a_list_that_is_too_long_is_refused_before_its_elements_are_looked_at(service: QueryService) -> None:
    with pytest.raises(StonechatError, match="more than 100000 elements"):
        asyncio.run(_awaited(_call(service, ["x"] * 100_001)))


def test_a_refusal_shows_the_beginning_of_a_long_list(service: QueryService) -> None:
    with pytest.raises(StonechatError, match=r"\[1,1,1.*,\.\.\.\]\[5000\] \(x\) to type Int32") as refused:
        asyncio.run(_awaited(_call(service, ["1"] * 5000 + ["x"])))
    assert len(str(refused.value)) < 1500


async def _awaited(work: Awaitable[object]) -> object:
    return await work
