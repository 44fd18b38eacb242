"""What is kept of who was asked, why, and what came of it."""

from __future__ import annotations

from services.chat_routing.domain.asked import ASKED_KEPT
from services.chat_routing.domain.engagement import summary
from shared.contracts.sites import SiteSettings
from tests.unit.chat_routing.shop import Shop


def answers(shop: Shop, visitor: str) -> list[tuple[str, str, str, str]]:
    line = summary(shop.of(visitor))
    assert line is not None
    return [(one.operator.name, one.kind, one.why, one.answer) for one in line.asked]


def assigning() -> Shop:
    shop = Shop(settings=SiteSettings(intake="assign"))
    shop.operator("ada", idle_since_ms=1)
    shop.operator("grace", idle_since_ms=2, secondary=("billing",))
    shop.arrive("v")
    shop.v("RequestChat", "v")
    return shop


def test_who_declined_who_missed_and_who_took_it_is_kept_in_order():
    shop = assigning()
    shop.operator("joan", primary="billing", secondary=("sales",))
    shop.o("DeclineOffer", "ada", "v", offer=shop.last_offer().offer)
    shop.wait(shop.settings.offer_ms)
    assert answers(shop, "v")[2:] == [("Joan", "request", "secondary_skill", "")]
    shop.o("AcceptOffer", "joan", "v", offer=shop.last_offer().offer)
    assert answers(shop, "v") == [
        ("Ada", "request", "primary_skill", "declined"),
        ("Grace", "request", "primary_skill", "unanswered"),
        ("Joan", "request", "secondary_skill", "accepted"),
    ]


def test_who_took_the_visitor_from_the_list_was_not_asked():
    shop = Shop()
    shop.operator("ada")
    shop.operator("grace")
    shop.arrive("v")
    shop.v("RequestChat", "v")
    shop.o("DeclineRequest", "grace", "v")
    shop.o("AcceptRequest", "ada", "v")
    assert answers(shop, "v") == [
        ("Grace", "request", "picked", "declined"),
        ("Ada", "request", "picked", "accepted"),
    ]


def test_a_faster_operator_is_not_the_one_who_was_asked():
    shop = assigning()
    shop.o("AcceptRequest", "grace", "v")
    assert answers(shop, "v") == [
        ("Ada", "request", "primary_skill", "taken"),
        ("Grace", "request", "picked", "accepted"),
    ]


def test_forwards_and_conferences_are_kept_too_and_another_chat_begins_anew():
    shop = assigning()
    shop.o("AcceptOffer", "ada", "v", offer=shop.last_offer().offer)
    shop.o("ForwardChat", "ada", "v", to_operator="o_grace")
    shop.o("WithdrawForward", "ada", "v")
    shop.o("InviteOperator", "ada", "v", operator="o_grace")
    shop.o("AcceptOffer", "grace", "v", offer=shop.last_offer().offer)
    assert answers(shop, "v")[1:] == [
        ("Grace", "forward", "", "withdrawn"),
        ("Grace", "conference", "", "accepted"),
    ]
    shop.v("EndChat", "v")
    shop.v("RequestChat", "v")
    assert [answer for *_, answer in answers(shop, "v")] == [""]


def test_why_this_skill_is_kept_with_the_chat():
    shop = assigning()
    line = summary(shop.of("v"))
    assert line is not None
    assert line.why == "default"


def test_the_list_of_those_asked_is_bounded():
    shop = assigning()
    shop.o("AcceptOffer", "ada", "v", offer=shop.last_offer().offer)
    for _ in range(ASKED_KEPT):
        assert shop.o("ForwardChat", "ada", "v", to_operator="o_grace") == "ok"
        assert shop.o("DeclineOffer", "grace", "v", offer=shop.last_offer().offer) == "ok"
    assert answers(shop, "v") == [("Grace", "forward", "", "declined")] * ASKED_KEPT
