"""A network cable that can be cut: a relay before a server, which forwards bytes until it is told not to.

What is cut falls into a black hole: nobody is told, as when a phone leaves the network. Each direction can be cut for
itself, so that a command arrives and its answer does not.
"""

from __future__ import annotations

import asyncio
import contextlib
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

CHUNK = 65_536


class Wire:
    """`async with Wire(server_url) as wire:` then speak to `wire.url`."""

    def __init__(self, server: str) -> None:
        parts = urlsplit(server)
        self._host, self._port, self._scheme = parts.hostname or "", parts.port or 0, parts.scheme
        self._credentials = parts.netloc.rpartition("@")[0]
        self._path = parts.path
        self._there = self._back = True
        self._marker = b""
        self.marked = asyncio.Event()
        self._relays: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        self.abort()
        for relay in tuple(self._relays):
            relay.cancel()
        await asyncio.gather(*self._relays, return_exceptions=True)

    @property
    def url(self) -> str:
        """Where to speak to instead of the server."""
        at = f"{self._credentials}@" if self._credentials else ""
        return f"{self._scheme}://{at}127.0.0.1:{self.port}{self._path}"

    def cut(self, *, there: bool = True, back: bool = True) -> None:
        """Forward nothing any more towards the server (`there`) and from it (`back`), of old and new connections."""
        self._there, self._back = self._there and not there, self._back and not back

    def mend(self) -> None:
        """Forward again what is sent from now on."""
        self._there = self._back = True

    def cut_after(self, marker: bytes) -> None:
        """Once a chunk with `marker` has gone to the server, nothing comes back; `marked` tells that it has."""
        self._marker = marker
        self.marked.clear()

    def abort(self) -> None:
        """Cut off all connections at once: both ends notice."""
        for writer in tuple(self._writers):
            writer.transport.abort()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(self._host, self._port)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, far_writer}
        there = asyncio.create_task(self._relay(reader, far_writer, towards_server=True))
        back = asyncio.create_task(self._relay(far_reader, writer, towards_server=False))
        for relay in (there, back):
            self._relays.add(relay)
            relay.add_done_callback(self._relays.discard)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, towards_server: bool) -> None:
        try:
            with contextlib.suppress(ConnectionError):
                while chunk := await reader.read(CHUNK):
                    if towards_server and self._marker and self._marker in chunk:
                        self._back, self._marker = False, b""
                        self.marked.set()
                    if self._there if towards_server else self._back:
                        writer.write(chunk)
                        await writer.drain()
        finally:
            writer.transport.abort()
            self._writers.discard(writer)
