"""The official JavaScript client against a real gateway: default options and the msgpack parser."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from services.operator_gateway.sockets.peer import GOING_AWAY
from shared.storage.clients import Clients
from tests.eventually import eventually
from tests.live_rig import Rig, Shop, gateway
from tests.tools import missing, tool

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = Path(__file__).with_name("stock_client.mjs")
NEEDED = ("socket.io-client", "socket.io-msgpack-parser")


@pytest.fixture(autouse=True)
def node() -> str:
    if not all((ROOT / "node_modules" / name).is_dir() for name in NEEDED):
        missing("the web packages are not installed: run `make setup`")
    return tool("node", "nodejs")


class Script:
    """The running client and the lines it printed."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[dict[str, Any]] = []

    async def read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.lines.append(json.loads(line))

    def shows(self, *names: str) -> bool:
        return bool(self.lines) and self.lines[-1].get("names") == list(names)


@asynccontextmanager
async def javascript(rig: Rig, path: str, token: str, shop: Shop, *more: str) -> AsyncIterator[Script]:
    process = await asyncio.create_subprocess_exec(
        tool("node", "nodejs"), SCRIPT, rig.url, path, token, shop.site, *more, cwd=ROOT,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    script = Script(process)
    reading = asyncio.create_task(script.read())
    try:
        yield script
    finally:
        process.kill()
        await asyncio.gather(process.wait(), reading)


@pytest.fixture
async def rig(clients: Clients, redis_url: str, tmp_path: Path) -> AsyncIterator[Rig]:
    async with gateway(clients, redis_url, tmp_path) as running:
        yield running


@pytest.mark.parametrize("more", [("/socket.io/",), ("/socket.io-msgpack/", "msgpack")])
async def test_the_official_client_shows_the_list_and_follows_it(rig: Rig, more: tuple[str, ...]) -> None:
    shop = await rig.shop()
    await shop.fill(range(1, 4))
    path, *parser = more
    async with javascript(rig, path, await rig.token(await rig.operator(shop)), shop, *parser) as script:
        await eventually(lambda: script.shows("Visitor 1", "Visitor 2", "Visitor 3"), within_s=20)
        await shop.visit(7)
        await shop.leave(2)
        await shop.engage(1, status="requested", name="Ada")
        await eventually(lambda: script.shows("Ada", "Visitor 3", "Visitor 7"))
        await eventually(lambda: rig.gateway.live.get(shop.site).audience.lagging == 0)  # type: ignore[union-attr]
        assert script.lines[-1]["total"] == 3
        assert script.lines[-1]["resyncs"] == 0
        assert script.lines[-1]["transport"] == "websocket"


async def test_the_official_client_comes_back_by_itself_and_resumes(rig: Rig) -> None:
    shop = await rig.shop()
    await shop.fill(range(1, 3))
    async with javascript(rig, "/socket.io/", await rig.token(await rig.operator(shop)), shop) as script:
        await eventually(lambda: script.shows("Visitor 1", "Visitor 2"), within_s=20)
        await eventually(lambda: script.lines[-1]["transport"] == "websocket" or len(rig.gateway.connections) == 1)
        [connection] = list(rig.gateway.connections)
        connection.abort(GOING_AWAY)
        await shop.visit(9)
        await eventually(lambda: script.shows("Visitor 1", "Visitor 2", "Visitor 9"), within_s=20)


async def test_a_wrong_token_reaches_the_official_client_with_its_code(rig: Rig) -> None:
    shop = await rig.shop()
    async with javascript(rig, "/socket.io/", "fs_wrong", shop) as script:
        await eventually(lambda: script.lines, within_s=20)
        assert script.lines[0]["data"] == {"code": "unauthorized"}
