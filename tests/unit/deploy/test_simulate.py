"""Simulated visitors are plausible: bounded visits, honest counters, events that the collector's own types accept."""

import random
from collections import Counter

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from deploy.demo.catalogue import all_pages
from deploy.simulate.channel import MAX_EVENTS, Sender
from deploy.simulate.crowd import is_bad
from deploy.simulate.journey import MAX_PAGES, plan_visit
from deploy.simulate.people import PLACES, addresses_by_country, new_person
from deploy.simulate.tab import Event, Tab, new_uuid
from deploy.simulate.talk import MOST_REPLIES, Talk
from shared.contracts.tracking import Event as WireEvent

seeds = st.integers(0, 1 << 32)
PATHS = {path for path, _ in all_pages()}


@given(seeds)
def test_every_visit_is_bounded_and_closes_each_tab_it_opens(seed: int) -> None:
    plan = plan_visit(random.Random(seed))
    pages = [action for action in plan if action.kind == "page"]
    assert 1 <= len(pages) <= MAX_PAGES
    assert plan[0].kind == "page"
    assert all(action.path in PATHS for action in pages)
    assert all(0 <= action.after_s <= 300 for action in plan)
    ends = Counter(action.tab for action in plan if action.kind in ("close", "vanish"))
    assert ends == Counter({action.tab: 1 for action in pages})


@given(seeds)
def test_the_same_seed_gives_the_same_visit(seed: int) -> None:
    assert plan_visit(random.Random(seed)) == plan_visit(random.Random(seed))


@given(seeds, st.lists(st.tuples(st.sampled_from(["page", "beat", "hide", "show", "touch"]), st.integers(0, 90_000))))
def test_tab_says_what_the_collector_accepts(seed: int, steps: list[tuple[str, int]]) -> None:
    tab = Tab("t", random.Random(seed), {"lang": "de-DE", "screen": [390, 844], "tz": "Europe/Berlin"})
    now = 0
    events: list[Event] = [tab.open_page(now, "http://127.0.0.1/", "Home", None)]
    for kind, pause in steps:
        now += pause
        match kind:
            case "page":
                events.append(tab.open_page(now, "http://127.0.0.1/about", "About", "http://127.0.0.1/"))
            case "touch":
                tab.touch(now)
            case "beat" | "hide" | "show":
                events.append(getattr(tab, kind)(now))
    assert [event["n"] for event in events] == list(range(1, len(events) + 1))
    for event in events:
        msgspec.convert(event, WireEvent)
        assert 0 <= event["engaged_ms"] <= now
        assert 0 <= event["idle_ms"] <= now


def test_engaged_time_stops_a_minute_after_the_last_input() -> None:
    tab = Tab("t", random.Random(1), {})
    tab.open_page(0, "http://127.0.0.1/", "Home", None)
    assert tab.beat(500_000)["engaged_ms"] == 60_000


def test_hidden_tab_is_not_engaged() -> None:
    tab = Tab("t", random.Random(1), {})
    tab.open_page(0, "http://127.0.0.1/", "Home", None)
    assert tab.hide(10_000)["engaged_ms"] == 10_000
    assert tab.show(30_000)["engaged_ms"] == 10_000


def test_people_come_from_the_countries_of_their_addresses() -> None:
    rng = random.Random(7)
    countries = list(PLACES)
    addresses = addresses_by_country(rng, lambda address: countries[int(address.split(".")[0]) % len(countries)])
    for _ in range(200):
        person = new_person(rng, addresses)
        assert person.language in next(
            languages for _, languages, zones in PLACES.values() if person.time_zone in zones
        )
    assert len({new_person(rng, addresses).address for _ in range(500)}) > 400


def test_without_a_country_database_people_still_come() -> None:
    assert new_person(random.Random(1), {}).address.count(".") == 3


async def test_events_wait_while_the_collector_is_away_and_the_oldest_go_first() -> None:
    away = True
    sent: list[Event] = []

    async def post(events: list[Event]) -> bool:
        if not away:
            sent.extend(events)
        return not away

    outcomes: Counter[str] = Counter()
    sender = Sender(post, outcomes)
    for number in range(MAX_EVENTS + 10):
        await sender.deliver({"n": number})
    away = False
    await sender.deliver({"n": 1000})
    assert [event["n"] for event in sent] == [*range(11, MAX_EVENTS + 10), 1000]
    assert outcomes["dropped"] == 11
    await sender.deliver()
    assert len(sent) == MAX_EVENTS


@given(seeds)
def test_talk_ends_after_some_replies(seed: int) -> None:
    talk = Talk(random.Random(seed), "Mila")
    message = {"type": "chat.event", "event": {"type": "message", "by": {"kind": "operator", "id": "o", "name": "D"}}}
    kinds = [say.kind for _ in range(MOST_REPLIES + 1) if (say := talk.hear(message))]
    assert kinds == ["chat.send"] * MOST_REPLIES + ["chat.end"]
    talk.hear({"type": "chat.event", "event": {"type": "ended", "by": {"kind": "visitor"}}})
    assert not talk.talking


def test_refusals_and_failures_are_told_from_ordinary_answers() -> None:
    assert not any(is_bad(name) for name in ("http_200", "http_204", "live_ok", "events", "visits", "heard_invite"))
    assert all(is_bad(name) for name in ("http_403", "http_503", "http_failed", "live_busy", "live_lost", "dropped"))


def test_uuids_are_of_the_random_kind() -> None:
    assert new_uuid(random.Random(3))[14] == "4"
