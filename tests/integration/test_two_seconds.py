"""Within 2 s an answer, or "try again" and nothing is done, also when chat-routing or Redis stand still for a while."""

from __future__ import annotations

import os
import signal
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from shared.contracts.chat import AcceptRequest, Actor, SendMessage, wanted_now
from shared.storage.clients import Clients, RedisClock, RedisSettings
from tests.chat_rig import PARTITIONS, Visitor
from tests.eventually import eventually
from tests.operator import Operator
from tests.stack import Stack

LATER = {"try_again", "unavailable"}  # both mean: not done, ask again
BROWSER = {"Content-Type": "text/plain", "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"}


class World:
    """Every service as a process, an operator at the desk, and a visitor who has asked for a chat."""

    def __init__(self, stack: Stack, clients: Clients, operator: Operator, session: aiohttp.ClientSession) -> None:
        self.stack = stack
        self.clients = clients
        self.operator = operator
        self.session = session
        self.visitor = str(uuid.uuid4())
        self.tab = str(uuid.uuid4())
        self.token = ""

    async def post(self, path: str, **fields: Any) -> Any:
        """One request of the visitor's browser; the answer's body."""
        body = {"site": self.stack.site, "visitor": self.visitor, "tab": self.tab, **fields}
        body |= {"token": self.token} if self.token else {}
        origin = {**BROWSER, "Origin": self.stack.origins[0]}
        async with self.session.post(self.stack.collector + path, json=body, headers=origin) as answer:
            return {} if answer.status == 204 else await answer.json(content_type=None)

    async def done(self, path: str, **fields: Any) -> Any:
        """The same, until the answer is final: a busy machine asks for patience, too."""

        async def final() -> Any:
            answer = await self.post(path, **fields)
            return None if answer.get("code") in LATER else answer

        return await eventually(final)

    async def arrive(self) -> None:
        """The visitor opens a page and is on the list."""
        url = f"{self.stack.origins[0]}/"
        page = {"type": "page", "page": str(uuid.uuid4()), "n": 1, "at": 1, "url": url, "title": "Home"}
        self.token = (await self.done("/v1/e", sent=2, events=[page]))["token"]
        await eventually(self.row)

    def row(self) -> dict[str, Any] | None:
        return self.operator.by_visitor().get(self.visitor)

    def status(self) -> str:
        row = self.row()
        return row["status"] if row else ""

    async def caught_up(self) -> None:
        """chat-routing has worked off everything that was in its stream before this."""
        await Visitor(self.clients, self.stack.site, self.visitor).ask("RateChat", score=5)


@asynccontextmanager
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with Stack(tmp_path) as stack, aiohttp.ClientSession() as session, Operator(stack.gateway) as operator:
        clients = Clients(RedisSettings(stack.valkey.url))
        try:
            await operator.open(stack.site, offset=0, limit=50)
            made = World(stack, clients, operator, session)
            await made.arrive()
            yield made
        finally:
            await clients.close()


@contextmanager
def standing_still(pid: int) -> Iterator[None]:
    """The process does nothing meanwhile, and then goes on as if nothing had been."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def pid_of(world: World, what: str) -> int:
    process = world.stack.valkey.pid if what == "redis" else getattr(world.stack.first(what).process, "pid", None)
    assert process is not None
    return process


@pytest.mark.parametrize("what", ["chat_routing", "redis"])
async def test_what_was_answered_try_again_is_not_done_later(tmp_path: Path, what: str) -> None:
    async with world(tmp_path) as shop:
        site, visitor = shop.stack.site, shop.visitor
        asked = await shop.done("/v1/chat", type="chat.request", id="r1", name="Vera")
        assert asked["status"] == "requested", asked
        await eventually(lambda: shop.status() == "requested")
        with standing_still(pid_of(shop, what)):
            # Both are answered while nothing moves: the answers do not wait for it.
            ack = await shop.operator.call("chat:accept", id="a1", site=site, visitor=visitor)
            cancel = await shop.post("/v1/chat", type="chat.cancel", id="c1")
        assert (ack["ok"], ack["error"]["code"] in LATER) == (False, True), ack
        assert cancel["code"] in LATER, cancel
        await shop.caught_up()
        assert shop.status() == "requested"  # neither accepted nor cancelled
        # The same command, sent again as it was told to be, is done.
        ack = await eventually(lambda: accepted(shop))
        assert ack["status"] == "chatting"


async def accepted(shop: World) -> Any:
    ack = await shop.operator.call("chat:accept", id="a1", site=shop.stack.site, visitor=shop.visitor)
    return ack if ack["ok"] else None


async def test_a_message_may_come_late_but_comes_once(tmp_path: Path) -> None:
    async with world(tmp_path) as shop:
        await shop.done("/v1/chat", type="chat.request", id="r1", name="Vera")
        chat = (await eventually(lambda: accepted(shop)))["chat"]
        with standing_still(pid_of(shop, "chat_routing")):
            sent = await shop.post("/v1/chat", type="chat.send", id="m1", text="Hello")
            assert sent["code"] in LATER
        again = await eventually(lambda: said(shop))
        opened = await shop.operator.call("chat:open", chat=chat)
        assert [(e["seq"], e["text"]) for e in opened["events"] if e["type"] == "message"] == [(again["seq"], "Hello")]


async def said(shop: World) -> Any:
    answer = await shop.post("/v1/chat", type="chat.send", id="m1", text="Hello")
    return answer if answer["type"] == "ok" else None


async def test_redis_time_is_never_too_early_for_a_deadline_nor_too_late_to_look(clients: Clients) -> None:
    here = PARTITIONS.all()[0]
    setter, reader = RedisClock(clients, late=True), RedisClock(clients, late=False)
    for _ in range(20):
        seconds, micros = await clients.call("TIME")
        true_ms = int(seconds) * 1000 + int(micros) / 1000
        assert await setter.now_ms(here) >= true_ms - 2  # both are cut to whole milliseconds
        early = await reader.now_ms(here)
        seconds, micros = await clients.call("TIME")
        assert early <= int(seconds) * 1000 + int(micros) / 1000 + 2


def test_messages_have_no_deadline() -> None:
    common: dict[str, Any] = {"site": "s", "visitor": "v", "by": Actor("visitor", "v"), "id": "k"}
    assert wanted_now(SendMessage(**common, text="x"), 5_000).until_ms == 0
    assert wanted_now(AcceptRequest(**common), 5_000).until_ms == 6_000
