"""Offline messages and transcripts on their way out: a real Valkey, a real mail server, a real HTTP receiver."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest
from aiohttp import web

from services.chat_routing.app import build
from services.chat_routing.notify.hooks import Hooks
from services.chat_routing.notify.mail import Mailer, MailServer
from services.chat_routing.notify.worker import Notifier
from services.chat_routing.settings import ChatRoutingSettings
from shared.contracts.chat import (
    AcceptRequest,
    Actor,
    EndChat,
    EraseVisitor,
    LeaveForm,
    OfflineMessageLeft,
    RequestChat,
    SendMessage,
)
from shared.contracts.notifications import Delivery, MessageNews, Undelivered, decode_undelivered
from shared.contracts.sites import Membership, Notifications, Operator, Site, Webhook
from shared.contracts.streams import OperatorConnected, encode
from shared.domain.partitions import Partitions
from shared.runtime.clock import SystemClock
from shared.runtime.service import running
from shared.storage import keys
from shared.storage.clients import Clients
from shared.storage.directory import Directory
from shared.storage.directory_store import DirectoryStore
from shared.storage.log import PartitionLog
from shared.storage.notifications import NotificationQueue, queue_writes
from shared.storage.transcripts import Transcripts
from tests.eventually import eventually
from tests.mail import Post, mail_server

PARTITIONS = Partitions(4)
SITE = "s_shop"
HERE = PARTITIONS.of(SITE)
SECRET = "0123456789abcdef"
VERA = "11111111-1111-4111-8111-111111111111"
ADA = Actor("operator", "o_ada1", "Ada")


@dataclass
class Receiver:
    """A webhook's end. `answers` come first, then 204."""

    port: int = 0
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    answers: list[web.Response] = field(default_factory=list)
    open: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.open.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/in"

    async def take(self, request: web.Request) -> web.Response:
        self.got.append((dict(request.headers), await request.read()))
        await self.open.wait()
        return self.answers.pop(0) if self.answers else web.Response(status=204)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", made.take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.port = runner.addresses[0][1]
    yield made
    await runner.cleanup()


@pytest.fixture
async def post() -> AsyncIterator[tuple[Post, int]]:
    made = Post()
    async with mail_server(made) as port:
        yield made, port


async def a_site(clients: Clients, receiver: Receiver, **fields: Any) -> None:
    values = {"webhooks": (Webhook(receiver.url, SECRET),)} | fields
    store = DirectoryStore(clients)
    await store.create_site(Site(site=SITE, name="Shop", notifications=Notifications(**values)))
    account = Operator(operator=ADA.id, email="a@b.c", name="Ada", memberships=(Membership(site=SITE),))
    await store.create_operator(account, "")


def settings(redis_url: str, receiver: Receiver, mail_port: int = 0) -> ChatRoutingSettings:
    mail = {"smtp_host": "127.0.0.1", "smtp_port": mail_port, "smtp_from": "foyer@shop.example"} if mail_port else {}
    return ChatRoutingSettings(
        redis_url=redis_url,
        partitions=PARTITIONS.count,
        admin_port=0,
        smtp_security="none",
        webhook_allow=(f"127.0.0.1:{receiver.port}",),
        **mail,  # type: ignore[arg-type]
    )


async def tell(clients: Clients, *entries: Any) -> None:
    await PartitionLog(clients).append("cmd", HERE, [encode(entry) for entry in entries])


def form(text: str, name: str = "Vera") -> LeaveForm:
    by = Actor("visitor", VERA)
    return LeaveForm(
        site=SITE, visitor=VERA, by=by, id=f"f-{text}"[:60], sent=True, name=name, email="v@x.example", text=text
    )


async def queue_is_empty(clients: Clients) -> bool:
    return bool(await clients.call("XLEN", keys.notifications(HERE)) == 0)


async def test_an_offline_message_goes_out_by_mail_and_signed_webhook(clients, redis_url, receiver, post):
    inbox, port = post
    await a_site(clients, receiver, message_emails=("team@shop.example",))
    async with running(build(settings(redis_url, receiver, port))):
        await tell(clients, form("Where is my order?"))
        await eventually(lambda: receiver.got and inbox.mails)
        await eventually(lambda: queue_is_empty(clients))
    (mail,), (receivers,) = inbox.mails, inbox.receivers
    assert receivers == ["team@shop.example"]
    assert (mail["Subject"], mail["Reply-To"]) == ("New message on Shop", "v@x.example")
    assert "Where is my order?" in mail.get_content()
    ((headers, body),) = receiver.got
    event = msgspec.json.decode(body)
    assert (event["type"], event["text"], event["visitor"]) == ("message", "Where is my order?", VERA)
    signed = f"{headers['X-Foyer-Timestamp']}.".encode() + body
    assert headers["X-Foyer-Signature"] == "v1=" + hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
    assert headers["X-Foyer-Delivery"] == event["delivery"]


async def test_a_chat_that_is_over_sends_its_transcript(clients, redis_url, receiver, post):
    inbox, port = post
    await a_site(clients, receiver, transcript_emails=("log@shop.example",))
    async with running(build(settings(redis_url, receiver, port))):
        visitor = Actor("visitor", VERA)
        common: dict[str, Any] = {"site": SITE, "visitor": VERA}
        await tell(
            clients,
            OperatorConnected(SITE, ADA.id, "Ada", "c1", "gw1", SystemClock().now_ms()),
            RequestChat(**common, by=visitor, id="r1", name="Vera"),
            AcceptRequest(**common, by=ADA, id="a1"),
            SendMessage(**common, by=visitor, id="m1", text="Hi\nBcc: x@y.z"),
            EndChat(**common, by=ADA, id="e1"),
        )
        await eventually(lambda: receiver.got and inbox.mails)
    content = inbox.mails[0].get_content().replace("\r\n", "\n")
    assert "Vera: Hi\n    Bcc: x@y.z" in content
    event = msgspec.json.decode(receiver.got[0][1])
    assert (event["type"], event["status"]) == ("chat", "chat_end")
    assert [line["type"] for line in event["events"]] == ["requested", "started", "message", "ended"]


@asynccontextmanager
async def worker(clients: Clients, consumer: str, **options: Any) -> AsyncIterator[tuple[Notifier, list[str]]]:
    """A worker of its own, with short pauses."""
    directory = Directory(clients)
    await directory.start()
    counted: list[str] = []
    values: dict[str, Any] = {"hooks": Hooks(frozenset({"127.0.0.1"})), "mailer": None, "pauses_ms": (50, 50, 50)}
    made = Notifier(
        NotificationQueue(clients),
        PARTITIONS,
        directory,
        Transcripts(clients, PARTITIONS),
        consumer=consumer,
        clock=SystemClock(),
        count=counted.append,
        sweep_s=0.05,
        **(values | options),
    )
    task = asyncio.create_task(made.run())
    try:
        yield made, counted
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await directory.stop()


def message(text: str = "Hello", target: str = "") -> Delivery:
    left = OfflineMessageLeft(site=SITE, visitor=VERA, id="m1", at=1, name="V", email="", text=text)
    return Delivery(id=f"d-{text}", news=MessageNews(left), mail=False, target=target)


async def queue(clients: Clients, *found: Delivery) -> None:
    for write in queue_writes(HERE, found):
        await clients.call(write.command, write.key, *write.arguments)


async def buried(clients: Clients) -> list[Undelivered]:
    entries = await clients.call("XRANGE", keys.dead_notifications(HERE), "-", "+")
    return [decode_undelivered(fields[b"d"]) for _, fields in entries]


async def test_a_receiver_that_fails_is_tried_again_with_the_same_delivery_id(clients, redis_url, receiver):
    await a_site(clients, receiver)
    receiver.answers = [web.Response(status=503), web.Response(status=500)]
    await queue(clients, message(target=receiver.url))
    async with worker(clients, "w1") as (_, counted):
        await eventually(lambda: len(receiver.got) == 3)
        await eventually(lambda: queue_is_empty(clients))
    assert counted == ["put_off", "put_off", "delivered"]
    assert len({headers["X-Foyer-Delivery"] for headers, _ in receiver.got}) == 1


async def test_what_never_succeeds_is_given_up_without_keeping_its_text(clients, redis_url, receiver):
    await a_site(clients, receiver)
    receiver.answers = [web.Response(status=500) for _ in range(9)]
    await queue(clients, message("a private word", receiver.url))
    async with worker(clients, "w1") as (_, counted):
        await eventually(lambda: buried(clients))
        await eventually(lambda: queue_is_empty(clients))
    (line,) = await buried(clients)
    assert (line.reason, line.attempts, line.target) == ("http_500", 3, receiver.url)
    assert counted == ["put_off", "put_off", "given_up"]
    stored = await clients.call("XRANGE", keys.dead_notifications(HERE), "-", "+")
    assert b"private" not in repr(stored).encode().replace(b"d-a private word", b"")


async def test_a_redirect_is_not_followed_and_a_long_answer_not_read(clients, redis_url, receiver):
    await a_site(clients, receiver)
    receiver.answers = [
        web.Response(status=307, headers={"Location": "/elsewhere"}),
        web.Response(status=200, body=b"x" * 5_000_000),
    ]
    await queue(clients, message(target=receiver.url))
    async with worker(clients, "w1") as (_, counted):
        await eventually(lambda: queue_is_empty(clients))
    assert counted == ["put_off", "delivered"]
    assert len(receiver.got) == 2


async def test_a_private_receiver_that_is_not_allowed_is_never_called(clients, redis_url, receiver):
    url = receiver.url.replace("http:", "https:")
    await a_site(clients, receiver, webhooks=(Webhook(url, SECRET),))
    await queue(clients, message(target=url))
    async with worker(clients, "w1", hooks=Hooks(frozenset())) as (_, counted):
        await eventually(lambda: buried(clients))
    assert counted == ["given_up"]
    assert [line.reason for line in await buried(clients)] == ["private_address"]
    assert receiver.got == []


async def test_what_a_dead_worker_had_taken_is_delivered_by_another(clients, redis_url, receiver):
    await a_site(clients, receiver)
    await queue(clients, message(target=receiver.url))
    taken = await NotificationQueue(clients).fresh(HERE, "dead", 10)
    assert len(taken) == 1
    async with worker(clients, "w1"), worker(clients, "w2"):
        await eventually(lambda: queue_is_empty(clients))
    assert len(receiver.got) == 1


async def test_two_workers_deliver_everything_once(clients, redis_url, receiver):
    await a_site(clients, receiver)
    await queue(clients, *(message(f"{number}", receiver.url) for number in range(40)))
    slow = (10_000, 10_000)
    async with worker(clients, "w1", pauses_ms=slow), worker(clients, "w2", pauses_ms=slow):
        await eventually(lambda: queue_is_empty(clients))
    names = [headers["X-Foyer-Delivery"] for headers, _ in receiver.got]
    assert len(names) == len(set(names)) == 40


async def test_a_receiver_that_the_site_no_longer_names_gets_nothing(clients, redis_url, receiver):
    await a_site(clients, receiver, webhooks=())
    await queue(clients, message(target=receiver.url))
    await clients.call("XADD", keys.notifications(HERE), "*", "d", b"not a delivery")
    async with worker(clients, "w1") as (_, counted):
        await eventually(lambda: queue_is_empty(clients))
    assert receiver.got == []
    assert sorted(counted) == ["delivered", "given_up"]


async def test_a_mail_server_that_is_busy_gets_the_mail_later(clients, redis_url, receiver, post):
    inbox, port = post
    inbox.refusals = ["451 try later"]
    await a_site(clients, receiver, webhooks=(), message_emails=("team@shop.example",))
    mailer = Mailer(MailServer("127.0.0.1", port, "none", "foyer@shop.example"))
    await queue(clients, msgspec.structs.replace(message(target="team@shop.example"), mail=True))
    async with worker(clients, "w1", mailer=mailer) as (_, counted):
        await eventually(lambda: queue_is_empty(clients))
    assert counted == ["put_off", "delivered"]
    assert len(inbox.mails) == 1


async def test_chats_go_on_while_a_receiver_hangs(clients, redis_url, receiver):
    await a_site(clients, receiver)
    receiver.open.clear()
    async with running(build(settings(redis_url, receiver))):
        await tell(clients, form("first"))
        await eventually(lambda: receiver.got)
        await tell(clients, form("second"))
        await eventually(lambda: waiting(clients, 2))
        assert len(receiver.got) == 1
        receiver.open.set()
        await eventually(lambda: len(receiver.got) == 2)


async def waiting(clients: Clients, number: int) -> bool:
    return bool(await clients.call("XLEN", keys.inbox(HERE, SITE)) == number)


async def test_the_connection_goes_to_the_address_that_was_looked_at(receiver: Receiver) -> None:
    async def looked_at(_host: str, _port: int) -> list[str]:
        return ["127.0.0.1"]

    hooks = Hooks(frozenset({"crm.invalid"}), looked_at)
    await hooks.post(f"http://crm.invalid:{receiver.port}/in", SECRET, "d1", {}, 0)
    ((headers, _),) = receiver.got
    assert headers["Host"] == f"crm.invalid:{receiver.port}"


async def test_a_message_that_waits_for_a_retry_is_erased_with_its_visitor(clients, redis_url, receiver):
    await a_site(clients, receiver)
    receiver.answers = [web.Response(status=503)]
    async with running(build(settings(redis_url, receiver))):
        await tell(clients, form("a private word"))
        await eventually(lambda: receiver.got)
        await tell(clients, EraseVisitor(SITE, VERA))
        await eventually(lambda: queue_is_empty(clients))
