"""One index under any changes, while it is filled slice by slice and afterwards, read from both ends."""

from __future__ import annotations

from typing import Any
from unittest import mock

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from services.operator_gateway.views import index as module
from services.operator_gateway.views.index import SortedIndex, StatusCounts
from services.operator_gateway.views.ordering import natural_key
from services.operator_gateway.views.visitors import SiteFacts, Visitor
from shared.contracts.operators import Filter, SortBy
from shared.contracts.rows import STATUSES
from tests.unit.gateway_views.rows import engagement, presence, visitor_id

FACTS = SiteFacts()
COLUMNS: tuple[SortBy, ...] = ("page", "pages")
WISHES = (Filter(), Filter(country=("DE",)))
# Few values, so that many rows are alike; titles that are the beginning of one another, or hold what separates keys.
seen = st.fixed_dictionaries(
    {
        "title": st.sampled_from(["a", "a", "ab", "a\0" + "b", "a\x01", "", "Ä 9", "ä 10", "本"]),
        "pages": st.integers(1, 3),
        "country": st.sampled_from(["DE", "FR"]),
    }
)
# who, and what becomes of the visitor: gone, seen with everything new, or only some fields changed
changes = st.lists(st.tuples(st.integers(1, 12), st.none() | seen, st.booleans()), max_size=12)


class Site:
    """Visitors, and the indexes that follow them."""

    def __init__(self) -> None:
        self.visitors: dict[int, Visitor] = {}
        self.followers: list[SortedIndex | StatusCounts] = []

    def change(self, number: int, fields: dict[str, Any] | None, only_some: bool) -> None:
        old, new = self.visitors.get(number), None
        if fields is not None:
            page = {"url": "https://a.test/", "title": fields["title"]}
            row = msgspec.convert(
                {**msgspec.to_builtins(presence(number)), **fields, "page": page}, type(presence(number))
            )
            talk = old.engagement if old else engagement() if number % 3 == 0 else None
            new = self.visitors[number] = Visitor(visitor_id(number), row, talk)
        elif old is not None:
            del self.visitors[number]
        if old is None and new is None:
            return
        told = ("page", "pages", "country") if only_some and old and new else None
        for follower in self.followers:
            follower.change(old, new, told)

    def passing(self, wish: Filter) -> list[Visitor]:
        return [one for one in self.visitors.values() if not wish.country or one.presence.country in wish.country]

    def order(self, by: SortBy, wish: Filter, descending: bool) -> list[str]:
        found = sorted(self.passing(wish), key=lambda one: one.presence.number)
        if by == "pages":
            found.sort(key=lambda one: one.presence.pages, reverse=descending)
        else:
            found.sort(key=lambda one: natural_key(one.presence.page.title or "https://a.test/"), reverse=descending)
        return [one.id for one in found]

    def must_be_in(self, index: SortedIndex, by: SortBy, wish: Filter) -> None:
        assert len(index) == len(self.passing(wish))
        for descending in (False, True):
            order = self.order(by, wish, descending)
            for offset in range(len(order) + 2):
                for limit in (1, 3, 100):
                    assert index.window(offset, limit, descending) == order[offset : offset + limit]

    def must_be_counted(self, counts: StatusCounts, wish: Filter) -> None:
        expected = dict.fromkeys(STATUSES, 0)
        for visitor in self.passing(wish):
            expected[visitor.status] += 1
        assert counts.shown() == expected


@given(before=changes, steps=st.lists(changes, max_size=8))
def test_changes_while_an_index_is_filled_end_up_in_it(before: Any, steps: Any) -> None:
    site = Site()
    for change in before:
        site.change(*change)
    with mock.patch.object(module, "FILL_SLICE", 2), mock.patch.object(module, "RUN", 3):
        indexes = {(by, wish): SortedIndex(by, wish, FACTS) for by in COLUMNS for wish in WISHES}
        counts = {wish: StatusCounts(wish, FACTS) for wish in WISHES}
        site.followers = [*indexes.values(), *counts.values()]
        work = [follower.fill(list(site.visitors.values())) for follower in site.followers]
        for step in steps:
            for change in step:
                site.change(*change)
            for one in work:
                next(one, None)
        for one in work:
            for _ in one:
                pass
    for (by, wish), index in indexes.items():
        site.must_be_in(index, by, wish)
    for wish, counted in counts.items():
        site.must_be_counted(counted, wish)


@given(before=changes, after=changes, offset=st.integers(0, 4), limit=st.integers(1, 4))
def test_a_window_said_to_be_untouched_shows_the_same(before: Any, after: Any, offset: int, limit: int) -> None:
    site = Site()
    for change in before:
        site.change(*change)
    indexes = {(by, wish): SortedIndex(by, wish, FACTS) for by in COLUMNS for wish in WISHES}
    for index in indexes.values():
        for _ in index.fill(list(site.visitors.values())):
            pass
        index.flushed()
    site.followers = list(indexes.values())
    by_id = {visitor.id: visitor for visitor in site.visitors.values()}
    shown = {
        (key, descending): [by_id[visitor] for visitor in index.window(offset, limit, descending)]
        for key, index in indexes.items()
        for descending in (False, True)
    }
    for change in after:
        site.change(*change)
    now = {visitor.id: visitor for visitor in site.visitors.values()}
    for (key, descending), window in shown.items():
        index = indexes[key]
        bottom = index.key(window[-1]) if len(window) == limit else None
        if index.untouched({visitor.id for visitor in window}, bottom, descending):
            assert [now[visitor] for visitor in index.window(offset, limit, descending)] == window


def test_a_change_of_other_columns_touches_only_windows_that_show_the_row() -> None:
    site = Site()
    for number in range(1, 10):
        site.change(number, {"title": "a", "pages": number, "country": "DE"}, False)
    index = SortedIndex("pages", Filter(), FACTS)
    for _ in index.fill(list(site.visitors.values())):
        pass
    index.flushed()
    old = site.visitors[7]
    index.change(old, Visitor(old.id, old.presence, None), ("page",))
    assert index.untouched({visitor_id(1), visitor_id(2)}, index.key(site.visitors[2]), descending=False)
    assert not index.untouched({visitor_id(6), visitor_id(7)}, index.key(site.visitors[7]), descending=False)
