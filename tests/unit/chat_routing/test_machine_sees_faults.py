"""Each invariant of the floor's state machine goes red when the domain is broken on purpose."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from msgspec.structs import replace

from services.chat_routing.domain import conversation, events_of_time, floor, intake, moves, queue, visitor_side
from services.chat_routing.domain.turn import Turn
from tests.unit.chat_routing.test_floor_machine import FloorMachine

SEARCH = settings(
    max_examples=4_000,  # the first that fails ends the search: some hundreds for the rarest
    stateful_step_count=40,
    deadline=None,
    database=None,
    phases=(Phase.generate,),
    suppress_health_check=list(HealthCheck),
)
Patch = Callable[[pytest.MonkeyPatch], None]


def slots_leak(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(floor, "holders", lambda _phase: frozenset())


def a_leaver_keeps_the_seat(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(events_of_time, "give_up_seat", lambda turn, *_: turn)
    patch.setattr(conversation, "give_up_seat", lambda turn, *_: turn)


def a_lost_owner_stays(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(events_of_time, "_owner_lost", lambda turn, *_: turn)


def the_queue_is_upside_down(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(queue, "_place", lambda engagement: (True, -engagement.requested_ms, engagement.visitor))


def a_line_is_skipped(patch: pytest.MonkeyPatch) -> None:
    true = Turn.say

    def say(self: Turn, *args: Any, **fields: Any) -> Turn:
        return true(self.set(seq=self.state.seq + 1), *args, **fields)

    patch.setattr(Turn, "say", say)


def clocks_run_backwards(patch: pytest.MonkeyPatch) -> None:
    true = moves.engage
    patch.setattr(intake, "engage", lambda turn, agent: true(turn, agent).set(engaged_ms=1))


def chats_belong_to_somebody_else(patch: pytest.MonkeyPatch) -> None:
    true = moves.new_chat

    def new_chat(engagement: Any, desk: Any) -> dict[str, Any]:
        return true(replace(engagement, visitor="v1"), desk)

    patch.setattr(visitor_side, "new_chat", new_chat)


def an_offer_is_not_taken_back(patch: pytest.MonkeyPatch) -> None:
    true = Turn._offer_changes

    def changes(self: Turn, after: Any) -> Any:
        return [one for one in true(self, after) if type(one).__name__ != "OfferGone"]

    patch.setattr(Turn, "_offer_changes", changes)


def nobody_is_asked(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(floor, "choose", lambda *_: None)


@pytest.mark.parametrize(
    "broken",
    [
        slots_leak,
        a_leaver_keeps_the_seat,
        a_lost_owner_stays,
        the_queue_is_upside_down,
        a_line_is_skipped,
        clocks_run_backwards,
        chats_belong_to_somebody_else,
        an_offer_is_not_taken_back,
        nobody_is_asked,
    ],
    ids=lambda patch: patch.__name__,
)
def test_the_machine_finds_a_fault(broken: Patch, monkeypatch: pytest.MonkeyPatch) -> None:
    broken(monkeypatch)
    with pytest.raises((AssertionError, KeyError)):
        run_state_machine_as_test(FloorMachine, settings=SEARCH)
