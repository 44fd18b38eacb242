"""Real processes of presence, killed without warning while events arrive: each page view counts exactly once."""

from __future__ import annotations

import asyncio
import os
import random
import sys

from shared.runtime.clock import SystemClock
from shared.storage.clients import Clients
from tests.eventually import eventually
from tests.integration.presence_world import World, new_id

KILLS = 3
VISITORS = 40
ROUNDS = 60  # page views of each visitor, sent twice


async def launch(redis_url: str) -> asyncio.subprocess.Process:
    environment = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
    environment |= {"REDIS_URL": redis_url, "PARTITIONS": "4", "PRESENCE_ADMIN_PORT": "0", "LOG_LEVEL": "ERROR"}
    return await asyncio.create_subprocess_exec(sys.executable, "-m", "services.presence", env=environment)


async def kill(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()
    await process.wait()


async def test_page_views_count_exactly_once_when_processes_are_killed(redis_url: str, clients: Clients) -> None:
    world, clock, rng = World(clients), SystemClock(), random.Random(7)
    await world.create_site()
    visitors = [(new_id(), new_id()) for _ in range(VISITORS)]
    processes = [await launch(redis_url), await launch(redis_url)]
    try:
        for turn in range(ROUNDS):
            world.clock.advance(clock.now_ms() - world.clock.now_ms())
            entries = [world.event("page", *one, new_id()) for one in visitors]
            await world.put(*entries)
            rng.shuffle(entries)
            await world.put(*entries)
            if turn % (ROUNDS // KILLS) == ROUNDS // KILLS // 2:
                await eventually(lambda: progressed(world), within_s=30)
                await kill(processes.pop(0))
                processes.append(await launch(redis_url))
            await asyncio.sleep(0.01)  # pace: kills are to fall between and into batches
        await eventually(lambda: all_counted(world), within_s=60)
        rows = await world.consistent()
        assert sorted(row.number for row in rows.values()) == list(range(1, VISITORS + 1))
    finally:
        await asyncio.gather(*(kill(process) for process in processes))


async def progressed(world: World) -> bool:
    return bool(await world.rows())


async def all_counted(world: World) -> bool:
    rows = await world.rows()
    assert sorted(row.pages for row in rows.values()) == [ROUNDS] * VISITORS
    return await world.done()
