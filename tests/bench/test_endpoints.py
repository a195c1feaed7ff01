"""The calls of the reads: all different, so that no cache answers them."""

from __future__ import annotations

from bench.endpoints import messaging_calls


def test_no_two_calls_of_an_endpoint_are_the_same() -> None:
    for calls in messaging_calls():
        made = [*calls.take(300), *calls.take(2000)]
        assert len({tuple(call.items()) for call in made}) == 2300


def test_requests_name_the_endpoint_and_its_parameters() -> None:
    by_name = {calls.pipe: calls for calls in messaging_calls()}
    hourly = by_name["hourly_activity"]
    (request,) = hourly.requests(hourly.take(1), "secret")
    path = "/v0/pipes/hourly_activity.json?start_date=2025-10-03+00%3A00%3A00&end_date=2025-10-09+23%3A59%3A59"
    assert request == f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer secret\r\n\r\n".encode()
    (statement,) = by_name[""].requests(by_name[""].take(1), "secret")
    assert statement.startswith(b"GET /v0/sql?q=SELECT+1+AS+one")
