"""Acknowledged is durable, and what is not stored is not acknowledged: Redis away, frozen, behind; collector killed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from shared.contracts.streams import TabAttached, TabDetached, TabEvents, decode_in
from shared.domain.partitions import Partitions
from shared.embedded import EmbeddedValkey
from shared.embedded.server import free_port
from shared.storage import keys
from shared.storage.blocks import payloads_in
from shared.storage.clients import Clients, RedisSettings
from tests.collector_rig import (
    FIREFOX,
    ORIGIN,
    SECRET,
    SITE,
    CollectorRig,
    batch,
    collector,
    event,
    make_site,
    new_id,
    pixel_path,
)
from tests.eventually import eventually
from tests.stack import Instance


@asynccontextmanager
async def own_server(folder: Path) -> AsyncIterator[tuple[EmbeddedValkey, Clients]]:
    """A server that this test may stop, with the site in it."""
    with EmbeddedValkey(folder, fsync="always") as server:
        clients = Clients(RedisSettings(server.url))
        await make_site(clients)
        try:
            yield server, clients
        finally:
            await clients.close()


async def is_taken(rig: CollectorRig) -> bool:
    return (await rig.post(batch())).status == 204


async def test_while_redis_is_away_nothing_is_acknowledged_and_afterwards_everything_goes_on(tmp_path: Path) -> None:
    async with own_server(tmp_path) as (server, clients), collector(clients, server.url) as rig:
        assert (await rig.post(batch(event(n=1)))).status == 204
        server.stop()
        refused = await rig.post(batch(event(n=2)))
        assert (refused.status, refused.json["code"]) == (503, "unavailable")
        assert "redis" in (await rig.readiness())["reasons"]
        assert int(refused.headers["Retry-After"]) >= 1
        assert refused.headers["Access-Control-Allow-Origin"] == "*"
        server.start()
        await eventually(lambda: is_taken(rig))
        assert 1 in {entry.events[0].n for entry in await rig.entries() if isinstance(entry, TabEvents)}


async def test_a_frozen_redis_is_answered_503_within_two_seconds(tmp_path: Path) -> None:
    async with own_server(tmp_path) as (server, clients), collector(clients, server.url) as rig:
        assert await is_taken(rig)
        assert server.pid is not None
        os.kill(server.pid, signal.SIGSTOP)
        try:
            async with rig.live() as channel:
                answers = await asyncio.gather(rig.post(batch()), channel.hello())
        finally:
            os.kill(server.pid, signal.SIGCONT)
        assert (answers[0].status, answers[1]["code"]) == (503, "unavailable")
        await eventually(lambda: is_taken(rig))


async def test_readers_that_lag_stop_the_producers(clients: Clients, redis_url: str) -> None:
    await make_site(clients)
    async with collector(clients, redis_url, lag_kib=16) as rig:
        answers = [await rig.post(batch())]
        while answers[-1].status == 204 and len(answers) < 200:
            answers.append(await rig.post(batch()))
        assert 10 < len(answers) < 100  # some 300 bytes each
        refused = answers[-1]
        assert (refused.status, refused.json["code"], refused.headers["Retry-After"]) == (503, "lagging", "2")
        async with rig.live() as channel:
            answer = await channel.hello()
            assert (answer["code"], answer["retry_after_s"]) == ("lagging", 2)
        readiness = await rig.readiness()
        assert (readiness["ready"], next(iter(readiness["warnings"]))) == (True, "lag")
        name = keys.stream("in", Partitions(16).of(SITE))
        await clients.call("XTRIM", name, "MAXLEN", 0)  # presence has caught up
        assert await is_taken(rig)


async def test_the_pixel_says_again_later_when_redis_is_away(tmp_path: Path) -> None:
    async with own_server(tmp_path) as (server, clients), collector(clients, server.url) as rig:
        server.stop()
        answer = await rig.request("GET", pixel_path(batch()))
        assert (answer.status, len(answer.body)) == (503, 43)


async def test_a_hello_in_an_outage_is_refused_and_leaves_no_ghost(tmp_path: Path) -> None:
    """The arrival may have been stored though its answer was lost, so a departure follows it in any case."""
    tab, visitor = new_id(), new_id()
    async with own_server(tmp_path) as (server, clients), collector(clients, server.url) as rig:
        server.stop()
        async with rig.live() as channel:
            hello = await channel.hello(tab=tab, visitor=visitor, token=rig.token(visitor))
            assert hello["code"] == "unavailable"
        server.start()

        async def departed() -> bool:
            return tab in {entry.tab for entry in await rig.entries() if isinstance(entry, TabDetached)}

        await eventually(departed)


async def test_hello_succeeds_on_the_same_channel_once_redis_is_back(tmp_path: Path) -> None:
    tab = new_id()
    async with own_server(tmp_path) as (server, clients), collector(clients, server.url) as rig:
        server.stop()
        async with rig.live() as channel:
            assert (await channel.hello(tab=tab))["code"] == "unavailable"
            server.start()
            await eventually(lambda: is_taken(rig))
            assert (await channel.hello(tab=tab))["type"] == "ok"
            arrivals = [entry for entry in await rig.entries() if isinstance(entry, TabAttached)]
            assert arrivals[-1].tab == tab


async def test_channels_closed_in_an_outage_are_reported_after_it(tmp_path: Path) -> None:
    tabs = {new_id() for _ in range(5)}
    async with own_server(tmp_path) as (server, clients), collector(clients, server.url) as rig:
        async with contextlib.AsyncExitStack() as channels:
            for tab in tabs:
                channel = await channels.enter_async_context(rig.live())
                assert (await channel.hello(tab=tab))["type"] == "ok"
            server.stop()
        waiting = await rig.metric("foyer_collector_live_channels")
        server.start()

        async def departed() -> bool:
            return tabs == {entry.tab for entry in await rig.entries() if isinstance(entry, TabDetached)}

        await eventually(departed)
        assert waiting == 0


def process_of(server: EmbeddedValkey, folder: Path, **env: str) -> Instance:
    """A collector as a process of its own."""
    port, admin_port = free_port(), free_port()
    base = {"PATH": os.environ["PATH"], "FOYER_SECRET": SECRET, "REDIS_URL": server.url, "COLLECTOR_HOST": "127.0.0.1"}
    ports = {"COLLECTOR_PORT": str(port), "COLLECTOR_ADMIN_PORT": str(admin_port)}
    return Instance("collector", {**base, **ports, **env}, folder / "collector.log", port, admin_port)


async def test_a_collector_started_before_redis_waits_and_says_so(tmp_path: Path) -> None:
    async with own_server(tmp_path / "valkey") as (server, _), aiohttp.ClientSession() as session:
        server.stop()
        process = process_of(server, tmp_path)
        await process.start()
        try:

            async def waiting() -> bool:
                with contextlib.suppress(aiohttp.ClientError):
                    async with session.get(f"http://127.0.0.1:{process.admin_port}/readyz") as answer:
                        return answer.status == 503 and "waiting for Redis" in await answer.text()
                return False

            await eventually(waiting, within_s=30)
            server.start()
            await process.ready()
        finally:
            assert await process.stop() == 0


async def test_a_killed_collector_loses_nothing_that_it_acknowledged(tmp_path: Path) -> None:
    async with own_server(tmp_path / "valkey") as (server, clients), aiohttp.ClientSession() as session:
        process = process_of(server, tmp_path)
        await process.start()
        await process.ready()
        acknowledged: list[int] = []

        async def visitor(first: int) -> None:
            tab = new_id()
            for n in range(first, first + 1000):
                body = json.dumps(batch(event("beat", n), tab=tab))
                headers = {"Origin": ORIGIN, "User-Agent": FIREFOX}
                async with session.post(f"{process.url}/v1/e", data=body, headers=headers) as answer:
                    assert answer.status == 204
                acknowledged.append(n)

        visitors = [asyncio.create_task(visitor(1000 * number)) for number in range(8)]
        await eventually(lambda: len(acknowledged) > 200)
        await process.kill()
        ended = await asyncio.gather(*visitors, return_exceptions=True)
        assert all(isinstance(error, aiohttp.ClientError) for error in ended)
        found = await clients.call("XRANGE", keys.stream("in", Partitions(16).of(SITE)), "-", "+")
        entries = [decode_in(payload) for _, fields in found for payload in payloads_in(fields)]
        stored = [entry.events[0].n for entry in entries if isinstance(entry, TabEvents)]
        assert set(acknowledged) <= set(stored)
        assert len(stored) == len(set(stored))
        await process.start()  # a restart on the same port goes on
        await process.ready()
        assert await process.stop() == 0


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ({"FOYER_SECRET": ""}, "FOYER_SECRET: not set"),
        ({"FOYER_SECRET": "short"}, "FOYER_SECRET: shorter than 32 characters"),
        ({"TRUSTED_PROXIES": "10.0.0.300"}, "TRUSTED_PROXIES"),
        ({"COLLECTOR_PORT": "http"}, "COLLECTOR_PORT: 'http' is not a whole number"),
    ],
)
async def test_wrong_settings_are_named_and_end_the_process(
    valkey_server: EmbeddedValkey, tmp_path: Path, env: dict[str, str], message: str
) -> None:
    process = process_of(valkey_server, tmp_path, **env)
    await process.start()
    assert process.process is not None
    assert await process.process.wait() == 1
    assert message in process.log_tail()
    assert "short\n" not in process.log_tail()
