"""Connections to Redis or Valkey: standalone, Sentinel or Cluster.

redis-py's defaults are wrong here, so everything is explicit: no retries (a repeated XADD whose reply was lost became
two entries), a deadline on every command, connections of their own for blocking reads, and no cancellation of a command
on a shared connection (a cancelled one may hand its reply to the next caller). To a single server without TLS commands
go by a :class:`~shared.storage.lane.Lane`, which costs a sixth; everywhere else redis-py's own connections carry
them. Read :class:`Clients` first.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urlsplit

import structlog
from redis.asyncio import BlockingConnectionPool, Redis, RedisCluster
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError

from shared.domain.partitions import Partition
from shared.storage import keys, scripts
from shared.storage.blocks import payloads_in
from shared.storage.faults import FormatMismatch, PartitionMismatch, Unavailable, redis_faults
from shared.storage.lane import Lane

log = structlog.get_logger()
T = TypeVar("T")

COMMAND_TIMEOUT_S = 5.0
CONNECT_TIMEOUT_S = 2.0
POOL_SIZE = 64  # commands of one process at the same time; more wait for a connection
READ_SLACK_S = 5.0  # how much longer than its own BLOCK a blocking read may take
CLOCK_TRUST_S = 10.0  # clocks drift apart by less than a millisecond in this time
CLOCK_QUICK_S = 0.1  # a measurement that took longer says too little to be kept
RECONNECT_S = 0.5
Position = tuple[str, list[tuple[str, bytes]]]


@dataclass(frozen=True)
class RedisSettings:
    """Where Redis is: `redis://`, `rediss://`, `redis+cluster://` or `redis+sentinel://host,host/master-name`."""

    url: str = field(default="redis://127.0.0.1:7380/0", repr=False)


def _no_retry() -> Retry:
    return Retry(NoBackoff(), 0)


def _credentials(url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    return {"username": parts.username, "password": parts.password}


class Clients:
    """Commands (shared pool) and blocking readers of one process. Close it when the process drains."""

    def __init__(self, settings: RedisSettings) -> None:
        self._url = settings.url
        self._scheme = urlsplit(settings.url).scheme
        self._sentinel: Sentinel | None = None
        self._service = ""
        self._commands: Any = self._connect()
        self._lane = self.lane(COMMAND_TIMEOUT_S)

    def lane(self, deadline_s: float | None) -> Lane | None:
        """A new connection of the quick kind; None where it does not do: TLS, Cluster, Sentinel, options in the URL."""
        if self._scheme != "redis" or urlsplit(self._url).query:
            return None
        return Lane(
            self._url, dict(self._commands.response_callbacks), deadline_s=deadline_s, connect_s=CONNECT_TIMEOUT_S
        )

    def _connect(self) -> Any:
        options: dict[str, Any] = {
            "socket_timeout": COMMAND_TIMEOUT_S,
            "socket_connect_timeout": CONNECT_TIMEOUT_S,
            "socket_keepalive": True,
            "retry": _no_retry(),
        }
        if self._scheme.startswith(("redis+cluster", "rediss+cluster")):
            return RedisCluster.from_url(self._url.replace("+cluster", "", 1), **options)
        if self._scheme.startswith("redis+sentinel"):
            parts = urlsplit(self._url)
            self._service = parts.path.strip("/") or "mymaster"
            hosts = [pair.rpartition(":") for pair in parts.netloc.rpartition("@")[2].split(",")]
            sentinels = [(host or port, int(port) if host else 26379) for host, _, port in hosts]
            self._sentinel = Sentinel(sentinels, **options, **_credentials(self._url))  # type: ignore[no-untyped-call]
            return self._sentinel.master_for(self._service)
        options |= {"max_connections": POOL_SIZE, "timeout": COMMAND_TIMEOUT_S}
        return Redis.from_pool(BlockingConnectionPool.from_url(self._url, **options))

    async def run(self, command: Awaitable[T]) -> T:
        """The answer of a redis-py awaitable. Raises Unavailable; survives its caller's cancellation."""
        with redis_faults():
            return await asyncio.shield(asyncio.ensure_future(command))

    async def call(self, *command: str | bytes | int | float) -> Any:
        """One command, raw: `await clients.call("HGET", key, field)`. Raises Unavailable."""
        if self._lane is not None:
            with redis_faults():
                return await self._lane.ask_one(command)
        return await self.run(self._commands.execute_command(*command))

    async def pipeline(self, commands: Sequence[Sequence[str | bytes | int | float]]) -> list[Any]:
        """Commands in one round trip, without a transaction; in a cluster all keys share one tag."""
        if not commands:
            return []
        if self._lane is not None:
            with redis_faults():
                answers = await self._lane.ask(commands)
                for answer in answers:
                    if isinstance(answer, Exception):
                        raise answer
                return answers
        pipe = self._commands.pipeline(transaction=False)
        for command in commands:
            pipe.execute_command(*command)
        return await self.run(pipe.execute())

    async def script(self, name: str, key_names: Sequence[str], arguments: Sequence[str | bytes | int]) -> Any:
        """The answer of the Lua file `name`. Raises Unavailable."""
        script = scripts.load(name)
        if self._lane is None:
            return await self.run(script(self._commands, key_names, arguments))
        with redis_faults():
            try:
                return await self._lane.ask_one(script.by_hash(key_names, arguments))
            except NoScriptError:
                return await self._lane.ask_one(script.by_text(key_names, arguments))

    async def ready(self) -> None:
        """Wait until Redis answers, saying so while it does not."""
        attempts = 0
        while True:
            try:
                await self.call("PING")
            except Unavailable as error:
                if attempts % 20 == 0:  # every 10 s
                    log.warning("redis_unreachable", reason=str(error), waiting=True)
                attempts += 1
                await asyncio.sleep(RECONNECT_S)
            else:
                return

    async def agree_on_partitions(self, count: int) -> None:
        """Fix the number of partitions at installation, and the format of what is stored.

        Raises PartitionMismatch or FormatMismatch if they are others already.
        """
        await self.call("SET", keys.INSTALLATION, f"{count} {keys.FORMAT}", "NX")
        stored, _, form = (await self.call("GET", keys.INSTALLATION)).decode().partition(" ")
        if int(form or 1) != keys.FORMAT:
            raise FormatMismatch(
                f"Redis holds data in format {form or 1}, this version reads and writes format {keys.FORMAT}: "
                "begin with an empty Redis (or DATA_DIR), or start the version that wrote it"
            )
        if int(stored) != count:
            raise PartitionMismatch(
                f"this installation has {int(stored)} partitions, the service was started with {count}: "
                f"set PARTITIONS={int(stored)} (the number cannot be changed later)"
            )

    async def memory_share(self) -> float:
        """How much of `maxmemory` is in use, at the fullest server; 0 where there is no limit. Raises Unavailable."""
        cluster = isinstance(self._commands, RedisCluster)
        where = {"target_nodes": RedisCluster.PRIMARIES} if cluster else {}
        answer = await self.run(self._commands.execute_command("INFO", "memory", **where))
        servers = [value for value in answer.values() if isinstance(value, dict)] or [answer]
        return max(int(one["used_memory"]) / (int(one["maxmemory"]) or float("inf")) for one in servers)

    async def partition_count(self) -> int | None:
        """The number of partitions of this installation, once a service has been started."""
        stored = await self.call("GET", keys.INSTALLATION)
        return None if stored is None else int(stored.partition(b" ")[0])

    def reader(self, key: str) -> BlockingReader:
        """A connection of its own for blocking reads of streams that share `key`'s hash tag."""
        return BlockingReader(self, key)

    async def dedicated(self, key: str) -> Redis:
        """A new single connection to the server that holds `key`, without a read deadline. The caller closes it."""
        options: dict[str, Any] = {
            "socket_timeout": None,
            "socket_connect_timeout": CONNECT_TIMEOUT_S,
            "socket_keepalive": True,
            "retry": _no_retry(),
            "single_connection_client": True,
            "protocol": 2,
        }
        with redis_faults():
            if isinstance(self._commands, RedisCluster):
                await self._commands.initialize()
                node = self._commands.get_node_from_key(key)
                if node is None:
                    raise Unavailable("slot not covered")
                options |= {"ssl": self._scheme.startswith("rediss"), **_credentials(self._url)}
                return Redis(host=node.host, port=int(node.port), **options)
            if self._sentinel is not None:
                host, port = await self._sentinel.discover_master(self._service)
                return Redis(host=host, port=port, **_credentials(self._url), **options)
            return Redis.from_url(self._url, **options)

    async def close(self) -> None:
        """Close the shared connections."""
        if self._lane is not None:
            await self._lane.close()
        await self._commands.aclose()
        for watcher in self._sentinel.sentinels if self._sentinel is not None else ():
            await watcher.aclose()


class BlockingReader:
    """XREAD on a connection of its own. Whoever waits may be cancelled: the connection is then dropped, not reused."""

    def __init__(self, clients: Clients, key: str) -> None:
        self._clients = clients
        self._key = key
        self._lane = clients.lane(None)
        self._connection: Redis | None = None

    async def read(self, positions: dict[str, str], count: int, block_ms: int) -> list[Position]:
        """Entries after each stream's position, at most `count` a stream; empty after `block_ms` without any.

        Each as its id and a payload; the payloads of one entry follow each other with the same id.

        Raises Unavailable.
        """
        names = ("STREAMS", *positions, *positions.values())
        command: tuple[str | int, ...] = ("XREAD", "COUNT", count, "BLOCK", max(1, block_ms), *names)
        try:
            with redis_faults():
                async with asyncio.timeout(block_ms / 1000 + READ_SLACK_S):
                    answer = await self._answer(command)
        except BaseException:
            await self.close()
            raise
        return [
            (stream.decode(), [(entry.decode(), part) for entry, fields in entries for part in payloads_in(fields)])
            for stream, entries in answer or ()
        ]

    async def _answer(self, command: Sequence[str | int]) -> Any:
        if self._lane is not None:
            return await self._lane.ask_one(command)
        if self._connection is None:
            self._connection = await self._clients.dedicated(self._key)
        return await self._connection.execute_command(*command)  # type: ignore[no-untyped-call]

    async def close(self) -> None:
        """Drop the connection; the next read opens another one."""
        if self._lane is not None:
            await self._lane.close()
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.aclose()


class RedisClock:
    """Redis's time without asking for it each time: our monotonic clock and the difference, measured now and then.

    Whether something is too late is told by one clock, so hosts may disagree about the time. How much of a measurement
    was the way there and how much the way back is unknown: who sets a deadline takes the later time (`late`), who
    looks at it the earlier one, so nothing that is in time is ever taken for late.
    """

    def __init__(self, clients: Clients, *, late: bool) -> None:
        self._clients = clients
        self._late = late
        self._measured: dict[Partition, tuple[float, float]] = {}  # Redis's ms less ours, and until when that is used

    async def now_ms(self, partition: Partition) -> int:
        """The time of the server that holds the partition. Raises Unavailable."""
        clock = asyncio.get_running_loop().time
        ahead_ms, until_s = self._measured.get(partition, (0.0, -math.inf))
        if clock() > until_s:
            asked_s = clock()
            redis_ms = int(await self._clients.script("clock", [keys.stream("cmd", partition)], []))
            took_s = clock() - asked_s
            ahead_ms = redis_ms - (asked_s if self._late else clock()) * 1000
            until_s = clock() + (CLOCK_TRUST_S if took_s < CLOCK_QUICK_S else 0)
            self._measured[partition] = ahead_ms, until_s
        return int(clock() * 1000 + ahead_ms)
