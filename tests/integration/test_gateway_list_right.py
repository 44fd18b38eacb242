"""Whatever happens between Redis, two gateways and their consoles: every window is the oracle's."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import msgspec
import pytest

from shared.contracts.sites import Skill
from shared.contracts.streams import LogEntry, encode
from shared.storage import keys
from shared.storage.clients import Clients
from shared.storage.directory_store import Written
from tests.eventually import eventually
from tests.list_world import EVERYBODY, Market, Watcher, market
from tests.live_rig import Rig, gateway, visitor_id

MOUNTS = ("socket.io", "socket.io-msgpack")
WITHIN_S = 60.0  # for the hopeless case, on a loaded machine


@pytest.fixture(autouse=True)
def often_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.operator_gateway.live.sites.CHECK_EVERY_S", 0.2)


@pytest.fixture
async def pair(clients: Clients, redis_url: str, tmp_path: Path) -> AsyncIterator[tuple[Rig, Rig]]:
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(gateway(clients, redis_url, tmp_path))
        yield one, await stack.enter_async_context(gateway(clients, redis_url, tmp_path))


async def watchers(pair: tuple[Rig, Rig], place: Market, seed: int) -> list[Watcher]:
    """One for each gateway and parser; an operator has at most 20 sockets, and broken ones are noticed a bit later."""
    found = []
    for number, (rig, mount) in enumerate((rig, mount) for rig in pair for mount in MOUNTS):
        operator = await pair[0].operator(place)
        await pair[1].seen()
        watcher = Watcher(place, operator, mount, seed * 10 + number)
        await watcher.arrive(rig)
        found.append(watcher)
    return found


async def storm(pair: tuple[Rig, Rig], place: Market, consoles: list[Watcher], seed: int, steps: int = 120) -> None:
    """Much happens while the consoles come and go."""
    dice = random.Random(seed)
    for _ in range(steps):
        await place.something()
        if dice.random() < 0.12:
            await dice.choice(consoles).wander(pair)


async def all_right(consoles: list[Watcher]) -> None:
    """Every console shows the oracle's window, and the gateway's checksum of it agrees."""
    for watcher in consoles:
        await eventually(watcher.right, within_s=WITHIN_S)
    before = [watcher.good_checks for watcher in consoles]
    for watcher, checks in zip(consoles, before, strict=True):
        await eventually(partial(_checked_again, watcher, checks), within_s=WITHIN_S)
        assert watcher.right()
        assert watcher.complaints == []
        await watcher.break_off()


def _checked_again(watcher: Watcher, checks: int) -> bool:
    return watcher.good_checks > checks


def settle_down(consoles: list[Watcher]) -> None:
    for watcher in consoles:
        watcher.faulty = False


@pytest.mark.parametrize("seed", range(5))
async def test_every_console_ends_with_the_oracles_window(pair: tuple[Rig, Rig], seed: int) -> None:
    place = await market(pair[0], seed)
    consoles = await watchers(pair, place, seed)
    await storm(pair, place, consoles, seed)
    settle_down(consoles)
    await place.calm()
    await all_right(consoles)


@pytest.mark.parametrize("seed", range(2))
async def test_data_of_another_life_is_noticed_on_both_gateways(pair: tuple[Rig, Rig], seed: int) -> None:
    place = await market(pair[0], seed)
    consoles = await watchers(pair, place, seed)
    await storm(pair, place, consoles, seed, 40)
    await place.lose_data()
    await storm(pair, place, consoles, seed + 100, 40)
    settle_down(consoles)
    await place.calm()
    await all_right(consoles)


async def test_rules_that_change_on_the_way_from_one_gateway_to_the_other_are_seen(pair: tuple[Rig, Rig]) -> None:
    """The other gateway reads the site only after the change, so nothing ever changed there."""
    one, other = pair
    place = await market(one, 1)
    [watcher, *_] = consoles = [Watcher(place, await one.operator(place), mount, 1, EVERYBODY) for mount in MOUNTS]
    settle_down(consoles)
    for console in consoles:
        await console.arrive(one)
        await eventually(console.right, within_s=WITHIN_S)
        await console.break_off()
    before = watcher.view.epoch
    skills = (Skill("sales", "Sales"), Skill("general", "General"), Skill("wine", "Wine"))
    await one.store.update_site(
        place.site, lambda old: msgspec.structs.replace(old, skills=skills, rules=(), default_skill="wine")
    )
    for rig in pair:
        await rig.seen()
    for console in consoles:
        await console.arrive(other)
        assert {row["skill"] for row in console.view.rows if row["status"] == "navigating"} <= {"wine"}
        assert console.view.epoch != before
    again = Watcher(place, await one.operator(place), MOUNTS[0], 1, EVERYBODY)
    await again.arrive(one)
    assert again.view.epoch == watcher.view.epoch, "the same configuration has the same name on both"


async def test_a_site_whose_last_change_was_trimmed_unread_is_read_again(
    pair: tuple[Rig, Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing more happens on that site, so no number is ever missing: the stream itself tells."""
    monkeypatch.setattr("shared.storage.log.TAIL_BATCH", 2)
    place = await market(pair[0], 1)
    await place.visit(1, title="Before")
    consoles = [Watcher(place, await pair[0].operator(place), mount, 1, EVERYBODY) for mount in MOUNTS]
    settle_down(consoles)
    for watcher, rig in zip(consoles, pair, strict=True):
        await rig.seen()
        await watcher.arrive(rig)
    await place.visit(1, log=False, title="After")
    # What other sites of the partition write takes the place of the entry before anybody has read it.
    stream = keys.stream("log", pair[0].partitions.of(place.site))
    others = encode(LogEntry("presence", ()))
    script = (
        "for _ = 1, 4 do redis.call('XADD', KEYS[1], '*', 'd', ARGV[1]) end return redis.call('XTRIM', KEYS[1], "
        "'MAXLEN', 2)"
    )
    await pair[0].clients.call("EVAL", script, 1, stream, others)
    await all_right(consoles)


async def test_after_a_flush_of_everything_the_list_is_right_again(pair: tuple[Rig, Rig]) -> None:
    """Sites, operators and logins are gone, too: whoever is made anew sees what there is, and nothing of before."""
    place = await market(pair[0], 1)
    consoles = await watchers(pair, place, 1)
    settle_down(consoles)
    await pair[0].clients.call("FLUSHALL")
    for watcher in consoles:
        await eventually(lambda watcher=watcher: watcher.resets, within_s=WITHIN_S)  # type: ignore[misc]
        await watcher.break_off()
    written = await pair[0].store.create_site(place.record)
    assert isinstance(written, Written)
    for rig in pair:
        await rig.seen()
    await place.lose_data()
    await place.visit(1, title="New")
    fresh = await watchers(pair, place, 2)
    settle_down(fresh)
    await all_right(fresh)
    assert not any(visitor_id(2) in {row["visitor"] for row in watcher.view.rows} for watcher in fresh)


async def test_what_is_asked_while_a_site_is_read_again_is_answered_right(
    pair: tuple[Rig, Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every change is lost on its way, so both gateways read the site again and again while consoles come and go."""
    monkeypatch.setattr("shared.storage.snapshots.SLICE", 5)
    place = await market(pair[0], 3)
    consoles = await watchers(pair, place, 3)

    async def happen() -> None:
        for step in range(60):
            await place.visit(1 + step % 39, log=step % 4 == 0, pages=1 + step % 5)

    happening = asyncio.create_task(happen())
    for step in range(16):
        await consoles[step % 4].wander(pair)
    await happening
    settle_down(consoles)
    await place.calm()
    await all_right(consoles)
