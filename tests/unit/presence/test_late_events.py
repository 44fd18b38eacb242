"""Events that come twice, late, or in another order."""

import pytest

from tests.unit.presence.story import Story, uuid


@pytest.fixture
def story():
    return Story()


def test_an_event_delivered_twice_changes_nothing(story):
    entries = [story.tell("page"), story.tell("beat", engaged_ms=5000), story.tell("hide", engaged_ms=6000)]
    before, told = story.visitor, len(story.log)
    for entry in entries:
        story.arrive(entry)
    assert story.visitor == before
    assert len(story.log) == told


def test_a_batch_repeated_over_the_other_transport_counts_once(story):
    entry = story.tell("page")
    story.attach("ch1")
    story.arrive(entry, entry)
    assert story.shown.pages == 1


def test_an_old_pages_leave_after_the_new_page_only_adds_engaged_time(story):
    story.tell("page", "p1")
    story.wait(9)
    leave = story.event("leave", "p1", engaged_ms=9000)
    story.tell("page", "p2")
    told = len(story.log)
    story.arrive(leave)
    assert len(story.log) == told
    assert story.visitor.engaged_ms == 9000
    assert [page.engaged_ms for page in story.pages] == [9000, 0]
    story.wait(30)
    assert story.shown.page.url.endswith("p2")


def test_page_events_out_of_order_count_one_page_view_each(story):
    first, second, third = (story.event("page", page) for page in ("p1", "p2", "p3"))
    story.arrive(third)
    story.arrive(first, second)
    assert story.shown.pages == 3
    assert story.shown.page.url.endswith("p3")
    assert {page.page for page in story.pages} == {uuid("p1"), uuid("p2"), uuid("p3")}


def test_a_beat_that_overtakes_its_page_event_is_completed_by_it(story):
    page = story.event("page", title="Home", referrer="https://search.example/")
    story.tell("beat", url="", engaged_ms=100)
    assert story.shown.pages == 0
    story.arrive(page)
    row = story.shown
    assert (row.pages, row.page.url, row.page.title) == (1, "https://shop.example/p1", "Home")
    assert row.referrer == "https://search.example/"
    assert len(story.pages) == 1


def test_a_late_hide_does_not_hide_a_tab_that_is_shown_again(story):
    story.tell("page")
    hide = story.event("hide")
    story.tell("show")
    story.arrive(hide)
    assert story.shown.activity == "active"


def test_a_late_leave_of_a_page_that_goes_on_does_not_end_it(story):
    story.tell("page")
    leave = story.event("leave")
    story.tell("show")
    story.arrive(leave)
    story.wait(30)
    assert story.row


def test_engaged_time_is_the_maximum_per_page_view(story):
    story.tell("page")
    late = story.event("beat", engaged_ms=5000)
    story.tell("beat", engaged_ms=8000)
    story.arrive(late)
    story.tell("leave", engaged_ms=7000)
    assert story.visitor.engaged_ms == 8000


def test_engaged_time_of_a_page_that_is_gone_is_the_maximum_too(story):
    story.tell("page", "p1")
    beat = story.event("beat", "p1", engaged_ms=4000)
    leave = story.event("leave", "p1", engaged_ms=9000)
    story.tell("page", "p2")
    story.arrive(leave)
    story.arrive(beat)
    assert story.visitor.engaged_ms == 9000
    assert story.pages[0].engaged_ms == 9000


def test_engaged_time_beyond_a_day_is_not_believed(story):
    story.tell("page")
    story.tell("beat", engaged_ms=2**53 - 1)
    assert story.visitor.engaged_ms == 24 * 3_600_000


def test_a_late_leave_never_brings_a_row_back(story):
    story.tell("page")
    leave = story.event("leave", engaged_ms=30_000)
    story.wait(100)
    assert story.row is None
    story.arrive(leave)
    assert story.row is None
    story.wait(20)
    assert story.row is None


def test_a_late_leave_still_corrects_the_history(story):
    story.tell("page")
    leave = story.event("leave", engaged_ms=30_000)
    story.wait(100)
    assert story.history["1"].engaged_ms == 0
    story.arrive(leave)
    assert story.history["1"].engaged_ms == 30_000
    assert story.history["1"].page_views[0].engaged_ms == 30_000


@pytest.mark.parametrize("kind", ["leave", "hide"])
def test_a_page_that_wakes_up_after_its_navigation_expired_does_not_spoil_the_history(story, kind):
    story.tell("page", "p1")
    story.tell("page", "p2", engaged_ms=0)
    story.wait(100)
    kept = story.history["1"]
    assert len(kept.page_views) == 2
    story.wait(3600)
    story.lines = {}  # its time to live is over
    story.tell(kind, "p2", engaged_ms=4000)
    assert story.history["1"] == kept
    assert story.row is None


def test_a_page_view_that_comes_after_that_still_counts(story):
    story.tell("page", "p1")
    page = story.event("page", "p2")
    story.tell("beat", "p1", n=9)
    story.wait(3600)
    story.lines = {}
    kept = story.history["1"]
    story.arrive(page)
    assert story.page_views == 2
    assert story.history["1"] == kept


def test_events_already_seen_do_not_bring_a_row_back(story):
    entries = [story.tell("page"), story.tell("beat"), story.tell("show"), story.tell("leave")]
    story.wait(20)
    assert story.row is None
    story.arrive(*entries)
    assert story.row is None


@pytest.mark.parametrize("kind", ["page", "show", "beat"])
def test_a_sign_of_a_live_tab_brings_the_row_back(story, kind):
    story.tell("page")
    story.wait(50)
    assert story.row is None
    story.tell(kind)
    row = story.shown
    assert row.page.url.endswith("p1")
    assert row.visits == 1
    assert len(story.pages) == 1


@pytest.mark.parametrize("kind", ["hide", "leave", "attr"])
def test_other_signs_do_not_bring_it_back(story, kind):
    story.tell("page")
    story.wait(50)
    story.tell(kind)
    assert story.row is None


def test_a_beat_of_long_ago_does_not_bring_the_row_back(story):
    story.tell("page")
    beat = story.event("beat", engaged_ms=3000)
    story.wait(3600)
    story.arrive(beat)
    assert story.row is None
    assert story.visitor.visits == 1


def test_a_page_view_that_comes_late_counts_though_its_visitor_is_gone(story):
    story.tell("page", "p1")
    page = story.event("page", "p2")
    story.tell("leave", "p2")
    story.wait(60)
    assert story.row is None
    story.arrive(page)
    assert story.row is None
    assert story.page_views == 2
    assert story.history["1"].pages == 2


def test_a_channels_entries_may_come_twice(story):
    story.tell("page")
    attached = story.attach("ch1")
    story.attach("ch2")
    detached = story.detach("ch1")
    story.arrive(attached, detached, attached)
    story.detach("ch2")
    story.arrive(attached)
    for _ in range(3):
        story.alive()
        story.wait(10)
    assert story.row is None


def test_a_tab_attached_before_its_first_event_is_known_when_it_comes(story):
    story.attach("ch1")
    assert story.row is None
    story.tell("page")
    for _ in range(10):
        story.alive()
        story.wait(10)
    assert story.row


def test_an_event_counter_that_jumps_costs_no_memory(story):
    story.tell("page", n=2**53 - 1)
    story.tell("page", "p2", n=5)
    assert story.shown.pages == 1
    assert len(story.visitor.tabs[0].holes) == 2
