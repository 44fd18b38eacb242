"""Chats while something is away: chat-routing, Redis, a browser that does not read. What was answered is not lost."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from services.chat_routing.app import build as build_chat_routing
from services.chat_routing.settings import ChatRoutingSettings
from services.collector.live import channel as live_channel
from shared.contracts.chat import Actor, ChatEvent, ChatSaid, StatusChanged
from shared.contracts.streams import ChatOutcomes, encode
from shared.embedded import EmbeddedValkey
from shared.runtime.service import running
from shared.storage import keys
from shared.storage.clients import Clients, RedisSettings
from tests.collector_rig import FIREFOX, ORIGIN, SITE, collector, make_site, new_id
from tests.eventually import eventually
from tests.visitor_chat_rig import HERE, ChatRig, Tab, chat_rig


async def repeated(tab: Tab, kind: str, **fields: Any) -> Any:
    """Say it until it is taken, as browsers do; how often it had to be said is no matter."""

    async def taken() -> Any:
        answer = await tab.say(kind, **fields)
        return answer if answer["type"] == "ok" else None

    return await eventually(taken, within_s=20)


async def test_without_chat_routing_the_visitor_is_asked_to_repeat_and_it_happens_once(
    clients: Clients, redis_url: str
) -> None:
    await make_site(clients)
    async with collector(clients, redis_url) as edge:
        rig = ChatRig(edge, clients)
        async with rig.tab() as tab:
            asked = {"name": "Vera", "id": "r1"}
            started = asyncio.get_running_loop().time()
            answers = await asyncio.gather(*(edge.post(_body(rig, tab, asked), path="/v1/chat") for _ in range(3)))
            assert {(a.status, a.json["code"]) for a in answers} == {(503, "try_again")}
            assert asyncio.get_running_loop().time() - started < 10  # and not for ever
            await tab.client.send({"type": "chat.request", **asked})
            await tab.client.send({"type": "chat.typing", "id": "t", "on": True})
            await tab.read(lambda: "t" in tab.answers)  # answered, while the other one still waits
            assert "r1" not in tab.answers
            assert (await tab.read(lambda: tab.answers.get("r1")))["code"] == "try_again"
            async with running(build_chat_routing(ChatRoutingSettings(redis_url=redis_url, admin_port=0))):
                assert (await repeated(tab, "chat.request", **asked))["status"] == "redirected"
                assert [e["type"] for e in await tab.lines(2)] == ["requested", "redirected"]


def _body(rig: ChatRig, tab: Tab, fields: dict[str, Any]) -> dict[str, Any]:
    return {"site": SITE, "visitor": tab.visitor, "token": tab.token, "type": "chat.request", **fields}


async def test_what_was_answered_survives_a_redis_that_dies_and_comes_back(tmp_path: Path) -> None:
    with EmbeddedValkey(tmp_path, fsync="always") as server:
        clients = Clients(RedisSettings(server.url))
        async with chat_rig(clients, server.url) as rig:
            await rig.connect()
            async with rig.tab() as tab:
                await rig.chatting(tab)
                for n in range(3):
                    await repeated(tab, "chat.send", text=f"{n}", id=f"m{n}")
                    assert server.pid is not None
                    server.stop()
                    refused = await tab.say("chat.send", text=f"later {n}", id=f"l{n}")
                    assert refused["code"] in ("unavailable", "try_again"), refused
                    away = await rig.collector.post(_body(rig, tab, {"id": "x", "name": "V"}), path="/v1/chat")
                    assert (away.status, away.json["code"]) in {(503, "unavailable"), (503, "try_again")}
                    server.start()
                    await repeated(tab, "chat.send", text=f"later {n}", id=f"l{n}")
                texts = [e["text"] for e in await tab.lines(8) if e["type"] == "message"]
                assert texts == ["0", "later 0", "1", "later 1", "2", "later 2"]
                assert [e["seq"] for e in tab.events()] == list(range(1, 9))
        await clients.close()


async def test_a_frozen_redis_is_answered_within_two_seconds(tmp_path: Path) -> None:
    with EmbeddedValkey(tmp_path) as server:
        clients = Clients(RedisSettings(server.url))
        async with chat_rig(clients, server.url) as rig:
            await rig.connect()
            async with rig.tab() as tab:
                await rig.chatting(tab)
                assert server.pid is not None
                os.kill(server.pid, signal.SIGSTOP)
                try:
                    for n in range(5):
                        await tab.client.send({"type": "chat.send", "id": f"m{n}", "text": f"{n}"})
                    await tab.read(lambda: len(tab.answers) >= 7, within_s=4)
                finally:
                    os.kill(server.pid, signal.SIGCONT)
                assert {tab.answers[f"m{n}"]["code"] for n in range(5)} <= {"unavailable", "try_again"}
                for n in range(5):
                    await repeated(tab, "chat.send", text=f"{n}", id=f"m{n}")
                await tab.read(lambda: len(tab.events()) >= 7)
                assert sorted(e["text"] for e in tab.events() if e["type"] == "message") == list("01234")
        await clients.close()


async def test_a_browser_that_does_not_read_is_closed_and_resumes(
    clients: Clients, redis_url: str, monkeypatch: Any
) -> None:
    monkeypatch.setattr(live_channel, "CLOSE_S", 0.2)
    await make_site(clients)
    async with collector(clients, redis_url) as edge:
        rig = ChatRig(edge, clients)
        visitor = new_id()
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(socket_factory=_small)) as session:
            headers, closing = {"Origin": ORIGIN, "User-Agent": FIREFOX}, aiohttp.ClientWSTimeout(ws_close=0.1)
            async with session.ws_connect(f"{edge.url}/v1/live", headers=headers, timeout=closing) as stuck:
                hello = {"type": "hello", "id": "h", "site": SITE, "tab": new_id(), "visitor": visitor}
                await stuck.send_str(json.dumps({**hello, "token": edge.token(visitor)}))
                assert (await stuck.receive_json())["type"] == "ok"
                assert stuck._response.connection is not None
                stuck._response.connection.transport.pause_reading()  # type: ignore[union-attr]
                chat = f"{SITE}.{visitor}.1.1"
                for first in range(1, 2001, 20):  # 8 MB, more than the system holds for it
                    await say(rig, visitor, chat, *range(first, first + 20))

                async def is_gone() -> bool:
                    return await edge.metric("foyer_collector_live_channels") == 0

                await eventually(is_gone)
        async with rig.tab(visitor, after=5) as back:
            assert [e["seq"] for e in await back.lines(1995)] == list(range(6, 2001))


def _small(address: Any) -> socket.socket:
    """A socket whose receive buffer is soon full."""
    made = socket.socket(address[0], address[1], address[2])
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    made.setblocking(False)
    return made


async def say(rig: ChatRig, visitor: str, chat: str, *seqs: int) -> None:
    """Play what one commit of chat-routing stores and tells: lines of a chat."""
    by = Actor("operator", "o_ada1", "Ada")
    status = StatusChanged(site=SITE, visitor=visitor, before="requested", status="chatting", by=by, at=1, chat=chat)
    side = keys.visitor_side(HERE, SITE, visitor)
    lines = [ChatEvent(chat=chat, seq=n, at=1, type="message", by=by, id=f"m{n}", text="x" * 4000) for n in seqs]
    told = ChatOutcomes(tuple(ChatSaid(site=SITE, visitor=visitor, event=line) for line in lines))
    pack = msgspec.msgpack.encode
    transcript = keys.transcript(HERE, chat)
    await rig.clients.pipeline(
        [
            ("HSET", side, "status", pack(status)),
            *(("XADD", transcript, f"{line.seq}-0", "d", pack(line)) for line in lines),
            ("XADD", keys.stream("chat", HERE), "*", "d", encode(told)),
        ]
    )


async def test_an_entry_that_makes_no_sense_is_left_out_and_the_rest_goes_on(clients: Clients, redis_url: str) -> None:
    await make_site(clients)
    async with collector(clients, redis_url) as edge:
        rig = ChatRig(edge, clients)
        async with rig.tab() as tab:
            chat = f"{SITE}.{tab.visitor}.1.1"
            await say(rig, tab.visitor, chat, 1)
            await clients.call("XADD", keys.stream("chat", HERE), "*", "d", b"\xc1nonsense")
            await say(rig, tab.visitor, chat, 2)
            other = new_id()
            await say(rig, other, f"{SITE}.{other}.1.1", 1)  # somebody else's: not for this tab
            await say(rig, tab.visitor, chat, 3)
            assert [(e["chat"], e["seq"]) for e in await tab.lines(3)] == [(chat, 1), (chat, 2), (chat, 3)]
