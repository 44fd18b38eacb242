"""A collector with chat-routing behind it, operators who act through the stream, and visitors on live channels."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from services.chat_routing.app import build as build_chat_routing
from services.chat_routing.settings import ChatRoutingSettings
from shared.contracts import chat
from shared.contracts.chat import Actor
from shared.contracts.sites import Membership, Operator, Site
from shared.contracts.streams import CmdEntry, OperatorConnected, decode_chat, encode
from shared.domain.partitions import Partitions
from shared.runtime.clock import SystemClock
from shared.runtime.service import running
from shared.storage import keys
from shared.storage.blocks import payloads_in
from shared.storage.clients import Clients
from shared.storage.directory_store import DirectoryStore
from shared.storage.log import PartitionLog
from tests.collector_rig import SITE, CollectorRig, LiveClient, collector, make_site, new_id
from tests.eventually import eventually

HERE = Partitions(16).of(SITE)
ADA = "o_ada1"
PASSING = ("try_again", "unavailable", "lagging")  # a busy machine says so, too


@dataclass
class Tab:
    """A visitor's browser tab on a live channel; frames are sorted into answers and what was pushed."""

    client: LiveClient
    visitor: str
    token: str
    answers: dict[str, Any] = field(default_factory=dict)
    pushed: list[Any] = field(default_factory=list)
    count: int = 0

    async def read(self, until: Callable[[], Any], within_s: float = 10.0) -> Any:
        """Read frames until `until` is true; its result."""
        async with asyncio.timeout(within_s):
            while not (result := until()):
                message = await self.client.next()
                if message["type"] in ("ok", "error"):
                    self.answers[message["id"]] = message
                else:
                    self.pushed.append(message)
        return result

    async def say(self, kind: str, **fields: Any) -> Any:
        """Send a message; its answer."""
        self.count += 1
        message = {"type": kind, "id": f"{id(self)}-{self.count}", **fields}
        self.answers.pop(message["id"], None)
        await self.client.send(message)
        return await self.read(lambda: self.answers.get(message["id"]))

    async def told(self, kind: str, **fields: Any) -> Any:
        """Send a message as the widget does, again under the same id while it is asked to; its final answer."""
        self.count += 1
        ident = f"{id(self)}-{self.count}"

        async def final() -> Any:
            answer = await self.say(kind, id=ident, **fields)
            return None if answer.get("code") in PASSING else answer

        return await eventually(final)

    def events(self) -> list[Any]:
        """The chat events so far."""
        return [frame["event"] for frame in self.pushed if frame["type"] == "chat.event"]

    def of(self, kind: str) -> list[Any]:
        """What was pushed of this type."""
        return [frame for frame in self.pushed if frame["type"] == kind]

    async def status(self, status: str) -> Any:
        """Read until the visitor's status is `status`; that frame."""
        return await self.read(lambda: next((s for s in self.of("status")[-1:] if s["status"] == status), None))

    async def lines(self, count: int) -> list[Any]:
        """Read until there are `count` chat events."""
        await self.read(lambda: len(self.events()) >= count)
        return self.events()


@dataclass
class ChatRig:
    """The running services and their site."""

    collector: CollectorRig
    clients: Clients
    commands: int = 0

    async def tell(self, *entries: CmdEntry) -> None:
        """Append to the command stream."""
        await PartitionLog(self.clients).append("cmd", HERE, [encode(entry) for entry in entries])

    async def connect(self, operator: str = ADA) -> None:
        """An operator comes online."""
        await self.tell(
            OperatorConnected(SITE, operator, operator.title(), f"c-{operator}", "gw1", SystemClock().now_ms())
        )

    async def outcomes(self) -> list[Any]:
        """Everything that chat-routing said."""
        entries = await self.clients.call("XRANGE", keys.stream("chat", HERE), "-", "+")
        payloads = [payload for _, fields in entries for payload in payloads_in(fields)]
        return [one for payload in payloads for one in decode_chat(payload).outcomes]

    async def operator(self, command: str, visitor: str, operator: str = ADA, **fields: Any) -> Any:
        """An operator's command; its answer."""
        self.commands += 1
        ident = f"op{self.commands}"
        by = Actor("operator", operator)
        await self.tell(getattr(chat, command)(site=SITE, visitor=visitor, by=by, id=ident, **fields))

        async def answer() -> Any:
            found = await self.outcomes()
            return next((one for one in found if isinstance(one, chat.CommandDone) and one.id == ident), None)

        return await eventually(answer)

    async def tell_typing(self, visitor: str, operator: str = ADA) -> None:
        """The operator types; nobody answers that."""
        self.commands += 1
        by = Actor("operator", operator)
        await self.tell(chat.MarkChat(site=SITE, visitor=visitor, by=by, id=f"op{self.commands}", typing=True))

    @asynccontextmanager
    async def tab(
        self, visitor: str | None = None, rig: CollectorRig | None = None, **fields: Any
    ) -> AsyncIterator[Tab]:
        """A tab that has said hello with its token."""
        visitor = visitor or new_id()
        rig = rig or self.collector
        token = rig.token(visitor)
        async with rig.live() as client:
            tab = Tab(client, visitor, token)
            hello = await tab.told("hello", site=SITE, tab=new_id(), visitor=visitor, token=token, **fields)
            tab.answers = {"h": hello}
            assert hello["type"] == "ok", hello
            yield tab

    async def chatting(self, tab: Tab, **fields: Any) -> str:
        """Bring the visitor of `tab` into a chat with Ada; the chat."""
        await self.collector.known(tab.visitor, 1)
        answer = await tab.say("chat.request", **{"name": "Vera", **fields})
        assert (answer["type"], answer["status"]) == ("ok", "requested"), answer
        assert (await self.operator("AcceptRequest", tab.visitor)).code is None
        await tab.status("chatting")
        return str(answer["chat"])


@asynccontextmanager
async def chat_rig(clients: Clients, redis_url: str, site: Site | None = None, **fields: Any) -> AsyncIterator[ChatRig]:
    """The services, with Ada's account and a site where operators pick."""
    await make_site(
        clients, **(dict.fromkeys([]) if site is None else {"settings": site.settings, "skills": site.skills})
    )
    account = Operator(
        operator=ADA, email="ada@example.org", name="Ada", memberships=(Membership(site=SITE, max_chats=9),)
    )
    await DirectoryStore(clients).create_operator(account, "")
    routing = ChatRoutingSettings(redis_url=redis_url, admin_port=0)
    async with running(build_chat_routing(routing)), collector(clients, redis_url, **fields) as edge:
        rig = ChatRig(edge, clients)
        yield rig
        await clients.ready()  # a test may have stopped the server in between
        assert await clients.call("XLEN", keys.parked("chat_routing", HERE)) == 0
        assert await edge.metric('foyer_collector_inputs_total{channel="live",outcome="internal"}') == 0
