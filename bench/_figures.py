"""Figures that several benchmarks take of this machine and of processes: CPU, memory, Redis's own account."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from shared.storage.clients import Clients

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


def machine() -> str:
    """The machine in a line, and how busy it is: a figure without it says little."""
    model = next(
        (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")), "?"
    )
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    return f"{os.cpu_count()} cores, {model}, Python {platform.python_version()}, load {load}"


def _lines(path: str) -> list[str]:
    return Path(path).read_text(encoding="utf-8").splitlines()


def cpu_s(pid: int) -> float:
    """CPU seconds that a process has used, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * _TICK_S


def memory_kib(pid: int) -> int:
    """Memory of the process alone (what it shares with nobody), in KiB."""
    fields = dict(line.split(":", 1) for line in _lines(f"/proc/{pid}/smaps_rollup")[1:])
    return sum(int(fields[name].split()[0]) for name in ("Private_Clean", "Private_Dirty"))


async def info(clients: Clients, section: str) -> dict[str, Any]:
    """A section of Redis's INFO; a value that has parts is a dict of texts."""
    answer = await clients.call("INFO", section)
    if isinstance(answer, Mapping):
        return {str(name): value for name, value in answer.items()}
    return dict(line.split(":", 1) for line in answer.decode().splitlines() if ":" in line)


def spread(values: Sequence[float]) -> str:
    """Median with the smallest and the largest."""
    return f"{statistics.median(values):8.2f}  ({min(values):.2f} to {max(values):.2f})"
