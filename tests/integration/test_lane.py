"""The shared connection: shapes of answers as redis-py's, deadlines, lost connections, nobody's answer mixed up."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from redis import exceptions

from shared.storage import lane as lane_module
from shared.storage.clients import Clients, RedisSettings
from shared.storage.faults import Unavailable
from shared.storage.lane import Lane
from tests.eventually import eventually

GREETING = b"%0\r\n"  # what HELLO is answered with, as far as a lane reads it


@asynccontextmanager
async def server(answer: bytes) -> AsyncIterator[tuple[str, list[bytes]]]:
    """A server that greets and then gives `answer` to whatever comes; its address, and what it was sent."""
    received: list[bytes] = []
    serving: list[tuple[asyncio.Task[None] | None, asyncio.StreamWriter]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.append((asyncio.current_task(), writer))
        with contextlib.suppress(OSError):
            received.append(await reader.read(65536))
            writer.write(GREETING)
            while data := await reader.read(65536):
                received.append(data)
                writer.write(answer)

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"redis://127.0.0.1:{listening.sockets[0].getsockname()[1]}/0", received
    finally:
        listening.close()
        for task, writer in serving:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
            if task is not None:
                await task


@asynccontextmanager
async def lane(url: str, deadline_s: float = 60.0) -> AsyncIterator[Lane]:
    opened = Lane(url.removesuffix("/0"), {}, deadline_s=deadline_s, connect_s=60.0)
    yield opened
    await opened.close()


async def test_answers_have_the_shapes_that_redis_py_gives_them(clients: Clients, redis_url: str) -> None:
    await clients.call("HSET", "h", "x", 1, "y", 2)
    await clients.call("XADD", "s", "1-1", "d", b"x")
    await clients.call("ZADD", "z", 1, "m", 2, "n")
    commands = [
        ("GET", "nothing"),
        ("HGETALL", "h"),
        ("HMGET", "h", "x", "nothing"),
        ("HSCAN", "h", "0"),
        ("XRANGE", "s", "-", "+"),
        ("XREVRANGE", "s", "+", "-", "COUNT", 1),
        ("ZRANGE", "z", 0, -1, "WITHSCORES"),
        ("ZRANGEBYSCORE", "z", "-inf", 1),
        ("CONFIG", "GET", "maxmemory"),
        ("SCAN", "0", "COUNT", 100),
        ("PING",),
    ]
    plain = Clients(RedisSettings(redis_url + "?socket_keepalive=1"))  # what a lane does not know goes by redis-py
    try:
        assert plain.lane(1.0) is None
        for command in commands:
            assert await clients.call(*command) == await plain.call(*command), command
        assert await clients.pipeline(commands) == await plain.pipeline(commands)
    finally:
        await plain.close()


async def test_a_server_that_does_not_answer_is_given_up_and_asked_anew() -> None:
    async with server(b"") as (url, received), lane(url, deadline_s=0.2) as silent:
        waiting = [asyncio.create_task(silent.ask_one(("GET", f"k{i}"))) for i in range(5)]
        for one in await asyncio.gather(*waiting, return_exceptions=True):
            assert isinstance(one, exceptions.TimeoutError)
        with pytest.raises(exceptions.TimeoutError):
            await silent.ask_one(("GET", "again"))
        assert sum(b"HELLO" in data for data in received) == 2


async def test_a_lost_connection_fails_who_waits_and_the_next_one_opens_another() -> None:
    async with server(b"+OK\r\n") as (url, _), lane(url) as open_one:
        assert await open_one.ask_one(("PING",)) == b"OK"
        assert open_one._wire is not None
        waiting = asyncio.create_task(open_one.ask_one(("PING",)))
        await asyncio.sleep(0)
        open_one._wire.end(exceptions.ConnectionError("cut"))
        with pytest.raises(exceptions.ConnectionError):
            await waiting
        assert await open_one.ask_one(("PING",)) == b"OK"


async def test_a_connection_that_the_server_ends_is_opened_again(clients: Clients, redis_url: str) -> None:
    await clients.call("SET", "k", "v")
    number = await clients.call("CLIENT", "ID")
    other = Clients(RedisSettings(redis_url))
    await other.call("CLIENT", "KILL", "ID", number)
    await other.close()

    async def answered() -> bool:
        try:
            return bool(await clients.call("GET", "k") == b"v")
        except Unavailable:
            return False

    assert await eventually(answered)
    assert await clients.call("CLIENT", "ID") != number


async def test_what_nobody_asked_for_ends_the_connection() -> None:
    async with server(b"+one\r\n+two\r\n") as (url, _), lane(url) as mixed_up:
        assert await mixed_up.ask_one(("PING",)) == b"one"
        assert mixed_up._wire is not None
        assert mixed_up._wire.lost is not None
        async with server(b"!!\r\n") as (nonsense, _), lane(nonsense) as broken:
            with pytest.raises(exceptions.ConnectionError):
                await broken.ask_one(("PING",))


async def test_a_refused_command_is_raised_and_the_others_keep_their_answers(clients: Clients) -> None:
    await clients.call("SET", "text", "x")
    with pytest.raises(exceptions.ResponseError, match="WRONGTYPE"):
        await clients.pipeline([("SET", "a", 1), ("HGET", "text", "field"), ("SET", "b", 2)])
    assert await clients.pipeline([("GET", "a"), ("GET", "b")]) == [b"1", b"2"]


async def test_commands_that_wait_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lane_module, "MAX_WAITING", 3)
    async with server(b"") as (url, _), lane(url) as full:
        waiting = [asyncio.create_task(full.ask_one(("GET", f"k{i}"))) for i in range(3)]
        await eventually(lambda: full._wire is not None and full._wire._commands == 3)
        with pytest.raises(exceptions.ConnectionError, match="too many"):
            await full.ask_one(("GET", "one more"))
        for one in waiting:
            one.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def test_a_caller_that_goes_away_while_it_is_opened_leaves_it_to_the_others() -> None:
    async with server(b"+OK\r\n") as (url, received), lane(url) as shared:
        first = asyncio.create_task(shared.ask_one(("PING",)))
        second = asyncio.create_task(shared.ask_one(("PING",)))
        await asyncio.sleep(0)
        first.cancel()
        assert await second == b"OK"
        assert sum(b"HELLO" in data for data in received) == 1
        await asyncio.gather(first, return_exceptions=True)
