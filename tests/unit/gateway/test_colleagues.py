"""Operators' states as told to those who connect: nothing falls between what is read and what is heard."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from services.operator_gateway.live import colleagues as module
from services.operator_gateway.live.colleagues import Colleagues
from shared.contracts.sites import Membership
from shared.contracts.streams import OperatorChanged
from shared.domain.partitions import Partitions
from shared.storage.faults import Unavailable
from tests.eventually import eventually

SITE = "s_00000001"
PARTITIONS = Partitions(4)


class Console:
    """A connection that keeps what it is told."""

    def __init__(self) -> None:
        self.open = True
        self.told: list[tuple[str, str, int]] = []

    def membership(self, site: str) -> Membership:
        return Membership(site=site)

    def emit(self, event: Any) -> None:
        name, told = json.loads(event.message("json").packet[1:])
        assert (name, told["sites"]) == ("operator:changed", [SITE])
        self.told.append((told["operator"], told["state"], told["chats"]))


class World:
    """Connections, feed and stored states in one."""

    def __init__(self, *consoles: Console) -> None:
        self.consoles = consoles
        self.sites = frozenset({SITE})
        self.standing = asyncio.Event()
        self.stored: list[OperatorChanged] = []
        self.answer = asyncio.Event()
        self.answer.set()
        self.reads = 0
        self.faults = 0

    def of_site(self, _site: str) -> tuple[Console, ...]:
        return self.consoles

    async def followed(self, _site: str) -> None:
        await self.standing.wait()

    async def operators(self, _site: str) -> list[OperatorChanged]:
        self.reads += 1
        if self.faults:
            self.faults -= 1
            raise Unavailable("away")
        found = list(self.stored)
        await self.answer.wait()
        return found


def built(world: World) -> Colleagues:
    parts: Any = world
    return Colleagues(parts, parts, parts, PARTITIONS)


def state(operator: str, what: Any, chats: int = 0) -> OperatorChanged:
    return OperatorChanged(SITE, operator, operator, what, chats, 1)


async def test_states_are_read_only_once_changes_are_heard() -> None:
    console: Any = Console()
    world = World(console)
    colleagues = built(world)
    colleagues.tell(console, (SITE,))
    await asyncio.sleep(0)
    assert world.reads == 0
    world.stored = [state("o_ada1", "online", 2)]  # between the connection and the standing of the tail
    world.standing.set()
    await eventually(lambda: console.told == [("o_ada1", "online", 2)])
    await colleagues.close()


async def test_news_that_come_during_the_reading_are_not_overwritten() -> None:
    console: Any = Console()
    world = World(console)
    world.standing.set()
    world.answer.clear()
    world.stored = [state("o_ada1", "online", 1), state("o_bob1", "away")]
    colleagues = built(world)
    colleagues.tell(console, (SITE,))
    await eventually(lambda: world.reads)
    colleagues.changed(state("o_ada1", "online", 2))
    world.answer.set()
    await eventually(lambda: len(console.told) == 2)
    assert console.told == [("o_ada1", "online", 2), ("o_bob1", "away", 0)]
    await colleagues.close()


async def test_states_that_cannot_be_read_are_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_S", 0.01)
    console: Any = Console()
    world = World(console)
    world.standing.set()
    world.stored, world.faults = [state("o_ada1", "online")], 2
    colleagues = built(world)
    colleagues.tell(console, (SITE,))
    await eventually(lambda: console.told == [("o_ada1", "online", 0)])
    await colleagues.close()


async def test_offline_is_told_after_a_gap_and_not_on_connecting() -> None:
    console: Any = Console()
    world = World(console)
    world.standing.set()
    world.stored = [state("o_ada1", "online"), state("o_bob1", "offline")]
    colleagues = built(world)
    colleagues.tell(console, (SITE,))
    await eventually(lambda: console.told == [("o_ada1", "online", 0)])
    world.stored = [state("o_ada1", "offline"), state("o_bob1", "offline")]
    colleagues.reset(PARTITIONS.of(SITE))
    await eventually(lambda: console.told[1:] == [("o_ada1", "offline", 0), ("o_bob1", "offline", 0)])
    await colleagues.close()


async def test_nobody_waits_for_readings_at_the_end() -> None:
    console: Any = Console()
    colleagues = built(World(console))
    colleagues.tell(console, (SITE,))
    await colleagues.close()
    assert console.told == []
