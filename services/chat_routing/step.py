"""One step of a partition: decode the batch, load what it is about, apply it in order, hand back the changes.

Everything that decides is pure and lives in `domain`; nothing that counts is kept between steps (see `kept`), so a step
that is repeated (after a crash, a lost reply, a takeover) comes to the same result. Read :meth:`ChatStep.__call__`,
then :class:`_Batch`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Protocol

from services.chat_routing.domain.engagement import Engagement, Requested
from services.chat_routing.domain.operators import OperatorPresence
from services.chat_routing.kept import Kept, KeptSite
from services.chat_routing.metrics import Metrics
from services.chat_routing.notify.news import deliveries, revived
from services.chat_routing.older_answers import Aside, by_site, sought
from services.chat_routing.roster import Known, Roster, unpack_operator
from services.chat_routing.site_work import (
    Loaded,
    Sites,
    SiteWork,
    refused,
    unpack_engagement,
    unpack_pickups,
)
from services.chat_routing.timers import Due, Who
from services.chat_routing.trigger_work import TriggerInputs
from shared.contracts.chat import (
    ChatOutcome,
    Command,
    EraseVisitor,
    MarkChat,
    OfflineMessageLeft,
    PresenceFacts,
    SendMessage,
    TranscriptWanted,
)
from shared.contracts.notifications import Delivery, Undelivered
from shared.contracts.sites import SiteSettings
from shared.contracts.streams import (
    ChatOutcomes,
    CloseMessage,
    CmdEntry,
    GatewayAlive,
    GatewayUnknown,
    LogEntry,
    LookAgain,
    OperatorChanged,
    OperatorConnected,
    OperatorDisconnected,
    SendTranscript,
    SettleUndelivered,
    decode_cmd,
    encode,
)
from shared.domain.partitions import Partition
from shared.storage.engagements import EngagementStore, Messages, OperatorKey, StoredSite, guess_mark, put_mark
from shared.storage.faults import Unavailable
from shared.storage.notifications import buried_removal, queue_writes
from shared.storage.owner import BATCH, Changes, Inputs
from shared.storage.visitor_sides import told_writes

RECHECK_MS = 200  # while a backlog is worked off: a sign of life may be waiting in it
MAX_OUTCOMES = 500  # in one stream entry
NO_SETTINGS = SiteSettings()  # a site that is not (or no longer) known goes by the product's numbers

Outcome = OperatorChanged | GatewayUnknown | ChatOutcome


class Notices(Protocol):
    """Who sends what a commit has queued."""

    @property
    def mails(self) -> bool:
        """Whether mails can be sent at all."""
        ...

    def wake(self, partition: Partition, /) -> None:
        """Something was queued there."""
        ...


class ChatStep:
    """The step that a :class:`~shared.storage.owner.PartitionOwner` calls. Raises Unavailable."""

    def __init__(self, store: EngagementStore, sites: Sites, metrics: Metrics, notices: Notices) -> None:
        self._store = store
        self._sites = sites
        self._metrics = metrics
        self._notices = notices
        self._kept = Kept()

    async def __call__(self, partition: Partition, inputs: Inputs) -> Changes:
        """The changes that this batch asks for."""
        try:
            return await self._decided(partition, inputs)
        except Unavailable:
            raise
        except Exception:
            if not self._kept.of(partition)[0]:
                raise
            # What is kept is compared only when it is committed, so it may be what is at fault.
            self._kept.forget(partition)
            return await self._decided(partition, inputs)

    async def _decided(self, partition: Partition, inputs: Inputs) -> Changes:
        entries = await self._timely(partition, [decode_cmd(payload) for _, payload in inputs.entries])
        backlog = len(inputs.entries) >= BATCH
        due = Due() if backlog else Due.read(inputs.due)
        before, _ = self._kept.of(partition)
        batch = await self._load(partition, inputs, entries, due)
        for entry in entries:
            batch.take(entry)
        batch.elapse(due)
        changes, sites = batch.changes()
        sent = deliveries(batch.outcomes, self._sites.site, mails=self._notices.mails) + batch.revived
        changes.writes.extend(queue_writes(partition, sent))
        mark = self._kept.next_mark()
        changes.writes.append(put_mark(partition, mark))
        remember = self._kept.promise(partition, mark, sites)
        if backlog:
            changes.timers.update({m: inputs.now_ms + RECHECK_MS for m in inputs.due if m not in changes.timers})

        def committed() -> None:
            remember()
            self._metrics.committed(entries, len(inputs.due), batch.outcomes)
            if sent:
                self._notices.wake(partition)

        guess = guess_mark(partition, before, lambda: self._kept.forget(partition))
        return replace(changes, on_committed=committed, guess=guess)

    async def _timely(self, partition: Partition, entries: list[CmdEntry]) -> list[CmdEntry]:
        """Without the commands whose senders have been told to try again: what they asked for is not done behind their
        backs when we, or Redis, have been away."""
        if not any(isinstance(entry, Command) and entry.until_ms for entry in entries):
            return entries
        now_ms = await self._store.clock.now_ms(partition)
        timely = [entry for entry in entries if not (isinstance(entry, Command) and 0 < entry.until_ms < now_ms)]
        self._metrics.too_late(len(entries) - len(timely))
        return timely

    async def _load(self, partition: Partition, inputs: Inputs, entries: list[CmdEntry], due: Due) -> _Batch:
        through = {gateway: await self._store.connected_through(partition, gateway) for gateway in due.gateways}
        gateways = {
            e.gateway for e in entries if isinstance(e, OperatorConnected | OperatorDisconnected | GatewayAlive)
        }
        signs = await self._store.gateway_signs(partition, gateways | set(due.gateways))
        _, kept = self._kept.of(partition)
        wanted = _wanted(entries, due, through, kept)
        waiting = {site: await self._store.trigger_waiting(partition, site) for site in due.waiting}
        for key, visitors in waiting.items():
            wanted.setdefault(key, set()).update(visitors)
        if any(self._sites.site(site) is None for site in wanted):
            await self._sites.catch_up()  # a gateway may know a new site a moment before us
        stored = await self._store.sites(partition, wanted, kept)
        known = {key: kept[key] if key in kept else _unpacked(values) for key, values in stored.items()}
        operators = {key: site.operators for key, site in known.items()}
        looked_at = {*due.triggers, *_seen(entries), *((key, one) for key, ones in waiting.items() for one in ones)}
        histories = await self._store.trigger_histories(partition, looked_at)
        for key in {entry.site for entry in entries if isinstance(entry, LookAgain)} & known.keys():
            # The rules may be others: what those who wait need is worked out anew, and for that they must be seen.
            waits = [v for v, e in known[key].engaged.items() if isinstance(e.phase, Requested)]
            rows = await self._store.rows_of(partition, key, waits)
            stored[key] = replace(stored[key], visitors={**stored[key].visitors, **rows})
        aside = await self._older_answers(partition, entries, known, stored)
        loaded = [
            Loaded(site, stored[key], known[key], _trigger_inputs(key, histories, waiting), aside.get(key, {}))
            for key in stored
            if (site := self._sites.site(key)) is not None and not site.disabled
        ]
        batch = _Batch(
            partition, inputs, self._sites, loaded, Known(operators, signs, through), mails=self._notices.mails
        )
        for entry in entries:
            if isinstance(entry, EraseVisitor):
                chats = await self._store.chats_of(partition, entry.site, entry.visitor)
                messages = await self._store.messages_of(partition, entry.site, entry.visitor)
                batch.histories[entry.site, entry.visitor] = chats, messages
            elif isinstance(entry, SettleUndelivered):
                batch.buried[entry.site, entry.entry] = await self._store.buried(partition, entry.site, entry.entry)
        return batch

    async def _older_answers(
        self,
        partition: Partition,
        entries: list[CmdEntry],
        known: Mapping[str, KeptSite],
        stored: Mapping[str, StoredSite],
    ) -> dict[str, dict[str, Aside]]:
        """What commands of this batch were answered long ago, by site and visitor. Of most chats nothing is read."""
        commands = [(e.site, e.visitor) for e in entries if isinstance(e, Command) and e.site in known]
        engagements: dict[Who, Engagement] = {}
        for site, visitor in commands:
            if visitor in known[site].engaged:
                engagements[site, visitor] = known[site].engaged[visitor]
            elif visitor in stored[site].touched:
                engagements[site, visitor] = unpack_engagement(stored[site].touched[visitor])
        wanted = sought(entries, engagements)
        return by_site(await self._store.older_answers(partition, wanted)) if wanted else {}


def _unpacked(stored: StoredSite) -> KeptSite:
    return KeptSite(
        operators={operator: unpack_operator(value) for operator, value in stored.operators.items()},
        engaged={visitor: unpack_engagement(value) for visitor, value in stored.engaged.items()},
        seq=stored.seq,
        pickups=unpack_pickups(stored.pickups) if stored.pickups else {},
    )


def _seen(entries: Iterable[CmdEntry]) -> set[Who]:
    """Visitors (site, visitor) whom triggers may fit."""
    return {who for entry in entries if isinstance(entry, PresenceFacts) for who in entry.seen}


def _trigger_inputs(site: str, histories: dict[Who, bytes], waiting: dict[str, list[str]]) -> TriggerInputs:
    mine = {visitor: packed for (where, visitor), packed in histories.items() if where == site}
    return TriggerInputs(mine, tuple(waiting.get(site, ())))


def _wanted(
    entries: Iterable[CmdEntry],
    due: Due,
    through: dict[str, list[OperatorKey]],
    kept: Mapping[str, KeptSite],
) -> dict[str, set[str]]:
    """The sites that a batch touches, with the visitors of each who have to be read."""
    wanted: dict[str, set[str]] = {}
    for entry in entries:
        if isinstance(entry, SendMessage | MarkChat) and _is_known(entry, kept):
            wanted.setdefault(entry.site, set())
        elif isinstance(entry, Command | EraseVisitor):
            wanted.setdefault(entry.site, set()).add(entry.visitor)
        elif isinstance(entry, PresenceFacts):
            for fact in entry.facts:
                wanted.setdefault(fact.site, set()).add(fact.visitor)
            for site, visitor in entry.seen:
                wanted.setdefault(site, set()).add(visitor)
        elif not isinstance(entry, GatewayAlive):
            wanted.setdefault(entry.site, set())
    for site, visitor in (*due.engagements, *due.triggers):
        wanted.setdefault(site, set()).add(visitor)
    for site, _ in (*due.operators, *due.missing, *(key for keys in through.values() for key in keys)):
        wanted.setdefault(site, set())
    return wanted


def _is_known(said: SendMessage | MarkChat, kept: Mapping[str, KeptSite]) -> bool:
    """Whether what is kept is all that this needs: a chat goes on, and the speaker's name is known."""
    site = kept.get(said.site)
    engagement = site.engaged.get(said.visitor) if site is not None else None
    return engagement is not None and (said.by.kind == "operator" or bool(engagement.name))


class _Batch:
    """The working set of one step: operators of all sites, and each site's chats. `outcomes` are told in order."""

    def __init__(
        self, partition: Partition, inputs: Inputs, sites: Sites, loaded: Iterable[Loaded], known: Known, *, mails: bool
    ) -> None:
        self.outcomes: list[Outcome] = []
        # Chats and offline messages of visitors who are to be erased.
        self.histories: dict[tuple[str, str], tuple[list[str], Messages]] = {}
        # Deliveries that were given up, as somebody has asked about them, and those that are tried again.
        self.buried: dict[tuple[str, str], tuple[Undelivered, OfflineMessageLeft | None] | None] = {}
        self.revived: list[Delivery] = []
        self._settled: list[str] = []
        self._mails = mails
        self._partition = partition
        self._sites = sites
        self._roster = Roster(
            partition,
            known,
            now_ms=inputs.now_ms,
            resumed_at_ms=inputs.resumed_at_ms,
            settings_of=self._settings,
            tell=self.outcomes.append,
            on_change=self._operator_changed,
            on_connected=self._operator_connected,
        )
        self._works: dict[str, SiteWork] = {}
        for one in loaded:
            self._works[one.site.site] = self._work(partition, inputs, one)

    def _work(self, partition: Partition, inputs: Inputs, loaded: Loaded) -> SiteWork:
        return SiteWork(
            partition,
            loaded,
            self._sites,
            now_ms=inputs.now_ms,
            resumed_at_ms=inputs.resumed_at_ms,
            mails=self._mails,
            tell=self.outcomes.append,
            set_away=lambda operator: self._roster.took_away((loaded.site.site, operator)),
        )

    def _settings(self, key: str) -> SiteSettings:
        site = self._sites.site(key)
        return NO_SETTINGS if site is None else site.settings

    def _operator_changed(self, key: OperatorKey, presence: OperatorPresence) -> None:
        work = self._works.get(key[0])
        if work is not None:
            work.operator_changed(key[1], presence)

    def _operator_connected(self, key: OperatorKey) -> None:
        work = self._works.get(key[0])
        if work is not None:
            work.tell_offers(key[1])

    def take(self, entry: CmdEntry) -> None:
        """One entry of the stream."""
        if isinstance(entry, Command):
            work = self._works.get(entry.site)
            if work is None:
                self.outcomes.append(refused(entry))
            else:
                work.command(entry)
        elif isinstance(entry, PresenceFacts):
            for fact in entry.facts:
                if fact.site in self._works:
                    self._works[fact.site].presence(fact)
            for site, visitor in entry.seen:
                if site in self._works:
                    self._works[site].consider(visitor)
        elif isinstance(entry, SettleUndelivered):
            self._settle(entry)
        elif isinstance(entry, EraseVisitor | CloseMessage | LookAgain | SendTranscript):
            if entry.site in self._works:
                self._take_about_site(self._works[entry.site], entry)
        else:
            self._roster.take(entry)

    def _settle(self, entry: SettleUndelivered) -> None:
        """A delivery that was given up is dropped, or queued again. What cannot be tried again stays where it is."""
        found = self.buried.get((entry.site, entry.entry))
        if found is None or entry.entry in self._settled:
            return
        if entry.retry:
            delivery = revived(*found)
            if delivery is None:
                return
            self.revived.append(delivery)
        self._settled.append(entry.entry)

    def _take_about_site(self, work: SiteWork, entry: EraseVisitor | CloseMessage | LookAgain | SendTranscript) -> None:
        match entry:
            case EraseVisitor(site=site, visitor=visitor):
                work.erase(visitor, *self.histories.get((site, visitor), ([], Messages())))
            case CloseMessage():
                work.close_message(entry)
            case LookAgain():
                work.look_again()
            case SendTranscript():
                work.send_transcript(entry)

    def elapse(self, due: Due) -> None:
        """What time alone does, operators first: an engagement's deadline asks whether its operator is there."""
        self._roster.elapse(due.gateways, due.operators)
        for key in due.missing:
            if key[0] in self._works and self._roster.is_missing(key):
                self._works[key[0]].operator_missing(key[1])
        for site, visitor in due.engagements:
            if site in self._works:
                self._works[site].elapse(visitor)
        for site, visitor in due.triggers:
            if site in self._works:
                self._works[site].consider(visitor)
        for site in due.waiting:
            if site in self._works:
                self._works[site].consider_waiting()

    def changes(self) -> tuple[Changes, dict[str, KeptSite]]:
        """All that the batch came to, and its sites as they are once it is durable."""
        # First: erasing a visitor, which comes with the site's writes, takes away what was told before.
        writes = told_writes(self._partition, self.outcomes, lambda site: self._settings(site).retention_ms)
        timers: dict[bytes, int | None] = {}
        rows: list[bytes] = []
        for site, work in self._works.items():
            done = work.finish()
            writes += done.writes
            timers |= done.timers
            if done.changes:
                rows.append(encode(LogEntry("engagement", tuple(done.changes))))
            for operator, agent in done.load.items():
                self._roster.note_load(
                    (site, operator), chats=len(agent.held), misses=agent.misses, idle_since_ms=agent.idle_since_ms
                )
        writes += self._roster.writes()
        writes += buried_removal(self._partition, self._settled)
        timers |= self._roster.timers
        kept = {site: work.kept(self._roster.of_site(site)) for site, work in self._works.items()}
        return Changes(writes=writes, timers=timers, log=rows, chat=_payloads(_told(self.outcomes))), kept


def _told(outcomes: list[Outcome]) -> list[Outcome]:
    """What goes to the edges: an address that a transcript is mailed to does not."""
    return [outcome for outcome in outcomes if not isinstance(outcome, TranscriptWanted)]


def _payloads(outcomes: list[Outcome]) -> list[bytes]:
    parts = [tuple(outcomes[i : i + MAX_OUTCOMES]) for i in range(0, len(outcomes), MAX_OUTCOMES)]
    return [encode(ChatOutcomes(part)) for part in parts]
