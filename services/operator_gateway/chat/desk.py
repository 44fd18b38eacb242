"""What operators are told about chats, and what a console finds when it connects.

Every line and mark names the operators it is for, so nothing is kept here about chats: an event goes to the sockets of
those operators who are members of its site at that very moment. Nothing is ever left out for a slow reader: it is cut
off and resumes with `chat:open` and `after`. Read :meth:`OperatorDesk.told`, then :meth:`OperatorDesk.opened`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Coroutine
from itertools import islice
from typing import Any, Protocol

import structlog

from services.operator_gateway.chat.commands import Waiting
from services.operator_gateway.sockets.connections import Connection, Connections
from services.operator_gateway.sockets.frames import Outgoing
from shared.contracts.chat import (
    ChatMarked,
    ChatOutcome,
    ChatSaid,
    CommandDone,
    InboxChanged,
    OfferGone,
    OfferMade,
    OfflineMessageLeft,
)
from shared.contracts.chat_records import DeskLine
from shared.contracts.desk import Desk, DeskChat, InboxCount, Offered, OfferWithdrawn, ReadMark, TypingMark
from shared.domain.partitions import Partition, Partitions
from shared.runtime.clock import Clock
from shared.storage.chat_records import ChatRecords
from shared.storage.faults import Unavailable

log = structlog.get_logger()

RETRY_S = 1.0
MAX_COUNTS = 20  # told one by one on connecting; a long-polling client takes 64 packets at once, `desk` has all of them
GATHER_S = 0.1  # many messages that come into an inbox at once are told as one change


class Follows(Protocol):
    """The feed, as far as the desk needs it."""

    async def followed(self, site: str) -> None:
        """Return when outcomes about `site` are being heard."""
        ...


class OperatorDesk:
    """Events out, of one gateway."""

    def __init__(
        self,
        *,
        connections: Connections,
        records: ChatRecords,
        waiting: Waiting,
        follows: Follows,
        partitions: Partitions,
        clock: Clock,
    ) -> None:
        self._connections = connections
        self._records = records
        self._waiting = waiting
        self._follows = follows
        self._partitions = partitions
        self._clock = clock
        # Offers that each connection knows of, so that none is told twice; and for each state that is being read, the
        # offers that went meanwhile.
        self._offered: dict[str, set[str]] = {}
        self._reading: dict[str, list[set[str]]] = {}
        self._counting: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    # --- what chat-routing says ---

    def told(self, outcome: ChatOutcome) -> None:
        """Pass one outcome on to whom it concerns."""
        match outcome:
            case CommandDone():
                self._waiting.settle(outcome)
            case ChatSaid(site=site, event=event, to=to):
                self._emit(site, to, Outgoing("chat:event", event))
            case ChatMarked():
                self._marked(outcome)
            case OfferMade():
                for connection in self._sockets(outcome.site, (outcome.operator,)):
                    self._offer(connection, outcome)
            case OfferGone():
                self._withdrawn(outcome)
            case InboxChanged(site=site) | OfflineMessageLeft(site=site):
                self._count(site)
            case _:
                pass  # for visitors; rows come by their log

    def _sockets(self, site: str, operators: Collection[str]) -> list[Connection]:
        found = [one for operator in operators for one in self._connections.of_operator(operator)]
        return [connection for connection in found if connection.membership(site) is not None]

    def _emit(self, site: str, operators: Collection[str], event: Outgoing) -> None:
        for connection in self._sockets(site, operators):
            connection.emit(event)

    def _marked(self, mark: ChatMarked) -> None:
        if mark.typing is not None:
            typing = TypingMark(chat=mark.chat, by=mark.by, on=mark.typing, preview=mark.preview)
            others = [operator for operator in mark.to if operator != mark.by.id]
            self._emit(mark.site, others, Outgoing("chat:typing", typing))
        if mark.read is not None:
            # Also to the operator's own other windows: what was read in one of them is no longer new.
            self._emit(mark.site, mark.to, Outgoing("chat:read", ReadMark(chat=mark.chat, by=mark.by, seq=mark.read)))

    def _offer(self, connection: Connection, made: OfferMade) -> None:
        known = self._offered.get(connection.sid)
        if known is None or made.offer in known:
            return
        known.add(made.offer)
        offered = Offered(
            offer=made.offer,
            kind=made.offered,
            site=made.site,
            visitor=made.visitor,
            chat=made.chat,
            expires_at=made.expires_at,
            sender=made.sender,
            note=made.note,
            why=made.why,
        )
        connection.emit(Outgoing("offer", offered))

    def _withdrawn(self, gone: OfferGone) -> None:
        told = OfferWithdrawn(offer=gone.offer, site=gone.site, visitor=gone.visitor, reason=gone.reason, by=gone.by)
        event = Outgoing("offer:gone", told)
        for connection in self._sockets(gone.site, (gone.operator,)):
            self._offered.get(connection.sid, set()).discard(gone.offer)
            for meanwhile in self._reading.get(connection.sid, ()):
                meanwhile.add(gone.offer)
            connection.emit(event)

    # --- what a console finds ---

    def opened(self, connection: Connection, sites: Collection[str]) -> None:
        """The connection may see these sites from now on: tell it the operator's chats, offers and inboxes there."""
        self._offered.setdefault(connection.sid, set())
        if sites:
            self._spawn(self._lay_out(connection, tuple(sites)))

    def closed(self, connection: Connection) -> None:
        """The connection is over."""
        self._offered.pop(connection.sid, None)

    def reset(self, partition: Partition) -> None:
        """Events of this partition may have been missed: consoles get the state of its sites anew."""
        for connection in self._connections:
            sites = [site for site in connection.sites if self._partitions.of(site) == partition]
            if sites and connection.sid in self._offered:
                self._offered[connection.sid].clear()  # what is known of other sites is told once more: harmless
                self._spawn(self._lay_out(connection, tuple(sites)))

    async def _lay_out(self, connection: Connection, sites: tuple[str, ...]) -> None:
        """Read after the tail stands, so that nothing falls between what is read and what is heard."""
        gone: set[str] = set()
        reading = self._reading.setdefault(connection.sid, [])
        reading.append(gone)
        try:
            while connection.open:
                try:
                    for site in sites:
                        await self._follows.followed(site)
                    lines = await self._records.desk(connection.operator.operator, sites)
                    unread = await self._records.unread(sites)
                except Unavailable as error:
                    log.warning("desk_waits", operator=connection.operator.operator, reason=str(error))
                    await asyncio.sleep(RETRY_S)
                else:
                    self._show(connection, lines, gone, unread)
                    return
        finally:
            reading[:] = [one for one in reading if one is not gone]
            if not reading:
                self._reading.pop(connection.sid, None)

    def _show(
        self, connection: Connection, lines: dict[tuple[str, str], DeskLine], gone: set[str], unread: dict[str, int]
    ) -> None:
        sites = tuple(site for site in unread if connection.membership(site) is not None)
        mine = {key: line for key, line in lines.items() if key[0] in sites}
        chats = tuple(
            DeskChat(site=site, visitor=visitor, chat=line.chat, status=line.status, operators=line.operators)
            for (site, visitor), line in mine.items()
            if line.chat
        )
        waiting = {site: unread[site] for site in sites if unread[site]}
        connection.emit(Outgoing("desk", Desk(sites, chats, waiting, self._clock.now_ms())))
        for line in mine.values():
            if line.offer is not None and line.offer.offer not in gone:
                self._offer(connection, line.offer)
        for site, count in islice(waiting.items(), MAX_COUNTS):
            connection.emit(Outgoing("inbox:changed", InboxCount(site, count)))

    # --- inboxes ---

    def _count(self, site: str) -> None:
        if site not in self._counting and self._connections.of_site(site):
            self._counting.add(site)
            self._spawn(self._tell_count(site))

    async def _tell_count(self, site: str) -> None:
        await asyncio.sleep(GATHER_S)
        self._counting.discard(site)
        try:
            unread = (await self._records.unread((site,)))[site]
        except Unavailable:
            return  # told with the next change
        event = Outgoing("inbox:changed", InboxCount(site, unread))
        for connection in self._connections.of_site(site):
            connection.emit(event)

    # --- the end ---

    async def close(self) -> None:
        """Lay nothing out any more."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
