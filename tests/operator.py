"""An operator as a stock Socket.IO client sees the wire: logs in, opens a view, applies what comes, mends by itself.

Written from the protocol's text alone and apart from the gateway's code, so that both must agree with it.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, Self
from zlib import crc32

import aiohttp
import socketio

from tests.stack import EMAIL, PASSWORD

ACK_S = 10


class Operator:
    """One connected operator with at most one view, `v`."""

    def __init__(self, gateway: str, msgpack: bool = False, **options: Any) -> None:
        self.gateway = gateway
        self.path = "/socket.io-msgpack/" if msgpack else "/socket.io/"
        serializer = {"serializer": "msgpack"} if msgpack else {}
        make: Any = socketio.AsyncClient
        self.client = make(reconnection_delay=0.05, reconnection_delay_max=0.5, **serializer, **options)
        self.rows: list[dict[str, Any]] = []
        self.order_wanted: dict[str, Any] = {}
        self.epoch, self.seq, self.total = "", 0, 0
        self.counts: dict[str, int] = {}
        self.syncs = self.bad_checks = self.good_checks = 0
        self.ready: dict[str, Any] = {}
        self.changed = asyncio.Event()
        self._opening: set[asyncio.Task[None]] = set()
        for event in ("ready", "view:delta", "view:check", "view:reset"):
            self.client.on(event, getattr(self, f"_on_{event.replace(':', '_')}"))

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.close()

    async def connect(self) -> None:
        """Log in and connect; the transport is the library's choice."""
        token = await self.log_in()
        await self.client.connect(
            self.gateway, socketio_path=self.path, auth={"token": token}, transports=["websocket"], wait_timeout=10
        )

    async def log_in(self) -> str:
        """The token of a new session."""
        async with aiohttp.ClientSession() as session:
            body = {"email": EMAIL, "password": PASSWORD}
            async with session.post(f"{self.gateway}/api/v1/session", json=body) as answer:
                assert answer.status in (200, 201), await answer.text()
                return str((await answer.json())["token"])

    async def close(self) -> None:
        """Disconnect for good."""
        for task in self._opening:
            task.cancel()
        with contextlib.suppress(Exception):
            await self.client.shutdown()

    async def call(self, event: str, **fields: Any) -> dict[str, Any]:
        """The ack of one event."""
        answer: dict[str, Any] = await self.client.call(event, fields, timeout=ACK_S)
        return answer

    async def open(self, site: str, **wish: Any) -> dict[str, Any]:
        """Open the view and show its answer; after a reconnect it is opened again by itself."""
        self.order_wanted = {"view": "v", "site": site, **wish}
        return await self._open("view:open", {**self.order_wanted, **self._have()})

    def by_visitor(self) -> dict[str, dict[str, Any]]:
        """The rows shown, by visitor."""
        return {row["visitor"]: row for row in self.rows}

    def checksum(self) -> int:
        """Of what is shown now."""
        return crc32("\n".join(f"{row['visitor']}:{row['version']}" for row in self.rows).encode())

    def _have(self) -> dict[str, Any]:
        if not self.epoch:
            return {}
        return {"have": [[row["visitor"], row["version"]] for row in self.rows], "epoch": self.epoch}

    async def _open(self, event: str, fields: dict[str, Any]) -> dict[str, Any]:
        answer = await self.call(event, **fields)
        assert answer["ok"], answer
        known = {**self.by_visitor(), **{row["visitor"]: row for row in answer["rows"]}}
        order = answer.get("order") or [row["visitor"] for row in answer["rows"]]
        self.rows = [known[visitor] for visitor in order]
        self.epoch, self.seq, self.total = answer["epoch"], answer["seq"], answer["total"]
        self.counts = answer["counts"]
        self.changed.set()
        return answer

    def _sync(self, event: str = "view:sync") -> None:
        self.syncs += 1
        fields = {**(self.order_wanted if event == "view:open" else {"view": "v"}), **self._have()}

        async def run() -> None:
            with contextlib.suppress(socketio.exceptions.SocketIOError, AssertionError):
                await self._open(event, fields)

        task = asyncio.create_task(run())
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _on_ready(self, data: dict[str, Any]) -> None:
        self.ready = data
        if self.order_wanted:
            self._sync("view:open")

    async def _on_view_reset(self, _data: dict[str, Any]) -> None:
        self._sync("view:open")

    async def _on_view_check(self, data: dict[str, Any]) -> None:
        if data["seq"] == self.seq:
            same = data["checksum"] == self.checksum()
            self.good_checks += same
            self.bad_checks += not same
            if not same:
                self._sync()

    async def _on_view_delta(self, delta: dict[str, Any]) -> None:
        if delta["epoch"] != self.epoch or delta["prev"] != self.seq:
            self._sync()
            return
        apply(self.rows, delta)
        self.seq = delta["seq"]
        self.total = delta.get("total", self.total) if delta.get("total") is not None else self.total
        self.counts = {**self.counts, **(delta.get("counts") or {})}
        self.changed.set()


def apply(rows: list[dict[str, Any]], delta: dict[str, Any]) -> None:
    """Remove, insert, update, move: in this order."""
    gone = set(delta.get("remove") or ())
    rows[:] = [row for row in rows if row["visitor"] not in gone]
    for position, row in delta.get("insert") or ():
        rows.insert(position, row)
    for visitor, version, fields in delta.get("update") or ():
        row = next(row for row in rows if row["visitor"] == visitor)
        row.update(fields, version=version)
    for visitor, position in delta.get("move") or ():
        at = next(i for i, row in enumerate(rows) if row["visitor"] == visitor)
        rows.insert(position, rows.pop(at))
