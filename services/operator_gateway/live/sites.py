"""One watched site: read from Redis in slices while the log moves on, then kept fresh, flushed and told to its viewers.

The task of a site is the only one that changes its views over time: it loads, fills indexes slice by slice, and
flushes at the pace that the load allows. Changes from the log are taken in between, at once. A gap makes it read the
site again and lay the result over what it has, so viewers see a few differences and no break; only when Redis's data
itself is another one (a new epoch) are the windows void. Read :meth:`LiveSite.run`.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Iterable, Iterator
from contextlib import aclosing

import structlog

from services.operator_gateway.live.feed import Feed
from services.operator_gateway.live.metrics import LiveMetrics
from services.operator_gateway.live.pace import BUSY_S, Load, Pace
from services.operator_gateway.live.viewers import Audience, Member
from services.operator_gateway.views.engine import Group, SiteViews
from services.operator_gateway.views.shedding import NOT_SLOWED, PUT_OFF, Slowed
from services.operator_gateway.views.visitors import SiteFacts
from shared.contracts.operators import ResetReason
from shared.contracts.streams import Part, RowChanged, RowGone
from shared.runtime.garbage import keep
from shared.storage.faults import Unavailable
from shared.storage.snapshots import Snapshots

log = structlog.get_logger()

MAX_WAITING_CHANGES = 200_000  # changes kept while a site is read: a minute of a very busy one; then it begins anew
CATCH_UP_SLICE = 1_000  # of those, applied at a time: about 10 ms
LARGE = 20_000  # visitors: what the garbage collector would look through again and again, a millisecond for each 4,000
RETRY_S = 0.5
CHECK_EVERY_S = 10.0
MAX_SITES = 500  # watched at the same time by one gateway
KEEP_UNUSED_S = 60.0  # a reload of the console must not read 100,000 rows again
SWEEP_S = 5.0
LAGGING_EVERY_S = 0.2  # how often those are looked after who had no room


class Restart(Exception):
    """The load is void and has to begin again."""


class LiveSite:
    """A site that somebody watches, or did a moment ago."""

    def __init__(
        self, site: str, facts: SiteFacts, snapshots: Snapshots, feed: Feed, metrics: LiveMetrics, *, load: Load
    ) -> None:
        self.site = site
        self.audience = Audience(metrics.deltas)
        self.unused_since_s: float | None = None
        self._facts = facts
        self._snapshots = snapshots
        self._feed = feed
        self._metrics = metrics
        self._loop = asyncio.get_running_loop()
        self._pace = Pace()
        self._load_of_all = load
        self._changed_at_s: float | None = None  # when the oldest change came that nobody was told yet
        self._wake = asyncio.Event()
        self._partial: set[Group] = set()  # shown before they were complete
        self._asked = asyncio.Event()  # for an order that is not complete
        self._awaited: dict[Group, asyncio.Event] = {}  # groups that somebody waits for until they can be shown
        self.loaded = False
        # While the site is read, changes wait here; None: they are applied as they come.
        self._waiting: list[tuple[Part, RowChanged | RowGone]] | None = []
        self._void = False
        self._suffix = ""
        self.views = SiteViews(facts, "")
        self._check_at_s = self._loop.time() + CHECK_EVERY_S

    # --- what the feed brings ---

    def take(self, part: Part, changes: Iterable[RowChanged | RowGone]) -> None:
        """Changes from the log."""
        if self._waiting is not None:
            self._waiting.extend((part, change) for change in changes)
            if len(self._waiting) > MAX_WAITING_CHANGES:
                self._waiting.clear()
                self._void = True
            return
        for change in changes:
            if self.views.replica.apply(part, change) == "gap":
                self._metrics.reloads.labels("gap").inc()
                log.info("site_gap", site=self.site, part=part, seq=change.seq, known=self.views.replica.seq(part))
                self._begin_load()
                return
        if self._changed_at_s is None:
            self._changed_at_s = self._loop.time()
        self._wake.set()

    def start_over(self, reason: str) -> None:
        """Redis's data is another one: the epoch ends, and with it every window. Only missed entries are less."""
        if reason == "trimmed":
            self._metrics.reloads.labels("gap").inc()
            self._begin_load()
            return
        self._metrics.reloads.labels("epoch").inc()
        if reason == "went_back":
            self._suffix = f".{secrets.token_hex(4)}"  # the owners have not noticed: their epochs are the same
        self._renew(self._facts)

    def set_facts(self, facts: SiteFacts) -> None:
        """The site's configuration changed: rows that look the same may not be, so the epoch ends."""
        if facts != self._facts:
            self._renew(facts)

    def _renew(self, facts: SiteFacts) -> None:
        self._facts = facts
        self.void("epoch")
        self.views = SiteViews(facts, "")
        self._begin_load()

    def _begin_load(self) -> None:
        self.loaded = False
        self._waiting = []
        self._void = True  # whatever load is under way is not ours any more
        self._wake.set()

    # --- views ---

    async def open(self, group: Group, timeout_s: float) -> bool:
        """Wait until `group` can be shown; False if it is still incomplete by then."""
        self._wake.set()
        if not self._incomplete(group):
            self._complete(group)
            return True
        self._asked.set()
        complete = self._awaited.setdefault(group, asyncio.Event())
        try:
            async with asyncio.timeout(timeout_s):
                await complete.wait()
        except TimeoutError:
            self._partial.add(group)
            return False
        self._complete(group)
        return True

    def _complete(self, group: Group) -> None:
        """The answer is to be what there is now, not what was there when the group was shown for the first time."""
        if group in self._partial:
            self.flush()

    def _let_in(self) -> None:
        """Wake those whose group can be shown now, and nobody else: a thousand may wait for twenty orders."""
        for group in [group for group in self._awaited if not self._incomplete(group)]:
            self._awaited.pop(group).set()

    def _incomplete(self, group: Group) -> bool:
        return not self.loaded or self.views.filling(group)

    def flush(self) -> None:
        """Bring all views up to date and tell everyone who has room."""
        started, spent = self._loop.time(), time.thread_time()
        shedding = self._load_of_all.shedding
        changed = self.views.flush(started, shedding)
        if self._partial:
            self._partial = {group for group in self._partial if self._incomplete(group)}
        self.audience.publish(self.views, changed, started, self.slowed)
        ended = self._loop.time()
        # The processor's time, not the clock's: on a shared machine a flush must not look dear because it was put off.
        self._pace.flushed(ended, time.thread_time() - spent)
        self._metrics.flushes.observe(ended - started)
        if self._changed_at_s is not None:
            self._metrics.age.observe(ended - self._changed_at_s)
            self._changed_at_s = None

    @property
    def tick_s(self) -> float:
        """The distance between updates while changes keep coming."""
        return self._pace.distance_s(self._load_of_all.shedding)

    @property
    def slowed(self) -> Slowed:
        """The same for the clients, if it is longer than usual."""
        tick_s = self.tick_s
        return Slowed(round(tick_s * 1000), PUT_OFF[self._load_of_all.shedding]) if tick_s > BUSY_S else NOT_SLOWED

    def _delay_s(self) -> float:
        return self._pace.delay_s(self._loop.time(), self._load_of_all.shedding)

    def close(self, member: Member) -> None:
        """The member's view is closed."""
        if not member.closed:
            member.closed = True
            self.audience.leave(member)
            self.views.leave(member.group)

    def void(self, reason: ResetReason) -> None:
        """Close all views and tell their clients why."""
        for member in self.audience.members():
            self.close(member)
            self.audience.reset(member, reason)

    # --- the site's task ---

    async def run(self) -> None:
        """Until cancelled."""
        try:
            await self._feed.listen(self.site, self)
            while True:
                if not self.loaded:
                    await self._load_until_done()
                    continue
                await self._work()
        finally:
            self._feed.unlisten(self.site)

    async def _work(self) -> None:
        """One round: a slice of filling if an index is incomplete, else wait for changes; then flush if it is time."""
        if self._fill():
            await asyncio.sleep(0)
            if not self._delay_s():
                self.flush()
            return
        await self._pause()
        self._wake.clear()
        if self.views.dirty and await self._asked_within(self._delay_s()):
            return  # an order that nobody had does not wait for the next update
        if self.loaded:
            self.flush()
        if self._loop.time() >= self._check_at_s:
            self._check_at_s = self._loop.time() + CHECK_EVERY_S
            self.audience.check(self.views, self.slowed)

    async def _asked_within(self, seconds: float) -> bool:
        """Wait so long; True, at once, if there is an order to put together."""
        self._asked.clear()
        if self.views.complete < self.views.kept:
            return True
        try:
            async with asyncio.timeout(seconds):
                await self._asked.wait()
        except TimeoutError:
            return False
        return True

    def _fill(self) -> bool:
        """One slice of the work on orders that are not complete; False if there is none."""
        spent, kept = time.thread_time(), self.views.complete
        if not self.views.fill():
            return False
        if self.views.complete > kept:
            self._let_in()
            if len(self.views.replica) >= LARGE:
                keep()
        self._load_of_all.excused_s += time.thread_time() - spent
        return True

    async def _pause(self) -> None:
        """Until there is something to do, or the time has come for checks, for what was put off, for those who lag."""
        limit = min(self._check_at_s, self.views.due_s) - self._loop.time()
        if self.audience.lagging:
            limit = min(limit, LAGGING_EVERY_S)
        try:
            async with asyncio.timeout(max(0.0, limit)):
                await self._wake.wait()
        except TimeoutError:
            pass

    async def _load_until_done(self) -> None:
        while not self.loaded:
            self._void = False
            self._waiting = []
            try:
                await self._load()
            except Restart:
                await asyncio.sleep(0)
            except Unavailable as error:
                log.warning("site_load_waits", site=self.site, reason=str(error))
                await asyncio.sleep(RETRY_S)
        if len(self.views.replica) >= LARGE:
            keep()
        self._let_in()
        self._wake.set()

    async def _load(self) -> None:
        """Read the site, then catch up with what changed meanwhile. Raises Restart or Unavailable."""
        started = self._loop.time()
        views, replica = self.views, self.views.replica
        mark = await self._snapshots.marks(self.site)
        if not views.epoch:
            views.epoch = f"{mark.epoch}.{views.facts.name}{self._suffix}"
        replica.begin_load(mark.presence_seq, mark.engagement_seq)
        talking: set[str] = set()
        present: set[str] = set()
        async with aclosing(self._snapshots.engagement_rows(self.site)) as slices:
            async for engagements in slices:
                self._still_valid(views)
                replica.load((), engagements)
                talking.update(visitor for visitor, _ in engagements)
        async with aclosing(self._snapshots.presence_rows(self.site)) as slices_of_rows:
            async for rows in slices_of_rows:
                self._still_valid(views)
                replica.load(rows, ())
                present.update(visitor for visitor, _ in rows)
        self._still_valid(views)
        replica.retain(present, talking)
        await self._catch_up(views)
        self.loaded = True
        self._metrics.loads.observe(self._loop.time() - started)
        log.info("site_loaded", site=self.site, visitors=len(replica))

    async def _catch_up(self, views: SiteViews) -> None:
        """Lay what came meanwhile over what was read, until nothing waits."""
        while self._waiting:
            changes, self._waiting = self._waiting[:CATCH_UP_SLICE], self._waiting[CATCH_UP_SLICE:]
            for part, change in changes:
                if views.replica.catch_up(part, change) == "gap":
                    raise Restart
            await asyncio.sleep(0)
            self._still_valid(views)
        self._waiting = None

    def _still_valid(self, views: SiteViews) -> None:
        if self._void or views is not self.views:
            raise Restart


class LiveSites:
    """The sites that are watched here. A site is kept for a while after its last view closed: people come back."""

    def __init__(self, snapshots: Snapshots, feed: Feed, metrics: LiveMetrics) -> None:
        self._snapshots = snapshots
        self._feed = feed
        self._metrics = metrics
        self.load = Load()
        self._sites: dict[str, LiveSite] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def __len__(self) -> int:
        return len(self._sites)

    def __iter__(self) -> Iterator[LiveSite]:
        return iter(tuple(self._sites.values()))

    def get(self, site: str) -> LiveSite | None:
        """The site, if it is watched."""
        return self._sites.get(site)

    def watch(self, site: str, facts: SiteFacts) -> LiveSite | None:
        """The site, watched from now on if it was not; None if no more can be."""
        live = self._sites.get(site)
        if live is None:
            if len(self._sites) >= MAX_SITES:
                return None
            live = self._sites[site] = LiveSite(site, facts, self._snapshots, self._feed, self._metrics, load=self.load)
            task = self._tasks[site] = asyncio.create_task(live.run(), name=f"site-{site}")
            task.add_done_callback(lambda ended: self._ended(site, ended))
        live.unused_since_s = None
        return live

    def _ended(self, site: str, task: asyncio.Task[None]) -> None:
        """A site's task never ends by itself; if a fault of ours ends it, the clients open their views anew."""
        if task.cancelled():
            return
        log.error("site_failed", site=site, exc_info=task.exception())
        self._tasks.pop(site, None)
        live = self._sites.pop(site, None)
        if live is not None:
            live.void("epoch")

    async def weigh(self) -> None:
        """Until cancelled: find out how hard pressed this process is."""
        loop = asyncio.get_running_loop()
        at_s, spent_s = loop.time(), time.process_time()
        while True:
            await asyncio.sleep(Load.EVERY_S)
            now_s, now_spent_s = loop.time(), time.process_time()
            before = self.load.shedding
            passed_s = now_s - at_s
            excused_s, self.load.excused_s = self.load.excused_s, 0.0
            self.load.sample((now_spent_s - spent_s - excused_s) / passed_s, passed_s - Load.EVERY_S)
            at_s, spent_s = now_s, now_spent_s
            if self.load.shedding != before:
                log.warning("shedding", level=self.load.shedding.name.lower())

    async def sweep(self) -> None:
        """Until cancelled: drop the sites that nobody has watched for a while."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(SWEEP_S)
            for live in self:
                if len(live.audience):
                    live.unused_since_s = None
                elif live.unused_since_s is None:
                    live.unused_since_s = loop.time()
                elif loop.time() - live.unused_since_s > KEEP_UNUSED_S:
                    await self.drop(live.site)

    async def drop(self, site: str) -> None:
        """Watch the site no longer."""
        live, task = self._sites.pop(site, None), self._tasks.pop(site, None)
        if live is not None:
            live.void("epoch")
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def close(self) -> None:
        """Watch nothing any more."""
        for live in self:
            await self.drop(live.site)
