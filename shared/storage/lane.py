"""One connection that everybody in the process shares: commands are written as they come, answers come in that order.

redis-py's pool gives each command a connection of its own for the time of its round trip. That costs some 100 µs of
Python for each, more than all that our services do with most answers, and it is what a beacon, a chat message and a
page view pay several times. Here a command is packed and unpacked by hiredis and costs a sixth of that. The rules of
:mod:`shared.storage.clients` hold: nothing is repeated, every command has a deadline, and a caller that goes away takes
nobody else's answer. Read :meth:`Lane.ask`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, cast
from urllib.parse import unquote, urlsplit

import hiredis
from redis import exceptions
from redis.asyncio.connection import BaseParser  # type: ignore[attr-defined]

Argument = str | bytes | int | float
Command = Sequence[Argument]
MAX_WAITING = 20_000  # commands on one connection; more are answered "not now"
DEFAULT_PORT = 6379
_MORE = object()  # what the parser gives while an answer is not complete


class _Asked:
    """Commands that wait for their answers."""

    __slots__ = ("answers", "at", "count", "done")

    def __init__(self, count: int, at: float, done: asyncio.Future[list[Any]]) -> None:
        self.count, self.at, self.done = count, at, done
        self.answers: list[Any] = []


class _Wire(asyncio.Protocol):
    """The connection itself. A deadline that passes, or an end, fails everybody who waits."""

    def __init__(self, deadline_s: float | None) -> None:
        self.lost: Exception | None = None
        self._loop = asyncio.get_running_loop()
        self.gone: asyncio.Future[None] = self._loop.create_future()  # the socket is closed
        self._reader = hiredis.Reader(
            protocolError=exceptions.InvalidResponse, replyError=BaseParser.parse_error, notEnoughData=_MORE
        )
        self._waiting: deque[_Asked] = deque()
        self._commands = 0
        self._deadline_s = deadline_s
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.end(exceptions.ConnectionError(str(exc or "closed by the server")))
        self.gone.set_result(None)

    def data_received(self, data: bytes) -> None:
        reader, waiting = self._reader, self._waiting
        try:
            reader.feed(data)
            while (answer := reader.gets()) is not _MORE:
                if isinstance(answer, hiredis.PushNotification):
                    continue
                asked = waiting[0]
                asked.answers.append(answer)
                if len(asked.answers) == asked.count:
                    waiting.popleft()
                    self._commands -= asked.count
                    if not asked.done.done():  # its caller went away
                        asked.done.set_result(asked.answers)
        except Exception as error:  # what comes is not what was asked for: no answer can be trusted any more
            self.end(exceptions.ConnectionError(f"out of step: {type(error).__name__}"))

    def send(self, packed: bytes, count: int) -> asyncio.Future[list[Any]]:
        """The answers to `count` commands."""
        done: asyncio.Future[list[Any]] = self._loop.create_future()
        if self.lost is not None:
            done.set_exception(self.lost)
        elif self._commands + count > MAX_WAITING and self._waiting:
            done.set_exception(exceptions.ConnectionError("too many commands wait"))
        else:
            self._waiting.append(_Asked(count, self._loop.time(), done))
            self._commands += count
            if self._timer is None and self._deadline_s is not None:
                self._timer = self._loop.call_later(self._deadline_s, self._look)
            self._transport.write(packed)
        return done

    def _look(self) -> None:
        """One timer for all: has the one who waits longest waited too long?"""
        self._timer = None
        if self._waiting and self._deadline_s is not None:
            due = self._waiting[0].at + self._deadline_s
            if due <= self._loop.time():
                self.end(exceptions.TimeoutError("no answer in time"))
            else:
                self._timer = self._loop.call_at(due, self._look)

    def end(self, why: Exception) -> None:
        """Close. Whoever waits does not know what became of its commands."""
        if self.lost is not None:
            return
        self.lost = why
        if self._timer is not None:
            self._timer.cancel()
        self._transport.abort()
        waiting, self._waiting = self._waiting, deque()
        for asked in waiting:
            if not asked.done.done():
                asked.done.set_exception(why)


class Lane:
    """A connection that is opened when it is needed, and again when it was lost.

    `url`: `redis://[user:password@]host[:port][/db]`. `callbacks`: redis-py's, which give answers their usual shapes.
    `deadline_s`: how long an answer may take; None for a reader that blocks, whose caller has a deadline of its own.
    """

    def __init__(
        self, url: str, callbacks: Mapping[Argument, Any], *, deadline_s: float | None, connect_s: float
    ) -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname or "127.0.0.1", parts.port or DEFAULT_PORT)
        self._greeting: list[Command] = [_hello(parts.username, parts.password)]
        if parts.path.strip("/"):
            self._greeting.append(("SELECT", parts.path.strip("/")))
        self._callbacks = callbacks
        self._deadline_s = deadline_s
        self._connect_s = connect_s
        self._wire: _Wire | None = None
        self._opening: asyncio.Task[_Wire] | None = None

    async def ask(self, commands: Sequence[Command]) -> list[Any]:
        """The answers in order, a refused command's as an exception. Raises what redis-py raises.

        A caller that is cancelled may have had its commands carried out.
        """
        wire = self._wire
        if wire is None or wire.lost is not None:
            wire = await self._opened()
        answers = await wire.send(_packed(commands), len(commands))
        callbacks = self._callbacks
        return [
            answer if isinstance(answer, Exception) else callbacks[name](answer) if name in callbacks else answer
            for answer, name in zip(answers, [one[0] for one in commands], strict=True)
        ]

    async def ask_one(self, command: Command) -> Any:
        """The answer to one command. Raises what the server answers it with, too."""
        answer = (await self.ask((command,)))[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def _opened(self) -> _Wire:
        """All who come meanwhile wait for the same attempt, which a caller that goes away does not end."""
        if self._opening is None or self._opening.done():
            self._opening = asyncio.create_task(self._open())
        return await asyncio.shield(self._opening)

    async def _open(self) -> _Wire:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._connect_s):
                _, wire = await loop.create_connection(lambda: _Wire(self._deadline_s), *self._address)
                try:
                    await self._greet(wire)
                except BaseException as error:
                    wire.end(exceptions.ConnectionError(type(error).__name__))
                    await wire.gone
                    raise
        except TimeoutError as error:
            raise exceptions.TimeoutError("no connection in time") from error
        self._wire = wire
        return wire

    async def _greet(self, wire: _Wire) -> None:
        for answer in await wire.send(_packed(self._greeting), len(self._greeting)):
            if isinstance(answer, Exception):
                raise answer

    async def close(self) -> None:
        """Drop the connection. What is asked afterwards opens another one."""
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.gather(self._opening, return_exceptions=True)
        if self._wire is not None:
            wire, self._wire = self._wire, None
            wire.end(exceptions.ConnectionError("closed"))
            await wire.gone


def _packed(commands: Sequence[Command]) -> bytes:
    return b"".join([hiredis.pack_command(tuple(one)) for one in commands])  # type: ignore[arg-type]  # any length


def _hello(user: str | None, password: str | None) -> Command:
    if password is None:
        return ("HELLO", 3)
    return ("HELLO", 3, "AUTH", unquote(user or "") or "default", unquote(password))
