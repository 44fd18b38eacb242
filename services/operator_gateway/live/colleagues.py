"""What everybody is told about operators: who is online on a site, and each change of state or load.

Who connects is told the state as stored, then hears the changes. The state is read when the changes are being heard, so
none falls in between, and whatever was heard while it was being read is newer and stays. Read :meth:`Colleagues.tell`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Protocol

import structlog

from services.operator_gateway.sockets.connections import Connection, Connections
from services.operator_gateway.sockets.frames import Outgoing
from shared.contracts.operators import OperatorStateChanged
from shared.contracts.streams import OperatorChanged
from shared.domain.partitions import Partition, Partitions
from shared.storage.faults import Unavailable
from shared.storage.snapshots import Snapshots

log = structlog.get_logger()

RETRY_S = 1.0


class Follows(Protocol):
    """The feed, as far as this needs it."""

    async def followed(self, site: str) -> None:
        """Return when outcomes about `site` are being heard."""
        ...


class Colleagues:
    """The operators' states, for those who are connected here."""

    def __init__(
        self,
        connections: Connections,
        snapshots: Snapshots,
        follows: Follows,
        partitions: Partitions,
    ) -> None:
        self._connections = connections
        self._snapshots = snapshots
        self._follows = follows
        self._partitions = partitions
        self._tasks: set[asyncio.Task[None]] = set()
        self._reading: dict[str, list[set[str]]] = {}  # by site: for each reading, whom news came of meanwhile

    def tell(self, connection: Connection, sites: Collection[str]) -> None:
        """The connection may see these sites from now on: who is online there already?"""
        for site in sites:
            self._begin(site, (connection,), everybody=False)

    def changed(self, outcome: OperatorChanged) -> None:
        """Chat-routing says how an operator is now: everybody on that site is told."""
        for heard in self._reading.get(outcome.site, ()):
            heard.add(outcome.operator)
        event = Outgoing("operator:changed", state_of(outcome))
        for connection in self._connections.of_site(outcome.site):
            connection.emit(event)

    def reset(self, partition: Partition) -> None:
        """Changes may have been missed: everybody is told anew, also of those who are offline."""
        for site in self._connections.sites:
            if self._partitions.of(site) == partition:
                self._begin(site, self._connections.of_site(site), everybody=True)

    async def close(self) -> None:
        """Read no more."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _begin(self, site: str, connections: Collection[Connection], *, everybody: bool) -> None:
        task = asyncio.create_task(self._tell(site, connections, everybody=everybody))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _tell(self, site: str, connections: Collection[Connection], *, everybody: bool) -> None:
        heard: set[str] = set()
        reading = self._reading.setdefault(site, [])
        reading.append(heard)
        try:
            for told in await self._read(site, connections):
                if told.operator not in heard and (everybody or told.state != "offline"):
                    self._emit(told, connections)
        finally:
            reading[:] = [one for one in reading if one is not heard]
            if not reading:
                self._reading.pop(site, None)

    async def _read(self, site: str, connections: Collection[Connection]) -> list[OperatorChanged]:
        while any(connection.open for connection in connections):
            try:
                await self._follows.followed(site)
                return await self._snapshots.operators(site)
            except Unavailable as error:
                log.warning("colleagues_wait", site=site, reason=str(error))
                await asyncio.sleep(RETRY_S)
        return []

    @staticmethod
    def _emit(told: OperatorChanged, connections: Collection[Connection]) -> None:
        event = Outgoing("operator:changed", state_of(told))
        for connection in connections:
            if connection.open and connection.membership(told.site) is not None:
                connection.emit(event)


def state_of(outcome: OperatorChanged) -> OperatorStateChanged:
    """The event for the colleagues on that site."""
    return OperatorStateChanged(outcome.operator, outcome.name, outcome.state, outcome.chats, (outcome.site,))
