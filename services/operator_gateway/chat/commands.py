"""One command on its way: appended to the partition's stream, answered by chat-routing's outcome.

The tail must stand before the command is appended, else its outcome could pass unseen. An outcome that does not come in
time is answered `try_again`. What chat-routing or Redis were too late for is not done (except a message, which may come
late); if only the outcome was late, sending the command again gives it, for chat-routing remembers its id. An outcome
that comes late finds nobody waiting and is let go. Read :meth:`Commands.perform`.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from services.operator_gateway.sockets.events import Refused
from shared.contracts.chat import ChatCommand, CommandDone, wanted_now
from shared.contracts.streams import CmdEntry, encode
from shared.domain.partitions import Partitions
from shared.storage.clients import RedisClock
from shared.storage.log import GroupAppender

OUTCOME_S = 1.5  # within the 2 s of an ack, with room for the wire and for whatever the handler did before
MAX_WAITING = 10_000  # one for each connection, twice over; more means that outcomes do not come at all

Key = tuple[str, str, str, str]  # site, visitor, operator, command


class Follows(Protocol):
    """The feed, as far as commands need it."""

    async def followed(self, site: str) -> None:
        """Return when outcomes about `site` are being heard."""
        ...


class Waiting:
    """Who waits for which outcome. The same command sent over two connections has two waiters and one outcome."""

    def __init__(self, limit: int = MAX_WAITING) -> None:
        self._limit = limit
        self._waiters: dict[Key, list[asyncio.Future[CommandDone]]] = {}
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def expect(self, key: Key) -> asyncio.Future[CommandDone]:
        """A future for the outcome. Raises Refused when too many wait already."""
        if self._size >= self._limit:
            raise Refused("busy", "the system is catching up; try again in a moment")
        waiter: asyncio.Future[CommandDone] = asyncio.get_running_loop().create_future()
        self._waiters.setdefault(key, []).append(waiter)
        self._size += 1
        return waiter

    def settle(self, outcome: CommandDone) -> bool:
        """Give the outcome to whoever waits for it; False if nobody does (any more)."""
        waiters = self._waiters.get((outcome.site, outcome.visitor, outcome.by.id, outcome.id), [])
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(outcome)
        return bool(waiters)

    def forget(self, key: Key, waiter: asyncio.Future[CommandDone]) -> None:
        """Wait no longer."""
        waiters = self._waiters[key]
        waiters.remove(waiter)
        self._size -= 1
        if not waiters:
            del self._waiters[key]


class Commands:
    """The commands of one gateway."""

    def __init__(
        self,
        appender: GroupAppender,
        partitions: Partitions,
        follows: Follows,
        clock: RedisClock,
        outcome_s: float = OUTCOME_S,
    ) -> None:
        self.waiting = Waiting()
        self._appender = appender
        self._partitions = partitions
        self._follows = follows
        self._clock = clock
        self._outcome_s = outcome_s

    async def perform(self, command: ChatCommand) -> CommandDone:
        """What chat-routing answers. Raises Refused (`try_again`, `busy`), Lagging or Unavailable."""
        key = (command.site, command.visitor, command.by.id, command.id)
        waiter = self.waiting.expect(key)
        try:
            async with asyncio.timeout(self._outcome_s):
                await self._follows.followed(command.site)
                redis_ms = await self._clock.now_ms(self._partitions.of(command.site))
                await self.tell(command.site, wanted_now(command, redis_ms))
                return await waiter
        except TimeoutError:
            raise Refused("try_again", "no answer yet; send the same command again") from None
        finally:
            self.waiting.forget(key, waiter)

    async def tell(self, site: str, entry: CmdEntry) -> None:
        """Append what needs no answer. Returns when Redis has it; raises Lagging or Unavailable."""
        await self._appender.submit("cmd", self._partitions.of(site), encode(entry))

    async def drain(self) -> None:
        """Wait until nothing is on its way to Redis."""
        await self._appender.drain()
