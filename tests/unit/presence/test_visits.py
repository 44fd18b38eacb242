"""Visits, numbers, names, the history, and being forgotten."""

import pytest
from msgspec.structs import replace

from services.presence.domain.draft import MAX_VIEWS
from services.presence.domain.visits import kept_ms
from shared.contracts.sites import SiteSettings
from shared.contracts.streams import ForgetVisitor
from shared.domain.visitor import Visitor
from tests.unit.presence.story import CHROME, SITE, VISITOR, Story


@pytest.fixture
def story():
    return Story()


def leave(story: Story, page: str = "p1") -> None:
    story.tell("leave", page)
    story.wait(16)
    assert story.row is None


def test_a_return_within_the_gap_continues_the_visit(story):
    story.tell("page", "p1", referrer="https://search.example/")
    started = story.shown.visit_started_at
    leave(story)
    story.wait(29 * 60 - 16)
    story.tell("page", "p2", referrer="https://other.example/")
    row = story.shown
    assert (row.visits, row.returning, row.pages, row.visit_started_at) == (1, False, 2, started)
    assert row.referrer == "https://search.example/"


def test_a_return_after_the_gap_is_a_new_visit_of_the_same_visitor(story):
    story.tell("page", "p1", client=CHROME, attrs={"name": "Ada", "plan": "pro"})
    leave(story)
    story.wait(31 * 60)
    story.tell("page", "p2")
    row = story.shown
    assert (row.number, row.visits, row.returning, row.pages) == (1, 2, True, 1)
    assert (row.nickname, row.attrs) == ("Ada", {"plan": "pro"})
    assert row.campaign == ""
    assert row.visit_started_at == story.ms()
    assert len(story.pages) == 1


def test_absence_counts_from_the_last_sign_not_from_when_the_row_went():
    story = Story(SiteSettings(visit_gap_ms=60_000))
    story.tell("page")
    story.wait(59)
    story.tell("page", "p2")
    assert story.shown.visits == 1
    story.wait(61)
    story.tell("page", "p3")
    assert story.shown.visits == 2


def test_the_row_tells_when_it_goes_and_the_version_only_grows(story):
    story.tell("page")
    story.tell("hide")
    leave(story)
    story.tell("page", "p2")
    kinds = [type(change).__name__ for change in story.log]
    assert kinds == ["RowChanged", "RowChanged", "RowGone", "RowChanged"]
    assert [change.version for change in story.log] == [1, 2, 3, 4]
    assert [change.seq for change in story.log] == [1, 2, 3, 4]
    assert story.log[0].full
    assert not story.log[1].full
    assert story.log[3].full


def test_a_full_row_has_every_field_and_a_change_only_what_changed(story):
    story.tell("page")
    assert set(story.log[0].fields) >= {"number", "nickname", "page", "pages", "device", "attrs", "visits", "activity"}
    story.tell("hide")
    assert story.log[1].fields == {"activity": "away"}


def test_a_visit_in_the_history_tells_its_pages(story):
    story.tell("page", "p1", title="Home", client=CHROME, referrer="https://search.example/")
    story.wait(10)
    story.tell("leave", "p1", engaged_ms=10_000)
    story.tell("page", "p2", title="Shop")
    story.wait(5)
    story.tell("leave", "p2", engaged_ms=5000)
    ended = story.ms()
    story.wait(16)
    visit = story.history["1"]
    assert [(page.title, page.engaged_ms) for page in visit.page_views] == [("Home", 10_000), ("Shop", 5000)]
    assert (visit.pages, visit.engaged_ms, visit.ended_at) == (2, 15_000, ended)
    assert (visit.country, visit.campaign, visit.referrer) == ("DE", "spring", "https://search.example/")


def test_a_visit_that_continued_stands_once_in_the_history(story):
    story.tell("page", "p1")
    leave(story, "p1")
    story.tell("page", "p2")
    leave(story, "p2")
    assert list(story.history) == ["1"]
    assert story.history["1"].pages == 2
    assert len(story.history["1"].page_views) == 2


def test_the_navigation_keeps_the_latest_pages_and_the_count_goes_on(story):
    for i in range(MAX_VIEWS + 50):
        story.tell("page", f"p{i}")
        story.wait(0.1)
    assert story.shown.pages == MAX_VIEWS + 50
    assert len(story.pages) == MAX_VIEWS + 1
    assert story.pages[-1].current


def test_a_name_is_shown_at_once_and_kept(story):
    story.tell("page")
    story.tell("attr", attrs={"name": " Ada ", "email": "ada@example.com"})
    row = story.shown
    assert (row.nickname, row.named, row.attrs) == ("Ada", True, {"email": "ada@example.com"})
    leave(story)
    story.tell("page", "p2")
    assert story.shown.nickname == "Ada"


def test_the_latest_word_on_an_attribute_counts_also_when_it_comes_first(story):
    story.tell("page")
    story.wait(1)
    old = story.event("attr", attrs={"plan": "free"})
    story.wait(1)
    story.tell("attr", attrs={"plan": "pro"})
    story.arrive(old)
    assert story.shown.attrs == {"plan": "pro"}


def test_attributes_are_bounded_and_the_name_always_fits(story):
    story.tell("page", attrs={f"k{i}": "v" for i in range(20)})
    story.tell("attr", attrs={"one_more": "v", "k0": "w", "name": "Ada"})
    assert len(story.shown.attrs) == 20
    assert story.shown.attrs["k0"] == "w"
    assert story.shown.nickname == "Ada"


def test_a_site_may_refuse_attributes_but_not_names():
    story = Story(SiteSettings(track_attributes=False))
    story.tell("page", attrs={"plan": "pro", "name": "Ada"})
    assert story.shown.attrs == {}
    assert story.shown.nickname == "Ada"


def test_a_name_told_before_the_first_page_view_is_not_lost(story):
    attr = story.event("attr", attrs={"name": "Ada"})
    story.arrive(attr)
    assert story.row is None
    story.tell("page")
    assert story.shown.nickname == "Ada"


def test_an_anonymous_visitor_leaves_no_history(story):
    story.tell("page", anonymous=True, attrs={"plan": "pro"})
    assert story.row
    leave(story)
    assert story.history == {}
    assert story.visitor.attrs == {}


def test_a_forgotten_visitor_leaves_the_list_and_begins_anew(story):
    story.tell("page", attrs={"name": "Ada"})
    leave(story)
    story.tell("page", "p2")
    story.forget()
    assert story.row is None
    assert story.visitor == Visitor()
    assert story.history == {}
    assert type(story.log[-1]).__name__ == "RowGone"
    story.tell("page", "p3")
    row = story.shown
    assert (row.number, row.visits, row.nickname) == (2, 1, "Visitor 2")
    assert row.version > 3


def test_events_in_one_batch_with_the_erasure_are_told_as_a_new_row(story):
    story.tell("page")
    story.arrive(ForgetVisitor(SITE, VISITOR, story.ms()), story.event("page", "p2"))
    assert story.log[-1].full
    assert story.shown.pages == 1


def test_one_page_view_without_another_sign_of_life_is_not_kept_for_long():
    settings = SiteSettings(visit_gap_ms=60_000, retention_ms=3_600_000)
    once = Visitor(number=1, visits=1, pages=1, visit_started_at=1_000, ended_at=1_000)
    assert kept_ms(once, settings) == 60_000
    for told in ({"ended_at": 1_001}, {"engaged_ms": 1}, {"pages": 2}, {"visits": 2}):
        assert kept_ms(replace(once, **told), settings) == 3_600_000
