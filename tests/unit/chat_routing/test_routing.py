"""Who is asked: primary before secondary skill, fewest chats, longest idle; queue order; honest estimates."""

from __future__ import annotations

import pytest

from services.chat_routing.domain.agents import Agent
from services.chat_routing.domain.engagement import offers
from services.chat_routing.domain.floor import look_again, perform
from services.chat_routing.domain.machine import RulesChanged
from services.chat_routing.domain.queue import RATE_LEAST, outlook
from services.chat_routing.domain.turn import VisitorFacts
from shared.contracts.chat import ChatMarked, OfferGone, QueuePlace
from shared.contracts.sites import SiteSettings
from tests.unit.chat_routing.shop import Shop, agent


@pytest.fixture
def shop() -> Shop:
    return Shop(settings=SiteSettings(intake="assign"))


def asked(shop: Shop, visitor: str) -> str:
    waiting = offers(shop.of(visitor).phase)
    return waiting[0].name if waiting else "nobody"


def ask(shop: Shop, visitor: str) -> str:
    shop.arrive(visitor)
    shop.wait(1)
    shop.v("RequestChat", visitor)
    return asked(shop, visitor)


def test_primary_skill_before_secondary_even_when_busier(shop):
    shop.operator("sec", primary="billing", secondary=("sales",), limit=5)
    shop.operator("pri", limit=2)
    assert [ask(shop, f"v{i}") for i in range(3)] == ["Pri", "Pri", "Sec"]
    assert [offer.why for offer in shop.offers()] == ["primary_skill", "primary_skill", "secondary_skill"]


def test_fewest_chats_then_longest_idle(shop):
    shop.operator("one", limit=3, idle_since_ms=5)
    shop.operator("two", limit=3, idle_since_ms=3)
    assert [ask(shop, f"v{i}") for i in range(4)] == ["Two", "One", "Two", "One"]


@pytest.mark.parametrize("event", ["slot", "login", "skill"])
def test_assignment_is_event_driven(shop, event):
    shop.operator("busy", limit=1)
    assert ask(shop, "v0") == "Busy"
    assert ask(shop, "v1") == "nobody"
    if event == "slot":
        shop.v("CancelRequest", "v0")
        assert asked(shop, "v1") == "Busy"
    elif event == "login":
        shop.operator("new")
        assert asked(shop, "v1") == "New"
    else:
        shop.operator("other", primary="billing")
        assert asked(shop, "v1") == "nobody"
        shop.operator("other", primary="billing", secondary=("sales",))
        assert asked(shop, "v1") == "Other"


def test_heads_of_the_queue_come_before_those_who_asked_earlier(shop):
    shop.settings = SiteSettings(intake="pick")
    shop.operator("ada")
    shop.operator("bob", limit=0)
    shop.chatting("v1")
    shop.arrive("v2")
    shop.v("RequestChat", "v2")
    shop.wait(10)
    shop.offline("ada")
    shop.settings = SiteSettings(intake="assign")
    shop.operator("cyd", limit=1)
    assert (asked(shop, "v1"), asked(shop, "v2")) == ("Cyd", "nobody")


def test_operator_in_the_grace_is_not_asked(shop):
    shop.operator("ada", connected=False)
    assert ask(shop, "v1") == "nobody"
    shop.operator("ada")
    assert asked(shop, "v1") == "Ada"


def test_places_are_told_when_they_change(shop):
    shop.settings = SiteSettings(intake="pick")
    shop.operator("ada")
    for visitor in ("v1", "v2", "v3"):
        ask(shop, visitor)
    shop.v("CancelRequest", "v1")
    places = [(e.visitor, e.position, e.wait_s) for e in shop.told if isinstance(e, QueuePlace)]
    assert places == [("v1", 1, None), ("v2", 2, None), ("v3", 3, None), ("v2", 1, None), ("v3", 2, None)]


def wait_s(position: int, agents: list[Agent], pickups: list[int], now_ms: int) -> int | None:
    seen = outlook(agents, "sales", pickups, now_ms)
    return None if seen is None else seen.wait_s(position)


def test_estimate_says_nothing_without_data_and_follows_the_rate_with_it():
    agents = [agent("ada", limit=0)]
    now_ms = 10_000_000
    steady = [now_ms - 60_000 * i for i in range(10, 0, -1)]
    assert wait_s(1, agents, steady[: RATE_LEAST - 1], now_ms) is None
    assert wait_s(1, [], steady, now_ms) is None
    assert wait_s(1, agents, [at - 31 * 60_000 for at in steady], now_ms) is None
    assert wait_s(1, agents, steady, now_ms) == 60
    assert wait_s(3, agents, steady, now_ms) == 180
    assert wait_s(3, [agent("ada", limit=2)], steady, now_ms) == 60


def test_marks_are_passed_on_and_not_kept(shop):
    shop.settings = SiteSettings(intake="pick")
    shop.operator("ada")
    shop.chatting("v1")
    before = shop.floor
    shop.v("MarkChat", "v1", read=99)
    marked = shop.told[-1]
    assert isinstance(marked, ChatMarked)
    assert marked.read == shop.of("v1").seq
    assert shop.floor == before


def test_lowered_limit_never_makes_free_slots_negative(shop):
    shop.settings = SiteSettings(intake="pick")
    shop.operator("ada", limit=2)
    shop.chatting("v1")
    shop.chatting("v2")
    shop.operator("ada", limit=1)
    assert (shop.load("ada"), shop.floor.agents["o_ada"].free) == (2, 0)


def test_deadlines_count_from_the_end_of_an_outage(shop):
    shop.operator("ada")
    ask(shop, "v1")
    shop.resumed = shop.now + 600_000
    shop.wait(610_000)
    assert asked(shop, "v1") == "Ada"
    shop.wait(16_000)
    assert shop.status("v1") == "redirected"


def rules_now_say(shop: Shop, visitor: str, skill: str) -> None:
    """The rules give this visitor another skill, and the directory says that something changed."""
    shop.arrive(visitor, skill)
    shop.take(perform(shop.floor, visitor, RulesChanged(), shop.moment()))
    shop.take(look_again(shop.floor, shop.moment()))


def test_a_changed_rule_moves_who_waits_to_the_other_queue_and_asks_somebody_there() -> None:
    shop = Shop(settings=SiteSettings(intake="assign"))
    shop.operator("ada")
    shop.operator("bob", primary="billing")
    shop.arrive("v1")
    assert shop.v("RequestChat", "v1") == "ok"
    assert shop.last_offer().operator == "o_ada"
    rules_now_say(shop, "v1", "billing")
    gone = next(event for event in shop.told if isinstance(event, OfferGone))
    assert (gone.operator, gone.reason) == ("o_ada", "skill_changed")
    assert (shop.of("v1").skill, shop.last_offer().operator) == ("billing", "o_bob")
    assert (shop.load("ada"), shop.load("bob")) == (0, 1)


def test_an_operator_who_has_the_new_skill_too_goes_on_being_asked() -> None:
    shop = Shop(settings=SiteSettings(intake="assign"))
    shop.operator("ada", secondary=("billing",))
    shop.arrive("v1")
    shop.v("RequestChat", "v1")
    offer = shop.last_offer().offer
    rules_now_say(shop, "v1", "billing")
    assert shop.o("AcceptOffer", "ada", "v1", offer=offer) == "ok"
    assert shop.of("v1").skill == "billing"


def test_a_changed_rule_shows_the_form_when_nobody_has_the_new_skill() -> None:
    shop = Shop()
    shop.operator("ada")
    shop.arrive("v1")
    shop.v("RequestChat", "v1")
    rules_now_say(shop, "v1", "billing")
    assert (shop.status("v1"), shop.reason("v1")) == ("redirected", "nobody_online")


def test_a_changed_rule_touches_neither_a_choice_nor_a_chat_nor_who_is_back_in_the_queue() -> None:
    shop = Shop()
    shop.operator("ada")
    shop.put_facts("v1", VisitorFacts(present=True, skill="sales", why="choice"))
    shop.v("RequestChat", "v1")
    rules_now_say(shop, "v1", "billing")
    assert shop.of("v1").skill == "sales"
    shop.chatting("v2")
    rules_now_say(shop, "v2", "billing")
    assert shop.of("v2").skill == "sales"
    shop.operator("bob")
    shop.offline("ada")
    assert shop.status("v2") == "requested"
    rules_now_say(shop, "v2", "billing")
    assert shop.of("v2").skill == "sales"
