"""Whether this process is short of memory: then beacons are refused until it is not, and chats and open channels go on.

The limit is a setting; without one, it is four fifths of what the container may use, and where there is no container,
none. Read :meth:`Pressure.refused`.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from services.collector.domain.refusals import Refusal

EVERY_S = 0.5
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
    """Looks at the process's memory twice a second. `limit` in bytes, 0 for none."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._short = False

    def look(self, used: int) -> None:
        """Take note of the memory in use."""
        bound = self._limit * EASED if self._short else self._limit
        self._short = bool(self._limit) and used > bound

    def refused(self) -> Refusal | None:
        """503 while memory is short."""
        return Refusal("overloaded", retry_after_s=RETRY_S) if self._short else None

    def problem(self) -> str | None:
        """The same for readiness."""
        return "memory is short: beacons are refused" if self._short else None

    async def run(self) -> None:
        """Keep looking until cancelled."""
        while True:
            self.look(resident_bytes())
            await asyncio.sleep(EVERY_S)
