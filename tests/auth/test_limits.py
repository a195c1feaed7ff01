"""A token may make so many requests a second, whatever others do."""

from __future__ import annotations

import pytest

from stonechat.auth.limits import Allowance, RateLimit, RateLimited


class _Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_second_holds_so_many_requests_and_refills_steadily() -> None:
    clock = _Clock()
    limit = RateLimit(5, clock)
    for _ in range(5):
        limit.take("a")
    with pytest.raises(RateLimited, match="more than 5 requests per second") as caught:
        limit.take("a")
    assert caught.value.retry_after == 1
    clock.now += 0.2
    limit.take("a")
    with pytest.raises(RateLimited):
        limit.take("a")


def test_waiting_long_saves_up_no_more_than_a_second() -> None:
    clock = _Clock()
    limit = RateLimit(3, clock)
    limit.take("a")
    clock.now += 1000
    for _ in range(3):
        limit.take("a")
    with pytest.raises(RateLimited):
        limit.take("a")


def test_a_request_that_is_counted_again_can_be_forgotten() -> None:
    limit = RateLimit(2, _Clock())
    for _ in range(5):
        limit.take("a")
        limit.put_back("a")
    limit.put_back("other")
    for _ in range(2):
        limit.take("a")
    with pytest.raises(RateLimited):
        limit.take("a")


def test_tokens_do_not_share_a_bucket() -> None:
    limit = RateLimit(1, _Clock())
    limit.take("a")
    limit.take("b")
    for token in ("a", "b"):
        with pytest.raises(RateLimited):
            limit.take(token)


def test_less_than_one_a_second_is_possible() -> None:
    clock = _Clock()
    limit = RateLimit(0.1, clock)
    limit.take("a")
    with pytest.raises(RateLimited) as caught:
        limit.take("a")
    assert caught.value.retry_after == 10
    clock.now += 10
    limit.take("a")


def test_zero_is_no_limit() -> None:
    limit = RateLimit(0, _Clock())
    assert [limit.take("a") for _ in range(1000)] == [None] * 1000


def test_a_lower_limit_of_its_own_holds_for_a_token_alone() -> None:
    limit = RateLimit(3, _Clock())
    limit.take("a", 1)
    with pytest.raises(RateLimited, match="more than 1 requests"):
        limit.take("a", 1)
    assert limit.take("b", 100) == Allowance(limit=3, remaining=2, reset=1)


def test_what_is_left_is_told_and_when_it_is_all_back() -> None:
    clock = _Clock()
    limit = RateLimit(0, clock)
    assert limit.take("a", 4) == Allowance(limit=4, remaining=3, reset=1)
    assert limit.take("a", 0.1) == Allowance(limit=0.1, remaining=0, reset=10)
    assert limit.take("b") is None
    with pytest.raises(RateLimited) as caught:
        limit.take("a", 0.1)
    assert caught.value.allowance == Allowance(limit=0.1, remaining=0, reset=10)


def test_many_tokens_take_bounded_memory() -> None:
    limit = RateLimit(1, _Clock())
    for number in range(30_000):
        limit.take(str(number))
    assert len(limit._buckets) <= 10_000
    with pytest.raises(RateLimited):
        limit.take("29999")
