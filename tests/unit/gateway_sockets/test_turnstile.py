"""How fast connections are let in."""

from __future__ import annotations

import pytest

from services.operator_gateway.sockets.turnstile import BURST, COME_BACK_S, MOST_WAIT_S, Turnstile


def test_a_few_come_in_at_once_and_the_next_ones_one_after_the_other() -> None:
    turnstile = Turnstile(10)
    waits = [turnstile.wait_s(100.0) for _ in range(BURST + 3)]
    assert waits[:BURST] == [0.0] * BURST
    assert waits[BURST:] == pytest.approx([0.1, 0.2, 0.3])


def test_who_would_wait_too_long_takes_no_place_and_is_told_when_to_come() -> None:
    turnstile = Turnstile(10)
    while turnstile.wait_s(100.0) is not None:
        pass
    assert turnstile.wait_s(100.0) is None
    assert turnstile.come_back_s(100.0) == COME_BACK_S
    assert turnstile.wait_s(100.2) == pytest.approx(MOST_WAIT_S, abs=0.11)


def test_in_each_second_no_more_than_the_rate_get_in() -> None:
    turnstile = Turnstile(50)
    came = sorted(
        start + wait for start in (0.0, 1.0, 2.5) for _ in range(400) if (wait := turnstile.wait_s(start)) is not None
    )
    for at in came:
        assert sum(at <= other < at + 1 for other in came) <= BURST + 50 + 1
