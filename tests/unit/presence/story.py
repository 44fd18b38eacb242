"""A visitor's life told in a few words: events go through the fold as a step would put them through."""

from __future__ import annotations

from typing import Any

import msgspec

from services.presence.domain.draft import Draft, Moment, ViewsNeeded
from services.presence.domain.fold import VisitorEntry, fold
from services.presence.domain.publish import publish
from services.presence.domain.visits import settle
from shared.contracts.rows import PageView, PresenceRow, Visit
from shared.contracts.sites import SiteSettings
from shared.contracts.streams import (
    Client,
    ForgetVisitor,
    RowChanged,
    RowGone,
    TabAttached,
    TabDetached,
    TabEvents,
    Tracked,
)
from shared.domain.visitor import StoredView, Visitor, navigation, pack_view, presence_row, unpack_view
from shared.domain.visitor_packing import pack_visitor, unpack_visitor

START = 1_800_000_000_000
SITE, VISITOR = "s_story", "11111111-1111-4111-8111-111111111111"


def uuid(name: str) -> str:
    """A uuid that a test calls `name`."""
    text = name.encode().hex().rjust(32, "0")[-32:]
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


class Story:
    """One visitor; `now` is seconds since the start. State goes through its packed form after every batch."""

    def __init__(self, settings: SiteSettings | None = None) -> None:
        self.settings = settings or SiteSettings()
        self.now = 0.0
        self.resumed_at = 0.0
        self.heard_until = float("inf")
        self.visitor = Visitor()
        self.lines: dict[int, StoredView] = {}
        self.history: dict[str, Visit] = {}
        self.collectors: dict[str, int] = {}
        self.log: list[RowChanged | RowGone] = []
        self.timer_checks = 0
        self.page_views = 0
        self.numbers = 0
        self._counters: dict[str, int] = {}

    # --- what happens ---

    def event(self, kind: str, page: str = "p1", tab: str = "t1", n: int | None = None, **more: Any) -> TabEvents:
        """An entry with one event, at `at` (now), told by the tab's next number unless `n` is given."""
        if n is None:
            n = self._counters[tab] = self._counters.get(tab, 0) + 1
        at_ms = self.ms(more.pop("at", self.now))
        batch = {key: more.pop(key) for key in ("client", "anonymous", "collector") if key in more}
        url = more.pop("url", f"https://shop.example/{page}")
        event = Tracked(kind, uuid(page), n, at_ms, url=url, **more)  # type: ignore[arg-type]
        return TabEvents(SITE, VISITOR, uuid(tab), self.ms(), (event,), **batch)

    def tell(self, kind: str, page: str = "p1", tab: str = "t1", **more: Any) -> TabEvents:
        """The event happens and arrives now; gives back the entry, so that it can come again."""
        entry = self.event(kind, page, tab, **more)
        self.arrive(entry)
        return entry

    def attach(self, channel: str, tab: str = "t1", collector: str = "c1") -> TabAttached:
        entry = TabAttached(SITE, VISITOR, uuid(tab), self.ms(), collector, channel)
        self.arrive(entry)
        return entry

    def detach(self, channel: str, tab: str = "t1", collector: str = "c1") -> TabDetached:
        entry = TabDetached(SITE, VISITOR, uuid(tab), self.ms(), collector, channel)
        self.arrive(entry)
        return entry

    def alive(self, collector: str = "c1") -> None:
        self.collectors[collector] = self.ms()

    def forget(self) -> None:
        self.arrive(ForgetVisitor(SITE, VISITOR, self.ms()))

    def wait(self, seconds: float) -> None:
        """Time passes; the stored timer fires whenever it is due."""
        until = self.now + seconds
        while self.visitor.due and self.visitor.due <= self.ms(until):
            self.now = max(self.now, (self.visitor.due - START) / 1000)
            before = self.visitor.due
            self.timer_checks += 1
            self.arrive()
            assert self.visitor.due == 0 or self.visitor.due > before, "a timer that fired moves on"
        self.now = until

    def outage(self, seconds: float) -> None:
        """Nobody processes anything for a while, then it goes on."""
        self.now += seconds
        self.resumed_at = self.now
        self.arrive()

    def arrive(self, *entries: VisitorEntry) -> None:
        """A batch of entries for the visitor (none: a timer), committed."""
        before = self.visitor
        try:
            draft = self._folded(Draft(before), entries)
        except ViewsNeeded:
            draft = self._folded(Draft(before, loaded=self.lines), entries)
        self._commit(before, draft)

    # --- what is seen ---

    @property
    def row(self) -> PresenceRow | None:
        return presence_row(self.visitor)

    @property
    def shown(self) -> PresenceRow:
        row = self.row
        assert row is not None, "no row is shown"
        return row

    @property
    def pages(self) -> list[PageView]:
        return list(navigation(self.visitor, self.lines))

    def ms(self, at: float | None = None) -> int:
        return START + round((self.now if at is None else at) * 1000)

    # --- the step ---

    def _folded(self, draft: Draft, entries: tuple[VisitorEntry, ...]) -> Draft:
        resumed = self.ms(self.resumed_at) if self.resumed_at else 0
        unread = min(self.now, self.heard_until)
        moment = Moment(self.ms(), resumed, self.settings, self.collectors, self.ms(unread))
        for entry in entries:
            draft = fold(draft, entry, moment)
        return settle(draft, moment)

    def _commit(self, before: Visitor, draft: Draft) -> None:
        draft, change = publish((SITE, VISITOR), before, draft, len(self.log) + 1, self.numbers + 1)
        visitor = draft.visitor
        self.numbers = max(self.numbers, visitor.number)
        if change is not None:
            self.log.append(change)
        if draft.restarted:
            self.lines = {}
        if draft.forgotten >= 0:
            self.history = {}
        self.lines |= {slot: unpack_view(pack_view(line)) for slot, line in draft.stored.items()}
        if draft.visit is not None:
            self.history[draft.visit.visit] = msgspec.convert(msgspec.to_builtins(draft.visit), Visit)
        self.page_views += draft.page_views
        self.visitor = unpack_visitor(pack_visitor(visitor))
        assert self.visitor == visitor


CHROME = Client("DE", "de-DE", campaign="spring")
