"""Admission of events, the same for beacon, pixel and live channel. Read :meth:`Intake.batch`.

The order is: what it is (body), which site (known, on, this origin), who (crawler, token), how often, and only then is
it put into the form that presence reads and appended. The answer is given after Redis has it.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

import structlog
from msgspec import Struct
from msgspec.structs import replace

from services.collector import outcomes
from services.collector.agents import Agent
from services.collector.contact import Contact
from services.collector.countries import Countries
from services.collector.domain.body import Readable, read_batch
from services.collector.domain.chat_place import invite_frame
from services.collector.domain.languages import preferred_language
from services.collector.domain.refusals import Refusal
from services.collector.domain.tokens import VisitorTokens
from services.collector.domain.tracked import Browser, Sender, TrackedBatch, track
from services.collector.limits import Limits
from services.collector.outcomes import Channel, Outcomes
from shared.contracts.chat import ChatCommand, Command, InviteMade
from shared.contracts.sites import Site
from shared.contracts.streams import InEntry, encode
from shared.contracts.tracking import Batch, BatchAnswer, Envelope, Hello
from shared.domain.partitions import Partition, Partitions
from shared.domain.peers import network_key
from shared.runtime.clock import Clock
from shared.storage.faults import Lagging, Unavailable
from shared.storage.keys import InputStream
from shared.storage.known_visitors import KnownVisitors
from shared.storage.log import Settle

log = structlog.get_logger()

UNAVAILABLE_RETRY_S = 2
FIRST_CONTACT_MS = 300_000
FRESH_MS = 5_000  # how long a failed append says something about now


class Sites(Protocol):
    """The part of the directory that the collector reads."""

    def site(self, site: str, /) -> Site | None:
        """The site of a key."""
        ...


class Appender(Protocol):
    """The part of the group appender that the collector uses."""

    def submit(self, stream: InputStream, partition: Partition, payload: bytes, /) -> Awaitable[None]:
        """Append and return when Redis has it; the deadline of an answer is the appender's."""
        ...

    def submit_then(self, stream: InputStream, partition: Partition, payload: bytes, settle: Settle, /) -> object:
        """The same, told by a call of `settle`."""
        ...


class Invitations(Protocol):
    """The part of the chat feed that the intake asks."""

    def invitation(self, site: str, visitor: str, now_ms: int, /) -> InviteMade | None:
        """The invitation that waits for this visitor."""
        ...


class Identity(Struct, frozen=True):
    """Whom events belong to. `token`: to be told to the browser, which had none. `proven`: it showed one that fits."""

    visitor: str
    anonymous: bool
    token: str | None = None
    proven: bool = False

    @property
    def may_chat(self) -> bool:
        """Whether this is the visitor, and not somebody who only knows its id: it has the token, or gets it now."""
        return self.proven or self.token is not None


class Answered(Struct, frozen=True):
    """The input was taken or needs no more attention; `answer` is None when there is nothing to say."""

    outcome: str
    answer: BatchAnswer | None = None
    accepted: int = 0


@dataclass(frozen=True, slots=True)
class Rules:
    """What admission goes by."""

    sites: Sites
    partitions: Partitions
    tokens: VisitorTokens
    limits: Limits
    classify: Callable[[str], Agent]
    countries: Countries
    known: KnownVisitors
    invitations: Invitations


class Intake:
    """Takes events in. `collector` is this process's name on the streams."""

    def __init__(self, rules: Rules, appender: Appender, clock: Clock, counts: Outcomes, collector: str) -> None:
        self._rules = rules
        self._appender = appender
        self._clock = clock
        self._counts = counts
        self.collector = collector
        self.shed: Callable[[], Refusal | None] = lambda: None  # says no to beacons when there is no room here
        self.no_room: Callable[[], Refusal | None] = lambda: None  # says no to all events when Redis has none
        self.on_bot: Callable[[str, str], None] = lambda _site, _name: None  # hears of each crawler: site, name
        self._last_ms = {"unavailable": -FRESH_MS, "lagging": -FRESH_MS, "unremembered": -FRESH_MS}
        self._took_last = True  # Redis took the latest events

    def now_ms(self) -> int:
        """The server's time."""
        return self._clock.now_ms()

    def site_for(self, key: str, origin: str | None) -> Site | Refusal:
        """The site, if it is on and `origin` is exactly one of its own."""
        site = self._rules.sites.site(key)
        if site is None:
            return Refusal("unknown_site")
        if site.disabled:
            return Refusal("gone")
        if origin is None or origin not in site.origins:
            return Refusal("forbidden")
        return site

    def open_site(self, key: str) -> Site | Refusal:
        """The site, if it is on: for what an admitted channel goes on to say."""
        site = self._rules.sites.site(key)
        if site is None:
            return Refusal("unknown_site")
        return Refusal("gone") if site.disabled else site

    def public_site(self, key: str, origin: str | None) -> Site | Refusal:
        """The site for its public settings: a page of another origin is refused, a request without one is not."""
        site = self._rules.sites.site(key)
        if origin is None and site is not None and not site.disabled:
            return site
        return self.site_for(key, origin)

    def is_bot(self, site: Site, contact: Contact) -> bool:
        """Whether the sender says that it is a crawler, which is counted for the site under its name."""
        agent = self._rules.classify(contact.user_agent)
        if agent.bot:
            self.on_bot(site.site, agent.name)
        return agent.bot

    def address_refused(self, contact: Contact) -> Refusal | None:
        """429 when this address asks too often."""
        return self._rules.limits.address(contact.address_key, self.now_ms())

    async def identify(self, head: Batch | Envelope | Hello, contact: Contact) -> Identity | Refusal:
        """Whom a batch or a hello is from. Without a visitor it is anonymous: known by its tab, while that is open."""
        anonymous = head.visitor is None
        visitor = (head.visitor or head.tab).lower()
        if isinstance(head.token, str):
            owned = self.owns(head.token, head.site, visitor)
            return Identity(visitor, anonymous, proven=True) if owned else Refusal("token")
        if anonymous and not isinstance(head, Hello):
            return Identity(visitor, True)  # a beacon needs no token; who chats is given one by the way it chats
        refused = None if anonymous else self._rules.limits.newcomer(contact.address_key, self.now_ms())
        return refused or await self.newcomer(head.site, visitor, contact, anonymous=anonymous)

    async def newcomer(self, site: str, visitor: str, contact: Contact, *, anonymous: bool) -> Identity | Refusal:
        """A visitor without a token is told one at first contact only: else an id would be as good as a token.

        First contact lasts a while, because two tabs may begin at once and an answer may be lost. A network that has
        brought too many new visitors brings anonymous ones from then on: shown, but not remembered, and told no token.
        The token of an anonymous tab is for a chat that it may ask for, and fits that tab alone. Such tabs have a
        measure of their own, for each of their pages may be a new one.
        """
        try:
            standing = await self._rules.known.standing(site, visitor, self.now_ms() - FIRST_CONTACT_MS)
        except Unavailable:
            return self._failed("unavailable", UNAVAILABLE_RETRY_S)
        network = network_key(contact.address) + (" tabs" if anonymous else "")
        if standing == "unknown" and not self._rules.limits.remembers(network, self.now_ms()):
            self._counts.unremembered += 1
            self._last_ms["unremembered"] = self.now_ms()
            return Identity(visitor, True)
        return Identity(visitor, anonymous, None if standing == "known" else self._rules.tokens.mint(site, visitor))

    def newcomers_problem(self) -> str | None:
        """Whether newcomers of some network are not remembered: an attack, or a proxy missing in TRUSTED_PROXIES."""
        fresh = self.now_ms() - self._last_ms["unremembered"] < FRESH_MS
        return "one network brings too many new visitors: they are shown, but not remembered" if fresh else None

    def owns(self, token: str, site: str, visitor: str) -> bool:
        """Whether the token is this visitor's."""
        return self._rules.tokens.fits(token, site, visitor.lower())

    def partition(self, site: str) -> Partition:
        """Where the site's streams are."""
        return self._rules.partitions.of(site)

    def visitor_refused(self, site: str, visitor: str) -> Refusal | None:
        """429 when this visitor or all of the site's ask too often."""
        return self._rules.limits.sender(site, visitor, self.now_ms())

    def chat_refused(self, site: str, visitor: str) -> Refusal | None:
        """429 when this visitor says too much about chats."""
        return self._rules.limits.chat(site, visitor, self.now_ms())

    async def append(self, site: str, entry: InEntry | ChatCommand) -> Refusal | None:
        """Store one entry; None when Redis has it. After a refusal it may be stored all the same."""
        stream: InputStream = "cmd" if isinstance(entry, Command) else "in"
        try:
            await self._appender.submit(stream, self._rules.partitions.of(site), encode(entry))
        except (Lagging, Unavailable) as fault:
            return self._settled(fault)
        return self._settled(None)

    def _settled(self, fault: Exception | None) -> Refusal | None:
        """Note how an append ended; the refusal that it means."""
        if fault is None:
            self._took_last = True
            return None
        if isinstance(fault, Lagging):
            return self._failed("lagging", fault.retry_after_s)
        if isinstance(fault, Unavailable):
            self._took_last = False
            return self._failed("unavailable", UNAVAILABLE_RETRY_S)
        raise fault

    def _failed(self, code: str, retry_after_s: int) -> Refusal:
        self._last_ms[code] = self.now_ms()
        return Refusal(code, retry_after_s=retry_after_s)

    def storing_problem(self) -> str | None:
        """Why events cannot be stored now, as the latest of them showed."""
        fresh = self.now_ms() - self._last_ms["unavailable"] < FRESH_MS
        return "Redis did not take the last events" if fresh and not self._took_last else None

    def lag_problem(self) -> str | None:
        """Whether some partition's readers are so far behind that its events are being refused."""
        fresh = self.now_ms() - self._last_ms["lagging"] < FRESH_MS
        return "readers are behind: events are being refused" if fresh else None

    async def batch(self, body: bytes, contact: Contact, channel: Channel) -> Answered | Refusal:
        """Admit the body of a beacon; counted as exactly one outcome."""
        now_ms = self.now_ms()
        refused = self._rules.limits.address(contact.address_key, now_ms) or self.shed()
        result = refused or await self._admit(body, contact, now_ms)
        self._counts.input(channel, result.code if isinstance(result, Refusal) else result.outcome)
        return result

    async def _admit(self, body: bytes, contact: Contact, now_ms: int) -> Answered | Refusal:
        batch = read_batch(body)
        if isinstance(batch, Refusal):
            return batch
        site = self.site_for(batch.head.site, contact.origin)
        if isinstance(site, Refusal):
            return site
        if self.is_bot(site, contact):
            return Answered(outcomes.BOT)
        identity = await self.identify(batch.head, contact)
        if isinstance(identity, Refusal):
            return identity
        browser = self.browser(contact) if any(event.type == "page" for event in batch.events) else Browser()
        tab = batch.head.tab.lower()
        sender = Sender(site.site, identity.visitor, tab, identity.anonymous, browser)
        result = await self.store(batch, sender, now_ms, identity.token)
        if not identity.proven or isinstance(result, Refusal):
            return result
        made = self._rules.invitations.invitation(site.site, identity.visitor, now_ms)
        return result if made is None else _with_invitation(result, made)

    def browser(self, contact: Contact) -> Browser:
        """What the request says of the browser; from here on the address is no longer needed."""
        return Browser(
            self._rules.countries.country(contact.address),
            preferred_language(contact.accept_language),
            self._rules.classify(contact.user_agent).device,
        )

    async def store(self, batch: Readable, sender: Sender, now_ms: int, token: str | None = None) -> Answered | Refusal:
        """Append what is valid of an admitted batch that arrived at `now_ms`. `token` is told to the sender, too."""
        tracked = self._tracked(batch, sender, now_ms)
        if not isinstance(tracked, TrackedBatch) or tracked.entry is None:
            return _nothing(tracked)
        started = time.perf_counter()
        refused = await self.append(sender.site, tracked.entry)
        return self._stored(tracked, started, token) if refused is None else refused

    def store_then(
        self, batch: Readable, sender: Sender, now_ms: int, then: Callable[[Answered | Refusal], None]
    ) -> None:
        """The same for who does not wait: `then` is called with the result, now or later."""
        tracked = self._tracked(batch, sender, now_ms)
        if not isinstance(tracked, TrackedBatch) or tracked.entry is None:
            then(_nothing(tracked))
            return
        started = time.perf_counter()

        def settle(fault: Exception | None) -> None:
            try:
                refused = self._settled(fault)
            except Exception:
                log.exception("append_failed")
                refused = Refusal("internal")
            then(self._stored(tracked, started, None) if refused is None else refused)

        try:
            self._appender.submit_then("in", self._rules.partitions.of(sender.site), encode(tracked.entry), settle)
        except Lagging as lagging:
            settle(lagging)

    def _tracked(self, batch: Readable, sender: Sender, now_ms: int) -> TrackedBatch | Refusal:
        refused = self.no_room() or self._rules.limits.sender(sender.site, sender.visitor, now_ms)
        return refused or track(batch, sender, now_ms)

    def _stored(self, tracked: TrackedBatch, started: float, token: str | None) -> Answered:
        self._counts.stored(tracked.accepted, time.perf_counter() - started)
        if tracked.rejected:
            return Answered(outcomes.PARTLY, BatchAnswer(tracked.accepted, tracked.rejected, token), tracked.accepted)
        answer = BatchAnswer(token=token) if token else None
        return Answered(outcomes.ACCEPTED, answer, tracked.accepted)


def _nothing(tracked: TrackedBatch | Refusal) -> Answered | Refusal:
    """The result when there is nothing to store: a refusal, or no event was valid."""
    if isinstance(tracked, Refusal):
        return tracked
    return Answered(outcomes.NOTHING, BatchAnswer(0, tracked.rejected))


def _with_invitation(result: Answered, made: InviteMade) -> Answered:
    """The answer to a beacon, with an invitation that a live channel would have brought."""
    answer = replace(result.answer or BatchAnswer(), commands=(invite_frame(made),))
    return replace(result, answer=answer)
