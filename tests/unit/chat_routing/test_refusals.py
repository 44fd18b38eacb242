"""Everything that is not allowed is refused with its code and the state that stands in the way, and changes nothing."""

from __future__ import annotations

import pytest

from shared.contracts.chat import Actor, ChatSaid, CommandDone, LeaveForm, SendMessage
from shared.contracts.sites import SiteSettings
from tests.unit.chat_routing.shop import SITE, Shop


@pytest.fixture
def shop() -> Shop:
    shop = Shop()
    shop.operator("ada")
    shop.operator("bob")
    shop.arrive("v1")
    return shop


def refused(shop: Shop, code: str, current: str, answer: str) -> bool:
    done = shop.told[-1]
    assert isinstance(done, CommandDone)
    return (answer, done.code, done.current) == (code, code, current)


def test_already_invited(shop):
    shop.o("InviteVisitor", "ada", "v1")
    assert refused(shop, "already_invited", "invited", shop.o("InviteVisitor", "bob", "v1"))


def test_engaged(shop):
    shop.chatting()
    assert refused(shop, "engaged", "chatting", shop.o("InviteVisitor", "bob", "v1"))
    assert refused(shop, "engaged", "chatting", shop.v("RequestChat", "v1"))


def test_offer_expired(shop):
    shop.o("InviteVisitor", "ada", "v1")
    shop.wait(60_000)
    assert refused(shop, "offer_expired", "navigating", shop.v("AcceptInvite", "v1"))
    assert refused(shop, "offer_expired", "navigating", shop.v("DeclineInvite", "v1"))
    assert refused(shop, "offer_expired", "navigating", shop.o("AcceptOffer", "ada", "v1", offer="s_shop.v1.o1.1"))


def test_taken_names_the_winner_also_for_the_accepted_invitation_of_another(shop):
    shop.o("InviteVisitor", "ada", "v1")
    shop.v("AcceptInvite", "v1")
    assert refused(shop, "taken", "accepted", shop.o("AcceptRequest", "bob", "v1"))
    assert shop.told[-1].taken_by == "Ada"


def test_not_owner(shop):
    shop.chatting()
    assert refused(shop, "not_owner", "chatting", shop.o("ForwardChat", "bob", "v1", to_operator="o_ada"))
    assert refused(shop, "not_owner", "chatting", shop.o("EndChat", "bob", "v1"))
    assert refused(shop, "not_owner", "chatting", shop.o("KickVisitor", "bob", "v1", reason="x"))
    assert refused(shop, "not_owner", "chatting", shop.o("InviteOperator", "bob", "v1", operator="o_ada"))


def test_missing_skill_and_at_capacity(shop):
    shop.operator("cyd", primary="billing")
    shop.operator("bob", limit=0)
    assert refused(shop, "missing_skill", "navigating", shop.o("InviteVisitor", "cyd", "v1"))
    assert refused(shop, "at_capacity", "navigating", shop.o("InviteVisitor", "bob", "v1"))
    shop.v("RequestChat", "v1")
    assert refused(shop, "missing_skill", "requested", shop.o("AcceptRequest", "cyd", "v1"))
    assert refused(shop, "at_capacity", "requested", shop.o("AcceptRequest", "bob", "v1"))


def test_target_offline_and_self_forward(shop):
    shop.chatting()
    shop.operator("bob", state="away")
    assert refused(shop, "target_offline", "chatting", shop.o("ForwardChat", "ada", "v1", to_operator="o_bob"))
    assert refused(shop, "target_offline", "chatting", shop.o("ForwardChat", "ada", "v1", to_skill="billing"))
    assert refused(shop, "self_forward", "chatting", shop.o("ForwardChat", "ada", "v1", to_operator="o_ada"))
    assert refused(shop, "not_found", "chatting", shop.o("ForwardChat", "ada", "v1", to_skill="tarot"))


def test_not_in_chat(shop):
    assert refused(shop, "not_in_chat", "navigating", shop.v("SendMessage", "v1", text="Hello"))
    assert refused(shop, "not_in_chat", "navigating", shop.o("EndChat", "ada", "v1"))
    shop.chatting()
    assert refused(shop, "not_in_chat", "chatting", shop.o("SendMessage", "bob", "v1", text="Hello"))
    assert refused(shop, "not_in_chat", "chatting", shop.o("LeaveChat", "bob", "v1"))


def test_stale_version_and_another_chat(shop):
    shop.chatting()
    version = shop.of("v1").version
    assert refused(shop, "stale_version", "chatting", shop.o("EndChat", "ada", "v1", version=version - 1))
    assert refused(shop, "not_found", "chatting", shop.o("EndChat", "ada", "v1", chat="s_shop.v1.0.0"))


def test_not_found(shop):
    assert refused(shop, "not_found", "navigating", shop.o("InviteVisitor", "ada", "v9"))
    assert "v9" not in shop.floor.engagements
    assert refused(shop, "not_found", "navigating", shop.o("AcceptRequest", "ada", "v1"))


def test_forbidden(shop):
    shop.chatting()
    assert refused(shop, "forbidden", "chatting", shop.o("EndChat", "nobody", "v1"))
    assert refused(shop, "forbidden", "chatting", shop.o("JoinChat", "bob", "v1"))
    assert refused(shop, "forbidden", "chatting", shop.o("CancelRequest", "ada", "v1"))
    assert refused(shop, "forbidden", "chatting", shop.v("JoinChat", "v1"))
    stranger = LeaveForm(site=SITE, visitor="v1", by=Actor("visitor", "v2"), id="k")
    assert refused(shop, "forbidden", "chatting", shop.do(stranger))


def test_supervisor_without_a_connection_cannot_take_a_seat_that_nobody_would_take_back(shop):
    shop.chatting()
    shop.operator("sue", role="supervisor", state="offline", connected=False)
    assert refused(shop, "target_offline", "chatting", shop.o("JoinChat", "sue", "v1"))


def test_too_long_and_too_many(shop):
    shop.settings = SiteSettings(max_seats=2)
    shop.operator("cyd")
    shop.chatting()
    assert refused(shop, "too_long", "chatting", shop.v("SendMessage", "v1", text="x" * 4001))
    assert shop.o("InviteOperator", "ada", "v1", operator="o_bob") == "ok"
    assert refused(shop, "already_invited", "chatting", shop.o("InviteOperator", "ada", "v1", operator="o_bob"))
    assert refused(shop, "too_many", "chatting", shop.o("InviteOperator", "ada", "v1", operator="o_cyd"))


def test_repeated_command_gives_the_same_answer_and_happens_once(shop):
    shop.chatting()
    command = SendMessage(site=SITE, visitor="v1", by=Actor("visitor", "v1"), id="m1", text="Hello")
    assert shop.do(command) == "ok"
    first = shop.told[-1]
    shop.wait(1000)
    before = shop.floor
    shop.do(command)
    assert shop.told[-1] == first
    assert shop.floor == before
    said = [e.event.id for e in shop.told if isinstance(e, ChatSaid) and e.event.type == "message"]
    assert said == ["m1"]


def test_the_same_message_id_of_the_other_side_is_another_message(shop):
    shop.chatting()
    for by in (Actor("visitor", "v1"), Actor("operator", "o_ada")):
        assert shop.do(SendMessage(site=SITE, visitor="v1", by=by, id="m1", text="Hello")) == "ok"
    assert shop.lines("v1").count("message") == 2


def test_repeated_refusal_is_the_same_refusal(shop):
    shop.chatting()
    shop.o("ForwardChat", "ada", "v1", to_operator="o_zoe", id="k-same")
    shop.operator("zoe")
    assert shop.o("ForwardChat", "ada", "v1", to_operator="o_zoe", id="k-same") == "not_found"
