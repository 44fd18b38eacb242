"""How fast connections are let in: when thousands come back at once, those who are in must not notice.

A few may come at any moment. More are let in one after the other at a fixed rate: they wait, which costs a suspended
handshake each, and who would wait too long is told to come back. Pure: the caller passes the time. Read
:meth:`Turnstile.wait_s`.
"""

from __future__ import annotations

from math import ceil

BURST = 100
MOST_WAIT_S = 4.0  # clients give a handshake some 20 s, balancers less
COME_BACK_S = 2


class Turnstile:
    """Lets `per_s` connections in each second, after a burst."""

    def __init__(self, per_s: float) -> None:
        self._each_s = 1 / per_s
        self._next_s = float("-inf")

    def wait_s(self, now_s: float) -> float | None:
        """How long a newcomer has to wait; None: too long, and no place was taken."""
        place_s = max(self._next_s, now_s - BURST * self._each_s) + self._each_s
        wait_s = place_s - now_s
        if wait_s > MOST_WAIT_S:
            return None
        self._next_s = place_s
        return max(0.0, wait_s)

    def come_back_s(self, now_s: float) -> int:
        """When it makes sense to try again."""
        return max(COME_BACK_S, ceil(self._next_s - now_s - MOST_WAIT_S))
