"""What a view leaves out for a while, and that nothing of it is lost."""

from __future__ import annotations

from typing import Any

from services.operator_gateway.views.engine import Group, SiteViews, ViewSpec
from services.operator_gateway.views.shedding import COUNTERS_EVERY_S, IDLE_EVERY_S, PAGES_EVERY_S, Shedding
from services.operator_gateway.views.visitors import SiteFacts
from shared.contracts.operators import Filter, Sort
from shared.contracts.rows import Page
from shared.contracts.streams import Part, RowChanged
from tests.unit.gateway_views.rows import SITE, engagement, full, presence, visitor_id


class Site:
    """Visitors 1 to 5, a view of the first three."""

    def __init__(self) -> None:
        self.views = SiteViews(SiteFacts(), "e")
        self.seq: dict[Part, int] = {"presence": 0, "engagement": 0}
        self.rows = {number: presence(number) for number in range(1, 6)}
        for number, row in self.rows.items():
            self.log("presence", full(visitor_id(number), self.next("presence"), row))
        self.group: Group = self.views.join(ViewSpec(Sort(), Filter(), 0, 3))
        while self.views.fill():
            pass
        self.group.advance(self.views.replica, self.views.facts)

    def next(self, part: Part) -> int:
        self.seq[part] += 1
        return self.seq[part]

    def log(self, part: Part, entry: RowChanged) -> None:
        assert self.views.replica.apply(part, entry) == "applied"

    def change(self, number: int, **fields: Any) -> None:
        seq = self.next("presence")
        self.log("presence", RowChanged(SITE, seq, visitor_id(number), seq + 10, fields))

    def page(self, number: int, title: str) -> None:
        self.change(number, page={"url": "https://shop.test/", "title": title})

    def titles(self) -> list[str]:
        return [row.page.title for row in self.group.window.rows]


def test_counters_alone_are_told_at_once_and_then_only_now_and_then() -> None:
    site = Site()
    for number in (6, 7):
        row = presence(number)
        site.log("presence", full(visitor_id(number), site.next("presence"), row))
        told = site.views.flush(100.0 + number / 10)
        assert bool(told) is (number == 6)
    assert site.group.window.total == 6
    assert site.views.due_s == 100.6 + COUNTERS_EVERY_S
    assert site.views.flush(site.views.due_s) == [site.group]
    assert site.group.window.total == 7
    assert site.views.due_s == float("inf")


def test_counters_come_along_with_whatever_is_told() -> None:
    site = Site()
    site.log("presence", full(visitor_id(6), site.next("presence"), presence(6)))
    site.views.flush(100.0)
    site.log("presence", full(visitor_id(7), site.next("presence"), presence(7)))
    site.page(1, "Cart")
    assert site.views.flush(100.1) == [site.group]
    assert site.group.window.total == 7


def test_several_page_views_are_one_change_when_pages_are_shed() -> None:
    site = Site()
    site.page(1, "One")
    assert site.views.flush(100.0, Shedding.PAGES) == [site.group]
    site.page(1, "Two")
    assert site.views.flush(100.5, Shedding.PAGES) == []
    assert (site.views.held, site.titles()[0]) == (1, "One")
    site.page(1, "Three")
    assert site.views.flush(101.0, Shedding.PAGES) == []
    assert site.views.due_s == 100.0 + PAGES_EVERY_S
    assert site.views.flush(site.views.due_s, Shedding.PAGES) == [site.group]
    assert (site.views.held, site.titles()[0]) == (0, "Three")


def test_what_was_put_off_is_shown_as_soon_as_nothing_is_shed() -> None:
    site = Site()
    site.views.flush(100.0, Shedding.PAGES)
    site.page(1, "One")
    site.views.flush(100.5, Shedding.PAGES)
    site.page(1, "Two")
    assert site.views.flush(100.6, Shedding.PAGES) == []
    assert site.views.flush(100.7) == [site.group]
    assert site.titles()[0] == "Two"


def test_chats_and_who_comes_are_never_put_off() -> None:
    site = Site()
    for number in (1, 2):
        site.change(number, activity="away")
    site.views.flush(100.0, Shedding.IDLE)
    talk = engagement(status="requested", requested_at=5)
    site.log("engagement", full(visitor_id(1), site.next("engagement"), talk))
    assert site.views.flush(100.1, Shedding.IDLE) == [site.group]
    assert site.group.window.rows[0].status == "requested"
    first = presence(0, visit_started_at=1, page=Page("https://shop.test/", "New"), activity="away")
    site.log("presence", full(visitor_id(99), site.next("presence"), first))
    assert site.views.flush(100.2, Shedding.IDLE) == [site.group]
    assert site.titles()[0] == "New"


def test_rows_of_idle_visitors_stand_still_for_longer() -> None:
    site = Site()
    site.change(1, activity="idle", lang="de")
    assert site.views.flush(100.0, Shedding.IDLE) == [site.group]
    site.change(1, lang="en")
    site.page(2, "Cart")
    assert site.views.flush(100.0 + PAGES_EVERY_S, Shedding.IDLE) == [site.group]
    assert (site.group.window.rows[0].lang, site.titles()[1]) == ("de", "Cart")
    assert site.views.due_s == 100.0 + IDLE_EVERY_S
    assert site.views.flush(site.views.due_s, Shedding.IDLE) == [site.group]
    assert site.group.window.rows[0].lang == "en"
