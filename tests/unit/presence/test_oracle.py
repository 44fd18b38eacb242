"""Random lives of a visitor: whatever arrives, how often and in which order, the row is what the slow oracle says."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from shared.contracts.streams import TabAttached, TabDetached, TabEvents, Tracked
from tests.unit.presence.oracle import Oracle
from tests.unit.presence.story import SITE, START, VISITOR, Story, uuid

TABS = st.sampled_from(["t1", "t2", "t3"])
COLLECTORS = st.sampled_from(["c1", "c2"])
KINDS = st.sampled_from(["page", "page", "beat", "beat", "hide", "show", "leave", "attr"])
Happened = tuple[str, int, str, str, float, dict[str, Any]]


class Lives(RuleBasedStateMachine):
    """Events happen in tabs, travel for a while, and arrive once or more often, in any order."""

    travelling = Bundle("travelling")
    arrived = Bundle("arrived")
    channels = Bundle("channels")

    @initialize()
    def begin(self) -> None:
        self.story, self.oracle = Story(), Oracle()
        self.n: dict[str, int] = {}
        self.page: dict[str, str] = {}
        self.engaged: dict[str, int] = {}
        self.made = 0

    # --- the browser ---

    @rule(target=travelling, tab=TABS, kind=KINDS, used=st.integers(0, 20_000), idle=st.none() | st.integers(0, 90),
          title=st.none() | st.sampled_from(["", "A", "B"]), bare=st.booleans())  # fmt: skip
    def happens(self, tab: str, kind: str, used: int, idle: int | None, title: str | None, bare: bool) -> Happened:
        if kind == "page" or tab not in self.page:
            kind = "page"
            self.made += 1
            self.page[tab] = f"p{self.made}"
            self.engaged[tab] = 0
        page = self.page[tab]
        self.n[tab] = n = self.n.get(tab, 0) + 1
        self.engaged[tab] += used
        told: dict[str, Any] = {"engaged": self.engaged[tab], "idle": idle, "title": title}
        told["url"] = "" if bare and kind != "page" else f"https://shop.example/{page}"
        told["attrs"] = {f"k{n % 2}": f"v{self.made}.{n}"} if kind == "attr" else None
        return tab, n, kind, page, self.oracle.now, told

    def arrive(self, happened: Happened) -> None:
        tab, n, kind, page, at, told = happened
        event = Tracked(
            kind,  # type: ignore[arg-type]
            uuid(page),
            n,
            START + round(at * 1000),
            url=told["url"],
            title=told["title"],
            engaged_ms=told["engaged"],
            idle_ms=None if told["idle"] is None else told["idle"] * 1000,
            attrs=told["attrs"],
        )
        self.story.arrive(TabEvents(SITE, VISITOR, uuid(tab), self.story.ms(), (event,)))
        self.oracle.event(tab, n, kind, page, at, **told)

    @rule(target=arrived, happened=consumes(travelling))
    def arrives(self, happened: Happened) -> Happened:
        self.arrive(happened)
        return happened

    @rule(happened=arrived)
    def arrives_again(self, happened: Happened) -> None:
        before, told = self.story.visitor, len(self.story.log)
        self.arrive(happened)
        assert self.story.visitor == before
        assert len(self.story.log) == told

    # --- live channels ---

    @rule(target=channels, tab=TABS, collector=COLLECTORS)
    def attach(self, tab: str, collector: str) -> tuple[str, str, str]:
        self.made += 1
        channel = f"channel-{self.made}"
        self.attaches((tab, channel, collector))
        return tab, channel, collector

    @rule(channel=channels)
    def attach_again(self, channel: tuple[str, str, str]) -> None:
        # As many channels as are remembered: beyond that a repeat cannot be recognised.
        if channel[1] in list(self.known(channel[0]))[-3:]:
            self.attaches(channel)

    def known(self, tab: str) -> list[str]:
        one = self.oracle.tabs.get(tab)
        return [] if one is None else [*sorted(one.open), *sorted(one.over)]

    def attaches(self, channel: tuple[str, str, str]) -> None:
        tab, name, collector = channel
        one = self.oracle.tabs.get(tab)
        if one is not None and (len(one.open) > 3 or len(one.over) > 3):
            return
        self.story.arrive(TabAttached(SITE, VISITOR, uuid(tab), self.story.ms(), collector, name))
        self.oracle.attach(tab, name, collector)

    @rule(channel=channels)
    def detach(self, channel: tuple[str, str, str]) -> None:
        tab, name, collector = channel
        one = self.oracle.tabs.get(tab)
        if one is None or (name not in one.over and len(one.over) > 3):
            return
        self.story.arrive(TabDetached(SITE, VISITOR, uuid(tab), self.story.ms(), collector, name))
        self.oracle.detach(tab, name)

    @rule(collector=COLLECTORS)
    def collector_is_alive(self, collector: str) -> None:
        self.story.alive(collector)
        self.oracle.collectors[collector] = self.oracle.now

    # --- time ---

    @rule(seconds=st.integers(1, 20))
    def a_moment_passes(self, seconds: int) -> None:
        self.story.wait(seconds)
        self.oracle.pass_time(seconds)

    @rule(seconds=st.sampled_from([60, 100, 1700, 2000]))
    def much_time_passes(self, seconds: int) -> None:
        self.a_moment_passes(seconds)

    @rule(seconds=st.integers(10, 300))
    def presence_is_away(self, seconds: int) -> None:
        self.story.outage(seconds)
        self.oracle.outage(seconds)

    # --- the proof ---

    @invariant()
    def the_row_is_the_oracles(self) -> None:
        row = self.story.row
        expected = self.oracle.row
        shown = row and (row.page.url, row.page.title, row.pages, row.activity, row.visits, row.attrs)
        assert shown == expected
        assert self.story.visitor.engaged_ms == self.oracle.engaged
        stored = {page.page: (page.url, page.title, page.engaged_ms) for page in self.story.pages}
        assert stored == {uuid(name): (p.url, p.title, p.engaged) for name, p in self.oracle.pages.items()}

    @invariant()
    def what_left_is_in_the_history(self) -> None:
        visitor = self.story.visitor
        if visitor.visits and not visitor.live:
            visit = self.story.history[str(visitor.visits)]
            assert (visit.pages, visit.engaged_ms) == (self.oracle.views, self.oracle.engaged)
            assert visit.ended_at == START + round(self.oracle.ended * 1000) >= visit.started_at

    @invariant()
    def the_log_tells_the_row(self) -> None:
        assert [change.seq for change in self.story.log] == list(range(1, len(self.story.log) + 1))


TestLives = Lives.TestCase
TestLives.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
