"""Answers are kept while they are true: never stale, never another caller's, and not filled by unused parameters."""

from __future__ import annotations

import json
import random
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from tests.conftest import RunningServer

_PATH = "/v0/pipes/get_messages_by_conversation.json"
_COUNT = "SELECT count() AS n FROM _"


def _event(conversation: str, sender: str = "a") -> str:
    event = {"message_id": "m", "sender_id": sender, "recipient_id": "b", "conversation_id": conversation}
    event |= {"message_type": "text", "message_content": "x", "timestamp": "2024-01-01 00:00:00"}
    return json.dumps({**event, "read": 1, "attachments": [], "character_count": 1})


def _get(server: RunningServer, conversation: str, **params: str) -> httpx.Response:
    return server.request("GET", _PATH, params={"conversation_id": conversation, **params})


def test_a_second_call_is_a_hit_with_the_same_bytes(messaging_server: RunningServer) -> None:
    messaging_server.send(_event("twice"))
    first, second = _get(messaging_server, "twice"), _get(messaging_server, "twice")
    assert [first.headers["x-cache"], second.headers["x-cache"]] == ["miss", "hit"]
    assert first.content == second.content


def test_answers_of_every_messaging_endpoint_are_kept(messaging_server: RunningServer) -> None:
    given = {"conversation_id": "kept", "user_id": "kept"}
    given |= {"start_date": "2024-01-01 00:00:00", "end_date": "2024-01-31 23:59:59"}
    pipes = messaging_server.request("GET", "/v0/pipes").raise_for_status().json()["pipes"]
    endpoints = [pipe["name"] for pipe in pipes if pipe["endpoint"]]
    assert len(endpoints) >= 6
    for name in endpoints:
        calls = [messaging_server.request("GET", f"/v0/pipes/{name}.json", params=given) for _ in range(2)]
        assert [(call.status_code, call.headers["x-cache"]) for call in calls] == [(200, "miss"), (200, "hit")], name


def test_unused_parameters_share_the_answer(messaging_server: RunningServer) -> None:
    messaging_server.send(_event("unused"))
    _get(messaging_server, "unused")
    assert _get(messaging_server, "unused", noise="1").headers["x-cache"] == "hit"
    assert _get(messaging_server, "unused", limit="1").headers["x-cache"] == "miss"


def test_an_acknowledged_event_is_in_every_later_answer(messaging_server: RunningServer) -> None:
    for number in range(1, 30):
        assert messaging_server.send(_event("fresh")).status_code == 200
        assert len(messaging_server.rows(_PATH, conversation_id="fresh")) == number
        assert len(messaging_server.rows(_PATH, conversation_id="fresh")) == number


def test_answers_from_views_are_fresh_too(messaging_server: RunningServer) -> None:
    path = "/v0/pipes/user_messaging_stats.json"
    for number in range(1, 10):
        messaging_server.send(_event("views", sender="viewed"))
        (row,) = messaging_server.rows(path, user_id="viewed")
        assert row["sent"] == number


def test_no_caller_ever_sees_fewer_events_than_were_acknowledged(messaging_server: RunningServer) -> None:
    def work(number: int) -> None:
        rng = random.Random(number)
        conversation = f"race{number % 3}"
        for _ in range(25):
            if rng.random() < 0.4:
                messaging_server.send(_event(conversation))
                acknowledged[conversation] += 1
            before = acknowledged[conversation]
            assert len(messaging_server.rows(_PATH, conversation_id=conversation)) >= before

    acknowledged = {f"race{number}": 0 for number in range(3)}
    with ThreadPoolExecutor(6) as threads:
        list(threads.map(work, range(6)))


@pytest.mark.parametrize("statement", ["SELECT now() AS n FROM _", "SELECT rand() AS n FROM _"])
def test_clock_and_chance_bypass_the_cache(messaging_server: RunningServer, statement: str) -> None:
    messaging_server.send(_event("clock"))
    assert _get(messaging_server, "clock", q=statement).headers["x-cache"] == "bypass"
    assert _get(messaging_server, "clock", q=_COUNT).headers["x-cache"] == "miss"


def test_a_known_answer_is_not_sent_again_until_it_changes(messaging_server: RunningServer) -> None:
    messaging_server.send(_event("etag"))
    etag = _get(messaging_server, "etag").headers["etag"]
    headers = {"If-None-Match": etag}
    params = {"conversation_id": "etag"}
    unchanged = messaging_server.request("GET", _PATH, params=params, headers=headers)
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    for known in (f'"other", {etag}', etag.removeprefix("W/"), f'{etag},W/"other"'):
        assert (
            messaging_server.request("GET", _PATH, params=params, headers={"If-None-Match": known}).status_code == 304
        )
    for unknown in ('"other"', "", etag[:-1], etag.replace('"', "")):
        answer = messaging_server.request("GET", _PATH, params=params, headers={"If-None-Match": unknown})
        assert answer.status_code == 200
    messaging_server.send(_event("etag"))
    changed = messaging_server.request("GET", _PATH, params=params, headers=headers)
    assert changed.status_code == 200
    assert len(changed.json()["data"]) == 2
    assert changed.headers["etag"] != etag


def test_who_has_whichever_answer_there_is_gets_none(messaging_server: RunningServer) -> None:
    messaging_server.send(_event("any"))
    params, any_etag = {"conversation_id": "any"}, {"If-None-Match": "*"}
    for expected in ("miss", "hit", "hit"):
        known = messaging_server.request("GET", _PATH, params=params, headers=any_etag)
        assert (known.status_code, known.content, known.headers["x-cache"]) == (304, b"", expected)
        assert known.headers["etag"].startswith('W/"')
    # What cannot be kept has no name, and what fails is no answer.
    clock = {**params, "q": "SELECT now() AS n FROM _"}
    assert messaging_server.request("GET", _PATH, params=clock, headers=any_etag).status_code == 200
    broken = {**params, "limit": "ten"}
    assert messaging_server.request("GET", _PATH, params=broken, headers=any_etag).status_code == 400
    # A POST is no question about an answer.
    etag = _get(messaging_server, "any").headers["etag"]
    for tag in ("*", etag):
        posted = messaging_server.request("POST", _PATH, data=params, headers={"If-None-Match": tag})
        assert (posted.status_code, len(posted.json()["data"])) == (200, 1)


def test_a_known_answer_to_a_statement_is_not_sent_again(messaging_server: RunningServer) -> None:
    statement = "SELECT count() FROM messages WHERE conversation_id = 'statement'"
    params = {"q": f"{statement} -- once"}
    etag = messaging_server.request("GET", "/v0/sql", params=params).headers["etag"]
    for tag in (etag, "*"):
        # With another way of writing the URL, so that it is no repeat.
        path = f"/v0/sql?from={'tag' if tag == etag else 'any'}"
        known = messaging_server.request("GET", path, params=params, headers={"If-None-Match": tag})
        assert (known.status_code, known.content, known.headers["etag"]) == (304, b"", etag)
    messaging_server.send(_event("statement"))
    changed = messaging_server.request("GET", "/v0/sql", params=params, headers={"If-None-Match": etag})
    assert (changed.status_code, changed.text) == (200, "1\n")


def test_a_token_without_the_right_gets_no_cached_answer(messaging_server: RunningServer) -> None:
    messaging_server.send(_event("mine"))
    etag = _get(messaging_server, "mine").headers["etag"]
    token = messaging_server.tokens()["messaging_append"]
    headers = {"If-None-Match": etag}
    response = messaging_server.request("GET", _PATH, params={"conversation_id": "mine"}, token=token, headers=headers)
    assert response.status_code == 403


def test_equal_questions_at_the_same_time_share_one_query(messaging_server: RunningServer) -> None:
    slow = "SELECT sum(cityHash64(number)) AS n FROM numbers(300000000) WHERE (SELECT count() FROM _) > 0"
    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(lambda _: _get(messaging_server, "shared", q=slow), range(6)))
    assert len({answer.content for answer in answers}) == 1


def test_an_endpoint_with_a_cache_answers_the_same_for_so_many_seconds_whatever_changes(
    module_server: RunningServer,
) -> None:
    server = module_server
    files = {"events.datasource": "SCHEMA >\n    n UInt8 `json:$.n`\n"}
    for name, cache in {"an_hour": "CACHE 3600", "a_second": "CACHE 1", "none": "CACHE 0"}.items():
        sql = "%\n    SELECT count() AS rows, generateUUIDv4() AS answer FROM events WHERE n >= {{UInt8(least, 0)}}"
        files[f"{name}.pipe"] = f"NODE out\nSQL >\n    {sql}\nTYPE endpoint\n{cache}\n"
    answered = server.deploy(files)
    assert answered.status_code == 200, answered.text

    def answer(name: str, **params: str) -> tuple[str, str]:
        response = server.request("GET", f"/v0/pipes/{name}.json", params=params)
        return response.headers["x-cache"], response.json()["data"][0]["answer"]

    firsts = {least: answer("an_hour", least=least) for least in "01234"}
    assert {status for status, _ in firsts.values()} == {"miss"}
    assert len({found for _, found in firsts.values()}) == 5
    server.send('{"n": 9}', name="events")
    assert {least: answer("an_hour", least=least) for least in "01234"} == {
        least: ("hit", found) for least, (_, found) in firsts.items()
    }
    assert answer("none")[0] == answer("none")[0] == "bypass"
    first = answer("a_second")[1]
    end = time.monotonic() + 30
    while answer("a_second")[1] == first and time.monotonic() < end:
        time.sleep(0.1)
    assert answer("a_second")[1] != first
