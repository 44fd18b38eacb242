"""Clients that do not keep to the protocol: everything is answered or cut off, and nobody else notices."""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import msgpack  # type: ignore[import-untyped]
import pytest
import socketio
from aiohttp import WSMsgType

from services.operator_gateway.sockets import packets
from services.operator_gateway.sockets.peer import HARD_LIMIT_BYTES
from shared.contracts.operators import REQUESTS
from shared.storage.clients import Clients
from tests.eventually import eventually
from tests.live_rig import Console, Rig, gateway
from tests.unit.gateway_views.rows import Client


@pytest.fixture
async def rig(clients: Clients, redis_url: str, tmp_path: Path) -> AsyncIterator[Rig]:
    async with gateway(clients, redis_url, tmp_path) as running:
        yield running


class Raw:
    """Engine.IO by hand."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse, mount: str) -> None:
        self.ws = ws
        self.msgpack = mount.endswith("msgpack")

    async def send(self, packet: Any) -> None:
        """A Socket.IO packet: a text for the default mount, a map for msgpack."""
        if self.msgpack:
            await self.ws.send_bytes(packet if isinstance(packet, bytes) else msgpack.packb(packet))
        else:
            await self.ws.send_str("4" + packet)

    async def receive(self) -> Any:
        """The next Socket.IO packet; pings are answered."""
        while True:
            message = await self.ws.receive(timeout=10)
            if message.type is WSMsgType.TEXT and message.data == "2":
                await self.ws.send_str("3")
            elif message.type is WSMsgType.TEXT and message.data.startswith("4"):
                return message.data[1:]
            elif message.type is WSMsgType.BINARY:
                return msgpack.unpackb(message.data)
            elif message.type is not WSMsgType.TEXT:
                return message

    async def closed(self) -> tuple[int | None, str]:
        """Read on until the server has closed: its code and reason."""
        while True:
            message = await self.receive()
            if isinstance(message, aiohttp.WSMessage):
                return self.ws.close_code, message.extra or ""

    async def ack(self, packet_id: int) -> Any:
        """The ack of one packet; other packets are passed over."""
        while True:
            packet = await self.receive()
            if isinstance(packet, dict) and packet["type"] == 3 and packet["id"] == packet_id:
                return packet["data"][0]
            if isinstance(packet, str) and packet.startswith(f"3{packet_id}["):
                return json.loads(packet[len(str(packet_id)) + 1 :])[0]
            assert not isinstance(packet, aiohttp.WSMessage), f"closed: {packet}"


@asynccontextmanager
async def raw(rig: Rig, mount: str = "socket.io", **options: Any) -> AsyncIterator[Raw]:
    """An Engine.IO connection without a Socket.IO one."""
    async with aiohttp.ClientSession() as session:
        url = f"{rig.url}/{mount}/?EIO=4&transport=websocket"
        async with session.ws_connect(url, **options) as ws:
            assert (await ws.receive_str()).startswith("0{")
            yield Raw(ws, mount)


async def connected(rig: Rig, peer: Raw) -> None:
    """Let the raw connection in, as an operator of one site."""
    operator = await rig.operator(await rig.shop())
    auth = {"token": await rig.token(operator)}
    await peer.send({"type": 0, "nsp": "/", "data": auth} if peer.msgpack else "0" + json.dumps(auth))
    first, second = await peer.receive(), await peer.receive()
    assert "sid" in (first["data"] if peer.msgpack else json.loads(first[1:]))
    assert (second["data"] if peer.msgpack else json.loads(second[1:]))[0] == "ready"


@pytest.mark.parametrize("mount", ["socket.io", "socket.io-msgpack"])
@pytest.mark.parametrize("auth", [None, {"token": "fs_wrong"}, {"token": 7}, {"token": ""}, "token"])
async def test_a_wrong_token_is_a_connect_error_with_a_code(rig: Rig, mount: str, auth: Any) -> None:
    client = socketio.AsyncClient(serializer="msgpack" if mount.endswith("msgpack") else "default", reconnection=False)
    errors: list[Any] = []
    client.on("connect_error", errors.append)
    with pytest.raises(socketio.exceptions.ConnectionError):
        await client.connect(rig.url, socketio_path=mount, auth=auth, transports=["websocket"])
    assert errors[0]["code"] == "unauthorized"
    assert errors[0]["data"] == {"code": "unauthorized"}
    await client.shutdown()


async def test_ready_says_who_and_where(rig: Rig) -> None:
    shop = await rig.shop()
    operator = await rig.operator(shop, role="supervisor")
    console = await rig.connect(operator)
    [ready] = console.named("ready")
    assert ready["operator"] == {"id": operator.operator, "name": operator.name, "email": operator.email}
    assert [(site["site"], site["role"]) for site in ready["sites"]] == [(shop.site, "supervisor")]
    assert ready["server_time"] == rig.clock.now_ms()


async def test_stock_client_with_default_options_begins_with_polling_and_moves_to_websocket(rig: Rig) -> None:
    shop = await rig.shop()
    await shop.visit(1)
    operator = await rig.operator(shop)
    for transports in (None, ["polling"]):
        console = await rig.connect(operator, transports=transports)
        assert console.client.transport() == ("websocket" if transports is None else "polling")
        view = await console.open(shop)
        await shop.visit(1, pages=view.rows[0]["pages"] + 1)
        pages = shop.presence(1).pages
        await eventually(partial(_has_pages, view, pages))


def _has_pages(view: Client, pages: int) -> bool:
    return bool(view.rows[0]["pages"] == pages)


@pytest.mark.parametrize("mount", ["socket.io", "socket.io-msgpack"])
async def test_every_event_is_answered_whatever_is_wrong_with_it(rig: Rig, mount: str) -> None:
    console = await rig.connect(await rig.operator(await rig.shop()), mount)
    for event in ("nothing:such", "connect_error", "__proto__", *REQUESTS):
        wrongs: list[Any] = [(), ({}, {}), (None,), ([],), (7,), ({"no": "field"},)]
        for wrong in wrongs:
            answer = await console.client.call(event, wrong, timeout=5)
            assert answer["ok"] is False
            expected = "bad_request" if event in REQUESTS else "unknown_event"
            assert answer["error"]["code"] == expected, (event, wrong)


@pytest.mark.parametrize("mount", ["socket.io", "socket.io-msgpack"])
async def test_reserved_names_reach_nobody(rig: Rig, mount: str) -> None:
    async with raw(rig, mount) as peer:
        await connected(rig, peer)
        for number, name in enumerate(("connect", "disconnect", "connect_error", "message")):
            data = [name, {"auth": {"token": "forged"}}]
            packet: Any = {"type": 2, "nsp": "/", "data": data, "id": number}
            await peer.send(packet if peer.msgpack else f"2{number}{json.dumps(data)}")
            assert (await peer.ack(number))["error"]["code"] == "unknown_event"
    assert len(rig.gateway.connections) in (0, 1)
    await eventually(lambda: len(rig.gateway.connections) == 0)


async def test_foreign_sites_and_visitors_are_out_of_reach(rig: Rig) -> None:
    mine, other = await rig.shop(), await rig.shop()
    visitor = await other.visit(1)
    console = await rig.connect(await rig.operator(mine))
    for event in ("view:open", "view:move", "visitor:get", "visitor:navigation", "visitor:history"):
        request = {"site": other.site, **({"view": "v"} if event.startswith("view") else {"visitor": visitor})}
        assert (await console.ask(event, request))["error"]["code"] == "forbidden"


@pytest.mark.parametrize(
    "packet",
    [
        msgpack.packb({"type": 2, "nsp": "/", "data": ["view:close", {"view": msgpack.ExtType(4, b"x")}]}),
        msgpack.packb({"type": 2, "nsp": "/", "data": ["view:close", {"view": b"bytes"}]}),
        msgpack.packb({"type": 2, "nsp": "/", "data": ["view:close", {"view": msgpack.Timestamp(1)}]}),
        msgpack.packb({"type": 5, "nsp": "/", "data": ["view:close"], "attachments": 4}),
        msgpack.packb({"type": "2", "nsp": "/", "data": []}),
        msgpack.packb(["not", "a", "packet"]),
        b"\x93",
        b"\xc1",
    ],
)
async def test_a_few_bad_msgpack_packets_close_the_connection(rig: Rig, packet: bytes) -> None:
    async with raw(rig, "socket.io-msgpack") as peer:
        await connected(rig, peer)
        for _ in range(3):
            await peer.send(packet)
        assert await peer.closed() == (4502, "bad_packets")
    await eventually(lambda: len(rig.gateway.connections) == 0)


@pytest.mark.parametrize(
    "packet",
    [
        "9",
        "",
        "2",
        '2{"no":"list"}',
        "2[7]",
        "2[",
        '51-["view:close"]',
        "2" + "[" * 30_000,
        "2[NaN]",
        '2/x,["view:close"]',
    ],
)
async def test_a_few_bad_text_packets_close_the_connection(rig: Rig, packet: str) -> None:
    async with raw(rig) as peer:
        await connected(rig, peer)
        for _ in range(3):
            await peer.send(packet)
        assert await peer.closed() == (4502, "bad_packets")
    await eventually(lambda: len(rig.gateway.connections) == 0)


@pytest.mark.parametrize("frame", ["x", "", "9", "8", "bxx"])
async def test_malformed_engine_frames_close_the_connection_at_once(rig: Rig, frame: str) -> None:
    async with raw(rig) as peer:
        await connected(rig, peer)
        for _ in range(3):
            await peer.ws.send_str(frame)
        assert (await peer.closed())[0] == 4502
    await eventually(lambda: len(rig.gateway.connections) == 0)


async def test_a_lone_surrogate_is_replaced_and_its_neighbours_stay(rig: Rig) -> None:
    packet = packets.decode("json", '2["view:open",{"filter":{"text":"a\\ud800b"}}]')
    assert packet.data[1]["filter"]["text"] == "a\ufffdb"
    async with raw(rig) as peer:
        await connected(rig, peer)
        await peer.send('27["view:close",{"view":"a\\udc00b"}]')
        assert await peer.ack(7) == {"ok": True}


async def test_identity_is_set_once(rig: Rig) -> None:
    async with raw(rig) as peer:
        await connected(rig, peer)
        [before] = list(rig.gateway.connections)
        other = await rig.operator(await rig.shop())
        await peer.send("0" + json.dumps({"token": await rig.token(other)}))
        await peer.send('25["view:close",{"view":"x"}]')
        assert await peer.ack(5) == {"ok": True}
        assert [one.operator.operator for one in rig.gateway.connections] == [before.operator.operator]


async def test_who_never_connects_is_closed(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.operator_gateway.sockets.server.CONNECT_DEADLINE_S", 0.2)
    async with raw(rig) as peer:
        assert await peer.closed() == (4003, "connect_deadline")


async def test_events_before_connect_are_bad_packets(rig: Rig) -> None:
    async with raw(rig) as peer:
        for _ in range(3):
            await peer.send('2["view:open",{}]')
        assert (await peer.closed())[0] == 4502


async def test_an_oversized_message_closes_the_connection(rig: Rig) -> None:
    async with raw(rig) as peer:
        await connected(rig, peer)
        await peer.send("2" + json.dumps(["view:close", {"view": "x" * 70_000}]))
        assert (await peer.closed())[0] in (1009, 1006)
    await eventually(lambda: len(rig.gateway.connections) == 0)


@pytest.mark.parametrize("mount", ["socket.io", "socket.io-msgpack"])
@pytest.mark.parametrize("transport", ["polling", "websocket"])
@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1"])
async def test_foreign_origins_are_refused_on_every_transport(
    rig: Rig, mount: str, transport: str, origin: str
) -> None:
    async with aiohttp.ClientSession() as session:
        url = f"{rig.url}/{mount}/?EIO=4&transport={transport}"
        headers = {"Origin": origin}
        if transport == "websocket":
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await session.ws_connect(url, headers=headers)
            assert refused.value.status == 403
        else:
            async with session.get(url, headers=headers) as answer:
                assert answer.status == 403
                assert origin not in await answer.text()


async def test_own_origin_is_let_in_and_jsonp_is_not(rig: Rig) -> None:
    async with aiohttp.ClientSession() as session:
        url = f"{rig.url}/socket.io/?EIO=4&transport=polling"
        async with session.get(url, headers={"Origin": rig.url}) as answer:
            assert answer.status == 200
        async with session.get(url + "&j=0") as answer:
            assert answer.status == 400
        async with session.get(f"{rig.url}/socket.io/?EIO=4&transport=polling&sid=<script>") as answer:
            assert (answer.status, "script" in await answer.text()) == (400, False)
        async with session.get(f"{rig.url}/socket.io-msgpack/?EIO=4&transport=polling") as answer:
            assert answer.status == 400, "msgpack is for WebSocket only"


async def test_bad_polling_bodies_close_the_session(rig: Rig) -> None:
    async with aiohttp.ClientSession() as session:
        url = f"{rig.url}/socket.io/?EIO=4&transport=polling"
        async with session.get(url) as answer:
            sid = json.loads((await answer.text())[1:])["sid"]
        for body in (b"\xff\xfe", b"d=4", b"x" * 70_000):
            async with session.post(f"{url}&sid={sid}", data=body) as answer:
                assert answer.status == 200
        async with session.post(f"{url}&sid={sid}", data=b"3") as answer:
            assert answer.status == 400


async def test_polling_can_be_switched_off(clients: Clients, redis_url: str, tmp_path: Path) -> None:
    async with gateway(clients, redis_url, tmp_path, polling=False) as rig, aiohttp.ClientSession() as session:
        async with session.get(f"{rig.url}/socket.io/?EIO=4&transport=polling") as answer:
            assert answer.status == 400
        async with raw(rig) as peer:
            await connected(rig, peer)


async def test_connections_are_limited_per_address(clients: Clients, redis_url: str, tmp_path: Path) -> None:
    async with gateway(clients, redis_url, tmp_path, max_per_address=2) as rig:
        async with raw(rig), raw(rig, "socket.io-msgpack"):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                async with raw(rig):
                    pass
            assert refused.value.status == 429
        await eventually(lambda: _opens(rig))


async def _opens(rig: Rig) -> bool:
    try:
        async with raw(rig):
            return True
    except aiohttp.WSServerHandshakeError:
        return False


async def test_presence_follows_the_connection_at_once(rig: Rig) -> None:
    """No close frame, no goodbye: the transport is simply gone."""
    shop = await rig.shop()
    operator = await rig.operator(shop)
    console = await rig.connect(operator)
    await eventually(lambda: _kinds(rig, shop, ["OperatorConnected"]))
    transport = console.client.eio.ws._response.connection.transport
    transport.get_extra_info("socket").shutdown(socket.SHUT_RDWR)
    await eventually(lambda: _kinds(rig, shop, ["OperatorConnected", "OperatorDisconnected"]), within_s=2)
    assert len(rig.gateway.connections) == 0


async def _kinds(rig: Rig, shop: Any, expected: list[str]) -> bool:
    return [type(entry).__name__ for entry in await shop.commands()] == expected


async def test_a_reader_that_stopped_costs_a_bounded_amount_and_is_merged_later(rig: Rig) -> None:
    """While one console does not read, the other gets everything; then the first gets one difference for all of it."""
    shop = await rig.shop()
    operator = await rig.operator(shop)
    await shop.fill(range(1, 201))
    slow, quick = await rig.connect(operator), await rig.connect(operator)
    for console in (slow, quick):
        await console.open(shop, limit=200)
    transport = slow.client.eio.ws._response.connection.transport
    transport.pause_reading()
    live = rig.gateway.live.get(shop.site)
    assert live is not None
    text, rounds = "x" * 200, 0

    async def more() -> str:
        nonlocal rounds
        rounds += 1
        await shop.retitle(range(1, 201), f"{rounds} {text}")
        return f"{rounds} {text}"

    while not live.audience.lagging:
        assert rounds < 500, "the kernel's buffers took everything"
        await eventually(partial(_shows_title, quick, await more()))
    behind_at = slow.deltas
    for _ in range(5):
        await eventually(partial(_shows_title, quick, await more()))
    assert max(connection.pending_bytes for connection in rig.gateway.connections) < HARD_LIMIT_BYTES
    transport.resume_reading()
    await eventually(lambda: slow.views["list"].rows == quick.views["list"].rows)
    assert slow.resyncs == 0
    assert behind_at < slow.deltas < quick.deltas - 3, "what came while it waited is one difference"


def _shows_title(console: Console, title: str) -> bool:
    return all(row["page"]["title"] == title for row in console.views["list"].rows)


async def test_who_does_not_read_at_all_is_cut_off(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.operator_gateway.live.viewers.MAX_BEHIND_S", 0.3)
    shop = await rig.shop()
    operator = await rig.operator(shop)
    await shop.fill(range(1, 201))
    slow, quick = await rig.connect(operator), await rig.connect(operator)
    for console in (slow, quick):
        await console.open(shop, limit=200)
    transport = slow.client.eio.ws._response.connection.transport
    transport.pause_reading()
    rounds = 0
    while len(rig.gateway.connections) == 2:
        rounds += 1
        assert rounds < 500
        await shop.retitle(range(1, 201), f"{rounds} " + "x" * 200)
        await eventually(partial(_shows_title, quick, f"{rounds} " + "x" * 200))
    transport.resume_reading()
    [left] = list(rig.gateway.connections)
    assert left.sid == quick.client.get_sid()
