"""What chat-routing says, handed to whom it concerns here: waiting answers, and the tabs of the visitor.

One tail of a partition's chat stream for as long as somebody here needs it and a while longer. Read
:meth:`ChatFeed.ready` (nothing is asked before its answer can be heard) and :meth:`_Following._take`.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

import msgspec
import structlog

from shared.contracts.chat import ChatOutcome, CommandDone, InboxChanged, InviteGone, InviteMade, OfferGone, OfferMade
from shared.contracts.streams import GatewayUnknown, OperatorChanged, decode_chat
from shared.domain.partitions import Partition, Partitions
from shared.storage.clients import RECONNECT_S, Clients
from shared.storage.faults import Unavailable
from shared.storage.log import Tail, entry_order
from shared.storage.visitor_sides import VisitorSides

log = structlog.get_logger()

READY_S = 0.5  # of the 2 s in which a visitor is answered
LINGER_S = 60.0  # a partition is followed this long after the last need: a visitor's next page is some seconds away
SWEEP_S = 5.0
Who = tuple[str, str]  # site, visitor
Order = tuple[int, int]


class Listens(Protocol):
    """Somebody who hears what concerns one visitor."""

    def told(self, at: Order, outcome: ChatOutcome, /) -> None:
        """An outcome, and its place in the stream."""
        ...

    def start_over(self) -> None:
        """What was told may not be all: read the state again."""
        ...


class ChatFeed:
    """Follows partitions on demand. Not for threads; :meth:`run` must be running."""

    def __init__(self, clients: Clients, partitions: Partitions, sides: VisitorSides) -> None:
        self._clients = clients
        self._partitions = partitions
        self.sides = sides
        self._followed: dict[Partition, _Following] = {}
        self.undecodable = 0

    @property
    def followed(self) -> int:
        """How many partitions are followed."""
        return len(self._followed)

    def need(self, site: str) -> _Following:
        """Follow the site's partition, for a while at least."""
        partition = self._partitions.of(site)
        following = self._followed.get(partition)
        if following is None:
            following = self._followed[partition] = _Following(self, self._clients, partition)
        following.needed_at = asyncio.get_running_loop().time()
        return following

    async def ready(self, site: str) -> None:
        """Return when everything that is said from now on will be heard. Raises Unavailable."""
        following = self.need(site)
        if following.standing.is_set():
            return  # also while Redis is away: the tail goes on from where it was
        try:
            async with asyncio.timeout(READY_S):
                await following.standing.wait()
        except TimeoutError as error:
            raise Unavailable("the chat stream is not followed yet") from error

    def listen(self, who: Who, listener: Listens) -> None:
        """Tell `listener` what concerns this visitor, until :meth:`leave`."""
        self.need(who[0]).listeners.setdefault(who, []).append(listener)

    def leave(self, who: Who, listener: Listens) -> None:
        """Tell it no more."""
        following = self._followed.get(self._partitions.of(who[0]))
        if following is None:  # the process ends, and this was the last to go
            return
        listeners = following.listeners
        left = [one for one in listeners.get(who, ()) if one is not listener]
        if left:
            listeners[who] = left
        else:
            listeners.pop(who, None)

    def expect(self, who: Who, ident: str) -> asyncio.Future[CommandDone]:
        """The answer to the visitor's command `ident`; :meth:`forget` it when it is no longer wanted."""
        answer: asyncio.Future[CommandDone] = asyncio.get_running_loop().create_future()
        self.need(who[0]).answers.setdefault((*who, ident), []).append(answer)
        return answer

    def forget(self, who: Who, ident: str, answer: asyncio.Future[CommandDone]) -> None:
        """Wait for it no more."""
        answer.cancel()
        following = self._followed.get(self._partitions.of(who[0]))
        if following is None:
            return
        answers = following.answers
        left = [one for one in answers.get((*who, ident), ()) if one is not answer]
        if left:
            answers[(*who, ident)] = left
        else:
            answers.pop((*who, ident), None)

    def invitation(self, site: str, visitor: str, now_ms: int) -> InviteMade | None:
        """The invitation that waits for this visitor, if one is known: costs nothing, so every beacon may ask."""
        made = self.need(site).invitations.get((site, visitor))
        return made if made is not None and made.expires_at > now_ms else None

    async def run(self) -> None:
        """Stop following what nobody needs, until cancelled; then stop following anything."""
        try:
            while True:
                await asyncio.sleep(SWEEP_S)
                before = asyncio.get_running_loop().time() - LINGER_S
                idle = [one for one in self._followed.values() if one.is_idle and one.needed_at < before]
                for following in idle:
                    del self._followed[following.partition]
                    await following.stop()
        finally:
            for following in self._followed.values():
                await following.stop()
            self._followed.clear()


class _Following:
    """One followed partition, and who here waits for something from it."""

    def __init__(self, feed: ChatFeed, clients: Clients, partition: Partition) -> None:
        self._feed = feed
        self.partition = partition
        self.standing = asyncio.Event()
        self.needed_at = 0.0
        self.listeners: dict[Who, list[Listens]] = {}
        self.answers: dict[tuple[str, str, str], list[asyncio.Future[CommandDone]]] = {}
        self.invitations: dict[Who, InviteMade] = {}
        self.tail = Tail(clients, partition, self._on_entries, self._on_reset, ("chat",))
        self._task = asyncio.create_task(self.tail.run())

    @property
    def is_idle(self) -> bool:
        """Whether nobody listens or waits."""
        return not self.listeners and not self.answers

    async def stop(self) -> None:
        """End the tail."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _on_reset(self, reason: str) -> None:
        while True:
            try:
                pending = await self._feed.sides.invitations(self.partition)
                break
            except Unavailable:
                await asyncio.sleep(RECONNECT_S)
        self.invitations = {(made.site, made.visitor): made for made in pending}
        self.standing.set()
        if reason != "start":
            for listeners in tuple(self.listeners.values()):
                for listener in listeners:
                    listener.start_over()

    async def _on_entries(self, _stream: str, entries: list[tuple[str, bytes]]) -> None:
        for ident, payload in entries:
            try:
                told = decode_chat(payload).outcomes
            except msgspec.MsgspecError:
                self._feed.undecodable += 1
                log.error("chat_entry_undecodable", partition=self.partition.index, entry=ident)
                continue
            at = entry_order(ident)
            for outcome in told:
                if not isinstance(outcome, OperatorChanged | GatewayUnknown):
                    self._take(at, outcome)

    def _take(self, at: Order, outcome: ChatOutcome) -> None:
        if isinstance(outcome, OfferMade | OfferGone | InboxChanged):
            return  # operators' business
        who = (outcome.site, outcome.visitor)
        if isinstance(outcome, CommandDone):
            if outcome.by.kind == "visitor":
                for answer in self.answers.get((*who, outcome.id), ()):
                    if not answer.done():
                        answer.set_result(outcome)
            return
        if isinstance(outcome, InviteMade):
            self.invitations[who] = outcome
        elif isinstance(outcome, InviteGone):
            self.invitations.pop(who, None)
        for listener in tuple(self.listeners.get(who, ())):
            listener.told(at, outcome)
