"""Transcripts by mail: to visitors at the end or when asked for, to whom an operator names; what was given up."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from services.chat_routing.app import build
from services.chat_routing.settings import ChatRoutingSettings
from services.operator_gateway.admin_commands import Admin, AdminError
from services.operator_gateway.passwords import Passwords
from shared.contracts.chat import (
    AcceptRequest,
    Actor,
    CommandDone,
    EndChat,
    EraseVisitor,
    LeaveForm,
    MailTranscript,
    RequestChat,
    SendMessage,
)
from shared.contracts.sites import Notifications, SiteSettings
from shared.contracts.streams import OperatorConnected, decode_chat, encode
from shared.domain.partitions import Partition
from shared.runtime.clock import SystemClock
from shared.runtime.service import running
from shared.storage import keys
from shared.storage.blocks import payloads_in
from shared.storage.clients import Clients
from shared.storage.log import PartitionLog
from tests.eventually import eventually
from tests.gateway_api import Api, serving
from tests.mail import Post, mail_server

VERA = "11111111-1111-4111-8111-111111111111"
VISITOR = Actor("visitor", VERA)
HERS = "vera@home.example"


class World:
    """A site, its API, chat-routing, a mail server and an operator who is online."""

    def __init__(self, clients: Clients, api: Api, site: str, token: str, post: Post) -> None:
        self.clients = clients
        self.api = api
        self.site = site
        self.token = token
        self.post = post
        self.operator = Actor("operator", "")
        self.count = 0

    @property
    def partition(self) -> Partition:
        return self.api.partitions.of(self.site)

    async def tell(self, kind: Any, by: Actor = VISITOR, **fields: Any) -> CommandDone:
        """A command; its answer."""
        self.count += 1
        ident = f"k{self.count}"
        command = kind(site=self.site, visitor=VERA, by=by, id=ident, **fields)
        await PartitionLog(self.clients).append("cmd", self.partition, [encode(command)])

        async def answer() -> CommandDone | None:
            entries = await self.clients.call("XRANGE", keys.stream("chat", self.partition), "-", "+")
            found = [one for _, fields in entries for data in payloads_in(fields) for one in decode_chat(data).outcomes]
            return next((one for one in found if isinstance(one, CommandDone) and one.id == ident), None)

        done: CommandDone = await eventually(answer)
        return done

    async def chat(self, email: str = HERS) -> str:
        """A chat with one message, which is over; its id."""
        done = await self.tell(RequestChat, name="Vera", email=email)
        assert done.code is None
        assert (await self.tell(AcceptRequest, self.operator)).code is None
        assert (await self.tell(SendMessage, text="Where is my order?")).code is None
        assert (await self.tell(EndChat, self.operator)).code is None
        return done.chat

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        return await self.api.call(method, f"/api/v1/sites/{self.site}/{path}", self.token, body)

    async def undelivered(self) -> list[Any]:
        return list((await self.call("GET", "undelivered")).json["items"])


@asynccontextmanager
async def world(clients: Clients, redis_url: str, transcript: str = "off", **more: Any) -> AsyncIterator[World]:
    post = Post()
    async with mail_server(post) as port:
        settings = ChatRoutingSettings(
            redis_url=redis_url,
            admin_port=0,
            smtp_host=more.pop("smtp_host", "127.0.0.1"),
            smtp_port=port,
            smtp_security="none",
            smtp_from="foyer@shop.example",
        )
        async with serving(clients) as api, running(build(settings)):
            chosen: Any = {"visitor_transcript": transcript}
            site = await api.site(settings=SiteSettings(**chosen), **more)
            account = await api.operator(site, "admin")
            made = World(clients, api, site.site, await api.login(account), post)
            made.operator = Actor("operator", account.operator, account.name)
            online = OperatorConnected(site.site, account.operator, account.name, "c1", "gw1", SystemClock().now_ms())
            await PartitionLog(clients).append("cmd", made.partition, [encode(online)])
            yield made
            assert await clients.call("XLEN", keys.parked("chat_routing", made.partition)) == 0


async def test_the_visitor_gets_what_was_said_at_the_end_where_the_site_wants_it(clients, redis_url):
    async with world(clients, redis_url, "end") as shop:
        chat = await shop.chat()
        await eventually(lambda: shop.post.mails)
        (mail,) = shop.post.mails
        assert shop.post.receivers == [[HERS]]
        assert mail["Subject"].startswith("Your chat with ")
        text = mail.get_content()
        assert "Vera: Where is my order?" in text
        assert chat not in text
        assert "(started)" not in text
        # The address is told to no edge.
        entries = await clients.call("XRANGE", keys.stream("chat", shop.partition), "-", "+")
        assert HERS.encode() not in repr(entries).encode()


@pytest.mark.parametrize("transcript", ["off", "ask"])
async def test_nothing_is_mailed_to_a_visitor_that_did_not_ask(clients, redis_url, transcript: str):
    async with world(clients, redis_url, transcript) as shop:
        await shop.chat()
        asked = await shop.tell(MailTranscript)
        assert asked.code == ("forbidden" if transcript == "off" else None)
        if transcript == "off":
            assert await clients.call("XLEN", keys.notifications(shop.partition)) == 0
        else:
            await eventually(lambda: shop.post.mails)
            assert len(shop.post.mails) == 1


async def test_a_visitor_asks_for_it_at_another_address_and_not_without_end(clients, redis_url):
    async with world(clients, redis_url, "ask") as shop:
        assert (await shop.tell(MailTranscript, email=HERS)).code == "not_in_chat"
        await shop.chat(email="")
        assert (await shop.tell(MailTranscript)).code == "not_found"
        for number in range(3):
            assert (await shop.tell(MailTranscript, email=f"v{number}@home.example")).code is None
        assert (await shop.tell(MailTranscript, email=HERS)).code == "too_many"
        await eventually(lambda: len(shop.post.mails) == 3)
        assert sorted(one for (one,) in shop.post.receivers) == [f"v{number}@home.example" for number in range(3)]


async def test_an_operator_mails_a_transcript(clients, redis_url):
    async with world(clients, redis_url) as shop:
        chat = await shop.chat()
        sent = await shop.call("POST", f"chats/{chat}/mail", {"email": "boss@shop.example"})
        assert sent.status == 204
        await eventually(lambda: shop.post.mails)
        assert shop.post.receivers == [["boss@shop.example"]]
        other = f"{shop.site}.{VERA}.1.1"
        assert (await shop.call("POST", f"chats/{other}/mail", {"email": "a@b.example"})).status == 404
        assert (await shop.call("POST", f"chats/{chat}/mail", {"email": "nobody"})).status == 422


async def test_what_was_given_up_is_listed_tried_again_and_dropped(clients, redis_url):
    async with world(
        clients, redis_url, "end", notifications=Notifications(message_emails=("team@shop.example",))
    ) as shop:
        shop.post.unknown = {HERS, "team@shop.example"}
        chat = await shop.chat()
        await shop.tell(LeaveForm, sent=True, name="Vera", email=HERS, text="A private word")
        found = await eventually(lambda: at_least(shop, 2))
        by_kind = {one["kind"]: one for one in found}
        assert (by_kind["chat"]["target"], by_kind["chat"]["chat"]) == (HERS, chat)
        assert by_kind["message"]["reason"] == "recipient_refused"
        assert "private" not in repr(await clients.call("XRANGE", keys.dead_notifications(shop.partition), "-", "+"))
        shop.post.unknown.clear()
        for one in found:
            assert (await shop.call("POST", f"undelivered/{one['entry']}")).status == 204
        await eventually(lambda: len(shop.post.mails) == 2)
        assert sorted(one for (one,) in shop.post.receivers) == ["team@shop.example", HERS]
        assert any("A private word" in mail.get_content() for mail in shop.post.mails)
        await eventually(lambda: is_empty(shop))
        assert (await shop.call("POST", f"undelivered/{found[0]['entry']}")).status == 404
        assert (await shop.call("DELETE", "undelivered/nonsense")).status == 404


async def at_least(shop: World, count: int) -> list[Any]:
    found = await shop.undelivered()
    return found if len(found) >= count else []


async def is_empty(shop: World) -> bool:
    return await shop.undelivered() == []


async def test_only_admins_of_the_site_see_what_was_given_up(clients, redis_url):
    async with world(clients, redis_url) as shop:
        site = await shop.api.store.site(shop.site)
        assert site is not None
        token = await shop.api.login(await shop.api.operator(site, "supervisor"))
        other = await shop.api.login(await shop.api.operator(await shop.api.site(), "admin"))
        path = f"/api/v1/sites/{shop.site}/undelivered"
        assert (await shop.api.call("GET", path, token)).status == 403
        assert (await shop.api.call("GET", path, other)).status == 404
        assert (await shop.api.call("POST", f"{path}/1-0", token)).status == 403
        assert (await shop.api.call("DELETE", f"{path}/1-0", other)).status == 404


async def test_the_command_line_lists_retries_and_drops(clients, redis_url):
    async with world(clients, redis_url, "end") as shop:
        passwords = Passwords()
        admin = Admin(clients, shop.api.directory, passwords, SystemClock())
        shop.post.unknown = {HERS}
        await shop.chat()
        await eventually(lambda: at_least(shop, 1))
        (line,) = await admin.undelivered(shop.site)
        assert (line["target"], line["reason"], line["kind"]) == (HERS, "recipient_refused", "chat")
        with pytest.raises(AdminError, match="1-1"):
            await admin.settle_undelivered(shop.site, ["1-1"], retry=True)
        await admin.settle_undelivered(shop.site, [line["entry"]], retry=True)  # refused again: another entry
        again = await eventually(lambda: other_than(shop, line["entry"]))
        await admin.settle_undelivered(shop.site, [], retry=False)
        await eventually(lambda: is_empty(shop))
        assert again != line["entry"]
        passwords.close()


async def other_than(shop: World, entry: str) -> str:
    return next((one["entry"] for one in await shop.undelivered() if one["entry"] != entry), "")


async def test_erasing_a_visitor_takes_out_what_was_given_up(clients, redis_url):
    async with world(clients, redis_url, "end") as shop:
        shop.post.unknown = {HERS}
        await shop.chat()
        await eventually(lambda: at_least(shop, 1))
        await PartitionLog(clients).append("cmd", shop.partition, [encode(EraseVisitor(shop.site, VERA))])
        await eventually(lambda: is_empty(shop))


async def test_without_a_mail_server_a_visitor_is_told_so(clients, redis_url):
    async with world(clients, redis_url, "ask", smtp_host="") as shop:
        await shop.chat()
        assert (await shop.tell(MailTranscript, email=HERS)).code == "forbidden"
