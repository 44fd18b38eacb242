"""Who is let in, and what changes for those who are in.

A connection is let in with a login's token. From then on this follows the login (ended: the connection is closed), the
operator's record (rights come and go while connected) and the site's configuration. Read :meth:`Gate.admit`, then
:meth:`Gate.directory_changed`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog

from services.operator_gateway.chat.desk import OperatorDesk
from services.operator_gateway.live.attendance import Attendance
from services.operator_gateway.live.colleagues import Colleagues
from services.operator_gateway.live.feed import Feed
from services.operator_gateway.live.requests import LiveRequests, facts_of
from services.operator_gateway.live.sites import LiveSites
from services.operator_gateway.sockets.connections import Connection, Connections
from services.operator_gateway.sockets.events import Event
from services.operator_gateway.sockets.frames import Dialect, Outgoing
from services.operator_gateway.sockets.peer import GOING_AWAY, SESSION_OVER, PeerSocket
from services.operator_gateway.sockets.server import NotAdmitted
from shared.contracts.operators import (
    REQUESTS,
    Auth,
    OperatorCard,
    OperatorSetState,
    Ready,
    SiteCard,
    SkillCard,
)
from shared.contracts.sites import Membership, Operator
from shared.domain.partitions import Partitions
from shared.runtime.clock import Clock
from shared.storage.directory import Directory, DirectoryChange, SiteChanged
from shared.storage.directory import OperatorChanged as RecordChanged
from shared.storage.sessions import RevokedReason, Sessions
from shared.storage.snapshots import Snapshots

log = structlog.get_logger()

MAX_PER_OPERATOR = 20  # tabs and devices of one person
# A browser that logs out closes its socket at once, and may be faster than the news that the login is over. So a closed
# connection's login is watched a little longer: were it taken for a lost connection, visitors would wait for 45 s.
LINGER_S = 5.0


class Gate:
    """The admission of both mounts."""

    def __init__(
        self,
        *,
        directory: Directory,
        sessions: Sessions,
        snapshots: Snapshots,
        partitions: Partitions,
        connections: Connections,
        attendance: Attendance,
        feed: Feed,
        live: LiveSites,
        requests: LiveRequests,
        desk: OperatorDesk,
        clock: Clock,
    ) -> None:
        self._directory = directory
        self._sessions = sessions
        self._partitions = partitions
        self._connections = connections
        self._attendance = attendance
        self._feed = feed
        self._live = live
        self._requests = requests
        self._desk = desk
        self._clock = clock
        self._tasks: set[asyncio.Task[None]] = set()
        self._logged_out: set[str] = set()  # sessions whose sockets are being closed
        self._lingering: dict[str, list[Connection]] = {}  # closed some seconds ago, by session
        self.colleagues = Colleagues(connections, snapshots, feed, partitions)

    def events(self) -> dict[str, Event]:
        """The table's lines."""
        return {"operator:set": Event(REQUESTS["operator:set"], "self", self._set_state)}

    # --- connections ---

    async def admit(self, sid: str, dialect: Dialect, peer: PeerSocket, auth: Auth) -> Connection:
        """The connection for a token (or a ticket, which is spent). Raises NotAdmitted or Unavailable."""
        signed_in = await self._sessions.redeem(auth.token)
        if signed_in is None or not self._sessions.watch(signed_in):
            raise NotAdmitted("unauthorized", "log in again")
        session = signed_in.session.session
        operator = self._directory.operator(signed_in.operator.operator) or signed_in.operator
        if len(self._connections.of_operator(operator.operator)) >= MAX_PER_OPERATOR:
            self._sessions.unwatch(session)
            raise NotAdmitted("too_many", "too many connections of this operator")
        connection = Connection(sid, dialect, peer, operator, session)
        self._connections.add(connection)
        for site in connection.sites:
            self._feed.want(self._partitions.of(site))
        return connection

    def opened(self, connection: Connection) -> None:
        """Tell the operator what there is, and chat-routing that the operator is here."""
        self._ready(connection)
        for site in connection.sites:
            self._attendance.arrived(connection, site)
        self.colleagues.tell(connection, connection.sites)
        self._desk.opened(connection, connection.sites)

    def closed(self, connection: Connection) -> None:
        """The transport is gone: so are views and presence, at once."""
        self._requests.closed(connection)
        self._desk.closed(connection)
        logout = connection.session in self._logged_out
        for site in connection.sites:
            self._attendance.left(connection, site, logout)
            self._feed.release(self._partitions.of(site))
        self._connections.discard(connection)
        if not logout:
            self._lingering.setdefault(connection.session, []).append(connection)
            asyncio.get_running_loop().call_later(LINGER_S, self._forget, connection)
        elif not self._connections.of_session(connection.session):
            self._logged_out.discard(connection.session)

    def _forget(self, connection: Connection) -> None:
        """The login of a closed connection need not be watched any more, unless it is over already."""
        lingering = self._lingering.get(connection.session, [])
        if connection in lingering:
            lingering.remove(connection)
            self._sessions.unwatch(connection.session)
            if not lingering:
                del self._lingering[connection.session]

    def _ready(self, connection: Connection) -> None:
        operator = connection.operator
        cards = tuple(card for membership in operator.memberships if (card := self._card(membership)) is not None)
        who = OperatorCard(operator.operator, operator.name, operator.email)
        connection.emit(Outgoing("ready", Ready(who, cards, self._clock.now_ms())))

    def _card(self, membership: Membership) -> SiteCard | None:
        site = self._directory.site(membership.site)
        if site is None or site.disabled:
            return None
        return SiteCard(
            site=site.site,
            name=site.name,
            role=membership.role,
            skills=tuple(SkillCard(skill.skill, skill.name) for skill in site.skills),
            primary_skill=membership.primary_skill,
            max_chats=membership.max_chats,
            secondary_skills=membership.secondary_skills,
        )

    async def _set_state(self, connection: Connection, request: OperatorSetState) -> None:
        await self._attendance.set_state(connection, request.id or "", request.state)

    # --- what changes meanwhile ---

    def session_ended(self, session: str, reason: RevokedReason) -> None:
        """A login is over, and with it its connections."""
        connections = self._connections.of_session(session)
        if connections:
            self._logged_out.add(session)
            log.info("session_over", reason=reason, connections=len(connections))
        for connection in connections:
            self._spawn(connection.end(SESSION_OVER))
        for connection in self._lingering.pop(session, ()):
            for site in connection.sites:
                self._attendance.logged_out(connection, site)

    def directory_changed(self, change: DirectoryChange) -> None:
        """An operator's record or a site's configuration is another one. (Logins that this ends come by themselves.)"""
        if isinstance(change, RecordChanged) and change.new is not None:
            for connection in self._connections.of_operator(change.operator):
                self._new_rights(connection, change.new)
        elif isinstance(change, SiteChanged):
            live = self._live.get(change.site)
            if live is not None and (change.new is None or change.new.disabled):
                live.void("site_gone")
            elif live is not None and change.new is not None:
                live.set_facts(facts_of(change.new))
            for connection in self._connections.of_site(change.site):
                self._ready(connection)

    def _new_rights(self, connection: Connection, operator: Operator) -> None:
        """Nothing of a lost site is sent from here on: not the next delta, not the next answer."""
        before, after = set(connection.sites), {membership.site for membership in operator.memberships}
        for site in before - after:
            self._attendance.left(connection, site, logout=True)
        self._connections.set_rights(connection, operator)
        for site in after - before:
            self._feed.want(self._partitions.of(site))
            self._attendance.arrived(connection, site)
        for site in before - after:
            self._feed.release(self._partitions.of(site))
        self._requests.lost_rights(connection)
        self._ready(connection)
        if after - before:
            self.colleagues.tell(connection, after - before)
            self._desk.opened(connection, after - before)

    # --- the end ---

    async def close_all(self) -> None:
        """Close every connection, telling the clients to come back (to another gateway)."""
        await self.colleagues.close()
        await asyncio.gather(*(connection.end(GOING_AWAY) for connection in self._connections))
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
