"""The operators' chats as a whole: a gateway and chat-routing on one Redis, consoles, and visitors played by the very
entries that collectors append."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from services.chat_routing.app import build
from services.chat_routing.settings import ChatRoutingSettings
from shared.contracts import chat
from shared.contracts.chat import Actor, ChatEvent, CommandDone
from shared.contracts.rows import decode_engagement_row
from shared.contracts.sites import Operator, SiteSettings
from shared.contracts.streams import OperatorChanged, decode_chat, encode
from shared.domain.partitions import Partitions
from shared.runtime.clock import ManualClock
from shared.runtime.service import running
from shared.storage import keys
from shared.storage.blocks import payloads_in
from shared.storage.clients import Clients
from shared.storage.log import PartitionLog
from shared.storage.transcripts import Transcripts
from tests.eventually import eventually
from tests.live_rig import Console, Rig, Shop, gateway

_ids = itertools.count(1)
PARTITIONS = Partitions(16)


def command_id() -> str:
    return f"k{next(_ids)}"


@asynccontextmanager
async def routing(redis_url: str, clock: ManualClock) -> AsyncIterator[None]:
    """Chat-routing."""
    async with running(build(ChatRoutingSettings(redis_url=redis_url, admin_port=0), clock=clock)):
        yield


@asynccontextmanager
async def floor(clients: Clients, redis_url: str, static: Path, **settings: Any) -> AsyncIterator[Rig]:
    """A gateway with chat-routing behind it."""
    async with gateway(clients, redis_url, static, **settings) as rig, routing(redis_url, rig.clock):
        yield rig


class Visitor:
    """One visitor of a shop, as the collector speaks for it."""

    def __init__(self, clients: Clients, site: str, visitor: str) -> None:
        self.id = visitor
        self._clients = clients
        self._site = site
        self._partition = PARTITIONS.of(site)

    async def ask(self, kind: str, **fields: Any) -> CommandDone:
        """Append the command and wait for its outcome."""
        values = {"id": command_id()} | fields
        by = Actor("visitor", self.id)
        entry = getattr(chat, kind)(site=self._site, visitor=self.id, by=by, **values)
        await PartitionLog(self._clients).append("cmd", self._partition, [encode(entry)])
        return await eventually(lambda: self._outcome(values["id"]))  # type: ignore[no-any-return]

    async def _outcome(self, command: str) -> CommandDone | None:
        for one in await outcomes(self._clients, self._site):
            if isinstance(one, CommandDone) and one.id == command:
                return one
        return None

    async def row(self) -> Any:
        value = await self._clients.call("HGET", keys.engagements(self._partition, self._site), self.id)
        return decode_engagement_row(value) if value else None

    async def lines(self, chat_id: str) -> list[ChatEvent]:
        return await Transcripts(self._clients, PARTITIONS).after(chat_id, 0)


async def outcomes(clients: Clients, site: str) -> list[Any]:
    entries = await clients.call("XRANGE", keys.stream("chat", PARTITIONS.of(site)), "-", "+")
    payloads = [payload for _, fields in entries for payload in payloads_in(fields)]
    return [one for payload in payloads for one in decode_chat(payload).outcomes]


async def shop_with(rig: Rig, **settings: Any) -> Shop:
    return await rig.shop(settings=SiteSettings(**settings))


async def visitor(rig: Rig, shop: Shop, number: int = 1) -> Visitor:
    return Visitor(rig.clients, shop.site, await shop.visit(number))


async def at_work(rig: Rig, operator: Operator, shop: Shop, **options: Any) -> Console:
    """A console of the operator, whom chat-routing knows to be online."""
    console = await rig.connect(operator, **options)

    async def online() -> bool:
        told = [one for one in await outcomes(rig.clients, shop.site) if isinstance(one, OperatorChanged)]
        mine = [one for one in told if one.operator == operator.operator]
        return bool(mine) and mine[-1].state == "online"

    await eventually(online)
    await eventually(lambda: console.named("desk"))
    return console


async def ok(console: Console, event: str, **fields: Any) -> Any:
    """The ack of a command, which must be done."""
    answer = await console.ask(event, {"id": command_id(), **fields})
    assert answer["ok"], answer
    return answer


async def refusal(console: Console, event: str, **fields: Any) -> Any:
    """The error of a command, which must be refused."""
    answer = await console.ask(event, {"id": command_id(), **fields})
    assert not answer["ok"], answer
    return answer["error"]


async def chatting(console: Console, shop: Shop, who: Visitor) -> str:
    """The visitor asks, the operator takes it; the chat's id."""
    await who.ask("RequestChat", name="Eve", text="Hello?")
    return str((await ok(console, "chat:accept", site=shop.site, visitor=who.id))["chat"])
