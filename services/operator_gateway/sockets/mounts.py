"""The two Socket.IO mounts: the same handlers for stock clients (`/socket.io/`) and for the console's msgpack."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from aiohttp import web

from services.operator_gateway.sockets.engine import Doors, Engine, Occupancy
from services.operator_gateway.sockets.events import EventTable
from services.operator_gateway.sockets.frames import Dialect
from services.operator_gateway.sockets.server import Admission, OperatorServer

MOUNTS: dict[str, Dialect] = {"socket.io": "json", "socket.io-msgpack": "msgpack"}


def add_socket_routes(
    app: web.Application,
    table: EventTable,
    *,
    admission: Admission,
    doors: Doors,
    address: Callable[[web.Request], str],
    on_bad_packet: Callable[[str], None],
) -> list[Engine]:
    """Serve both mounts. Limits count over both."""
    occupancy = Occupancy(doors.connects_per_s)
    guarded = replace(doors, address=address)
    engines = []
    for path, dialect in MOUNTS.items():
        server = OperatorServer(dialect, table, admission, guarded, occupancy)
        server.engine.on_bad_packet = on_bad_packet
        server.attach(app, socketio_path=path)
        engines.append(server.engine)

    async def stop(_app: web.Application) -> None:
        for engine in engines:
            await engine.idle()

    app.on_cleanup.append(stop)
    return engines
