"""The messaging project is what the tutorial says and more, and its own tests hold."""

from __future__ import annotations

import pytest
from tests.conftest import MESSAGING, SHARED
from tests.starters.deployed import Messaging, messaging_project

from stonechat.datafile.resources import DataSource, NodeType, Pipe
from stonechat.engine.contract import EngineFailure
from stonechat.errors import Kind
from stonechat.project.composition import compose_placeholder
from stonechat.starters.catalog import template_files
from stonechat.template.errors import ParameterInvalid, TemplateAborted
from stonechat.testing.cases import project_tests

_FILES = template_files("messaging")


def test_every_endpoint_has_tests() -> None:
    endpoints = {pipe.name for pipe in messaging_project().pipes_of_type(NodeType.ENDPOINT)}
    assert endpoints == {file.pipe for file in project_tests(MESSAGING) if file.cases}


@pytest.mark.parametrize(
    ("name", "fence"),
    [("datasources/messages.datasource", "json"), ("endpoints/get_messages_by_conversation.pipe", "sql")],
)
def test_the_tutorials_files_stand_word_for_word(name: str, fence: str) -> None:
    tutorials = list((SHARED / "seed").glob("*.txt"))
    if not tutorials:
        pytest.skip("needs the tutorial, which is not part of the project")
    blocks = [part.split("```")[0] for part in tutorials[0].read_text().split(f"```{fence}\n")[1:]]
    (wanted,) = (block for block in blocks if block.startswith("DESCRIPTION >"))
    token, text = _FILES[name].decode().split("\n\n", 1)
    assert text == wanted
    assert token.startswith('TOKEN "messaging_')


def test_messages_take_events_and_endpoints_give_answers_to_the_two_tokens() -> None:
    project = messaging_project()
    resources: list[DataSource | Pipe] = [*project.data_sources.values(), *project.pipes.values()]
    grants = {(item.name, grant.token, grant.permission) for item in resources for grant in item.tokens}
    endpoints = {(pipe.name, "messaging_read", "READ") for pipe in project.pipes_of_type(NodeType.ENDPOINT)}
    assert grants == {("messages", "messaging_append", "APPEND"), *endpoints}


def test_every_parameter_of_our_endpoints_is_described() -> None:
    project = messaging_project()
    for pipe in project.pipes_of_type(NodeType.ENDPOINT):
        if pipe.name == "get_messages_by_conversation":
            continue
        assert pipe.description
        parameters = [parameter for node in pipe.nodes for parameter in project.template(pipe, node).parameters]
        described = {parameter.name for parameter in parameters if parameter.description}
        assert {parameter.name for parameter in parameters} == described, pipe.name


def test_every_node_runs_with_placeholders(empty: Messaging) -> None:
    for pipe in empty.project.pipes.values():
        for node in pipe.nodes:
            empty.ask(compose_placeholder(empty.project, pipe, node).sql)


@pytest.mark.parametrize(
    ("endpoint", "values"),
    [
        ("hourly_activity", {}),
        ("hourly_activity", {"user_id": "nobody"}),
        ("user_messaging_stats", {}),
        ("user_messaging_stats", {"timezone": "Asia/Tokyo"}),
        ("top_conversations", {}),
        ("conversation_summary", {"conversation_id": "none"}),
    ],
)
def test_without_messages_there_are_no_rows(empty: Messaging, endpoint: str, values: dict[str, str]) -> None:
    assert empty.rows(endpoint, **values) == []


def test_the_heat_map_has_all_its_cells_even_without_messages(empty: Messaging) -> None:
    cells = [(row["day_of_week"], row["hour"]) for row in empty.rows("peak_hours")]
    assert cells == [(day, hour) for day in range(1, 8) for hour in range(24)]


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "' OR 1", "../../etc/passwd", "UTC\\"])
@pytest.mark.parametrize("endpoint", ["hourly_activity", "user_messaging_stats", "peak_hours"])
def test_a_time_zone_that_is_none_is_refused(small: Messaging, endpoint: str, zone: str) -> None:
    with pytest.raises(EngineFailure, match="time zone") as caught:
        small.rows(endpoint, timezone=zone)
    assert caught.value.kind is Kind.INVALID


@pytest.mark.parametrize("order", ["user_id", "sent DESC", "`sent`", "", "Sent"])
@pytest.mark.parametrize("more", [{}, {"user_id": "alice"}])
def test_an_order_that_is_none_is_refused(small: Messaging, order: str, more: dict[str, str]) -> None:
    with pytest.raises(TemplateAborted, match="order must be"):
        small.rows("user_messaging_stats", order=order, **more)


@pytest.mark.parametrize("order", ["messages", "sent", "received", "conversations", "unread_received", "last_activity"])
def test_an_order_puts_the_most_on_top(small: Messaging, order: str) -> None:
    rows = small.rows("user_messaging_stats", order=order)
    assert rows == sorted(sorted(rows, key=lambda row: row["user_id"]), key=lambda row: row[order], reverse=True)


def test_users_without_an_average_come_last(small: Messaging) -> None:
    averages = [row["average_characters"] for row in small.rows("user_messaging_stats", order="average_characters")]
    assert averages[-1] is None
    assert averages[:-1] == sorted(averages[:-1], reverse=True)


@pytest.mark.parametrize("endpoint", ["user_messaging_stats", "top_conversations"])
@pytest.mark.parametrize(("limit", "rows"), [("-1", 0), ("0", 0), ("1", 1), ("3", 3), ("2147483647", 8)])
def test_a_limit_bounds_the_rows(small: Messaging, endpoint: str, limit: str, rows: int) -> None:
    everything = len(small.rows(endpoint, limit="1000"))
    assert len(small.rows(endpoint, limit=limit)) == (everything if rows == 8 else rows)


@pytest.mark.parametrize(
    ("endpoint", "values"),
    [
        ("user_messaging_stats", {"limit": "many"}),
        ("top_conversations", {"limit": "2147483648"}),
        ("hourly_activity", {"start_date": "yesterday"}),
        ("peak_hours", {"end_date": "2025-01-01"}),
    ],
)
def test_values_of_the_wrong_type_are_refused(small: Messaging, endpoint: str, values: dict[str, str]) -> None:
    with pytest.raises(ParameterInvalid):
        small.rows(endpoint, **values)
