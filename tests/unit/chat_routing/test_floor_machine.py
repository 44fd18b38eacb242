"""Any sequence of commands, losses, returns and time keeps what must always hold on a site."""

from __future__ import annotations

from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from services.chat_routing.domain.deadlines import timers
from services.chat_routing.domain.engagement import (
    Conference,
    Forwarded,
    Navigating,
    Offer,
    Requested,
    Talking,
    holders,
    is_live,
    offers,
    row,
    seats,
    status,
)
from services.chat_routing.domain.floor import look_again, perform
from services.chat_routing.domain.machine import RulesChanged
from services.chat_routing.domain.queue import ordered
from shared.contracts import chat
from shared.contracts.chat import (
    Actor,
    ChatCommand,
    ChatSaid,
    CommandDone,
    InviteGone,
    InviteMade,
    OfferGone,
    OfferMade,
    StatusChanged,
    address_of,
)
from shared.contracts.sites import SiteSettings
from tests.unit.chat_routing.shop import SITE, Shop

NAMES = ["ada", "bob", "sue"]
VISITORS = ["v1", "v2", "v3"]
FIELDS = {
    "ada": {"limit": 3, "primary": "sales"},
    "bob": {"limit": 2, "primary": "billing", "secondary": ("sales",)},
    "sue": {"limit": 1, "primary": "sales", "role": "supervisor"},
}
BY_VISITOR = ["RequestChat", "CancelRequest", "AcceptInvite", "DeclineInvite", "EndChat", "LeaveForm", "RequestChat"]
BY_OPERATOR = [
    "InviteVisitor",
    "WithdrawInvite",
    "AcceptRequest",
    "AcceptRequest",
    "DeclineRequest",
    "RedirectVisitor",
    "WithdrawForward",
    "JoinChat",
    "LeaveChat",
    "EndChat",
]
visitors, names = st.sampled_from(VISITORS), st.sampled_from(NAMES)


class FloorMachine(RuleBasedStateMachine):
    """Plays on the shop and checks after every step; what was told is folded as a console would."""

    @initialize(intake=st.sampled_from(["pick", "assign"]), limit=st.sampled_from([1, 200, 200]))
    def begin(self, intake: str, limit: int) -> None:
        self.shop = Shop(settings=SiteSettings(intake="assign" if intake == "assign" else "pick", queue_limit=limit))
        self.seen = 0
        self.seqs: Counter[str] = Counter()
        self.open_offers: set[str] = set()
        self.open_invites: set[str] = set()
        self.statuses: dict[str, str] = {}
        self.done: list[ChatCommand] = []
        for visitor in VISITORS:
            self.shop.arrive(visitor)
        for name in NAMES[:2]:
            self.shop.operator(name, **FIELDS[name])

    @rule(visitor=visitors, command=st.sampled_from(BY_VISITOR), skill=st.sampled_from(["", "billing"]))
    def visitor_does(self, visitor: str, command: str, skill: str) -> None:
        fields = {"skill": skill} if command == "RequestChat" else {}
        self.shop.v(command, visitor, **fields)

    @rule(name=names, visitor=visitors, command=st.sampled_from(BY_OPERATOR))
    def operator_does(self, name: str, visitor: str, command: str) -> None:
        self.shop.o(command, name, visitor)

    @precondition(lambda self: self.waiting_offers())
    @rule(which=st.integers(0, 5), take=st.booleans())
    def answer_offer(self, which: int, take: bool) -> None:
        there = self.waiting_offers()
        visitor, offer = there[which % len(there)]
        name = offer.operator.removeprefix("o_")
        answer = self.shop.o("AcceptOffer" if take else "DeclineOffer", name, visitor, offer=offer.offer)
        assert answer == "ok"

    def waiting_offers(self) -> list[tuple[str, Offer]]:
        return [(v, offer) for v, e in sorted(self.shop.floor.engagements.items()) for offer in offers(e.phase)]

    @precondition(lambda self: not self.talking())
    @rule(visitor=visitors, name=names)
    def begin_chat(self, visitor: str, name: str) -> None:
        """Straight into a chat, so that what happens in chats is tried often."""
        self.shop.operator(name, **FIELDS[name])
        self.shop.v("RequestChat", visitor)
        self.shop.o("AcceptRequest", name, visitor)

    @precondition(lambda self: self.talking())
    @rule(which=st.integers(0, 2), other=names, skill=st.sampled_from(["", "sales", "billing"]))
    def forward(self, which: int, other: str, skill: str) -> None:
        visitor, owner = self.a_chat(which)
        if skill:
            self.shop.o("ForwardChat", owner, visitor, to_skill=skill)
        elif self.shop.o("ForwardChat", owner, visitor, to_operator=f"o_{other}") == "ok":
            assert owner != other

    @precondition(lambda self: self.talking())
    @rule(which=st.integers(0, 2), other=names)
    def confer(self, which: int, other: str) -> None:
        visitor, owner = self.a_chat(which)
        self.shop.o("InviteOperator", owner, visitor, operator=f"o_{other}")

    @precondition(lambda self: self.talking())
    @rule(which=st.integers(0, 2), command=st.sampled_from(["LeaveChat", "EndChat", "WithdrawForward", "KickVisitor"]))
    def owner_does(self, which: int, command: str) -> None:
        visitor, owner = self.a_chat(which)
        fields = {"reason": "rude"} if command == "KickVisitor" else {}
        self.shop.o(command, owner, visitor, **fields)

    @precondition(lambda self: self.talking())
    @rule(which=st.integers(0, 2))
    def supervisor_joins(self, which: int) -> None:
        self.shop.operator("sue", **FIELDS["sue"])
        self.shop.o("JoinChat", "sue", self.a_chat(which)[0])

    def talking(self) -> list[str]:
        engagements = self.shop.floor.engagements
        return sorted(visitor for visitor, e in engagements.items() if isinstance(e.phase, Talking))

    def a_chat(self, which: int) -> tuple[str, str]:
        """One of the visitors in a chat, and its owner."""
        there = self.talking()
        visitor = there[which % len(there)]
        return visitor, self.shop.owner(visitor)

    @rule(visitor=visitors, name=st.sampled_from(["", *NAMES]))
    def send(self, visitor: str, name: str) -> None:
        if name:
            self.shop.o("SendMessage", name, visitor, text="Hello")
        else:
            self.shop.v("SendMessage", visitor, text="Hello")

    @rule(name=names, state=st.sampled_from(["online", "online", "away", "offline", "missing"]))
    def operator_is(self, name: str, state: str) -> None:
        if state == "missing":
            if f"o_{name}" in self.shop.floor.agents and self.shop.floor.agents[f"o_{name}"].state != "offline":
                self.shop.missing(name, **FIELDS[name])
        else:
            self.shop.operator(name, state=state, connected=state != "offline", **FIELDS[name])

    @rule(visitor=visitors, here=st.booleans())
    def visitor_is(self, visitor: str, here: bool) -> None:
        if here:
            self.shop.back(visitor)
        else:
            self.shop.gone(visitor)

    @rule(ms=st.sampled_from([1, 1, 5_000, 20_000, 30_000, 120_000, 16 * 60_000]))
    def time_passes(self, ms: int) -> None:
        self.shop.wait(ms)

    @rule(visitor=visitors, skill=st.sampled_from(["sales", "billing"]))
    def rules_change(self, visitor: str, skill: str) -> None:
        self.shop.arrive(visitor, skill)
        for waiting in sorted(self.shop.floor.queued):
            self.shop.take(perform(self.shop.floor, waiting, RulesChanged(), self.shop.moment()))
        self.shop.take(look_again(self.shop.floor, self.shop.moment()))

    @rule(pick=st.integers(0, 1000))
    def repeat_a_command(self, pick: int) -> None:
        """An earlier command comes again: the same answer, and nothing else."""
        answers = [e for e in self.shop.told if isinstance(e, CommandDone)][-10:]
        if not answers:
            return
        answer = answers[pick % len(answers)]
        engagement = self.shop.floor.engagements.get(answer.visitor)
        key = (f"{answer.by.kind}:{answer.by.id}", answer.id)
        if engagement is None or key not in {(a.by, a.id) for a in engagement.answers}:
            return
        again = chat.EndChat(site=SITE, visitor=answer.visitor, by=answer.by, id=answer.id)
        result = perform(self.shop.floor, answer.visitor, again, self.shop.moment())
        assert result.floor == self.shop.floor
        assert [(e.code, e.seq) for e in result.events if isinstance(e, CommandDone)] == [(answer.code, answer.seq)]
        assert len(result.events) == 1

    @invariant()
    def a_visitor_has_one_engagement_and_its_own_chat(self) -> None:
        for visitor, engagement in self.shop.floor.engagements.items():
            assert engagement.visitor == visitor
            assert not engagement.chat or address_of(engagement.chat) == (SITE, visitor)
        chats = [e.chat for e in self.shop.floor.engagements.values() if e.chat]
        assert len(set(chats)) == len(chats)

    @invariant()
    def slots_are_those_of_the_phases(self) -> None:
        for operator, agent in self.shop.floor.agents.items():
            held = {v for v, e in self.shop.floor.engagements.items() if operator in holders(e.phase)}
            assert agent.held == held
            assert agent.free >= 0
            # A supervisor who joined unasked may be left as the owner, and then has one more than the limit.
            seated = [
                e for e in self.shop.floor.engagements.values() if operator in {s.operator for s in seats(e.phase)}
            ]
            assert len(agent.held) <= agent.limit + (len(seated) if agent.is_supervisor() else 0)

    @invariant()
    def every_chat_has_one_owner_who_is_there(self) -> None:
        for engagement in self.shop.floor.engagements.values():
            phase = engagement.phase
            if isinstance(phase, Talking):
                operators = [seat.operator for seat in seats(phase)]
                assert len(set(operators)) == len(operators) >= 1
                assert not seats(phase)[0].watching
                for operator in operators:
                    assert self.shop.floor.agents[operator].state != "offline"
            if isinstance(phase, Conference):
                assert len(seats(phase)) >= 2
            if isinstance(phase, Forwarded):
                assert bool(phase.to_operator) != bool(phase.to_skill)
                assert phase.offer is None or phase.offer.operator != phase.owner.operator

    @invariant()
    def queue_is_in_order_and_complete(self) -> None:
        waiting = ordered(self.shop.floor.engagements.values())
        ranks = [(not isinstance(e.phase, Requested) or not e.phase.head, e.requested_ms) for e in waiting]
        assert ranks == sorted(ranks)
        to_skill = [
            v for v, e in self.shop.floor.engagements.items() if isinstance(e.phase, Forwarded) and e.phase.to_skill
        ]
        assert self.shop.floor.queued == {e.visitor for e in waiting} | set(to_skill)

    @invariant()
    def nobody_waits_while_an_operator_could_be_asked(self) -> None:
        if self.shop.settings.intake != "assign":
            return
        for engagement in self.shop.floor.engagements.values():
            if isinstance(engagement.phase, Requested) and engagement.phase.offer is None:
                for agent in self.shop.floor.agents.values():
                    able = agent.state == "online" and agent.connected and agent.has_skill(engagement.skill)
                    assert not (able and agent.free and agent.operator not in engagement.phase.excluded)

    @invariant()
    def times_are_never_negative_and_something_ends_every_wait(self) -> None:
        for engagement in self.shop.floor.engagements.values():
            shown = row(engagement)
            assert all(0 <= at <= self.shop.now for at in (shown.requested_at, shown.engaged_at, shown.ended_at))
            if shown.requested_at and shown.engaged_at:
                assert shown.engaged_at >= shown.requested_at
            if shown.ended_at:
                assert shown.ended_at >= max(shown.engaged_at, shown.requested_at)
            pending = timers(engagement, self.shop.settings, 0)
            assert all(timer.due_ms >= 0 for timer in pending)
            if not isinstance(engagement.phase, Navigating):
                assert pending
            assert engagement.gone_since_ms is None or pending or is_live(engagement.phase)

    @invariant()
    def what_was_told_adds_up_to_what_is(self) -> None:
        fresh, self.seen = self.shop.told[self.seen :], len(self.shop.told)
        for event in fresh:
            match event:
                case ChatSaid(event=line):
                    self.seqs[line.chat] += 1
                    assert line.seq == self.seqs[line.chat]
                case OfferMade(offer=offer):
                    assert offer not in self.open_offers
                    self.open_offers.add(offer)
                case OfferGone(offer=offer):
                    self.open_offers.remove(offer)
                case InviteMade(invitation=invitation):
                    self.open_invites.add(invitation)
                case InviteGone(invitation=invitation):
                    self.open_invites.remove(invitation)
                case StatusChanged(visitor=visitor, before=before, status=now):
                    assert self.statuses.get(visitor, "navigating") == before
                    self.statuses[visitor] = now
        present = [e.phase for e in self.shop.floor.engagements.values()]
        assert self.open_offers == {offer.offer for phase in present for offer in offers(phase)}
        assert len(self.open_invites) == sum(status(phase) == "invited" for phase in present)
        for visitor, engagement in self.shop.floor.engagements.items():
            assert self.statuses.get(visitor, "navigating") == status(engagement.phase)
            assert self.seqs[engagement.chat] == engagement.seq or not engagement.chat


def test_actor_names_come_from_the_site_and_not_from_the_sender() -> None:
    shop = Shop()
    shop.operator("ada")
    shop.chatting()
    command = chat.SendMessage(site=SITE, visitor="v1", by=Actor("operator", "o_ada", "Mallory"), id="m", text="Hi")
    shop.do(command)
    assert [e.event.by.name for e in shop.told if isinstance(e, ChatSaid)][-1] == "Ada"


FloorMachine.TestCase.settings = settings(max_examples=120, stateful_step_count=50, deadline=None)
TestFloorMachine = FloorMachine.TestCase
