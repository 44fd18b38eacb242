"""What is put off when there is too much to do, and for how long. Read :meth:`Rounds.shown`.

Nothing is lost by it: a window keeps the row as it was last told, version and all, and takes the present one in the
next round. Who comes, goes or moves, and whatever a chat changes, is never put off.
"""

from __future__ import annotations

from enum import IntEnum
from math import inf
from typing import NamedTuple

from shared.contracts.operators import PutOff
from shared.contracts.rows import Row

COUNTERS_EVERY_S = 2.0  # a view that shows nothing new is told counters this often: below 200 bytes a second
PAGES_EVERY_S = 3.0
IDLE_EVERY_S = 10.0


class Shedding(IntEnum):
    """What is left out, in this order. Chats, offers, requests and who comes or goes are never left out."""

    NOTHING = 0
    TICKS = 1  # updates come twice a second
    PAGES = 2  # once a second, and a row's next page only in rounds: several page views are one change
    IDLE = 3  # besides, rows of visitors who do nothing and have no engagement stand still for longer


PUT_OFF: dict[Shedding, tuple[PutOff, ...]] = {
    Shedding.NOTHING: (),
    Shedding.TICKS: (),
    Shedding.PAGES: ("pages",),
    Shedding.IDLE: ("pages", "idle"),
}


class Slowed(NamedTuple):
    """What clients are told of it: the distance between updates, if it is longer than usual, and what waits longer."""

    every_ms: int = 0
    put_off: tuple[PutOff, ...] = ()


NOT_SLOWED = Slowed()

_PAGE_FIELDS = frozenset(("version", "page", "pages", "activity"))
_OTHER_FIELDS = tuple(name for name in Row.__struct_fields__ if name not in _PAGE_FIELDS)


class Rounds:
    """One group's rounds: when rows that are put off were last taken."""

    __slots__ = ("_idle_at_s", "_pages_at_s", "due_s", "held")

    def __init__(self) -> None:
        self._pages_at_s = self._idle_at_s = -inf
        self.due_s = inf  # the next round, if a row waits for one
        self.held = 0

    def shown(self, rows: tuple[Row, ...], told: dict[str, Row], now_s: float, shedding: Shedding) -> tuple[Row, ...]:
        """`rows`, but as `told` where the change has to wait for its round."""
        self.held, self.due_s = 0, inf
        if shedding < Shedding.PAGES:
            return rows
        pages_due_s, idle_due_s = self._pages_at_s + PAGES_EVERY_S, self._idle_at_s + IDLE_EVERY_S
        if now_s >= pages_due_s:
            self._pages_at_s = now_s
        if now_s >= idle_due_s:
            self._idle_at_s = now_s
        shown = []
        for row in rows:
            old = told.get(row.visitor)
            if old is None or old is row or old.version == row.version:
                shown.append(row)
                continue
            frozen = shedding >= Shedding.IDLE and _idle(old, row)
            due_s = idle_due_s if frozen else pages_due_s
            if now_s >= due_s or not (frozen or _same_but_page(old, row)):
                shown.append(row)
                continue
            shown.append(old)
            self.held += 1
            self.due_s = min(self.due_s, due_s)
        return tuple(shown)


def _idle(old: Row, new: Row) -> bool:
    return new.activity != "active" and new.status == old.status == "navigating"


def _same_but_page(old: Row, new: Row) -> bool:
    return all(getattr(old, name) == getattr(new, name) for name in _OTHER_FIELDS)
