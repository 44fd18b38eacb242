"""The official JavaScript client against a real gateway: default options, the msgpack parser, only long-polling."""

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
from tests.chat_rig import at_work, floor, shop_with, visitor
from tests.eventually import eventually
from tests.live_rig import Rig, Shop, gateway
from tests.tools import missing, tool

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = Path(__file__).with_name("stock_client.mjs")
START_S = 60.0  # node starts, on a loaded machine
NEEDED = ("socket.io-client", "socket.io-msgpack-parser")


@pytest.fixture(autouse=True)
def node() -> str:
    if not all((ROOT / "node_modules" / name).is_dir() for name in NEEDED):
        missing("the web packages are not installed: run `make setup`")
    return tool("node", "nodejs")


WAYS = {
    "default": ("/socket.io/",),
    "msgpack": ("/socket.io-msgpack/", "msgpack"),
    "polling": ("/socket.io/", "polling"),
}
EVERY_WAY = pytest.mark.parametrize("way", WAYS)


class Script:
    """The running client and the lines it printed."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[dict[str, Any]] = []

    async def read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.lines.append(json.loads(line))

    @property
    def last(self) -> dict[str, Any]:
        """What it shows now."""
        return next((line for line in reversed(self.lines) if "names" in line), {})

    def shows(self, *names: str) -> bool:
        return self.last.get("names") == list(names)

    def heard(self, event: str) -> list[Any]:
        return [line["payload"] for line in self.lines if line.get("event") == event]

    def tell(self, *words: Any) -> None:
        """Let it move its view or ask for something."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(words).encode() + b"\n")

    async def ask(self, event: str, **fields: Any) -> Any:
        """The answer to one event; one at a time."""
        before = len(self.lines)
        self.tell("ask", event, fields)
        return await eventually(lambda: [one["answer"] for one in self.lines[before:] if one.get("to") == event])


@asynccontextmanager
async def javascript(rig: Rig, way: str, token: str, shop: Shop) -> AsyncIterator[Script]:
    path, *more = WAYS[way]
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


@EVERY_WAY
async def test_the_official_client_shows_the_list_and_follows_it(rig: Rig, way: str) -> None:
    shop = await rig.shop()
    await shop.fill(range(1, 4))
    async with javascript(rig, way, await rig.token(await rig.operator(shop)), shop) as script:
        await eventually(lambda: script.shows("Visitor 1", "Visitor 2", "Visitor 3"), within_s=START_S)
        await shop.visit(7)
        await shop.leave(2)
        await shop.engage(1, status="requested", name="Ada")
        await eventually(lambda: script.shows("Ada", "Visitor 3", "Visitor 7"))
        await eventually(lambda: rig.gateway.live.get(shop.site).audience.lagging == 0)  # type: ignore[union-attr]
        await eventually(lambda: script.last["total"] == 3 and script.last["counts"]["requested"] == 1)
        assert script.last["resyncs"] == 0
        expected = "polling" if way == "polling" else "websocket"
        await eventually(lambda: script.last["transport"] == expected or _all_websockets(rig))


def _all_websockets(rig: Rig) -> bool:
    """The line was printed a moment before the upgrade was complete."""
    return not any(sock.polling for engine in rig.gateway.engines for sock in engine.sockets.values())


@EVERY_WAY
async def test_windows_sorts_and_filters_are_moved_and_rows_move_in_them(rig: Rig, way: str) -> None:
    shop = await rig.shop()
    await shop.fill(range(1, 31))
    async with javascript(rig, way, await rig.token(await rig.operator(shop)), shop) as script:
        await eventually(lambda: len(script.last.get("names", ())) == 30, within_s=START_S)
        script.tell("move", {"offset": 10, "limit": 5})
        await eventually(lambda: script.shows(*(f"Visitor {number}" for number in range(11, 16))))
        assert script.last["sent"] == 0, "it had all of these rows"
        script.tell("move", {"offset": 0, "limit": 4, "sort": {"by": "pages", "dir": "desc"}})
        await eventually(lambda: script.shows(*(f"Visitor {number}" for number in range(1, 5))))
        await shop.visit(20, pages=9)
        await eventually(lambda: script.shows("Visitor 20", "Visitor 1", "Visitor 2", "Visitor 3"))
        await shop.visit(3, pages=5)
        await eventually(lambda: script.shows("Visitor 20", "Visitor 3", "Visitor 1", "Visitor 2"))
        assert script.last["moves"] > 0
        script.tell("move", {"filter": {"text": "visitor 2"}, "sort": {"by": "nickname", "dir": "asc"}, "limit": 50})
        await eventually(lambda: script.shows("Visitor 2", *(f"Visitor {number}" for number in range(20, 30))))
        assert (script.last["total"], script.last["resyncs"]) == (11, 0)


@EVERY_WAY
async def test_the_official_client_comes_back_by_itself_and_resumes(rig: Rig, way: str) -> None:
    shop = await rig.shop()
    await shop.fill(range(1, 9))
    async with javascript(rig, way, await rig.token(await rig.operator(shop)), shop) as script:
        await eventually(lambda: len(script.last.get("names", ())) == 8, within_s=START_S)
        await eventually(lambda: way == "polling" or _all_websockets(rig))
        [connection] = list(rig.gateway.connections)
        connection.abort(GOING_AWAY)
        await shop.visit(9)
        await eventually(lambda: script.shows(*(f"Visitor {number}" for number in range(1, 10))), within_s=START_S)
        assert script.last["sent"] <= 1, "what it still showed was not sent again"


@EVERY_WAY
async def test_the_official_client_chats(clients: Clients, redis_url: str, tmp_path: Path, way: str) -> None:
    async with floor(clients, redis_url, tmp_path) as rig:
        shop = await shop_with(rig)
        operator = await rig.operator(shop)
        await at_work(rig, operator, shop)
        who = await visitor(rig, shop)
        async with javascript(rig, way, await rig.token(operator), shop) as script:
            await eventually(lambda: script.shows("Visitor 1"), within_s=START_S)
            await who.ask("RequestChat", name="Eve", text="Hello?")
            await eventually(lambda: script.shows("Eve"))
            [taken] = await script.ask("chat:accept", site=shop.site, visitor=who.id, id="a1")
            assert (taken["ok"], taken["status"]) == (True, "chatting")
            [sent] = await script.ask("chat:send", chat=taken["chat"], id="m1", text="Gr\u00fc\u00dfe \U0001f44b")
            [again] = await script.ask("chat:send", chat=taken["chat"], id="m1", text="Gr\u00fc\u00dfe \U0001f44b")
            assert (sent["ok"], again["seq"]) == (True, sent["seq"])
            await who.ask("SendMessage", text="Thanks")
            await eventually(lambda: [line.get("text") for line in script.heard("chat:event")][-1:] == ["Thanks"])
            lines = script.heard("chat:event")
            assert [line["seq"] for line in lines] == sorted({line["seq"] for line in lines}), "each once, in order"
            [opened] = await script.ask("chat:open", chat=taken["chat"])
            assert [line["text"] for line in opened["events"] if line["type"] == "message"] == [
                "Gr\u00fc\u00dfe \U0001f44b",
                "Thanks",
            ]
            await eventually(lambda: script.last["counts"]["chatting"] == 1)


async def test_a_wrong_token_reaches_the_official_client_with_its_code(rig: Rig) -> None:
    shop = await rig.shop()
    for way in WAYS:
        async with javascript(rig, way, "fs_wrong", shop) as script:
            await eventually(lambda script=script: script.lines, within_s=START_S)  # type: ignore[misc]
            assert script.lines[0]["data"] == {"code": "unauthorized"}
