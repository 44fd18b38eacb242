"""Figures of a process's directory replica, and whether it is fresh enough to be ready."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Gauge

from shared.storage.directory import Directory

STALE_LIMIT_MS = 15_000  # a failover takes about this long; beyond it new sites and ended logins may be missing


def export(directory: Directory, registry: CollectorRegistry) -> None:
    """Show the replica's age, size and mishaps as `foyer_directory_...`."""
    shown: dict[str, tuple[str, Callable[[], float]]] = {
        "stale_seconds": ("Since Redis last confirmed the replica (-1: never)", lambda: _seconds(directory.stale_ms)),
        "changes_seen": ("Changes of the directory that the replica has seen", lambda: directory.version),
        "sites": ("Sites in the replica", lambda: len(directory.sites())),
        "operators": ("Operators in the replica", lambda: len(directory.operators())),
        "reloads": ("Times that everything was loaded again", lambda: directory.reloads),
        "unreadable_records": ("Records that could not be read", lambda: directory.skipped),
    }
    for name, (text, read) in shown.items():
        Gauge(f"foyer_directory_{name}", text, registry=registry).set_function(read)


def not_fresh(directory: Directory, limit_ms: int = STALE_LIMIT_MS) -> str | None:
    """Why the process is not ready on the directory's account, if so: a readiness check."""
    stale_ms = directory.stale_ms
    if stale_ms is None:
        return "not loaded yet"
    return f"not confirmed by Redis for {stale_ms // 1000} s" if stale_ms > limit_ms else None


def _seconds(stale_ms: int | None) -> float:
    return -1.0 if stale_ms is None else stale_ms / 1000
