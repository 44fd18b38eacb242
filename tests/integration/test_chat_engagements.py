"""Chats through the real loop and a real Valkey: what is stored, told and logged, also when everything comes twice."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from services.chat_routing.app import build
from services.chat_routing.settings import ChatRoutingSettings
from shared.contracts import chat
from shared.contracts.chat import (
    Actor,
    ChatEvent,
    ChatSummary,
    CommandDone,
    EraseVisitor,
    InviteMade,
    OfferMade,
    PresenceFacts,
    VisitorBack,
    VisitorGone,
)
from shared.contracts.rows import SEQ_FIELD, EngagementRow, decode_engagement_row
from shared.contracts.sites import Condition, Membership, Operator, Site, SiteSettings, Skill, SkillRule
from shared.contracts.streams import (
    CmdEntry,
    GatewayAlive,
    OperatorChanged,
    OperatorConnected,
    OperatorDisconnected,
    RowChanged,
    RowGone,
    decode_chat,
    decode_log,
    encode,
)
from shared.domain.partitions import Partitions
from shared.domain.visitor import Tab, View, Visitor
from shared.domain.visitor_packing import pack_visitor
from shared.runtime.clock import ManualClock
from shared.runtime.service import running
from shared.storage import keys
from shared.storage.blocks import payloads_in
from shared.storage.clients import Clients
from shared.storage.directory_store import DirectoryStore
from shared.storage.log import PartitionLog
from shared.storage.transcripts import Transcripts
from tests.eventually import eventually

PARTITIONS = Partitions(4)
SITE = "s_shop"
HERE = PARTITIONS.of(SITE)
V1, V2 = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
decode_line = msgspec.msgpack.Decoder(ChatEvent).decode


@dataclass
class Shop:
    """The site with its stream; `folded` is what a gateway would make of the log."""

    clients: Clients
    clock: ManualClock
    twice: bool = False
    count: int = 0
    folded: dict[str, dict[str, Any]] = field(default_factory=dict)

    async def tell(self, *entries: CmdEntry) -> None:
        """Append and wait until it is done; if `twice`, everything is delivered a second time."""
        for _ in range(2 if self.twice else 1):
            await PartitionLog(self.clients).append("cmd", HERE, [encode(entry) for entry in entries])
        await eventually(self.idle)

    async def idle(self) -> bool:
        return bool(await self.clients.call("XLEN", keys.stream("cmd", HERE)) == 0)

    async def connect(self, operator: str) -> None:
        now = self.clock.now_ms()
        await self.tell(OperatorConnected(SITE, operator, operator.title(), f"c-{operator}", "gw1", now))

    async def wait(self, ms: int) -> None:
        """Let time pass while the gateway lives."""
        while ms > 0:
            step = min(ms, 5000)
            ms -= step
            self.clock.advance(step)
            await self.tell(GatewayAlive("gw1", self.clock.now_ms()))
            await eventually(self.nothing_due)

    async def nothing_due(self) -> bool:
        key = keys.timers("chat_routing", HERE)
        return bool(await self.clients.call("ZCOUNT", key, "-inf", self.clock.now_ms()) == 0)

    async def here(self, visitor: str, url: str = "https://shop.example/") -> None:
        """Presence has a row of the visitor."""
        view = View(b"p" * 16, url, "Home", 1)
        shown = Visitor(number=7, live=True, visits=1, visit_started_at=1, tabs=(Tab(b"t" * 16, view=view, seen_at=1),))
        await self.clients.call("HSET", keys.visitors(HERE, SITE), visitor, pack_visitor(shown))

    async def left(self, visitor: str) -> None:
        await self.clients.call("HDEL", keys.visitors(HERE, SITE), visitor)
        await self.tell(PresenceFacts((VisitorGone(SITE, visitor, self.clock.now_ms()),)))

    async def v(self, command: str, visitor: str, **fields: Any) -> CommandDone:
        return await self._do(command, visitor, Actor("visitor", visitor), fields)

    async def o(self, command: str, operator: str, visitor: str, **fields: Any) -> CommandDone:
        return await self._do(command, visitor, Actor("operator", operator), fields)

    async def _do(self, command: str, visitor: str, by: Actor, fields: dict[str, Any]) -> CommandDone:
        self.count += 1
        values: dict[str, Any] = {"site": SITE, "visitor": visitor, "by": by, "id": f"k{self.count}"} | fields
        await self.tell(getattr(chat, command)(**values))
        answers = [e for e in await self.outcomes() if isinstance(e, CommandDone) and e.id == values["id"]]
        assert len({(a.code, a.seq, a.chat) for a in answers}) == 1
        return answers[-1]

    async def outcomes(self) -> list[Any]:
        entries = await self.clients.call("XRANGE", keys.stream("chat", HERE), "-", "+")
        return [one for _, fields in entries for one in decode_chat(fields[b"d"]).outcomes]

    async def row(self, visitor: str) -> Any:
        value = await self.clients.call("HGET", keys.engagements(HERE, SITE), visitor)
        return decode_engagement_row(value) if value else None

    async def transcript(self, chat_id: str) -> list[ChatEvent]:
        entries = await self.clients.call("XRANGE", keys.transcript(HERE, chat_id), "-", "+")
        assert [entry.decode() for entry, _ in entries] == [f"{n}-0" for n in range(1, len(entries) + 1)]
        return [decode_line(fields[b"d"]) for _, fields in entries]

    async def log_adds_up(self) -> None:
        """Snapshot and log agree, and the sequence has no gaps."""
        rows: dict[str, dict[str, Any]] = {}
        seq = 0
        for _, fields in await self.clients.call("XRANGE", keys.stream("log", HERE), "-", "+"):
            entry = decode_log(payloads_in(fields)[0])
            assert entry.part == "engagement"
            for change in entry.changes:
                seq += 1
                assert (change.seq, change.version) == (seq, seq)
                match change:
                    case RowChanged(visitor=visitor, full=True):
                        assert visitor not in rows
                        rows[visitor] = change.fields | {"version": seq}
                    case RowChanged(visitor=visitor):
                        rows[visitor] |= change.fields | {"version": seq}
                    case RowGone(visitor=visitor):
                        del rows[visitor]
        stored = await self.clients.call("HGETALL", keys.engagements(HERE, SITE))
        snapshot = {v.decode(): decode_engagement_row(value) for v, value in stored.items()}
        assert msgspec.convert(rows, dict[str, EngagementRow]) == snapshot
        assert int(await self.clients.call("HGET", keys.engagement_meta(HERE, SITE), SEQ_FIELD) or 0) == seq


@pytest.fixture(params=[False, True], ids=["once", "twice"])
async def shop(request: pytest.FixtureRequest, redis_url: str, clients: Clients) -> AsyncIterator[Shop]:
    """Two operators, the service, and in the second run every entry delivered twice."""
    store = DirectoryStore(clients)
    skills = (Skill("general", "General"), Skill("sales", "Sales"))
    settings = SiteSettings(intake="assign")
    await store.create_site(Site(site=SITE, name="Shop", skills=skills, settings=settings))
    for operator, role in (("o_ada1", "operator"), ("o_bob1", "supervisor")):
        membership = Membership(site=SITE, role=role, primary_skill="general", max_chats=1)  # type: ignore[arg-type]
        account = chat_operator(operator, membership)
        await store.create_operator(account, "")
    clock = ManualClock()
    service = ChatRoutingSettings(redis_url=redis_url, partitions=PARTITIONS.count, admin_port=0)
    async with running(build(service, clock=clock)):
        shop = Shop(clients, clock, twice=request.param)
        await shop.connect("o_ada1")
        yield shop
        await shop.log_adds_up()
        assert await clients.call("XLEN", keys.parked("chat_routing", HERE)) == 0


def chat_operator(operator: str, membership: Membership) -> Operator:
    return Operator(operator=operator, email=f"{operator}@example.org", name=operator, memberships=(membership,))


async def chatting(shop: Shop, visitor: str = V1) -> CommandDone:
    await shop.here(visitor)
    await shop.v("RequestChat", visitor, name="Vera", text="Hello?")
    offer = [e for e in await shop.outcomes() if isinstance(e, OfferMade)][-1]
    return await shop.o("AcceptOffer", offer.operator, visitor, offer=offer.offer)


async def test_request_is_offered_accepted_and_talked_about(shop):
    answer = await chatting(shop)
    assert (answer.code, answer.current) == (None, "chatting")
    assert (await shop.v("SendMessage", V1, text="One")).seq == 3
    assert (await shop.o("SendMessage", "o_ada1", V1, text="Two")).seq == 4
    row = await shop.row(V1)
    assert (row.status, row.name, [o.id for o in row.operators], row.chat) == (
        "chatting",
        "Vera",
        ["o_ada1"],
        answer.chat,
    )
    lines = await shop.transcript(answer.chat)
    assert [(line.type, line.text) for line in lines] == [
        ("requested", "Hello?"),
        ("started", ""),
        ("message", "One"),
        ("message", "Two"),
    ]
    assert lines[0].by.name == "Vera"
    loads = [e.chats for e in await shop.outcomes() if isinstance(e, OperatorChanged)]
    assert loads == [0, 1]


async def test_second_visitor_waits_until_the_slot_is_free_again(shop):
    await chatting(shop)
    await shop.here(V2)
    await shop.v("RequestChat", V2)
    assert (await shop.row(V2)).status == "requested"
    assert len([e for e in await shop.outcomes() if isinstance(e, OfferMade)]) == 1
    await shop.o("EndChat", "o_ada1", V1)
    offers = [e for e in await shop.outcomes() if isinstance(e, OfferMade)]
    assert [(o.visitor, o.operator) for o in offers] == [(V1, "o_ada1"), (V2, "o_ada1")]


async def test_deadlines_fire_and_two_misses_set_the_operator_away(shop):
    for visitor in (V1, V2):
        await shop.here(visitor)
        await shop.v("RequestChat", visitor)
        await shop.wait(25_000)
        row = await shop.row(visitor)
        assert (row.status, row.reason) == ("redirected", "all_declined")
    changes = [(e.state, e.reason) for e in await shop.outcomes() if isinstance(e, OperatorChanged)]
    assert ("away", "missed") in changes
    await shop.wait(600_000)
    assert (await shop.row(V2)).status == "navigating"


async def test_lost_operator_hands_the_visitor_to_the_queue_and_gets_it_back(shop):
    await chatting(shop)
    now = shop.clock.now_ms()
    await shop.tell(OperatorDisconnected(SITE, "o_ada1", "c-o_ada1", "gw1", now))
    await shop.wait(15_000)
    chat_id = (await shop.row(V1)).chat
    assert [line.type for line in await shop.transcript(chat_id)][-1] == "away"
    await shop.wait(30_000)
    row = await shop.row(V1)
    assert (row.status, row.reason, row.operators) == ("requested", "operator_lost", ())
    await shop.tell(OperatorConnected(SITE, "o_ada1", "Ada", "c-again", "gw1", shop.clock.now_ms()))
    offer = [e for e in await shop.outcomes() if isinstance(e, OfferMade)][-1]
    assert (offer.operator, offer.why) == ("o_ada1", "returned")


async def test_visitor_who_leaves_is_taken_off_the_list_when_the_wait_is_over(shop):
    await shop.here(V1)
    await shop.connect("o_bob1")
    await shop.v("RequestChat", V1)
    await shop.left(V1)
    assert (await shop.row(V1)).status == "requested"
    await shop.wait(30_000)
    assert await shop.row(V1) is None
    await shop.wait(30 * 60_000)
    for key in (keys.engaged(HERE, SITE), keys.unengaged(HERE, SITE)):
        assert await shop.clients.call("HLEN", key) == 0


async def test_visitor_whose_row_is_there_is_not_taken_for_gone(shop):
    await chatting(shop)
    await shop.tell(PresenceFacts((VisitorGone(SITE, V1, shop.clock.now_ms()),)))
    await shop.wait(130_000)
    assert (await shop.row(V1)).status == "chatting"


async def test_return_is_told_and_invited_visitor_who_leaves_frees_the_slot(shop):
    await shop.here(V1)
    await shop.o("InviteVisitor", "o_ada1", V1, text="Hello")
    await shop.left(V1)
    assert await shop.row(V1) is None
    assert [e.chats for e in await shop.outcomes() if isinstance(e, OperatorChanged)] == [0, 1, 0]
    await shop.here(V1)
    await shop.tell(PresenceFacts((VisitorBack(SITE, V1, shop.clock.now_ms()),)))
    assert (await shop.row(V1)).status == "navigating"


async def test_commands_for_what_is_not_there_are_refused(shop):
    assert (await shop.o("InviteVisitor", "o_ada1", V2)).code == "not_found"
    assert (await shop.o("InviteVisitor", "o_zoe1", V2)).code == "forbidden"
    assert await shop.row(V2) is None


async def test_operator_removed_from_the_site_loses_the_chat_at_once(shop):
    await chatting(shop)
    await shop.connect("o_bob1")
    await DirectoryStore(shop.clients).update_operator("o_ada1", lambda old: replace(old, disabled=True))
    await eventually(lambda: offered(shop, "o_bob1"))
    assert (await shop.row(V1)).reason == "operator_lost"


async def test_new_skill_of_an_operator_acts_at_once(shop):
    sales = Membership(site=SITE, role="supervisor", primary_skill="sales", max_chats=1)
    store = DirectoryStore(shop.clients)
    await store.update_operator("o_bob1", lambda old: replace(old, memberships=(sales,)))
    await shop.connect("o_bob1")
    await chatting(shop)
    await shop.here(V2)
    await shop.v("RequestChat", V2)
    assert not await offered(shop, "o_bob1")
    both = replace(sales, secondary_skills=("general",))
    await store.update_operator("o_bob1", lambda old: replace(old, memberships=(both,)))
    await eventually(lambda: offered(shop, "o_bob1"))


async def test_a_new_rule_acts_at_once_on_who_waits(shop):
    await shop.connect("o_ada1")
    await shop.here(V1)
    assert (await shop.v("RequestChat", V1)).code is None
    rules = (SkillRule("r1", "sales", (Condition("address", "*"),)),)
    await DirectoryStore(shop.clients).update_site(SITE, lambda old: replace(old, rules=rules))
    await eventually(lambda: needs(shop, "sales"))


async def needs(shop: Shop, skill: str) -> bool:
    row = await shop.row(V1)
    return bool(row is not None and row.skill == skill)


async def offered(shop: Shop, operator: str) -> bool:
    return any(isinstance(e, OfferMade) and e.operator == operator for e in await shop.outcomes())


async def test_what_is_kept_in_memory_counts_only_while_nobody_else_has_committed(shop):
    await chatting(shop)
    assert (await shop.v("SendMessage", V1, text="One")).code is None
    await shop.clients.call("DEL", keys.engaged(HERE, SITE), keys.engagements(HERE, SITE))
    await shop.clients.call("SET", keys.commit_mark("chat_routing", HERE), "somebody-else:1")
    assert (await shop.v("SendMessage", V1, text="Two")).code == "not_in_chat"
    await shop.clients.call("DEL", keys.stream("log", HERE), keys.engagement_meta(HERE, SITE))


async def test_history_of_a_chat_says_how_it_went_and_who_took_part(shop):
    answer = await chatting(shop)
    await shop.v("EndChat", V1)
    await shop.wait(30_000)
    packed = await shop.clients.call("HGET", keys.chats(HERE, SITE, V1), answer.chat)
    summary = msgspec.msgpack.decode(packed, type=ChatSummary)
    assert (summary.status, summary.reason, summary.skill) == ("chat_end", "by_visitor", "general")
    assert [operator.id for operator in summary.operators] == ["o_ada1"]
    assert summary.began_at == summary.requested_at > 0
    assert summary.ended_at >= summary.engaged_at >= summary.requested_at
    assert await shop.clients.call("ZRANGE", keys.site_chats(HERE, SITE), 0, -1) == [answer.chat.encode()]


@pytest.mark.parametrize("live", [False, True], ids=["ended", "live"])
async def test_erased_visitor_leaves_nothing_behind(shop, live):
    await chatting(shop)
    await shop.v("SendMessage", V1, text="My secret")
    if not live:
        await shop.v("EndChat", V1)
        await chatting(shop)
        await shop.v("EndChat", V1)
    await shop.clients.call("HDEL", keys.visitors(HERE, SITE), V1)
    await shop.tell(EraseVisitor(SITE, V1))
    assert [key for key in await shop.clients.call("KEYS", "*") if V1.encode() in key] == []
    for key in (keys.engaged, keys.unengaged, keys.engagements):
        assert await shop.clients.call("HEXISTS", key(HERE, SITE), V1) == 0
    assert await shop.clients.call("ZCARD", keys.site_chats(HERE, SITE)) == 0
    assert await shop.clients.call("ZSCORE", keys.timers("chat_routing", HERE), f"e {SITE} {V1}") is None
    assert [e.chats for e in await shop.outcomes() if isinstance(e, OperatorChanged)][-1] == 0


async def test_transcript_is_read_in_pages_and_from_where_one_left_off(shop):
    answer = await chatting(shop)
    for n in range(5):
        await shop.v("SendMessage", V1, text=f"Line {n}")
    read = Transcripts(shop.clients, PARTITIONS)
    assert [line.seq for line in await read.after(answer.chat, 0)] == [1, 2, 3, 4, 5, 6, 7]
    assert [line.seq for line in await read.after(answer.chat, 5)] == [6, 7]
    assert [line.seq for line in await read.after(answer.chat, 7)] == []
    assert [line.seq for line in await read.before(answer.chat, limit=2)] == [6, 7]
    assert [line.seq for line in await read.before(answer.chat, 6, limit=2)] == [4, 5]
    assert await read.before(answer.chat, 1) == []
    assert await read.after("nonsense", 0) == []
    assert [chat.chat for chat in await read.chats(SITE, V1)] == [answer.chat]
    assert [chat.chat for chat in await read.latest(SITE)] == [answer.chat]
    assert await read.latest(SITE, before_ms=1) == []


async def test_console_that_connects_is_told_what_waits_for_it(shop):
    await shop.here(V1)
    await shop.v("RequestChat", V1)
    await shop.tell(OperatorConnected(SITE, "o_ada1", "Ada", "c-second", "gw1", shop.clock.now_ms()))
    offers = [e for e in await shop.outcomes() if isinstance(e, OfferMade)]
    assert len(offers) == 2
    assert offers[0] == offers[1]


async def test_invitation_goes_by_the_id_of_its_chat(shop):
    await shop.here(V1)
    await shop.o("InviteVisitor", "o_ada1", V1, text="Hello")
    made = next(e for e in await shop.outcomes() if isinstance(e, InviteMade))
    assert made.invitation == (await shop.row(V1)).chat


async def test_command_for_a_row_that_has_changed_is_refused(shop):
    await chatting(shop)
    row = await shop.row(V1)
    assert (await shop.o("EndChat", "o_ada1", V1, version=row.version - 1)).code == "stale_version"
    assert (await shop.o("EndChat", "o_ada1", V1, version=row.version)).code is None


async def test_member_who_never_connected_is_offline_and_not_unknown(shop):
    await chatting(shop)
    assert (await shop.o("ForwardChat", "o_ada1", V1, to_operator="o_bob1")).code == "target_offline"
    assert (await shop.o("ForwardChat", "o_ada1", V1, to_operator="o_zoe1")).code == "not_found"
    assert (await shop.o("JoinChat", "o_zoe1", V1)).code == "forbidden"
