"""One step of a partition: load what the entries touch, fold, and say what to commit.

The step decides nothing itself: the domain does. It brings each visitor's entries together in their order, loads in at
most three round trips, and turns the drafts into writes, timers and one log entry. Read :meth:`PresenceStep.__call__`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from services.presence.commit import NOBODY, Commit, whose_timer
from services.presence.domain.draft import Draft, Moment, ViewsNeeded
from services.presence.domain.fold import VisitorEntry, fold
from services.presence.domain.visits import settle
from shared.contracts.sites import Site, SiteSettings, Trigger
from shared.contracts.streams import BotsSeen, CollectorAlive, ForgetVisitor, TabEvents, decode_in
from shared.domain.partitions import Partition
from shared.domain.visitor import Visitor
from shared.storage.owner import BATCH, Changes, Inputs
from shared.storage.visitors import DAY_MS, SiteDay, Visitors, Who

COLLECTOR_MEMORY_MS = 3_600_000  # a collector not heard of for an hour holds no channel that matters
MAX_COLLECTORS = 1_000  # remembered in a partition; the ones heard of longest ago are forgotten
NO_SETTINGS = SiteSettings()  # a site that is no longer there: its visitors leave by the product's numbers


class Sites(Protocol):
    """The directory, as far as presence asks it."""

    def site(self, site: str, /) -> Site | None:
        """The site of this key."""
        ...

    async def catch_up(self) -> bool:
        """Wait until the replica has seen what Redis has now."""
        ...


@dataclass(slots=True)
class _Batch:
    """The entries of one step by visitor, in order."""

    entries: dict[Who, list[VisitorEntry]] = field(default_factory=dict)
    collectors: dict[str, int] = field(default_factory=dict)
    bots: dict[SiteDay, Counter[str]] = field(default_factory=dict)
    outcomes: Counter[str] = field(default_factory=Counter)


Report = Callable[[Partition, Mapping[str, int], Mapping[str, int], int], None]


class PresenceStep:
    """The step for a partition's owner. Once a batch is durable, `report` hears of it: the partition, events by
    outcome, live visitors by site, entries."""

    def __init__(self, visitors: Visitors, sites: Sites, report: Report) -> None:
        self._visitors = visitors
        self._sites = sites
        self._report = report

    async def __call__(self, partition: Partition, inputs: Inputs) -> Changes:
        """What these inputs change. Raises Unavailable, and whatever a poisoned entry raises."""
        batch = await self._read(inputs)
        due = [whose_timer(member) for member in inputs.due]
        everyone = dict.fromkeys([*batch.entries, *due])
        wanted: dict[str, list[str]] = {}
        for site, visitor in everyone:
            wanted.setdefault(site, []).append(visitor)
        loaded = await self._visitors.load(partition, wanted)
        before = dict(loaded.live)
        before |= await self._visitors.profiles(partition, [who for who in everyone if who not in before])
        collectors = _merged(loaded.collectors, batch.collectors, inputs.now_ms)
        heard_until_ms = _heard_until(inputs)
        moments = {
            site: Moment(inputs.now_ms, inputs.resumed_at_ms, self._settings(site), collectors, heard_until_ms)
            for site in wanted
        }
        drafts = await self._fold(partition, batch, before, moments, everyone)
        commit = Commit(partition, inputs, loaded.sites)
        for who, draft in drafts.items():
            commit.put(who, before.get(who, NOBODY), draft, moments[who[0]].settings, self._triggers(who[0]))
            batch.outcomes["accepted"] += draft.accepted
            batch.outcomes["duplicate"] += draft.duplicates
        engaged = await self._visitors.with_engagement(partition, commit.moved) if commit.moved else ()
        commit.tell_chat_routing(engaged)
        commit.remember(loaded.collectors, collectors)
        commit.count_bots(batch.bots, await self._visitors.bot_names(partition, tuple(batch.bots)))
        live = {site: numbers.live for site, numbers in loaded.sites.items()}
        return commit.changes(lambda: self._report(partition, batch.outcomes, live, len(inputs.entries)))

    async def _read(self, inputs: Inputs) -> _Batch:
        batch = _Batch()
        decoded = [decode_in(payload) for _, payload in inputs.entries]
        sites = {entry.site for entry in decoded if not isinstance(entry, CollectorAlive)}
        if any(self._sites.site(site) is None for site in sites):
            await self._sites.catch_up()  # a collector may know a new site a moment before us
        for entry in decoded:
            if isinstance(entry, CollectorAlive):
                batch.collectors[entry.collector] = max(batch.collectors.get(entry.collector, 0), entry.at_ms)
                continue
            if isinstance(entry, BotsSeen):
                if self._sites.site(entry.site) is not None:
                    day = min(entry.at_ms, inputs.now_ms) // DAY_MS
                    batch.bots.setdefault((entry.site, day), Counter()).update(entry.counts)
                continue
            outcome = self._refused(entry)
            if outcome is None:
                batch.entries.setdefault((entry.site, entry.visitor), []).append(entry)
            else:
                batch.outcomes[outcome] += len(entry.events) if isinstance(entry, TabEvents) else 1
        return batch

    def _refused(self, entry: VisitorEntry) -> str | None:
        if isinstance(entry, ForgetVisitor):
            return None  # whatever became of the site
        site = self._sites.site(entry.site)
        if site is None:
            return "unknown_site"
        return "disabled_site" if site.disabled else None

    def _triggers(self, site: str) -> tuple[Trigger, ...]:
        known = self._sites.site(site)
        return () if known is None else known.triggers

    def _settings(self, site: str) -> SiteSettings:
        known = self._sites.site(site)
        return NO_SETTINGS if known is None else known.settings

    async def _fold(
        self,
        partition: Partition,
        batch: _Batch,
        before: Mapping[Who, Visitor],
        moments: Mapping[str, Moment],
        everyone: Mapping[Who, None],
    ) -> dict[Who, Draft]:
        drafts: dict[Who, Draft] = {}
        undecided: list[Who] = []
        for who in everyone:
            draft = _folded(Draft(before.get(who, NOBODY)), batch.entries.get(who, ()), moments[who[0]])
            if draft is None:
                undecided.append(who)
            else:
                drafts[who] = draft
        if undecided:
            for who, views in (await self._visitors.views(partition, undecided)).items():
                start = Draft(before.get(who, NOBODY), loaded=views)
                draft = _folded(start, batch.entries.get(who, ()), moments[who[0]])
                assert draft is not None, "the views are loaded"  # noqa: S101
                drafts[who] = draft
        return drafts


def _heard_until(inputs: Inputs) -> int:
    """Up to when everything said has been read: now, or when the last entry of a full batch was written."""
    if len(inputs.entries) < BATCH:
        return inputs.now_ms
    return min(inputs.now_ms, int(inputs.entries[-1][0].partition("-")[0]))


def _merged(known: Mapping[str, int], heard: Mapping[str, int], now_ms: int) -> dict[str, int]:
    """When each collector was last heard of; bounded, never in the future."""
    merged = dict(known)
    for name, at_ms in heard.items():
        merged[name] = max(merged.get(name, 0), min(at_ms, now_ms))
    fresh = {name: at_ms for name, at_ms in merged.items() if at_ms > now_ms - COLLECTOR_MEMORY_MS}
    if len(fresh) > MAX_COLLECTORS:
        fresh = dict(sorted(fresh.items(), key=lambda item: item[1])[-MAX_COLLECTORS:])
    return fresh


def _folded(draft: Draft, entries: Sequence[VisitorEntry], moment: Moment) -> Draft | None:
    """The draft after its entries and the time passed; None if that needs the stored navigation."""
    try:
        for entry in entries:
            draft = fold(draft, entry, moment)
        return settle(draft, moment)
    except ViewsNeeded:
        return None
