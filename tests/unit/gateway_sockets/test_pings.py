"""Pings of many connections by one timer."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.operator_gateway.sockets.pings import Pings


def test_a_connection_is_pinged_after_the_interval_and_given_up_after_the_timeout() -> None:
    pings: Pings[str] = Pings(25, 20)
    pings.heard("a", 100)
    pings.heard("b", 110)
    assert pings.due(124.9) == ([], [])
    assert pings.due(125) == (["a"], [])
    assert pings.due(144.9) == (["b"], [])
    assert pings.due(145) == ([], ["a"])
    assert pings.due(165) == ([], ["b"])
    assert len(pings) == 0


def test_an_answer_puts_the_next_ping_off_and_who_is_gone_is_not_pinged() -> None:
    pings: Pings[str] = Pings(25, 20)
    pings.heard("a", 100)
    pings.heard("b", 100)
    pings.due(125)
    pings.heard("a", 126)
    pings.forget("b")
    assert pings.due(150) == ([], [])
    assert pings.due(151) == (["a"], [])


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["heard", "gone", "nothing"]), st.integers(0, 9))))
def test_nobody_is_pinged_early_or_forgotten(steps: list[tuple[str, str, int]]) -> None:
    pings: Pings[str] = Pings(10, 5)
    here: dict[str, int] = {}  # since when each was last heard
    asked: dict[str, int] = {}
    now = 0
    for peer, what, passed in steps:
        now += passed
        to_ping, lost = pings.due(now)
        assert set(to_ping) == {one for one, at in here.items() if one not in asked and now - at >= 10}
        assert set(lost) == {one for one, at in asked.items() if now - at >= 5}
        asked |= dict.fromkeys(to_ping, now)
        for one in lost:
            del here[one], asked[one]
        if what != "nothing":
            asked.pop(peer, None)
            here.pop(peer, None)
        if what == "heard":
            here[peer] = now
            pings.heard(peer, now)
        elif what == "gone":
            pings.forget(peer)
        assert len(pings) == len(here)
