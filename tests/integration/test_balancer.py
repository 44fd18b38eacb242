"""The shipped HAProxy configuration, running, in front of stand-ins for collectors and gateways.

Only the addresses are replaced: what Compose finds by name is given here by port.
"""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from shared.embedded.server import free_port
from tests.eventually import eventually
from tests.tools import tool

CONFIG = Path(__file__).resolve().parents[2] / "deploy/balancer/haproxy.cfg"


@dataclass
class Instance:
    """A stand-in: says who it is and what it was told; readiness and breakage are the test's to choose."""

    name: str
    port: int = field(default_factory=free_port)
    admin_port: int = field(default_factory=free_port)
    ready: bool = True
    breaks: bool = False
    requests: int = 0

    async def run(self, stack: AsyncExitStack) -> None:
        public, admin = web.Application(), web.Application()
        public.router.add_route("*", "/{path:.*}", self._answer)
        admin.router.add_get("/readyz", self._readyz)
        for app, port in ((public, self.port), (admin, self.admin_port)):
            runner = web.AppRunner(app)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, "127.0.0.1", port).start()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.requests += 1
        if self.breaks:
            assert request.transport is not None
            request.transport.close()
        if request.headers.get("Upgrade") == "websocket":
            socket = web.WebSocketResponse()
            await socket.prepare(request)
            await socket.send_str(self.name)
            await socket.close()
            return socket
        return web.json_response({"name": self.name, "forwarded": request.headers.getall("X-Forwarded-For", [])})

    async def _readyz(self, _: web.Request) -> web.Response:
        return web.Response(status=200 if self.ready else 503)


@dataclass
class Balanced:
    """The balancer with two collectors and two gateways behind it."""

    websites: str
    operators: str
    collectors: list[Instance]
    gateways: list[Instance]
    session: aiohttp.ClientSession

    async def name(self, url: str) -> str:
        async with self.session.get(url) as answer:
            return str((await answer.json())["name"]) if answer.status == 200 else str(answer.status)

    async def names(self, url: str, times: int = 12) -> Counter[str]:
        return Counter([await self.name(url) for _ in range(times)])


def configuration(websites: int, operators: int, collectors: list[Instance], gateways: list[Instance]) -> str:
    text = CONFIG.read_text().replace("bind :8100", f"bind 127.0.0.1:{websites}")
    text = text.replace("bind :8200", f"bind 127.0.0.1:{operators}").replace("maxconn 60000", "maxconn 200")
    text = re.sub(r"resolvers docker\n(    .*\n)+", "", text).replace(" resolvers docker init-addr none", "")
    text = text.replace("inter 2s", "inter 50ms")
    for kind, instances in (("collector", collectors), ("gateway", gateways)):
        lines = [f"    server {each.name} 127.0.0.1:{each.port} port {each.admin_port}\n" for each in instances]
        text = re.sub(rf"    server-template {kind} .*\n", "".join(lines), text)
    return text


@pytest.fixture
async def balanced(tmp_path: Path) -> AsyncIterator[Balanced]:
    program = tool("haproxy")
    collectors, gateways = [Instance("c1"), Instance("c2")], [Instance("g1"), Instance("g2")]
    websites, operators = free_port(), free_port()
    config = tmp_path / "haproxy.cfg"
    config.write_text(configuration(websites, operators, collectors, gateways))
    async with AsyncExitStack() as stack:
        for instance in (*collectors, *gateways):
            await instance.run(stack)
        session = await stack.enter_async_context(aiohttp.ClientSession())
        quiet = asyncio.subprocess.DEVNULL
        process = await asyncio.create_subprocess_exec(program, "-f", str(config), stdout=quiet, stderr=quiet)
        stack.push_async_callback(process.wait)
        stack.callback(process.kill)
        urls = f"http://127.0.0.1:{websites}", f"http://127.0.0.1:{operators}"
        balancer = Balanced(*urls, collectors, gateways, session)
        await eventually(lambda: all_up(balancer), within_s=20)
        yield balancer


async def all_up(balanced: Balanced) -> bool:
    try:
        seen = await balanced.names(balanced.websites, 4) + await balanced.names(balanced.operators, 4)
    except aiohttp.ClientError:
        return False
    return {"c1", "c2", "g1", "g2"} == set(seen)


async def test_claimed_address_is_replaced_by_the_real_one(balanced: Balanced) -> None:
    claimed = {"X-Forwarded-For": "203.0.113.9"}
    for url in (balanced.websites, balanced.operators):
        async with balanced.session.get(f"{url}/v1/e", headers=claimed) as answer:
            assert (await answer.json())["forwarded"] == ["127.0.0.1"]


async def test_instance_that_is_not_ready_gets_nothing_new(balanced: Balanced) -> None:
    balanced.collectors[0].ready = False

    async def left_alone() -> bool:
        return set(await balanced.names(balanced.websites)) == {"c2"}

    await eventually(left_alone)
    balanced.collectors[0].ready = True

    async def back() -> bool:
        return set(await balanced.names(balanced.websites)) == {"c1", "c2"}

    await eventually(back)


async def test_polling_client_stays_with_one_gateway_and_others_are_spread(balanced: Balanced) -> None:
    polling = await balanced.names(f"{balanced.operators}/socket.io/?EIO=4&transport=polling")
    assert len(polling) == 1
    assert len(await balanced.names(f"{balanced.operators}/api/v1/me")) == 2


async def test_client_that_began_by_polling_upgrades_at_the_same_gateway(balanced: Balanced) -> None:
    url = f"{balanced.operators}/socket.io/?EIO=4&transport=polling"
    home = await balanced.name(url)
    for _ in range(6):
        address = f"{balanced.operators}/socket.io/?EIO=4&transport=websocket&sid=abc"
        async with balanced.session.ws_connect(address) as socket:
            assert await socket.receive_str() == home


async def test_websockets_are_spread(balanced: Balanced) -> None:
    names = set()
    for _ in range(8):
        async with balanced.session.ws_connect(
            f"{balanced.operators}/socket.io-msgpack/?transport=websocket"
        ) as socket:
            names.add(await socket.receive_str())
    assert names == {"g1", "g2"}


async def test_request_that_may_have_arrived_is_not_repeated(balanced: Balanced) -> None:
    for instance in balanced.collectors:
        instance.breaks = True
    before = sum(instance.requests for instance in balanced.collectors)
    try:
        async with balanced.session.post(f"{balanced.websites}/v1/e", data=b"{}") as answer:
            assert answer.status in (502, 503)
    except aiohttp.ServerDisconnectedError:
        pass  # its way to say the same on a connection that was used before
    assert sum(instance.requests for instance in balanced.collectors) == before + 1
