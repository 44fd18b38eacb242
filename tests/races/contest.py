"""How a race is run: many rounds in several lanes at once, started so closely together that either side may win.

Two commands that leave at the same moment need not arrive so: one way may be longer. So each lane has a
:class:`Start`, which sends one side a little earlier or later than the other and learns from every round: whoever won
starts later the next time. Read :func:`contest`.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

from tests.races.judge import no_other_chats
from tests.races.stage import Lane

ROUNDS = int(os.environ.get("ROUNDS", "20"))
AT_MOST = 20  # times as many, until both sides have won: beyond it, it is no race
STEP_S = 0.002
MAX_STEP_S = 0.2

T = TypeVar("T")
U = TypeVar("U")


@dataclass
class Start:
    """When the two sides start: `lead_s` is by how much the first one does so earlier (less than 0: later)."""

    lead_s: float = 0.0
    step_s: float = STEP_S
    last: int = 0

    def learn(self, winner: int) -> None:
        """1: the first side won, -1: the second one did. Winning again makes bigger steps, losing smaller ones."""
        self.step_s = min(MAX_STEP_S, self.step_s * 1.5) if winner == self.last else max(STEP_S, self.step_s / 2)
        self.last = winner
        self.lead_s -= winner * self.step_s * random.uniform(0.5, 1.5)

    async def together(self, first: Coroutine[Any, Any, T], second: Coroutine[Any, Any, U]) -> tuple[T, U]:
        """Both, at their times."""
        jitter = random.uniform(-STEP_S, STEP_S)
        return await asyncio.gather(
            _after(max(0.0, -self.lead_s + jitter), first), _after(max(0.0, self.lead_s + jitter), second)
        )


async def _after(delay_s: float, doing: Coroutine[Any, Any, T]) -> T:
    if delay_s:
        await asyncio.sleep(delay_s)
    return await doing


@dataclass
class Tally:
    """What came of a race: rounds by outcome, and how many commands had to be sent again."""

    name: str
    outcomes: Counter[str] = field(default_factory=Counter)
    repeats: int = 0

    @property
    def rounds(self) -> int:
        """How many were run."""
        return self.outcomes.total()


TALLIES: list[Tally] = []  # of this run, shown at its end
# One round in one lane: what happened, and who won (1 the first side, -1 the second, 0 neither).
Play = Callable[[Lane, Start], Awaitable[tuple[str, int]]]


async def contest(name: str, lanes: list[Lane], play: Play, wanted: set[str], lead_s: float = 0.0) -> Tally:
    """Run the rounds. All outcomes in `wanted` must occur, and no others; the rounds go on until they have."""
    tally = Tally(name)
    TALLIES.append(tally)
    begun = 0

    def going_on() -> bool:
        return begun < ROUNDS or (begun < ROUNDS * AT_MOST and not wanted <= tally.outcomes.keys())

    async def run(lane: Lane) -> None:
        nonlocal begun
        start = Start(lead_s)
        while going_on():
            begun += 1
            lane.rounds += 1
            outcome, winner = await play(lane, start)
            tally.outcomes[outcome] += 1
            if winner:
                start.learn(winner)

    async with asyncio.TaskGroup() as group:
        for lane in lanes:
            group.create_task(run(lane))
    for lane in lanes:
        await no_other_chats(lane)
    tally.repeats = sum(lane.repeats for lane in lanes)
    assert tally.outcomes.keys() == wanted, tally
    return tally
