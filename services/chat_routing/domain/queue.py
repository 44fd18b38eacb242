"""The order in which waiting visitors are served, their places, and how long they may have to wait.

Order per skill: visitors who are back in the queue through no fault of their own first, then by the time of asking.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct

from services.chat_routing.domain.agents import Agent, serving
from services.chat_routing.domain.engagement import Engagement, Requested

RATE_SAMPLES = 20  # pick-ups of a skill that are remembered
RATE_LEAST = 5  # fewer say nothing about the next one
RATE_WINDOW_MS = 30 * 60_000  # what happened longer ago says nothing about now


def ordered(engagements: Iterable[Engagement]) -> list[Engagement]:
    """Those who wait, the next to be served first."""
    return sorted((e for e in engagements if isinstance(e.phase, Requested)), key=_place)


def _place(engagement: Engagement) -> tuple[bool, int, str]:
    phase = engagement.phase
    ordinary = not (isinstance(phase, Requested) and phase.head)
    return ordinary, engagement.requested_ms, engagement.visitor


def note_pickup(pickups: Sequence[int], now_ms: int) -> tuple[int, ...]:
    """The times of the last pick-ups, with one more."""
    return (*pickups, now_ms)[-RATE_SAMPLES:]


class Outlook(Struct, frozen=True):
    """What waiting for one skill is like now: slots that are free, and the time between two pick-ups lately."""

    free: int
    each_ms: float

    def wait_s(self, position: int) -> int:
        """Seconds until the visitor at `position` (from 1) is engaged; who is within the free slots is next."""
        return max(1, round(max(1, position - self.free) * self.each_ms / 1000))


def outlook(agents: Iterable[Agent], skill: str, pickups: Sequence[int], now_ms: int) -> Outlook | None:
    """How the skill's queue moves, or None if it cannot be told: nobody there, or too little has happened lately."""
    able = [agent for agent in serving(agents, skill) if agent.connected]
    recent = [at_ms for at_ms in pickups if at_ms > now_ms - RATE_WINDOW_MS]
    if not able or len(recent) < RATE_LEAST:
        return None
    return Outlook(sum(agent.free for agent in able), (now_ms - recent[0]) / len(recent))
