"""How often a site's views are brought up to date: at once when it is quiet, seldom when there is much to do.

A flush that follows a pause happens at once, so a lone change is on the screen immediately. The pause after a flush is
in proportion to what flushing costs, so a cheap list is almost immediate always and a dear one takes no more than its
share of the processor. When the process as a whole has too much to do, :class:`Load` says so and work is shed, what is
least missed first (:mod:`services.operator_gateway.views.shedding`). Pure: the caller passes times.
"""

from __future__ import annotations

from services.operator_gateway.views.shedding import Shedding

FLOOR_S = 0.015  # the shortest distance: the changes of a burst come together
BUSY_S = 0.2  # an eye does not follow a list that changes more often; beyond it the console says "slowed"
SLOWEST_S = 1.0
DUTY = 0.1  # of the processor, for flushing one site, while that keeps the distance below BUSY_S
MOST_DUTY = 0.25  # of the processor, for one site, ever: beyond BUSY_S
SMOOTHING = 0.3


SHED_DISTANCE_S = {Shedding.NOTHING: 0.0, Shedding.TICKS: 0.5, Shedding.PAGES: SLOWEST_S, Shedding.IDLE: SLOWEST_S}


class Pace:
    """The distance between flushes of one site."""

    def __init__(self) -> None:
        self._last_s = float("-inf")
        self._cost_s = 0.0

    def delay_s(self, now_s: float, shedding: Shedding = Shedding.NOTHING) -> float:
        """How long to wait from `now_s` until the next flush may happen."""
        return max(0.0, self._last_s + self.distance_s(shedding) - now_s)

    def distance_s(self, shedding: Shedding = Shedding.NOTHING) -> float:
        """The present distance between flushes while changes keep coming."""
        cheap = min(BUSY_S, self._cost_s / DUTY)
        dear = min(SLOWEST_S, self._cost_s / MOST_DUTY)
        return max(FLOOR_S, cheap, dear, SHED_DISTANCE_S[shedding])

    def flushed(self, now_s: float, cost_s: float) -> None:
        """A flush ended at `now_s` that took `cost_s` of the processor, sending included."""
        self._last_s = now_s
        self._cost_s += SMOOTHING * (cost_s - self._cost_s)


class Load:
    """How hard pressed the process is, from samples of its processor time and of its loop's lateness."""

    EVERY_S = 0.5  # a sample
    HIGH = 0.9  # of one core: there is no room left for a burst
    LOW = 0.7
    LATE_S = 0.25  # the loop came this much too late to its sample: somebody else has the processor
    PRESSED_SAMPLES = 2  # in a row before one step more: many who come at once are no lasting load
    CALM_SAMPLES = 4  # before one step back: shedding must not swing

    def __init__(self) -> None:
        self.shedding = Shedding.NOTHING
        # Processor time since the last sample that nobody is kept waiting by: orders are put together, and sites read,
        # in whatever time is left, so a process that does this is busy but not pressed.
        self.excused_s = 0.0
        self._calm = self._pressed = 0

    def sample(self, used: float, late_s: float) -> None:
        """The share of a core used since the sample before, and how late this one comes."""
        if used >= self.HIGH or late_s >= self.LATE_S:
            self._calm = 0
            self._pressed += 1
            if self._pressed >= self.PRESSED_SAMPLES:
                self._pressed = 0
                self.shedding = Shedding(min(Shedding.IDLE, self.shedding + 1))
            return
        self._pressed = 0
        self._calm = self._calm + 1 if used <= self.LOW else 0
        if self._calm >= self.CALM_SAMPLES:
            self._calm = 0
            self.shedding = Shedding(max(Shedding.NOTHING, self.shedding - 1))
