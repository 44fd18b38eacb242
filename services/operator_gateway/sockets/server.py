"""The Socket.IO server of one mount: who is let in, what is let through, what is answered.

python-socketio keeps the wire format and the HTTP side; the handshake and the dispatch are ours, because the library
lets a client emit its reserved events, leaves bad requests unanswered and searches every room when one client goes.
Read :meth:`OperatorServer._handle_eio_message`.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from typing import Any, Protocol

import msgspec
import socketio

from services.operator_gateway.sockets import frames, packets
from services.operator_gateway.sockets.connections import Connection
from services.operator_gateway.sockets.engine import Doors, Engine, Occupancy
from services.operator_gateway.sockets.events import EventTable
from services.operator_gateway.sockets.frames import Dialect
from services.operator_gateway.sockets.peer import CONNECT_DEADLINE, REFUSED, PeerSocket
from shared.contracts.operators import Auth
from shared.storage.faults import Unavailable

CONNECT_DEADLINE_S = 10.0
MAX_REFUSALS = 5  # wrong tokens on one connection


class NotAdmitted(Exception):
    """Why a connection is not let in: `code` for programs, the message for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code)
        self.code = code
        self.message = message


class Admission(Protocol):
    """Decides about connections and is told when they begin and end."""

    async def admit(self, sid: str, dialect: Dialect, peer: PeerSocket, auth: Auth) -> Connection:
        """The connection for a token. Raises NotAdmitted or Unavailable."""
        ...

    def opened(self, connection: Connection) -> None:
        """It was let in and told so."""
        ...

    def closed(self, connection: Connection) -> None:
        """It is over."""
        ...


class OperatorServer(socketio.AsyncServer):
    """One mount. Connections of both mounts meet in the `admission`."""

    def __init__(
        self, dialect: Dialect, table: EventTable, admission: Admission, doors: Doors, occupancy: Occupancy
    ) -> None:
        self._engine = functools.partial(Engine, doors=doors, occupancy=occupancy)
        logger = logging.getLogger("foyer.socketio")  # an object, not True: the library would add handlers of its own
        polling = doors.polling and dialect == "json"
        super().__init__(
            async_handlers=False,
            serializer="msgpack" if dialect == "msgpack" else "default",
            logger=logger,
            engineio_logger=logger,
            transports=["polling", "websocket"] if polling else ["websocket"],
        )
        self.dialect = dialect
        self._table = table
        self._admission = admission
        self._connections: dict[str, Connection] = {}  # by Engine.IO session
        self._refusals: dict[str, int] = {}
        self._deadlines: dict[str, asyncio.TimerHandle] = {}

    def _engineio_server_class(self) -> Any:
        return self._engine

    @property
    def engine(self) -> Engine:
        """The Engine.IO server."""
        engine: Engine = self.eio
        return engine

    # --- called by the Engine.IO server ---

    async def _handle_eio_connect(self, eio_sid: str, environ: dict[str, Any]) -> None:  # type: ignore[override]
        del environ
        loop = asyncio.get_running_loop()
        self._deadlines[eio_sid] = loop.call_later(CONNECT_DEADLINE_S, self._connect_deadline, eio_sid)

    async def _handle_eio_message(self, eio_sid: str, data: str | bytes) -> None:  # type: ignore[override]
        peer: PeerSocket | None = self.engine.sockets.get(eio_sid)
        if peer is None:
            return
        try:
            packet = packets.decode(self.dialect, data)
        except packets.BadPacket as error:
            await self.engine.bad_packet(peer, str(error))
            return
        connection = self._connections.get(eio_sid)
        if packet.kind == "connect":
            await self._connect(peer, packet, connection)
        elif connection is None or packet.namespace != "/":
            await self.engine.bad_packet(peer, "not_connected")
        elif packet.kind == "event":
            await self._event(connection, packet)
        elif packet.kind == "disconnect":
            await peer.close(wait=False, abort=True, reason=self.reason.CLIENT_DISCONNECT)
        # An ack answers nothing that we ask: it is let go.

    async def _handle_eio_disconnect(self, eio_sid: str, reason: str) -> None:  # type: ignore[override]
        del reason
        self._cancel_deadline(eio_sid)
        self._refusals.pop(eio_sid, None)
        connection = self._connections.pop(eio_sid, None)
        if connection is not None:
            self._admission.closed(connection)

    # --- the handshake ---

    async def _connect(self, peer: PeerSocket, packet: packets.Incoming, known: Connection | None) -> None:
        if known is not None:
            await self.engine.bad_packet(peer, "connected_twice")  # identity is set once
            return
        try:
            connection = await self._admitted(peer, packet)
        except NotAdmitted as refusal:
            await self._refuse(peer, refusal, packet.namespace)
            return
        if peer.closed or peer.closing:
            self._admission.closed(connection)
            return
        self._cancel_deadline(peer.sid)
        self._connections[peer.sid] = connection
        peer.write(frames.connected(self.dialect, connection.sid))
        self._admission.opened(connection)

    async def _admitted(self, peer: PeerSocket, packet: packets.Incoming) -> Connection:
        if packet.namespace != "/":
            raise NotAdmitted("namespace", "there is no such namespace")
        try:
            auth = msgspec.convert(packet.data, Auth)
        except msgspec.ValidationError:
            raise NotAdmitted("unauthorized", "a token is needed") from None
        try:
            return await self._admission.admit(self.engine.generate_id(), self.dialect, peer, auth)
        except Unavailable:
            raise NotAdmitted("unavailable", "try again in a moment") from None

    async def _refuse(self, peer: PeerSocket, refusal: NotAdmitted, namespace: str) -> None:
        peer.write(frames.refused(self.dialect, refusal.code, refusal.message, namespace))
        self._refusals[peer.sid] = self._refusals.get(peer.sid, 0) + 1
        if self._refusals[peer.sid] >= MAX_REFUSALS:
            await peer.end(REFUSED)

    def _connect_deadline(self, eio_sid: str) -> None:
        peer: PeerSocket | None = self.engine.sockets.get(eio_sid)
        if peer is not None and eio_sid not in self._connections:
            self.engine.spawn(peer.end(CONNECT_DEADLINE))

    def _cancel_deadline(self, eio_sid: str) -> None:
        timer = self._deadlines.pop(eio_sid, None)
        if timer is not None:
            timer.cancel()

    # --- requests ---

    async def _event(self, connection: Connection, packet: packets.Incoming) -> None:
        name, *arguments = packet.data
        answer = await self._table.answer(connection, name, arguments)
        if packet.id is not None:
            # Nothing runs between the handler's last step and this write, so no delta can overtake the answer.
            connection.write(frames.ack(self.dialect, packet.id, answer))
