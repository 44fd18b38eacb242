"""Frames that nobody meant on real live channels: each is answered or ends its channel, and nothing of it is kept."""

from __future__ import annotations

import asyncio
import gc
import json
import random
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from services.collector.live.channel import Channel
from shared.storage.clients import Clients
from tests.collector_rig import FIREFOX, ORIGIN, SITE, CollectorRig, batch, collector, event, make_site, new_id
from tests.eventually import eventually

CHANNELS, FRAMES, ROUNDS = 12, 40, 3
ODD: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    2**53,
    1e308,
    "",
    "\x00",
    "\ud800",
    "x" * 5_000,
    [],
    {},
    [[[[[]]]]],
    {"a": {}},
)


@pytest.fixture
async def rig(clients: Clients, redis_url: str) -> AsyncIterator[CollectorRig]:
    await make_site(clients)
    fast: dict[str, Any] = {f"{name}_per_s": 1e9 for name in ("address", "newcomers", "visitor", "site", "chat")}
    async with collector(clients, redis_url, frames_per_s=1e9, **fast) as running:
        yield running


def meant(source: random.Random) -> dict[str, Any]:
    """A message as a tracker or a widget sends it."""
    kinds: tuple[dict[str, Any], ...] = (
        {"type": "hello", "site": SITE, "tab": new_id(), "visitor": new_id()},
        {"type": "events", "sent": 2_000, "events": [event("beat", source.randrange(1, 9))]},
        {"type": "chat.typing", "on": True},
        {"type": "chat.read", "seq": 3},
        {"type": "unknown"},
    )
    return {"id": f"m{source.randrange(1_000)}", **source.choice(kinds)}


def spoiled(source: random.Random) -> str | bytes:
    """A frame: a message with something wrong at a random place, cut, bent, or not one at all."""
    message = meant(source)
    for _ in range(source.randrange(3)):
        message[source.choice([*message, "more"])] = source.choice(ODD)
    text = json.dumps(message, ensure_ascii=source.random() < 0.5).encode(errors="replace").decode()
    match source.randrange(5):
        case 0:
            return text[: source.randrange(len(text))]
        case 1:
            at = source.randrange(len(text))
            return text[:at] + chr(source.randrange(1, 0x300)) + text[at + 1 :]
        case 2:
            return source.randbytes(source.randrange(200))
        case _:
            return text


async def one_channel(rig: CollectorRig, source: random.Random) -> int:
    """Say spoiled things until enough was said or the collector has had enough; how many answers there were."""
    answers = 0
    headers = {"Origin": ORIGIN, "User-Agent": FIREFOX}
    async with rig.session.ws_connect(f"{rig.url}/v1/live", headers=headers) as socket:
        for _ in range(FRAMES):
            frame = spoiled(source)
            try:
                await (socket.send_bytes(frame) if isinstance(frame, bytes) else socket.send_str(frame))
            except (ConnectionError, aiohttp.ClientError):
                break
            async with asyncio.timeout(20):  # everything is answered within 2 s; this is for the hopeless case
                message = await socket.receive()
            if message.type is not aiohttp.WSMsgType.TEXT:
                break
            assert json.loads(message.data)["type"] in ("ok", "error", "close", "status", "invite"), message.data
            answers += 1
    return answers


def kept() -> int:
    """Channels that are still in memory."""
    gc.collect()
    return sum(isinstance(thing, Channel) for thing in gc.get_objects())


@pytest.mark.parametrize("seed", range(2))
async def test_every_frame_is_answered_or_ends_its_channel_and_nothing_stays(rig: CollectorRig, seed: int) -> None:
    source = random.Random(seed)
    for _ in range(ROUNDS):
        sources = [random.Random(source.random()) for _ in range(CHANNELS)]
        answers = await asyncio.gather(*(one_channel(rig, each) for each in sources))
        assert sum(answers) >= 3 * CHANNELS

        async def all_closed() -> bool:
            open_ones = await rig.metric("foyer_collector_live_channels")
            assert (open_ones, kept()) == (0, 0)
            return True

        await eventually(all_closed)
    assert await rig.metric('foyer_collector_inputs_total{channel="live",outcome="internal"}') == 0
    assert (await rig.post(batch())).status == 204
