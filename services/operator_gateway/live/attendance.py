"""Which operators are connected here, told to chat-routing: facts about connections, and a sign of life.

A fact is kept until Redis has it. Facts about one connection and site replace each other while they wait, so however
long Redis is away, no more waits than there were connections. All facts are idempotent: appending one twice is
harmless. Read :meth:`Attendance.deliver`.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Literal

import structlog

from services.operator_gateway.sockets.connections import Connection
from shared.contracts.streams import GatewayAlive, OperatorConnected, OperatorDisconnected, OperatorSet, encode
from shared.domain.partitions import Partition, Partitions
from shared.runtime.clock import Clock
from shared.storage.faults import Lagging, Unavailable
from shared.storage.log import PartitionLog

log = structlog.get_logger()

ALIVE_EVERY_S = 10.0  # chat-routing takes three missed ones as the gateway's death
RETRY_S = 1.0
BATCH = 200

Fact = OperatorConnected | OperatorDisconnected
FactKey = tuple[str, str]  # site, connection


class Attendance:
    """Facts of one gateway, `gateway` being a name that no other life of a process has."""

    def __init__(self, gateway: str, partition_log: PartitionLog, partitions: Partitions, clock: Clock) -> None:
        self.gateway = gateway
        self._log = partition_log
        self._partitions = partitions
        self._clock = clock
        self._facts: dict[Partition, dict[FactKey, Fact]] = {}
        self._announced: dict[FactKey, OperatorConnected] = {}
        self._present: Counter[Partition] = Counter()
        self._wake = asyncio.Event()
        self._delivering = asyncio.Lock()

    @property
    def waiting(self) -> int:
        """Facts that Redis has not taken yet."""
        return sum(len(facts) for facts in self._facts.values())

    def arrived(self, connection: Connection, site: str) -> None:
        """A connection may watch `site`."""
        membership = connection.membership(site)
        fact = OperatorConnected(
            site=site,
            operator=connection.operator.operator,
            name=connection.operator.name,
            connection=connection.sid,
            gateway=self.gateway,
            at_ms=self._clock.now_ms(),
            role=membership.role if membership else "operator",
        )
        self._present[self._partitions.of(site)] += 1
        self._announced[site, connection.sid] = fact
        self._put(fact)

    def left(self, connection: Connection, site: str, logout: bool) -> None:
        """The connection is over, or `site` is not the operator's any more."""
        if self._announced.pop((site, connection.sid), None) is None:
            return
        partition = self._partitions.of(site)
        self._present[partition] -= 1
        if self._present[partition] <= 0:
            del self._present[partition]
        self._put(self._departure(connection, site, logout))

    def logged_out(self, connection: Connection, site: str) -> None:
        """A connection that was over a moment ago was not lost: the operator has logged out."""
        self._put(self._departure(connection, site, logout=True))

    def _departure(self, connection: Connection, site: str, logout: bool) -> OperatorDisconnected:
        return OperatorDisconnected(
            site=site,
            operator=connection.operator.operator,
            connection=connection.sid,
            gateway=self.gateway,
            at_ms=self._clock.now_ms(),
            logout=logout,
        )

    def announce_again(self, partition: Partition) -> None:
        """Chat-routing does not know this gateway (any more)."""
        for (site, _), fact in self._announced.items():
            if self._partitions.of(site) == partition:
                self._put(fact)

    async def set_state(self, connection: Connection, request_id: str, state: Literal["online", "away"]) -> None:
        """The operator chose a state, for all sites. Raises Unavailable or Lagging."""
        by_partition: dict[Partition, list[bytes]] = {}
        for site in connection.sites:
            fact = OperatorSet(site, connection.operator.operator, state, self._clock.now_ms(), request_id)
            by_partition.setdefault(self._partitions.of(site), []).append(encode(fact))
        for partition, payloads in by_partition.items():
            await self._log.append("cmd", partition, payloads)

    def _put(self, fact: Fact) -> None:
        waiting = self._facts.setdefault(self._partitions.of(fact.site), {})
        waiting.pop((fact.site, fact.connection), None)  # the newest fact goes to the end of the line
        waiting[fact.site, fact.connection] = fact
        self._wake.set()

    async def deliver(self) -> None:
        """Until cancelled: append facts as they come, and signs of life."""
        loop = asyncio.get_running_loop()
        alive_at = loop.time() + ALIVE_EVERY_S
        while True:
            try:
                async with asyncio.timeout(max(0.0, alive_at - loop.time())):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()
            if loop.time() >= alive_at:
                alive_at = loop.time() + ALIVE_EVERY_S
                await self._say_alive()
            if not await self.deliver_once():
                await asyncio.sleep(RETRY_S)
                self._wake.set()

    async def deliver_once(self) -> bool:
        """Append what waits; False if something still does because Redis or its reader is behind."""
        async with self._delivering:  # the task's round and the last one at shutdown must not mix
            return await self._deliver_all()

    async def _deliver_all(self) -> bool:
        complete = True
        for partition in tuple(self._facts):
            while facts := self._facts.get(partition):
                batch = dict(list(facts.items())[:BATCH])
                try:
                    await self._log.append("cmd", partition, [encode(fact) for fact in batch.values()])
                except (Unavailable, Lagging) as error:
                    log.warning("facts_wait", partition=partition.index, facts=len(facts), reason=str(error))
                    complete = False
                    break
                for key, fact in batch.items():
                    if facts.get(key) is fact:
                        del facts[key]
                if not facts:
                    del self._facts[partition]
        return complete

    async def _say_alive(self) -> None:
        sign = encode(GatewayAlive(self.gateway, self._clock.now_ms()))
        for partition in tuple(self._present):
            try:
                await self._log.append("cmd", partition, [sign])
            except (Unavailable, Lagging) as error:
                log.warning("sign_of_life_lost", partition=partition.index, reason=str(error))
