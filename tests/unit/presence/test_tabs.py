"""One row over all tabs: which page it shows, what the visitor does, and when the visitor is gone."""

import pytest

from shared.contracts.rows import Device
from shared.contracts.sites import SiteSettings
from shared.contracts.streams import Client
from shared.domain.visitor_packing import pack_visitor
from tests.unit.presence.story import CHROME, Story, uuid


@pytest.fixture
def story():
    return Story()


def test_a_first_page_view_makes_the_row(story):
    story.tell("page", title="Home", referrer="https://search.example/", client=CHROME)
    row = story.shown
    assert (row.number, row.nickname, row.named) == (1, "Visitor 1", False)
    assert (row.visits, row.returning, row.pages) == (1, False, 1)
    assert (row.page.url, row.page.title) == ("https://shop.example/p1", "Home")
    assert (row.country, row.lang, row.campaign, row.referrer) == ("DE", "de-DE", "spring", "https://search.example/")
    assert row.visit_started_at == story.ms()
    assert row.activity == "active"


def test_second_tab_keeps_visitor_online(story):
    story.tell("page", "p1", "t1")
    story.tell("page", "p2", "t2")
    story.tell("leave", "p1", "t1")
    story.wait(20)
    assert story.shown.page.url.endswith("p2")
    story.tell("leave", "p2", "t2")
    story.wait(14)
    assert story.row
    story.wait(2)
    assert story.row is None


def test_a_page_change_in_one_tab_keeps_the_row(story):
    story.tell("page", "p1")
    story.wait(10)
    story.tell("leave", "p1")
    story.wait(2)
    story.tell("page", "p2")
    story.wait(30)
    assert story.shown.pages == 2
    assert [page.page for page in story.pages] == [uuid("p1"), uuid("p2")]


def test_the_row_shows_the_page_of_the_tab_last_focused(story):
    story.tell("page", "p1", "t1")
    story.wait(1)
    story.tell("page", "p2", "t2")
    assert story.shown.page.url.endswith("p2")
    story.wait(1)
    story.tell("hide", "p2", "t2")
    story.wait(1)
    story.tell("show", "p1", "t1")
    assert story.shown.page.url.endswith("p1")


def test_a_visible_tab_is_shown_before_a_hidden_one_that_was_focused_later(story):
    story.tell("page", "p1", "t1")
    story.wait(1)
    story.tell("page", "p2", "t2")
    story.tell("hide", "p2", "t2")
    assert story.shown.page.url.endswith("p1")


def test_a_title_told_later_is_shown(story):
    story.tell("page", title="Loading …")
    story.tell("beat", title="Basket")
    assert story.shown.page.title == "Basket"
    assert list(story.log[-1].fields) == ["page"]


def test_the_visitor_is_away_when_every_tab_is_hidden(story):
    story.tell("page", "p1", "t1")
    story.tell("page", "p2", "t2")
    story.tell("hide", "p1", "t1")
    assert story.shown.activity == "active"
    story.tell("hide", "p2", "t2")
    assert story.shown.activity == "away"
    story.tell("show", "p2", "t2")
    assert story.shown.activity == "active"


def test_a_visible_page_without_input_turns_idle_by_itself_and_back_with_input(story):
    story.tell("page")
    story.wait(40)
    story.tell("beat", idle_ms=40_000)
    story.wait(19)
    assert story.shown.activity == "active"
    story.wait(2)
    assert story.shown.activity == "idle"
    story.tell("beat", idle_ms=0)
    assert story.shown.activity == "active"


def test_without_idle_ms_growth_of_the_engaged_time_counts_as_input(story):
    story.tell("page", engaged_ms=0)
    for engaged in (20_000, 40_000, 40_000, 40_000, 40_000):
        story.wait(20)
        story.tell("beat", engaged_ms=engaged)
    assert story.shown.activity == "idle"
    story.tell("beat", engaged_ms=41_000)
    assert story.shown.activity == "active"


def test_silence_of_a_visible_tab_ends_after_45_s(story):
    story.tell("page")
    story.wait(44)
    assert story.row
    story.wait(2)
    assert story.row is None


def test_a_hidden_tab_may_be_silent_for_75_s(story):
    story.tell("page")
    story.tell("hide")
    story.wait(74)
    assert story.row
    story.wait(2)
    assert story.row is None


def test_a_beat_prolongs_the_stay(story):
    story.tell("page")
    story.wait(40)
    story.tell("beat")
    story.wait(40)
    assert story.row


def test_pagehide_before_visibilitychange_still_is_a_goodbye(story):
    story.tell("page")
    story.tell("leave")
    story.tell("hide")
    story.wait(16)
    assert story.row is None


def test_a_page_restored_from_the_bfcache_goes_on(story):
    story.tell("page", "p1")
    story.tell("leave", "p1")
    story.wait(5)
    story.tell("show", "p1")
    story.wait(20)
    assert story.row


def test_a_tab_attached_to_a_live_collector_lives_without_a_word(story):
    story.tell("page")
    story.attach("ch1")
    for _ in range(60):
        story.alive()
        story.wait(10)
    assert story.shown.activity == "idle"


def test_an_idle_attached_visitor_costs_a_timer_check_per_silence_and_no_log_entry(story):
    story.tell("page")
    story.attach("ch1")
    for _ in range(12):
        story.alive()
        story.wait(10)
    told, checked = len(story.log), story.timer_checks
    for _ in range(90):
        story.alive()
        story.wait(10)
    assert len(story.log) == told
    assert story.timer_checks - checked <= 900 / 35 + 1


def test_tabs_of_a_lost_collector_have_the_silence_to_come_back(story):
    story.tell("page")
    story.attach("ch1")
    story.wait(30)
    story.alive()
    story.wait(44)
    assert story.row
    story.attach("ch2", collector="c2")
    story.alive("c2")
    story.wait(44)
    assert story.row
    story.wait(2)
    assert story.row is None


def test_a_closed_channel_is_a_sign_of_leaving(story):
    story.tell("page")
    story.attach("ch1")
    story.wait(5)
    story.alive()
    story.detach("ch1")
    story.alive()
    story.wait(14)
    assert story.row
    story.wait(2)
    assert story.row is None


def test_a_reconnect_takes_the_sign_of_leaving_back(story):
    story.tell("page")
    story.attach("ch1")
    story.detach("ch1")
    story.wait(5)
    story.attach("ch2")
    story.alive()
    story.wait(40)
    assert story.row


def test_a_reconnect_that_overtakes_the_end_of_the_old_channel_keeps_the_tab(story):
    story.tell("page")
    story.attach("ch1")
    story.attach("ch2")
    story.detach("ch1")
    for _ in range(10):
        story.alive()
        story.wait(10)
    assert story.row


def test_a_hidden_tab_without_its_channel_waits_for_its_beat(story):
    story.tell("page")
    story.attach("ch1")
    story.tell("hide")
    story.detach("ch1")
    story.wait(60)
    assert story.row


def test_after_goodbye_an_open_channel_does_not_keep_the_row(story):
    story.tell("page")
    story.attach("ch1")
    story.tell("leave")
    story.wait(10)
    story.alive()
    story.wait(6)
    assert story.row is None


def test_nobody_is_missed_only_because_presence_was_away(story):
    story.tell("page")
    story.outage(3600)
    assert story.row
    story.wait(44)
    assert story.row
    story.wait(2)
    assert story.row is None


def test_an_outage_does_not_make_an_active_visitor_idle_nor_an_idle_one_active(story):
    story.tell("page")
    story.outage(100)
    assert story.shown.activity == "active"
    story.tell("beat", idle_ms=100_000)
    story.wait(30)
    story.tell("beat", idle_ms=130_000)
    story.wait(31)
    assert story.shown.activity == "idle"
    story.outage(30)
    assert story.shown.activity == "idle"


def test_nobody_is_missed_while_what_was_said_is_still_unread(story):
    story.tell("page")
    story.heard_until = 30
    story.wait(60)
    assert story.row
    assert story.shown.activity == "active"
    story.arrive(story.event("beat", at=40, idle_ms=0))
    story.heard_until = float("inf")
    story.wait(20)
    assert story.row
    story.wait(6)
    assert story.row is None


def test_a_silent_tab_gives_way_to_the_one_that_beats(story):
    story.tell("page", "p1", "t1")
    story.wait(1)
    story.tell("page", "p2", "t2")
    for _ in range(4):
        story.wait(15)
        story.tell("beat", "p1", "t1")
    assert story.shown.page.url.endswith("p1")


def test_every_number_is_a_setting_of_the_site():
    settings = SiteSettings(leave_grace_ms=100, silence_ms=300, hidden_silence_ms=500, idle_ms=200)
    story = Story(settings)
    story.tell("page")
    story.wait(0.25)
    assert story.shown.activity == "idle"
    story.wait(0.1)
    assert story.row is None
    story.tell("page", "p2")
    story.tell("leave", "p2")
    story.wait(0.11)
    assert story.row is None


def test_only_32_tabs_are_remembered_and_every_page_view_counts(story):
    for i in range(100):
        story.tell("page", f"p{i}", f"t{i}")
        story.wait(0.01)
    assert len(story.visitor.tabs) == 32
    assert story.shown.pages == 100
    assert len(story.pages) == 100
    assert story.shown.page.url.endswith("p99")


def test_times_in_the_future_count_as_now(story):
    story.tell("page", at=10_000)
    assert story.shown.visit_started_at == story.ms()
    story.wait(46)
    assert story.row is None


def test_a_typical_visitor_takes_350_bytes(story):
    client = Client("DE", "de-DE", Device("Chrome", "Windows", "desktop"))
    url = "https://www.shop.example/women/shoes/running/air-zoom-40?color=blue"
    story.tell("page", "p1", url="https://www.shop.example/", title="Shop", referrer="https://www.google.com/",
               client=client)  # fmt: skip
    story.attach("8f14e45fceea167a", collector="collector-5d1f0a9c3b77")
    story.wait(20)
    story.tell("page", "p2", url=url, title="Air Zoom 40 Running Shoes | Shop", client=client)
    story.tell("beat", "p2", engaged_ms=12_345, idle_ms=1000)
    packed = len(pack_visitor(story.visitor))
    assert packed <= 350, packed
