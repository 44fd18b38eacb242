"""What a socket leaves behind: nothing that only a full garbage collection would find, since those hold the loop."""

from __future__ import annotations

import asyncio
import gc
import json
import weakref
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from unittest import mock
from urllib.parse import urlsplit

import aiohttp
import pytest
from aiohttp import WSMsgType

from services.operator_gateway.sockets import engine
from services.operator_gateway.sockets.peer import PeerSocket
from shared.storage.clients import Clients
from tests.eventually import eventually
from tests.live_rig import Rig, gateway


@pytest.fixture
async def rig(clients: Clients, redis_url: str, tmp_path: Path) -> AsyncIterator[Rig]:
    async with gateway(clients, redis_url, tmp_path) as running:
        yield running


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def text_frame(payload: str) -> bytes:
    """Masked with zeros; short."""
    data = payload.encode()
    size = bytes((0x80 | len(data),)) if len(data) < 126 else b"\xfe" + len(data).to_bytes(2, "big")
    return b"\x81" + size + bytes(4) + data


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("goodbye", [b"", b"\x88\x80\0\0\0\0"])
async def test_a_connection_that_ends_is_freed_without_the_collector(rig: Rig, goodbye: bytes) -> None:
    shop = await rig.shop()
    await shop.visit(1)
    token = await rig.token(await rig.operator(shop))
    url = urlsplit(rig.url)
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    writer.write(
        b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\n"
        b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    writer.write(text_frame("40" + json.dumps({"token": token})))
    writer.write(text_frame("420" + json.dumps(["view:open", {"view": "list", "site": shop.site}])))
    while b'"rows"' not in await reader.read(65_536):
        pass
    traces = [weakref.ref(part) for part in parts(rig)]
    writer.write(goodbye)
    if goodbye:
        writer.close()
    else:
        writer.transport.abort()
    await eventually(lambda: [trace() for trace in traces] == [None, None])


def parts(rig: Rig) -> list[object]:
    """The connection's objects on the server."""
    [peer] = [peer for engine in rig.gateway.engines for peer in engine.sockets.values()]
    assert isinstance(peer, PeerSocket)
    return [peer, peer._ws]


async def test_a_client_that_answers_no_ping_is_cut_off_and_leaves_nothing(
    clients: Clients, redis_url: str, tmp_path: Path
) -> None:
    with mock.patch.multiple(engine, PING_INTERVAL_S=0.1, PING_TIMEOUT_S=0.2, PINGS_EVERY_S=0.01):
        async with gateway(clients, redis_url, tmp_path) as rig, aiohttp.ClientSession() as session:
            async with session.ws_connect(f"{rig.url}/socket.io/?EIO=4&transport=websocket") as ws:
                assert (await ws.receive_str()).startswith("0{")
                assert await ws.receive_str() == "2"
                assert (await ws.receive()).type in (WSMsgType.CLOSED, WSMsgType.ERROR)
            mounts = rig.gateway.engines
            await eventually(lambda: not any(mount.sockets for mount in mounts))
            assert not any(len(mount._pings) for mount in mounts)
