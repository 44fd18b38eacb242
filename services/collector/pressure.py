"""Whether memory is short, this process's or Redis's: then events are refused until it is not, and chats go on.

The process's limit is a setting; without one, it is four fifths of what the container may use, and where there is no
container, none. Redis's is its own `maxmemory`: at it, Redis would refuse everything, so events stop before and leave
room for chats and for presence, which makes room. Read :meth:`Pressure.refused`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

from services.collector.domain.refusals import Refusal
from shared.storage.faults import Unavailable

EVERY_S = 0.5
EVERY_REDIS_S = 1.0
FULL, ROOM = 0.9, 0.85  # of Redis's maxmemory: events stop, and begin again
RETRY_S = 5
EASED = 0.95  # of the limit: below it beacons are taken again
_CGROUP = Path("/sys/fs/cgroup/memory.max")
_STATM = Path("/proc/self/statm")


def container_limit(file: Path = _CGROUP) -> int:
    """Four fifths of the container's memory in bytes; 0 if there is no limit."""
    try:
        text = file.read_text(encoding="ascii").strip()
    except OSError:
        return 0
    return int(text) * 4 // 5 if text.isdigit() else 0


def resident_bytes(file: Path = _STATM) -> int:
    """Memory of this process; 0 where the system does not say."""
    try:
        return int(file.read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError, ValueError):
        return 0


class Pressure:
    """A level with hysteresis: short above `limit` until at or below `eased`; a limit of 0 is none."""

    def __init__(self, limit: float, eased: float) -> None:
        self._limit = limit
        self._eased = eased
        self._short = False

    def look(self, used: float) -> None:
        """Take note of what is in use."""
        self._short = bool(self._limit) and used > (self._eased if self._short else self._limit)

    def refused(self) -> Refusal | None:
        """503 while memory is short."""
        return Refusal("overloaded", retry_after_s=RETRY_S) if self._short else None


class ProcessMemory(Pressure):
    """This process's, looked at twice a second. `limit` in bytes."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit, limit * EASED)

    def problem(self) -> str | None:
        """The same for readiness."""
        return "memory is short: beacons are refused" if self._short else None

    async def run(self) -> None:
        """Keep looking until cancelled."""
        while True:
            self.look(resident_bytes())
            await asyncio.sleep(EVERY_S)


class RedisMemory(Pressure):
    """Redis's, as a share of its `maxmemory`; while Redis is away, as last seen."""

    def __init__(self, share: Callable[[], Awaitable[float]]) -> None:
        super().__init__(FULL, ROOM)
        self._share = share

    def problem(self) -> str | None:
        """The same for readiness."""
        return "Redis is nearly full: events are refused" if self._short else None

    async def run(self) -> None:
        """Keep looking until cancelled."""
        while True:
            with contextlib.suppress(Unavailable):  # which every event hears by itself
                self.look(await self._share())
            await asyncio.sleep(EVERY_REDIS_S)
