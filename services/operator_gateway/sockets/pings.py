"""Who is due for a ping, and who has not answered one in time.

One timer looks after all connections of a mount: a timer for each weighs 600 bytes. Everybody waits for the same time,
so those who waited longest stand first. Pure: the caller passes the time. Read :meth:`Pings.due`.
"""

from __future__ import annotations

from typing import Generic, TypeVar

P = TypeVar("P")


class Pings(Generic[P]):
    """Connections by when they were last heard, and by when they were pinged."""

    def __init__(self, interval_s: float, timeout_s: float) -> None:
        self._interval_s = interval_s
        self._timeout_s = timeout_s
        self._heard: dict[P, float] = {}  # since when; in this order
        self._asked: dict[P, float] = {}

    def __len__(self) -> int:
        return len(self._heard) + len(self._asked)

    def heard(self, peer: P, now_s: float) -> None:
        """It is here, or has answered: nothing is due for a while."""
        self.forget(peer)
        self._heard[peer] = now_s

    def forget(self, peer: P) -> None:
        """It is gone."""
        self._asked.pop(peer, None)
        self._heard.pop(peer, None)

    def due(self, now_s: float) -> tuple[list[P], list[P]]:
        """Who is to be pinged now, and from now on owes an answer; and who has owed one for too long."""
        to_ping = _before(self._heard, now_s - self._interval_s)
        lost = _before(self._asked, now_s - self._timeout_s)
        for peer in lost:
            self.forget(peer)
        for peer in to_ping:
            del self._heard[peer]
            self._asked[peer] = now_s
        return to_ping, lost


def _before(since: dict[P, float], until_s: float) -> list[P]:
    found = []
    for peer, at_s in since.items():
        if at_s > until_s:
            break
        found.append(peer)
    return found
