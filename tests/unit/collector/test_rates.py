"""Rate limits: never more than was promised, and never more memory than was promised."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.collector.domain.rates import Rate, RateLimit

NOW = 1_800_000_000_000


@given(
    st.lists(st.integers(0, 700), max_size=150),
    st.sampled_from([0.5, 1.0, 10.0]),
    st.integers(1, 20),
)
def test_no_stretch_of_time_holds_more_than_burst_and_rate(steps: list[int], per_s: float, burst: int) -> None:
    limit, now, passed = RateLimit(Rate(per_s, burst), 10), NOW, []
    for step in steps:
        now += step
        wait = limit.wait_ms("a", now)
        if wait:
            assert limit.wait_ms("a", now + wait - 2) != 0 or wait <= 2  # not told to wait longer than needed
        else:
            passed.append(now)
    for first in range(len(passed)):
        for last in range(first, len(passed)):
            assert last - first + 1 <= burst + (passed[last] - passed[first]) * per_s / 1000 + 1e-6


def test_who_waits_as_told_is_let_in() -> None:
    limit = RateLimit(Rate(0.5, 2), 10)
    assert [limit.wait_ms("a", NOW) for _ in range(2)] == [0, 0]
    wait = limit.wait_ms("a", NOW)
    assert 1990 <= wait <= 2001
    assert limit.wait_ms("a", NOW + 1999) > 0
    assert limit.wait_ms("a", NOW + wait) == 0


def test_keys_do_not_share_a_budget() -> None:
    limit = RateLimit(Rate(1, 1), 10)
    assert [limit.wait_ms(key, NOW) for key in "abc"] == [0, 0, 0]


def test_a_flood_of_keys_is_forgotten_not_kept() -> None:
    limit = RateLimit(Rate(1, 1), 100)
    for number in range(10_000):
        limit.wait_ms(str(number), NOW)
        assert len(limit) <= 200


def test_a_busy_key_survives_a_change_of_generation() -> None:
    limit = RateLimit(Rate(0.001, 1), 10)
    assert limit.wait_ms("busy", NOW) == 0
    for number in range(10):
        limit.wait_ms(str(number), NOW)
    assert limit.wait_ms("busy", NOW) > 0
