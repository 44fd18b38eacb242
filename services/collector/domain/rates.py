"""Rate limits with bounded memory: a token bucket per key (as GCRA: one number a key). Read :meth:`RateLimit.wait_ms`.

A key costs memory only while its bucket is not full again. When more keys than the limit are in use at once, the
oldest generation is forgotten: a flood of invented keys can win them a fresh bucket each, never memory. The limits
that hold against such a flood are those of its address.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Rate:
    """`per_s` on average, `burst` at once."""

    per_s: float
    burst: int


class RateLimit:
    """Token buckets of many keys; at most 2 * `max_keys` are remembered."""

    def __init__(self, rate: Rate, max_keys: int) -> None:
        self._cost_ms = 1000 / rate.per_s
        self._depth_ms = self._cost_ms * rate.burst
        self._max_keys = max_keys
        # When each bucket is full again. `_before` is the generation before; what is used moves to `_now`.
        self._now: dict[str, float] = {}
        self._before: dict[str, float] = {}

    def wait_ms(self, key: str, now_ms: int, cost: float = 1.0) -> int:
        """0 and the request is counted; else how long to wait, and it is not counted."""
        full_at = self._now.get(key)
        if full_at is None:
            full_at = self._before.get(key, 0.0)
            if len(self._now) >= self._max_keys:
                self._before, self._now = self._now, {}
        full_at = (full_at if full_at > now_ms else now_ms) + self._cost_ms * cost
        wait = full_at - now_ms - self._depth_ms
        if wait > 0:
            return int(wait) + 1
        self._now[key] = full_at
        return 0

    def __len__(self) -> int:
        return len(self._now) + len(self._before)
