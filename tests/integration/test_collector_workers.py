"""Several workers on one port: all serve, one that dies is replaced, and all end with their supervisor."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from pathlib import Path

import aiohttp

from shared.embedded.server import free_port
from shared.storage.clients import Clients
from tests.collector_rig import FIREFOX, ORIGIN, SECRET, batch, make_site
from tests.eventually import eventually

ROOT = Path(__file__).resolve().parents[2]


def free_ports_in_a_row() -> int:
    """The first of two neighbouring ports that nobody has now."""
    while True:
        first = free_port()
        with contextlib.suppress(OSError), socket.socket() as other:
            other.bind(("127.0.0.1", first + 1))
            return first


async def start(redis_url: str, port: int, admin: int) -> asyncio.subprocess.Process:
    env = {**os.environ, "FOYER_SECRET": SECRET, "REDIS_URL": redis_url, "COLLECTOR_HOST": "127.0.0.1"}
    env |= {"COLLECTOR_PORT": str(port), "COLLECTOR_ADMIN_PORT": str(admin), "COLLECTOR_WORKERS": "2"}
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.collector"),
        cwd=ROOT,
        env=env,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )


def workers_of(supervisor: int) -> list[int]:
    text = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text(encoding="ascii")
    return [int(pid) for pid in text.split()]


async def accepted(session: aiohttp.ClientSession, admin: int) -> float:
    """Beacons that a worker has taken; fails while it is not there."""
    try:
        async with session.get(f"http://127.0.0.1:{admin}/metrics") as answer:
            lines = (await answer.text()).splitlines()
    except aiohttp.ClientError as error:
        raise AssertionError("not there") from error
    name = 'foyer_collector_inputs_total{channel="http",outcome="accepted"}'
    return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(name)), 0.0)


async def beacon(session: aiohttp.ClientSession, port: int) -> None:
    headers = {"Origin": ORIGIN, "User-Agent": FIREFOX}
    async with session.post(f"http://127.0.0.1:{port}/v1/e", json=batch(), headers=headers) as answer:
        assert answer.status == 204


async def test_workers_share_the_port_and_one_that_dies_is_replaced(clients: Clients, redis_url: str) -> None:
    await make_site(clients)
    port, admin = free_port(), free_ports_in_a_row()
    process = await start(redis_url, port, admin)
    try:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session:

            async def both_are_ready() -> bool:
                for number in range(2):
                    await accepted(session, admin + number)
                    async with session.get(f"http://127.0.0.1:{admin + number}/readyz") as answer:
                        assert answer.status == 200
                return True

            await eventually(both_are_ready, within_s=60)

            async def both_have_served() -> bool:
                await beacon(session, port)
                return min([await accepted(session, admin), await accepted(session, admin + 1)]) > 0

            await eventually(both_have_served, within_s=30)
            before = workers_of(process.pid)
            assert len(before) == 2
            os.kill(before[0], signal.SIGKILL)
            await eventually(lambda: len(set(workers_of(process.pid)) | set(before)) == 3, within_s=30)
            await eventually(both_are_ready, within_s=60)
            await beacon(session, port)
            process.send_signal(signal.SIGTERM)
            _, errors = await process.communicate()
            assert process.returncode == 0, errors.decode()[-2000:]
            with contextlib.suppress(OSError):
                await asyncio.open_connection("127.0.0.1", port)
                raise AssertionError("somebody still listens")
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            await process.wait()


async def test_workers_end_when_their_supervisor_is_killed(clients: Clients, redis_url: str) -> None:
    await make_site(clients)
    port = free_port()
    process = await start(redis_url, port, free_ports_in_a_row())
    await eventually(lambda: len(workers_of(process.pid)) == 2, within_s=30)

    async def listens() -> bool:
        with contextlib.suppress(OSError):
            (await asyncio.open_connection("127.0.0.1", port))[1].close()
            return True
        return False

    async def is_free() -> bool:
        return not await listens()

    await eventually(listens, within_s=60)
    process.kill()
    await process.wait()
    await eventually(is_free, within_s=30)


async def test_a_busy_port_is_said_and_not_shared(redis_url: str) -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        other.listen()
        process = await start(redis_url, other.getsockname()[1], free_port())
        _, errors = await process.communicate()
    assert process.returncode == 1
    assert b"COLLECTOR_PORT" in errors
