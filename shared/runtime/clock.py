"""The process's clock: the wall at its start, then monotonic. A stepped wall clock never moves it."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Milliseconds since the epoch that never go back."""

    def now_ms(self) -> int:
        """Now."""
        ...


class SystemClock:
    """The real one."""

    def __init__(self) -> None:
        self._offset_ns = time.time_ns() - time.monotonic_ns()

    def now_ms(self) -> int:
        """Now: the wall clock at this process's start plus the time since, by the monotonic clock."""
        return (self._offset_ns + time.monotonic_ns()) // 1_000_000


class ManualClock:
    """For tests: stands still until it is told to go on."""

    def __init__(self, now_ms: int = 1_800_000_000_000) -> None:
        self._now_ms = now_ms

    def now_ms(self) -> int:
        """Now, as last set."""
        return self._now_ms

    def advance(self, ms: int) -> None:
        """Let `ms` pass."""
        self._now_ms += ms
