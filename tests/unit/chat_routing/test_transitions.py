"""The 24 transitions of the specification, one by one, with what must follow from each."""

from __future__ import annotations

import pytest

from services.chat_routing.domain.queue import ordered
from shared.contracts.chat import InviteGone, OfferGone, QueuePlace
from shared.contracts.sites import SiteSettings
from tests.unit.chat_routing.shop import Shop


@pytest.fixture
def shop() -> Shop:
    shop = Shop()
    shop.operator("ada")
    shop.arrive("v1")
    return shop


ASSIGN = SiteSettings(intake="assign")


def test_2_invite_reserves_the_slot_and_tells_the_visitor(shop):
    assert shop.o("InviteVisitor", "ada", "v1", text="Can I help?") == "ok"
    assert shop.status("v1") == "invited"
    assert shop.load("ada") == 1
    assert shop.lines("v1") == ["invited"]


def test_3_and_4_accepted_invitation_becomes_a_chat_when_the_operator_joins(shop):
    shop.o("InviteVisitor", "ada", "v1")
    shop.wait(1000)
    assert shop.v("AcceptInvite", "v1", name="Vera") == "ok"
    assert (shop.status("v1"), shop.of("v1").name) == ("accepted", "Vera")
    shop.wait(1000)
    assert shop.o("AcceptRequest", "ada", "v1") == "ok"
    assert (shop.status("v1"), shop.owner("v1"), shop.load("ada")) == ("chatting", "ada", 1)
    assert shop.of("v1").engaged_ms == shop.now
    assert shop.lines("v1") == ["invited", "accepted", "started"]


def test_5_operator_who_does_not_join_is_excluded_and_the_visitor_heads_the_queue(shop):
    shop.settings = ASSIGN
    shop.operator("bob")
    shop.o("InviteVisitor", "ada", "v1")
    shop.v("AcceptInvite", "v1")
    shop.wait(20_000)
    assert (shop.status("v1"), shop.reason("v1")) == ("requested", "not_joined")
    assert shop.of("v1").phase.head
    assert (shop.load("ada"), shop.load("bob")) == (0, 1)
    assert shop.last_offer().operator == "o_bob"


def test_5_operator_lost_after_the_yes(shop):
    shop.o("InviteVisitor", "ada", "v1")
    shop.v("AcceptInvite", "v1")
    shop.missing("ada")
    assert (shop.status("v1"), shop.reason("v1")) == ("requested", "operator_gone")


def test_6_denied_frees_the_slot_and_starts_a_cooldown(shop):
    shop.o("InviteVisitor", "ada", "v1")
    assert shop.v("DeclineInvite", "v1") == "ok"
    assert (shop.status("v1"), shop.load("ada")) == ("chat_denied", 0)
    shop.wait(9 * 60_000)
    assert shop.o("InviteVisitor", "ada", "v1") == "cooldown"
    shop.wait(60_000)
    assert shop.o("InviteVisitor", "ada", "v1") == "ok"
    shop.v("DeclineInvite", "v1")
    shop.wait(60 * 60_000)
    assert shop.o("InviteVisitor", "ada", "v1") == "cooldown"
    shop.arrive("v1", visit_ms=2)
    assert shop.o("InviteVisitor", "ada", "v1") == "ok"


def test_7_ignored_invitation_is_not_denied(shop):
    shop.o("InviteVisitor", "ada", "v1")
    shop.wait(59_999)
    assert shop.status("v1") == "invited"
    shop.wait(1)
    assert (shop.status("v1"), shop.reason("v1"), shop.load("ada")) == ("navigating", "ignored", 0)
    assert [e.reason for e in shop.told if isinstance(e, InviteGone)] == ["ignored"]
    assert shop.o("InviteVisitor", "ada", "v1") == "ok"


def test_7_withdrawn_and_operator_gone(shop):
    shop.o("InviteVisitor", "ada", "v1")
    assert shop.o("WithdrawInvite", "ada", "v1") == "ok"
    assert (shop.status("v1"), shop.reason("v1")) == ("navigating", "withdrawn")
    shop.o("InviteVisitor", "ada", "v1")
    shop.missing("ada")
    assert (shop.status("v1"), shop.reason("v1"), shop.load("ada")) == ("navigating", "operator_gone", 0)


def test_8_request_starts_the_wait_clock_and_asking_twice_is_one_request(shop):
    assert shop.v("RequestChat", "v1", name="Vera", text="Hello?") == "ok"
    asked = shop.of("v1")
    shop.wait(5000)
    assert shop.v("RequestChat", "v1", text="Hello??") == "ok"
    assert (shop.of("v1").requested_ms, shop.of("v1").chat) == (asked.requested_ms, asked.chat)
    assert shop.lines("v1") == ["requested"]


def test_8_request_during_an_invitation_accepts_it(shop):
    shop.o("InviteVisitor", "ada", "v1")
    assert shop.v("RequestChat", "v1", name="Vera") == "ok"
    assert shop.status("v1") == "accepted"


def test_9_first_wins_and_the_other_is_told_who_took_it(shop):
    shop.operator("bob")
    shop.v("RequestChat", "v1")
    assert shop.o("AcceptRequest", "bob", "v1") == "ok"
    assert shop.o("AcceptRequest", "ada", "v1") == "taken"
    assert shop.told[-1].taken_by == "Bob"
    assert (shop.load("ada"), shop.load("bob")) == (0, 1)


def test_9_assigned_offer_that_another_operator_picks_is_taken_back(shop):
    shop.settings = ASSIGN
    shop.operator("bob", primary="billing", secondary=("sales",))
    shop.v("RequestChat", "v1")
    offer = shop.last_offer()
    assert offer.operator == "o_ada"
    assert shop.o("AcceptRequest", "bob", "v1") == "ok"
    gone = [e for e in shop.told if isinstance(e, OfferGone)][-1]
    assert gone.by is not None
    assert (gone.operator, gone.reason, gone.by.name) == ("o_ada", "taken", "Bob")
    assert shop.o("AcceptOffer", "ada", "v1", offer=offer.offer) == "taken"
    assert (shop.load("ada"), shop.load("bob")) == (0, 1)


def test_10_declined_or_missed_offer_goes_to_the_next_and_two_misses_set_away(shop):
    shop.settings = ASSIGN
    shop.operator("bob")
    shop.operator("cyd")
    shop.v("RequestChat", "v1")
    assert shop.last_offer().operator == "o_ada"
    assert shop.o("DeclineOffer", "ada", "v1", offer=shop.last_offer().offer) == "ok"
    assert shop.last_offer().operator == "o_bob"
    shop.wait(25_000)
    assert shop.last_offer().operator == "o_cyd"
    assert (shop.load("ada"), shop.load("bob"), shop.load("cyd")) == (0, 0, 1)
    assert shop.of("v1").phase.excluded == ("o_ada", "o_bob")
    assert shop.o("AcceptOffer", "cyd", "v1", offer=shop.last_offer().offer) == "ok"
    shop.offline("ada")
    shop.operator("cyd", limit=1)
    shop.arrive("v2")
    shop.v("RequestChat", "v2")
    assert shop.last_offer().operator == "o_bob"
    shop.wait(25_000)
    assert shop.set_away == ["o_bob"]
    assert shop.floor.agents["o_bob"].state == "away"


def test_11_form_after_the_wait_and_place_told(shop):
    shop.v("RequestChat", "v1")
    assert [e.position for e in shop.told if isinstance(e, QueuePlace)] == [1]
    shop.wait(120_000)
    assert (shop.status("v1"), shop.reason("v1")) == ("redirected", "waited_too_long")


def test_11_form_at_once_when_nobody_is_online_or_the_queue_is_full(shop):
    shop.arrive("v2", skill="billing")
    shop.v("RequestChat", "v2")
    assert (shop.status("v2"), shop.reason("v2")) == ("redirected", "nobody_online")
    shop.settings = SiteSettings(queue_limit=1)
    shop.v("RequestChat", "v1")
    shop.arrive("v3")
    shop.v("RequestChat", "v3")
    assert (shop.status("v3"), shop.reason("v3")) == ("redirected", "queue_full")


def test_11_form_when_all_declined_when_the_last_one_leaves_and_by_hand(shop):
    shop.v("RequestChat", "v1")
    assert shop.o("DeclineRequest", "ada", "v1") == "ok"
    assert (shop.status("v1"), shop.reason("v1")) == ("redirected", "all_declined")
    shop.arrive("v2")
    shop.v("RequestChat", "v2")
    assert shop.o("RedirectVisitor", "ada", "v2") == "ok"
    assert (shop.status("v2"), shop.reason("v2")) == ("redirected", "by_operator")
    shop.arrive("v3")
    shop.v("RequestChat", "v3")
    shop.operator("ada", state="away")
    assert (shop.status("v3"), shop.reason("v3")) == ("redirected", "nobody_online")


def test_12_cancelled(shop):
    shop.v("RequestChat", "v1")
    assert shop.v("CancelRequest", "v1") == "ok"
    assert (shop.status("v1"), shop.reason("v1")) == ("navigating", "cancelled")


def test_13_place_is_kept_while_the_visitor_is_gone_and_then_given_up(shop):
    shop.arrive("v2")
    shop.v("RequestChat", "v1")
    shop.wait(1000)
    shop.v("RequestChat", "v2")
    shop.gone("v1")
    shop.wait(29_999)
    shop.back("v1")
    shop.wait(1000)
    assert [e.visitor for e in ordered(shop.floor.engagements.values())] == ["v1", "v2"]
    shop.gone("v1")
    shop.wait(30_000)
    assert (shop.status("v1"), shop.reason("v1")) == ("navigating", "visitor_gone")
    assert shop.status("v2") == "requested"
    places = [e for e in shop.told if isinstance(e, QueuePlace) and e.visitor == "v2"]
    assert [e.position for e in places] == [2, 1]


def test_14_and_15_forward_keeps_the_old_operator_until_the_target_takes_it(shop):
    shop.operator("bob")
    shop.chatting()
    assert shop.o("ForwardChat", "ada", "v1", to_operator="o_bob", note="Please") == "ok"
    assert (shop.status("v1"), shop.owner("v1")) == ("forwarded", "ada")
    assert (shop.load("ada"), shop.load("bob")) == (1, 1)
    assert shop.o("SendMessage", "ada", "v1", text="One moment") == "ok"
    assert shop.o("AcceptOffer", "bob", "v1", offer=shop.last_offer().offer) == "ok"
    assert (shop.status("v1"), shop.owner("v1")) == ("chatting", "bob")
    assert (shop.load("ada"), shop.load("bob")) == (0, 1)
    assert shop.lines("v1") == ["requested", "started", "forwarded", "message", "joined", "left"]


def test_14_forward_to_a_skill_is_offered_to_one_of_it_as_soon_as_one_is_free(shop):
    shop.operator("bob", primary="billing", limit=0)
    shop.chatting()
    assert shop.o("ForwardChat", "ada", "v1", to_skill="billing") == "ok"
    assert shop.offers() == []
    shop.operator("bob", primary="billing", limit=1)
    assert shop.last_offer().operator == "o_bob"
    assert shop.o("AcceptOffer", "bob", "v1", offer=shop.last_offer().offer) == "ok"
    assert (shop.owner("v1"), shop.of("v1").skill) == ("bob", "billing")


@pytest.mark.parametrize("how", ["declined", "unanswered", "withdrawn"])
def test_16_failed_forward_is_back_with_the_old_operator(shop, how):
    shop.operator("bob")
    shop.chatting()
    shop.o("ForwardChat", "ada", "v1", to_operator="o_bob")
    if how == "declined":
        shop.o("DeclineOffer", "bob", "v1", offer=shop.last_offer().offer)
    elif how == "withdrawn":
        shop.o("WithdrawForward", "ada", "v1")
    else:
        shop.wait(30_000)
    assert (shop.status("v1"), shop.owner("v1"), shop.reason("v1")) == ("chatting", "ada", how)
    assert (shop.load("ada"), shop.load("bob")) == (1, 0)
    assert shop.lines("v1")[-1] == "forward_declined"


def test_17_failed_forward_of_a_lost_operator_goes_to_the_head_of_the_target_queue(shop):
    shop.operator("bob", primary="billing")
    shop.operator("cyd", primary="billing", limit=0)
    shop.chatting()
    shop.o("ForwardChat", "ada", "v1", to_skill="billing")
    shop.missing("ada")
    assert shop.status("v1") == "forwarded"
    shop.wait(30_000)
    assert (shop.status("v1"), shop.of("v1").skill, shop.of("v1").phase.head) == ("requested", "billing", True)
    assert (shop.load("ada"), shop.load("bob")) == (0, 0)


def test_18_and_19_conference_and_the_longest_joined_owns_it_when_the_owner_leaves(shop):
    shop.operator("bob")
    shop.operator("sue", role="supervisor", limit=0)
    shop.chatting()
    assert shop.o("InviteOperator", "ada", "v1", operator="o_bob") == "ok"
    assert (shop.status("v1"), shop.load("bob")) == ("chatting", 1)
    assert shop.o("AcceptOffer", "bob", "v1", offer=shop.last_offer().offer) == "ok"
    assert shop.status("v1") == "conference"
    assert shop.o("JoinChat", "sue", "v1") == "ok"
    assert shop.load("sue") == 0
    assert shop.o("LeaveChat", "ada", "v1") == "ok"
    assert (shop.status("v1"), shop.owner("v1"), shop.load("ada")) == ("conference", "bob", 0)
    assert shop.o("LeaveChat", "sue", "v1") == "ok"
    assert (shop.status("v1"), shop.owner("v1")) == ("chatting", "bob")
    assert shop.o("LeaveChat", "bob", "v1") == "engaged"


@pytest.mark.parametrize("who", ["visitor", "operator", "gone", "silence"])
def test_20_end(shop, who):
    shop.chatting()
    if who == "visitor":
        assert shop.v("EndChat", "v1") == "ok"
    elif who == "operator":
        assert shop.o("EndChat", "ada", "v1") == "ok"
    elif who == "gone":
        shop.gone("v1")
        shop.wait(20_000)
        assert shop.lines("v1")[-1] == "away"
        shop.wait(100_000)
    else:
        shop.wait(15 * 60_000)
    assert shop.status("v1") == "chat_end"
    assert shop.load("ada") == 0
    assert shop.v("EndChat", "v1") == "ok"
    assert shop.lines("v1").count("ended") == 1
    assert shop.v("RateChat", "v1", score=5) == "ok"
    assert shop.v("RateChat", "v1", score=1) == "ok"
    assert shop.lines("v1").count("rated") == 1


def test_20_visitor_who_comes_back_goes_on(shop):
    shop.chatting()
    shop.gone("v1")
    shop.wait(60_000)
    shop.back("v1")
    shop.wait(100_000)
    assert shop.status("v1") == "chatting"
    assert shop.lines("v1")[-2:] == ["away", "back"]


def test_21_lost_owner_gets_the_visitor_back_if_first_to_return(shop):
    shop.chatting()
    shop.missing("ada")
    assert shop.lines("v1")[-1] == "away"
    assert (shop.status("v1"), shop.load("ada")) == ("chatting", 1)
    shop.offline("ada")
    assert (shop.status("v1"), shop.reason("v1"), shop.load("ada")) == ("requested", "operator_lost", 0)
    shop.operator("ada")
    offer = shop.last_offer()
    assert (offer.operator, offer.why) == ("o_ada", "returned")
    assert shop.o("AcceptOffer", "ada", "v1", offer=offer.offer) == "ok"
    assert (shop.status("v1"), shop.owner("v1")) == ("chatting", "ada")


def test_21_owner_back_in_time_keeps_the_chat(shop):
    shop.chatting()
    shop.missing("ada")
    shop.operator("ada")
    assert (shop.status("v1"), shop.owner("v1")) == ("chatting", "ada")
    assert shop.lines("v1")[-2:] == ["away", "back"]


def test_21_lost_operator_of_a_conference_leaves_it(shop):
    shop.operator("bob")
    shop.chatting()
    shop.o("InviteOperator", "ada", "v1", operator="o_bob")
    shop.o("AcceptOffer", "bob", "v1", offer=shop.last_offer().offer)
    shop.offline("ada")
    assert (shop.status("v1"), shop.owner("v1")) == ("chatting", "bob")


def test_22_kick_bars_new_requests_for_a_while_and_a_ban_longer(shop):
    shop.chatting()
    assert shop.o("KickVisitor", "ada", "v1", reason="insults") == "ok"
    assert (shop.status("v1"), shop.reason("v1"), shop.load("ada")) == ("kicked", "insults", 0)
    assert shop.v("RequestChat", "v1") == "cooldown"
    shop.wait(10 * 60_000)
    assert shop.v("RequestChat", "v1") == "ok"
    assert shop.o("AcceptRequest", "ada", "v1") == "ok"
    shop.o("KickVisitor", "ada", "v1", reason="again", ban_s=3600)
    shop.wait(59 * 60_000)
    assert shop.v("RequestChat", "v1") == "banned"
    assert shop.o("InviteVisitor", "ada", "v1") == "banned"


@pytest.mark.parametrize(
    ("end", "shown_ms"), [("chat_denied", 30_000), ("kicked", 30_000), ("chat_end", 30_000), ("redirected", 600_000)]
)
def test_23_outcome_is_shown_for_a_while_and_stays_as_the_reason(shop, end, shown_ms):
    if end == "chat_denied":
        shop.o("InviteVisitor", "ada", "v1")
        shop.v("DeclineInvite", "v1")
    elif end == "redirected":
        shop.v("RequestChat", "v1")
        shop.o("RedirectVisitor", "ada", "v1")
    else:
        shop.chatting()
        if end == "kicked":
            shop.o("KickVisitor", "ada", "v1", reason="insults")
        else:
            shop.v("EndChat", "v1")
    shop.wait(shown_ms - 1)
    assert shop.status("v1") == end
    shop.wait(1)
    assert (shop.status("v1"), shop.reason("v1")) == ("navigating", end)


def test_23_form_that_was_sent_is_over_at_once(shop):
    shop.v("RequestChat", "v1")
    shop.o("RedirectVisitor", "ada", "v1")
    assert shop.v("LeaveForm", "v1", sent=True) == "ok"
    assert (shop.status("v1"), shop.reason("v1")) == ("navigating", "form_sent")


def test_24_leaving_visitor_takes_the_invitation_along_and_is_forgotten_after_the_visit_gap(shop):
    shop.o("InviteVisitor", "ada", "v1")
    shop.gone("v1")
    assert (shop.status("v1"), shop.reason("v1"), shop.load("ada")) == ("navigating", "visitor_gone", 0)
    shop.wait(30 * 60_000)
    assert "v1" not in shop.floor.engagements
