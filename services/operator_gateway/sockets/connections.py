"""The operators' connections, and by what they are found: session, operator, site.

Identity is set once, when the connection is let in, and only the rights in it are ever replaced. The library's rooms
are not used: leaving searches every room, which makes 5,000 sockets that go at once a matter of minutes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from services.operator_gateway.sockets.frames import Dialect, Message, Outgoing
from services.operator_gateway.sockets.peer import Ending, PeerSocket
from shared.contracts.sites import Membership, Operator


class Connection:
    """One socket of one operator."""

    __slots__ = ("_peer", "dialect", "operator", "session", "sid")

    def __init__(self, sid: str, dialect: Dialect, peer: PeerSocket, operator: Operator, session: str) -> None:
        self.sid = sid
        self.dialect = dialect
        self.operator = operator
        self.session = session
        self._peer = peer

    def membership(self, site: str) -> Membership | None:
        """The operator's rights on `site` as of now."""
        return self.operator.membership(site)

    @property
    def sites(self) -> tuple[str, ...]:
        """The sites that the operator may watch."""
        return tuple(membership.site for membership in self.operator.memberships)

    @property
    def open(self) -> bool:
        """Whether it makes sense to send."""
        return not self._peer.closed and not self._peer.closing

    @property
    def behind(self) -> bool:
        """Whether the client has not taken what was sent, so that news should wait."""
        return self._peer.behind

    @property
    def pending_bytes(self) -> int:
        """What this process holds for the client."""
        return self._peer.pending_bytes

    @property
    def push(self) -> Callable[[bytes], bool]:
        """Writes a ready frame if the client has room for it, else says False. For what goes to many at once."""
        return self._peer.push

    def write(self, message: Message) -> None:
        """Send a packet made for this connection's dialect."""
        self._peer.write(message)

    def emit(self, outgoing: Outgoing, for_view: str | None = None) -> None:
        """Send an event."""
        self._peer.write(outgoing.message(self.dialect, for_view))

    async def end(self, ending: Ending) -> None:
        """Close with a reason."""
        await self._peer.end(ending)

    def abort(self, ending: Ending) -> None:
        """Cut off at once."""
        self._peer.abort(ending)


class Connections:
    """Who is connected here."""

    def __init__(self) -> None:
        self._by_sid: dict[str, Connection] = {}
        self._by_operator: dict[str, dict[str, Connection]] = {}
        self._by_session: dict[str, dict[str, Connection]] = {}
        self._by_site: dict[str, dict[str, Connection]] = {}

    def __len__(self) -> int:
        return len(self._by_sid)

    def __iter__(self) -> Iterator[Connection]:
        return iter(tuple(self._by_sid.values()))

    def add(self, connection: Connection) -> None:
        """The connection was let in."""
        self._by_sid[connection.sid] = connection
        self._by_operator.setdefault(connection.operator.operator, {})[connection.sid] = connection
        self._by_session.setdefault(connection.session, {})[connection.sid] = connection
        for site in connection.sites:
            self._by_site.setdefault(site, {})[connection.sid] = connection

    def discard(self, connection: Connection) -> None:
        """The connection is over."""
        self._by_sid.pop(connection.sid, None)
        _drop(self._by_operator, connection.operator.operator, connection.sid)
        _drop(self._by_session, connection.session, connection.sid)
        for site in connection.sites:
            _drop(self._by_site, site, connection.sid)

    def set_rights(self, connection: Connection, operator: Operator) -> None:
        """The operator's record changed."""
        for site in connection.sites:
            _drop(self._by_site, site, connection.sid)
        connection.operator = operator
        for site in connection.sites:
            self._by_site.setdefault(site, {})[connection.sid] = connection

    def of_operator(self, operator: str) -> tuple[Connection, ...]:
        """All connections of an operator."""
        return tuple(self._by_operator.get(operator, {}).values())

    def of_session(self, session: str) -> tuple[Connection, ...]:
        """All connections of a login."""
        return tuple(self._by_session.get(session, {}).values())

    def of_site(self, site: str) -> tuple[Connection, ...]:
        """All connections of operators who may watch `site`."""
        return tuple(self._by_site.get(site, {}).values())

    @property
    def sites(self) -> frozenset[str]:
        """The sites that somebody here may watch."""
        return frozenset(self._by_site)


def _drop(index: dict[str, dict[str, Connection]], key: str, sid: str) -> None:
    members = index.get(key)
    if members is not None:
        members.pop(sid, None)
        if not members:
            del index[key]
