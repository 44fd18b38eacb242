"""What a process holds, and what looking for garbage takes of its time: each collection stops everything else."""

from __future__ import annotations

import gc
import time
from pathlib import Path
from typing import Any

PAGE_BYTES = 4096


class Collecting:
    """What the garbage collector takes of the loop's time."""

    def __init__(self) -> None:
        self._began_s = 0.0
        self.clear()
        gc.callbacks.append(self._called)

    def clear(self) -> None:
        """Begin to count anew."""
        self._longest_ms = [0.0, 0.0, 0.0]
        self._times = [0, 0, 0]
        self._all_ms = 0.0

    def _called(self, phase: str, about: dict[str, int]) -> None:
        now_s = time.thread_time()
        if phase == "start":
            self._began_s = now_s
            return
        generation, took_ms = about["generation"], (now_s - self._began_s) * 1e3
        self._longest_ms[generation] = max(self._longest_ms[generation], took_ms)
        self._times[generation] += 1
        self._all_ms += took_ms

    def figures(self) -> dict[str, Any]:
        """The longest collection of each generation, how many there were, and all together."""
        return {"gc_longest_ms": self._longest_ms, "gc_times": self._times, "gc_ms": self._all_ms}


def collections(figures: dict[str, Any]) -> str:
    """What the garbage collector did, in words."""
    longest = "/".join(f"{one:.1f}" for one in figures["gc_longest_ms"])
    times = "/".join(str(one) for one in figures["gc_times"])
    return f"{figures['gc_ms']:.0f} ms in {times} collections, longest {longest} ms (young/middle/all)"


def resident_kib() -> float:
    """What the process holds now, garbage apart."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * PAGE_BYTES / 1024
