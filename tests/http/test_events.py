"""The Events API: exact counts, rows that do not fit in the quarantine, refusals that say why."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from typing import Any

import pytest
import zstandard
from tests.conftest import RunningServer

_MESSAGE = {
    "message_id": "m1",
    "sender_id": "a",
    "recipient_id": "b",
    "conversation_id": "c",
    "message_type": "text",
    "message_content": "Grüße 🐦 \u2028 \\ ' \" \t",
    "timestamp": "2023-05-15 14:30:00",
    "read": 1,
    "attachments": ["a.png", "ü"],
    "character_count": 4294967295,
}


def _event(**changes: Any) -> str:
    return json.dumps({**_MESSAGE, **changes}, ensure_ascii=False)


def _stored(server: RunningServer, conversation: str) -> list[dict[str, Any]]:
    return server.sql(f"SELECT * FROM messages WHERE conversation_id = '{conversation}' ORDER BY message_id")


def _quarantined(server: RunningServer, message_id: str) -> dict[str, Any]:
    condition = f"position(c__raw, '{message_id}') > 0"
    (row,) = server.sql(f"SELECT * FROM messages_quarantine WHERE {condition}")
    return row


def test_an_event_with_wait_is_stored_as_it_was_sent(messaging_server: RunningServer) -> None:
    event = {**_MESSAGE, "conversation_id": "as-sent"}
    response = messaging_server.send(json.dumps(event))
    assert response.status_code == 200
    assert response.json() == {"successful_rows": 1, "quarantined_rows": 0}
    assert _stored(messaging_server, "as-sent") == [event]


def test_an_event_without_wait_is_accepted_and_comes_soon(messaging_server: RunningServer) -> None:
    response = messaging_server.send(_event(conversation_id="soon"), wait=False)
    assert response.status_code == 202
    assert response.json() == {"successful_rows": 1, "quarantined_rows": 0}
    # The next event with wait is committed after the first, so nothing has to be polled.
    messaging_server.send(_event(conversation_id="soon", message_id="m2"))
    assert len(_stored(messaging_server, "soon")) == 2


def test_a_data_source_answers_to_its_id(messaging_server: RunningServer) -> None:
    assert messaging_server.send(_event(conversation_id="by-id"), name="messages").status_code == 200


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_compressed_bodies_are_taken(messaging_server: RunningServer, encoding: str) -> None:
    rows = "\n".join(_event(conversation_id=encoding, message_id=f"m{number}") for number in range(100)).encode()
    body = gzip.compress(rows) if encoding == "gzip" else zstandard.compress(rows)
    response = messaging_server.send(body, headers={"Content-Encoding": encoding})
    assert response.json() == {"successful_rows": 100, "quarantined_rows": 0}
    assert len(_stored(messaging_server, encoding)) == 100


def test_a_single_document_may_span_lines(messaging_server: RunningServer) -> None:
    body = json.dumps({**_MESSAGE, "conversation_id": "lines"}, indent=2)
    response = messaging_server.send(body, params={"format": "json"})
    assert response.json() == {"successful_rows": 1, "quarantined_rows": 0}


def test_a_form_content_type_and_a_token_in_the_url_work(messaging_server: RunningServer) -> None:
    response = messaging_server.client.post(
        "/v0/events",
        params={"name": "messages", "token": messaging_server.token, "wait": "true"},
        content=_event(conversation_id="form"),
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    assert response.json() == {"successful_rows": 1, "quarantined_rows": 0}


@pytest.mark.parametrize(
    "name", [{"headers": {"Idempotency-Key": "k"}}, {"params": {"idempotency_key": "k"}}], ids=["header", "parameter"]
)
def test_a_request_that_is_sent_again_under_its_key_counts_once(
    messaging_server: RunningServer, name: dict[str, Any]
) -> None:
    conversation = f"again-{next(iter(name))}"
    body = _event(conversation_id=conversation)
    name = {kind: dict.fromkeys(values, conversation) for kind, values in name.items()}
    first, second = (messaging_server.send(body, **name) for _ in range(2))
    assert first.json() == second.json() == {"successful_rows": 1, "quarantined_rows": 0}
    assert "idempotency-replayed" not in first.headers
    assert second.headers["idempotency-replayed"] == "true"
    assert len(_stored(messaging_server, conversation)) == 1
    other = messaging_server.send(_event(), **name)
    assert (other.status_code, other.json()["code"]) == (409, "SC632")


def test_a_key_that_is_too_long_is_refused(messaging_server: RunningServer) -> None:
    response = messaging_server.send(_event(), headers={"Idempotency-Key": "k" * 256})
    assert (response.status_code, response.json()["code"]) == (400, "SC931")


_REASONS: Mapping[str, tuple[dict[str, Any], str]] = {
    "null": ({"character_count": None}, "character_count"),
    "overflow": ({"character_count": 4294967296}, "character_count"),
    "negative": ({"read": -1}, "read"),
    "wrong-type": ({"read": "yes"}, "read"),
    "array-of-objects": ({"attachments": "none"}, "attachments"),
    "bad-date": ({"timestamp": "yesterday"}, "timestamp"),
    "year-1969": ({"timestamp": "1969-12-31 23:59:59"}, "timestamp"),
    "empty": ({"timestamp": ""}, "timestamp"),
}


@pytest.mark.parametrize("case", _REASONS)
def test_a_row_that_does_not_fit_is_quarantined_with_its_reason(messaging_server: RunningServer, case: str) -> None:
    changes, column = _REASONS[case]
    rows = "\n".join([_event(conversation_id=case), _event(message_id=f"bad-{case}", conversation_id=case, **changes)])
    response = messaging_server.send(rows)
    assert response.status_code == 200
    assert response.json() == {"successful_rows": 1, "quarantined_rows": 1}
    row = _quarantined(messaging_server, f"bad-{case}")
    assert row["c__error_column"] == [column]
    assert column in row["c__error"][0]
    assert len(_stored(messaging_server, case)) == 1


def test_a_missing_key_is_quarantined(messaging_server: RunningServer) -> None:
    event = {key: value for key, value in _MESSAGE.items() if key != "timestamp"} | {"message_id": "bad-missing"}
    assert messaging_server.send(json.dumps(event)).json() == {"successful_rows": 0, "quarantined_rows": 1}
    assert _quarantined(messaging_server, "bad-missing")["c__error_column"] == ["timestamp"]


def test_a_broken_line_leaves_its_neighbours_alone(messaging_server: RunningServer) -> None:
    lines = [_event(conversation_id="broken"), '{"message_id": "bad-json", ', _event(conversation_id="broken")]
    assert messaging_server.send("\n".join(lines)).json() == {"successful_rows": 2, "quarantined_rows": 1}
    assert len(_stored(messaging_server, "broken")) == 2
    assert _quarantined(messaging_server, "bad-json")["c__error"]


def test_bytes_that_are_no_utf8_leave_their_neighbours_alone(messaging_server: RunningServer) -> None:
    good = _event(conversation_id="utf8").encode()
    bad = _event(message_id="bad-utf8", conversation_id="utf8").encode().replace("Grüße".encode(), b"Gr\xfc\xdfe")
    response = messaging_server.send(b"\n".join([good, bad, good]))
    assert response.json() == {"successful_rows": 2, "quarantined_rows": 1}
    assert len(_stored(messaging_server, "utf8")) == 2
    assert _quarantined(messaging_server, "bad-utf8")["c__error"]


@pytest.mark.parametrize("body", ["", "\n", "\r\n\n  \n"])
def test_a_body_without_rows_counts_none(messaging_server: RunningServer, body: str) -> None:
    assert messaging_server.send(body).json() == {"successful_rows": 0, "quarantined_rows": 0}


def test_a_missing_name_is_refused(messaging_server: RunningServer) -> None:
    response = messaging_server.request("POST", "/v0/events", content=_event())
    assert response.status_code == 400
    assert "'name' is missing" in response.json()["error"]


def test_an_unknown_data_source_is_refused(messaging_server: RunningServer) -> None:
    response = messaging_server.send(_event(), name="mesages")
    assert response.status_code == 404
    assert response.json()["error"] == 'Data Source "mesages" does not exist'


@pytest.mark.parametrize("params", [{"wait": "maybe"}, {"format": "xml"}])
def test_an_unknown_option_is_refused(messaging_server: RunningServer, params: dict[str, str]) -> None:
    response = messaging_server.send(_event(), params=params)
    assert response.status_code == 400


def test_a_body_over_the_limit_is_refused(messaging_server: RunningServer) -> None:
    response = messaging_server.send(b" " * 100_000_001)
    assert response.status_code == 413
    assert "larger than 100000000 bytes" in response.json()["error"]


def test_a_body_that_inflates_over_the_limit_is_refused(messaging_server: RunningServer) -> None:
    response = messaging_server.send(gzip.compress(bytes(100_000_001)), headers={"Content-Encoding": "gzip"})
    assert response.status_code == 413


def test_a_body_that_is_not_its_encoding_is_refused(messaging_server: RunningServer) -> None:
    response = messaging_server.send(_event(), headers={"Content-Encoding": "gzip"})
    assert response.status_code == 400
    assert "not valid gzip" in response.json()["error"]


def test_an_event_that_spans_lines_is_one_event(messaging_server: RunningServer) -> None:
    body = json.dumps({**_MESSAGE, "conversation_id": "pretty"}, indent=4)
    assert messaging_server.send(body).json() == {"successful_rows": 1, "quarantined_rows": 0}
    assert len(_stored(messaging_server, "pretty")) == 1
