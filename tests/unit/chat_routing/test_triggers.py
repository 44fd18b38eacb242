"""When a trigger fits, as a matter of time and of everything else; and what keeps a fitting one from inviting."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from services.chat_routing.domain.floor import Result, invite_by_trigger
from services.chat_routing.domain.triggers import Past, Seen, fits_from_ms, invited, next_look_ms, ready, seen
from shared.contracts.chat import ChatSaid, InviteMade, StatusChanged
from shared.contracts.sites import Condition, Trigger
from shared.domain.skills import RuleFacts
from shared.domain.visitor import Tab, View, Visitor
from tests.unit.chat_routing.shop import Shop

PLAIN = Trigger(trigger="t1", name="Prices", text="Questions?", skill="sales")
FACTS = RuleFacts(address="https://shop.example/prices", country="DE")


def trigger(**fields: Any) -> Trigger:
    return replace(PLAIN, **fields)


def visitor(**fields: Any) -> Seen:
    values: dict[str, Any] = {
        "facts": FACTS,
        "page_since_ms": 5_000,
        "site_since_ms": 1_000,
        "input_ms": 6_000,
        "pages": 2,
        "returning": False,
        "away": False,
    }
    return Seen(**(values | fields))


def test_each_duration_counts_from_what_it_is_about_and_the_last_one_decides() -> None:
    assert fits_from_ms(trigger(on_site_ms=500), visitor(), {}) == 5_000
    assert fits_from_ms(trigger(on_page_ms=2_000), visitor(), {}) == 7_000
    assert fits_from_ms(trigger(on_site_ms=30_000), visitor(), {}) == 31_000
    assert fits_from_ms(trigger(idle_ms=10_000), visitor(), {}) == 16_000
    assert fits_from_ms(trigger(on_page_ms=2_000, idle_ms=10_000, on_site_ms=500), visitor(), {}) == 16_000


def test_time_does_not_help_where_something_else_is_in_the_way() -> None:
    for fields in (
        {"pages": 3},
        {"returning": True},
        {"enabled": False},
        {"conditions": (Condition("country", "AT"),)},
        {"conditions": (Condition("address", "/prices"), Condition("referrer", "*"))},
    ):
        assert fits_from_ms(trigger(**fields), visitor(), {}) is None
    assert fits_from_ms(trigger(conditions=(Condition("address", "/prices"),)), visitor(), {}) == 5_000
    assert fits_from_ms(trigger(idle_ms=500), visitor(away=True), {}) is None
    assert fits_from_ms(trigger(on_page_ms=500), visitor(away=True), {}) == 5_500


def test_cap_and_cooldown_count_what_this_trigger_did() -> None:
    twice = trigger(cap=2, cooldown_ms=60_000)
    once = invited({}, twice, 10_000)
    assert fits_from_ms(twice, visitor(), once) == 70_000
    assert fits_from_ms(trigger(trigger="other"), visitor(), once) == 5_000
    assert fits_from_ms(twice, visitor(), invited(once, twice, 80_000)) is None


@given(
    st.lists(st.tuples(st.integers(500, 60_000), st.integers(0, 2)), max_size=5),
    st.integers(0, 100_000),
)
def test_looking_again_at_the_time_named_finds_what_fits_next(made: list[tuple[int, int]], now_ms: int) -> None:
    triggers = [trigger(trigger=f"t{i}", on_page_ms=ms, cap=2) for i, (ms, _) in enumerate(made)]
    history = {f"t{i}": Past(times, 1_000) for i, (_, times) in enumerate(made) if times}
    due = next_look_ms(triggers, visitor(), history, now_ms)
    now = ready(triggers, visitor(), history, now_ms)
    if due is None:
        assert len(now) == sum(times < 2 for _, times in made)
    else:
        assert due > now_ms
        assert now == ready(triggers, visitor(), history, due - 1)
        assert len(ready(triggers, visitor(), history, due)) > len(now)


def test_a_visitor_is_seen_by_the_page_in_sight() -> None:
    old = Tab(b"a" * 16, view=View(b"p" * 16, "https://x.example/old", "", 100), hidden=True)
    new = Tab(b"b" * 16, view=View(b"q" * 16, "https://x.example/new", "", 200), focused_at=200)
    found = seen(Visitor(number=1, live=True, visits=2, visit_started_at=50, pages=4, input_at=150, tabs=(old, new)))
    assert found is not None
    assert (found.facts.address, found.page_since_ms, found.site_since_ms) == ("https://x.example/new", 200, 50)
    assert (found.pages, found.returning, found.input_ms) == (4, True, 200)
    assert seen(Visitor(number=1)) is None


# --- inviting ---


def fire(shop: Shop, name: str = "v1", **fields: Any) -> str:
    """'ok', or what is in the way."""
    result = invite_by_trigger(shop.floor, name, trigger(**fields), shop.moment())
    if isinstance(result, Result):
        shop.take(result)
        return "ok"
    return result.code


def opened(**agents: dict[str, Any]) -> Shop:
    shop = Shop()
    for name, fields in (agents or {"ada": {}}).items():
        shop.operator(name, **fields)
    shop.arrive("v1")
    return shop


def test_the_invitation_is_the_operators_and_the_system_made_it() -> None:
    shop = opened()
    assert fire(shop) == "ok"
    assert (shop.status("v1"), shop.load("ada")) == ("invited", 1)
    change = next(e for e in shop.told if isinstance(e, StatusChanged))
    assert (change.by.kind, change.reason, [o.id for o in change.operators]) == ("system", "trigger:Prices", ["o_ada"])
    made = next(e for e in shop.told if isinstance(e, InviteMade))
    assert (made.operator.name, made.text) == ("Ada", "Questions?")
    line = next(e for e in shop.told if isinstance(e, ChatSaid)).event
    assert (line.type, line.by.kind, line.operator and line.operator.id) == ("invited", "system", "o_ada")
    assert shop.v("AcceptInvite", "v1", name="Vera") == "ok"
    assert shop.o("AcceptRequest", "ada", "v1") == "ok"
    assert shop.owner("v1") == "ada"


def test_the_operator_is_the_one_whom_the_router_would_ask() -> None:
    shop = opened(ada={"primary": "billing", "secondary": ("sales",)}, bob={}, eve={"limit": 0})
    assert fire(shop) == "ok"
    assert shop.load("bob") == 1


def test_without_a_free_skilled_operator_nothing_happens() -> None:
    assert fire(opened(ada={"primary": "billing"})) == "at_capacity"
    assert fire(opened(ada={"state": "away"})) == "at_capacity"
    assert fire(opened(ada={"connected": False})) == "at_capacity"
    shop = opened(ada={"limit": 1})
    shop.chatting("v2")
    assert fire(shop) == "at_capacity"
    assert "v1" not in shop.floor.engagements


def test_the_visitors_own_skill_counts_where_the_trigger_names_none() -> None:
    shop = opened(ada={"primary": "billing"})
    shop.arrive("v1", "billing")
    assert fire(shop, skill="") == "ok"
    assert shop.of("v1").skill == "billing"


def test_what_forbids_an_invitation_by_hand_forbids_one_by_itself_and_more() -> None:
    shop = opened()
    assert fire(shop, "nobody") == "ok"  # a visitor who is not looked up counts as there
    assert fire(shop) == "ok"
    assert fire(shop) == "already_invited"
    shop.v("DeclineInvite", "v1")
    assert fire(shop) == "cooldown"
    shop = opened()
    shop.chatting()
    assert fire(shop) == "engaged"
    shop.o("KickVisitor", "ada", "v1", reason="rude", ban_s=3600)
    assert fire(shop) == "banned"
    shop.wait(shop.settings.outcome_shown_ms)
    assert shop.status("v1") == "navigating"
    assert fire(shop) == "banned"
    shop = opened()
    shop.chatting()
    shop.o("EndChat", "ada", "v1")
    assert fire(shop) == "engaged"  # how it ended is still shown
    shop.wait(shop.settings.outcome_shown_ms)
    assert fire(shop) == "ok"
