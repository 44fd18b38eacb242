"""What a batch's drafts become: writes, timers and one log entry, in one commit.

A visitor's state has one home: the site's hash of live visitors or, after leaving, the profile. Read
:meth:`Commit.put`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping

from services.presence.domain.draft import Draft
from services.presence.domain.publish import publish
from services.presence.domain.triggers import worth_telling
from services.presence.domain.visits import MAX_VISITS, kept_ms
from shared.contracts.chat import EraseVisitor, PresenceFacts, VisitorBack, VisitorGone
from shared.contracts.sites import SiteSettings, Trigger
from shared.contracts.streams import MAX_BOT_NAMES, OTHER_BOTS, LogEntry, RowChanged, RowGone, encode
from shared.domain.partitions import Partition
from shared.domain.visitor import Visitor, pack_id, unpack_id
from shared.storage.bots import bot_writes
from shared.storage.keys import stream
from shared.storage.owner import Changes, Inputs
from shared.storage.visitors import (
    NAVIGATION_SLACK_MS,
    PastVisit,
    SiteDay,
    SiteNumbers,
    Who,
    collector_writes,
    day_writes,
    erasure,
    navigation_kept,
    navigation_removal,
    navigation_writes,
    pack_visit,
    profile_removal,
    profile_ttl_ms,
    profile_write,
    rows_writes,
    site_writes,
    visit_writes,
)
from shared.storage.writes import Write, xadd

NOBODY = Visitor()


def timer_of(who: Who) -> bytes:
    """The visitor's member of the timer set."""
    return f"{who[0]}:".encode() + pack_id(who[1])


def whose_timer(member: bytes) -> Who:
    """The visitor of a timer; a site key has no colon in it."""
    site, _, visitor = member.partition(b":")
    return site.decode(), unpack_id(visitor)


def bounded(seen: Mapping[str, int], known: Collection[str]) -> dict[str, int]:
    """`seen` by names of which there are, with those `known`, no more than MAX_BOT_NAMES and OTHER_BOTS."""
    names = {*known, OTHER_BOTS}
    counts: Counter[str] = Counter()
    for name, count in sorted(seen.items(), key=lambda item: -item[1]):
        kept = name if name in names or len(names) <= MAX_BOT_NAMES else OTHER_BOTS
        names.add(kept)
        counts[kept] += max(0, count)
    return dict(counts)


class Commit:
    """Collects one batch. `numbers` (by site) are moved on as rows change and new visitors come."""

    def __init__(self, partition: Partition, inputs: Inputs, numbers: Mapping[str, SiteNumbers]) -> None:
        self._partition = partition
        self._now_ms = inputs.now_ms
        self._numbers = numbers
        self._changes: list[RowChanged | RowGone] = []
        self._present: dict[str, dict[str, Visitor]] = {site: {} for site in numbers}
        self._gone: dict[str, list[str]] = {site: [] for site in numbers}
        self._days: dict[str, Counter[str]] = {site: Counter() for site in numbers}
        self._writes: list[Write] = []
        self._timers: dict[bytes, int | None] = dict.fromkeys(inputs.due)
        self._moved: dict[Who, VisitorGone | VisitorBack] = {}
        self._seen: list[Who] = []

    def put(
        self, who: Who, before: Visitor, draft: Draft, settings: SiteSettings, triggers: Iterable[Trigger] = ()
    ) -> None:
        """Add what becomes of one visitor. `triggers`: the site's, which may want to hear of it."""
        draft = self._published(who, before, draft)
        after = draft.visitor
        if triggers and after != before and worth_telling(triggers, before, after):
            self._seen.append(who)
        if draft.forgotten >= 0:
            self._writes += erasure(self._partition, who, draft.forgotten, MAX_VISITS)
            self._writes.append(xadd(stream("cmd", self._partition), encode(EraseVisitor(*who))))
        timer = timer_of(who)
        if after.due != before.due or timer in self._timers:
            self._timers[timer] = after.due or None
        if after != before:
            self._put_state(who, before, draft, settings)
        self._put_navigation(who, before, draft, settings)
        if draft.visit is not None:
            past = PastVisit(after.visits, pack_visit(draft.visit), kept_ms(after, settings))
            self._writes += visit_writes(self._partition, who, past, MAX_VISITS)

    def _published(self, who: Who, before: Visitor, draft: Draft) -> Draft:
        """The draft with number and version given; notes what changed of the row, and today's counts."""
        numbers = self._numbers[who[0]]
        new = draft.visitor.visits > 0 and draft.visitor.number == 0
        draft, change = publish(who, before, draft, numbers.seq + 1, numbers.number + 1)
        numbers.number += new
        if change is not None:
            self._changes.append(change)
            numbers.seq += 1
            numbers.live += draft.visitor.live - before.live
            if draft.visitor.live != before.live:
                since_ms = draft.visitor.ended_at or self._now_ms
                gone, back = VisitorGone(*who, since_ms), VisitorBack(*who, self._now_ms)
                self._moved[who] = back if draft.visitor.live else gone
        if draft.page_views or draft.new_visits:
            self._days[who[0]].update(views=draft.page_views, visits=draft.new_visits, visitors=int(new))
        return draft

    def _put_state(self, who: Who, before: Visitor, draft: Draft, settings: SiteSettings) -> None:
        (site, name), after = who, draft.visitor
        if after.live:
            self._present[site][name] = after
            if not before.live and before != NOBODY:
                self._writes.append(profile_removal(self._partition, who))
            return
        if before.live:
            self._gone[site].append(name)
        if after != NOBODY:
            ttl_ms = profile_ttl_ms(after, kept_ms(after, settings), settings.visit_gap_ms)
            self._writes.append(profile_write(self._partition, who, after, ttl_ms))

    def _put_navigation(self, who: Who, before: Visitor, draft: Draft, settings: SiteSettings) -> None:
        after = draft.visitor
        anonymous_left = after.anonymous and not after.live
        if draft.restarted or (anonymous_left and before.flushed):
            self._writes.append(navigation_removal(self._partition, who))
        if anonymous_left or not after.flushed:
            return
        turned = before.live != after.live
        if not draft.stored and not turned:
            return
        # It lives as long as the row, which a timer ends: an expiry with each line would cost as much as the line.
        ttl_ms = None if after.live else settings.visit_gap_ms + NAVIGATION_SLACK_MS
        if turned and after.live and not draft.restarted:
            self._writes.append(navigation_kept(self._partition, who))
        self._writes += navigation_writes(self._partition, who, draft.stored, ttl_ms)

    @property
    def moved(self) -> list[Who]:
        """Visitors whose row came or left in this batch."""
        return list(self._moved)

    def tell_chat_routing(self, engaged: Collection[Who]) -> None:
        """Add, for these visitors, that they left or came back, and who is to be looked at for triggers."""
        facts = tuple(fact for who, fact in self._moved.items() if who in engaged)
        if facts or self._seen:
            told = PresenceFacts(facts, tuple(self._seen))
            self._writes.append(xadd(stream("cmd", self._partition), encode(told)))

    def count_bots(self, seen: Mapping[SiteDay, Mapping[str, int]], known: Mapping[SiteDay, Collection[str]]) -> None:
        """Add crawlers to the counts of their day, which has room for MAX_BOT_NAMES; the rest count as others."""
        counts = {one: bounded(by_name, known.get(one, ())) for one, by_name in seen.items()}
        self._writes += bot_writes(self._partition, counts)

    def remember(self, known: Mapping[str, int], collectors: Mapping[str, int]) -> None:
        """Add when collectors were last heard of, where that is news."""
        heard = {name: at_ms for name, at_ms in collectors.items() if known.get(name) != at_ms}
        lost = [name for name in known if name not in collectors]
        self._writes += collector_writes(self._partition, heard, lost)

    def changes(self, on_committed: Callable[[], None]) -> Changes:
        """All of it."""
        writes = self._writes
        for site, numbers in self._numbers.items():
            writes += rows_writes(self._partition, site, self._present[site], self._gone[site])
            writes += site_writes(self._partition, site, numbers)
            writes += day_writes(self._partition, site, self._now_ms, self._days[site])
        log = [encode(LogEntry("presence", tuple(self._changes)))] if self._changes else []
        return Changes(writes=writes, timers=self._timers, log=log, on_committed=on_committed)
