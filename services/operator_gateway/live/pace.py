"""How often a site's views are brought up to date: at once when it is quiet, seldom when there is much to do.

A flush that follows a pause happens at once, so a lone change is on the screen immediately. While changes keep coming,
flushes keep a distance; and when they are so expensive that they would take more than their share of the processor,
the distance grows. Pure: the caller passes the time.
"""

from __future__ import annotations

QUIET_S = 0.01  # changes that belong together (one log entry, one commit) come within this
BUSY_S = 0.2  # an eye does not follow a list that changes more often than this
SLOWEST_S = 1.0
SHARE = 0.25  # of the processor, for flushing one site
SMOOTHING = 0.3


class Pace:
    """The distance between flushes of one site."""

    def __init__(self) -> None:
        self._last_s = float("-inf")
        self._cost_s = 0.0

    def delay_s(self, now_s: float) -> float:
        """How long to wait from `now_s` until the next flush may happen."""
        since = now_s - self._last_s
        distance = self.distance_s
        if since >= distance:
            return QUIET_S
        return max(QUIET_S, distance - since)

    @property
    def distance_s(self) -> float:
        """The present distance between flushes while changes keep coming."""
        return min(SLOWEST_S, max(BUSY_S, self._cost_s / SHARE))

    def flushed(self, now_s: float, took_s: float) -> None:
        """A flush ended at `now_s` after `took_s`, sending included."""
        self._last_s = now_s
        self._cost_s += SMOOTHING * (took_s - self._cost_s)
