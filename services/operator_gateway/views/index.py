"""Sorted indexes and counters over one site, each kept once for all views that want it.

An index holds the visitors that pass one filter in the order of one sort. Filling one for 100,000 visitors takes longer
than the event loop may be held up, so it is done in slices: keys are collected, sorted run by run, and put together
at the end, which costs a third of adding one after the other. Until then the index is empty.

Between two flushes an index notes what was touched, so that a window that cannot have changed is not even looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet

from sortedcontainers import SortedList

from services.operator_gateway.views.filters import Matches, predicate
from services.operator_gateway.views.ordering import PositionKey, position_key
from services.operator_gateway.views.visitors import SiteFacts, Visitor
from shared.contracts.operators import Filter, Sort
from shared.contracts.rows import STATUSES, Status

RUN = 5_000  # keys sorted at a time: about 5 ms


class _Filling:
    """An index that is not complete yet. `moves`: what happened since to those who are in already."""

    def __init__(self) -> None:
        self.taken: set[str] = set()
        self.keys: list[PositionKey] = []
        self.moves: list[tuple[PositionKey | None, PositionKey | None]] = []


class SortedIndex:
    """The visitors that pass `wish`, in the order of `sort`, as keys that end in the visitor's id."""

    def __init__(self, sort: Sort, wish: Filter, facts: SiteFacts) -> None:
        self._key = position_key(sort, facts)
        self._matches: Matches | None = predicate(wish, facts)
        self._keys: SortedList[PositionKey] = SortedList()
        self._descending = sort.dir == "desc"
        self._filling: _Filling | None = _Filling()
        # What was touched since the last flush: the rows whose content changed, and, of all places where a row came,
        # went or moved, the one nearest to the top of the list. A full window that ends above it shows the same rows.
        self._changed: set[str] = set()
        self._moved: PositionKey | None = None

    def __len__(self) -> int:
        return len(self._keys)

    def change(self, old: Visitor | None, new: Visitor | None) -> None:
        """Follow one visitor's change."""
        if self._filling is not None:
            self._change_while_filling(self._filling, old, new)
            return
        old_key = self._key(old) if old is not None and self._passes(old) else None
        new_key = self._key(new) if new is not None and self._passes(new) else None
        if old_key == new_key:
            if new is not None and new_key is not None:
                self._changed.add(new.id)
            return
        if old_key is not None:
            self._keys.remove(old_key)
            self._note(old_key)
        if new_key is not None:
            self._keys.add(new_key)
            self._note(new_key)

    def add(self, visitor: Visitor) -> None:
        """Take a visitor in while the index is filled, unless a change was quicker."""
        if self._filling is not None and visitor.id not in self._filling.taken:
            self._take(self._filling, visitor)

    def put_together(self) -> Iterator[None]:
        """What is left to do when everybody was added, in slices."""
        filling = self._filling
        if filling is None:
            return
        keys, moves = filling.keys, filling.moves
        for start in range(0, len(keys), RUN):
            keys[start : start + RUN] = sorted(keys[start : start + RUN])
            yield
        self._keys.update(keys)  # runs in order are merged, not sorted
        self._filling = None
        for old_key, new_key in moves:
            if old_key is not None:
                self._keys.remove(old_key)
            if new_key is not None:
                self._keys.add(new_key)
        if self._keys:
            self._note(self._keys[-1] if self._descending else self._keys[0])

    def _take(self, filling: _Filling, visitor: Visitor) -> None:
        filling.taken.add(visitor.id)
        if self._passes(visitor):
            filling.keys.append(self._key(visitor))

    def _change_while_filling(self, filling: _Filling, old: Visitor | None, new: Visitor | None) -> None:
        """Who is not in yet is taken as he is now, or comes with a later slice; for the others it is noted."""
        if new is not None and new.id not in filling.taken:
            self._take(filling, new)
            return
        old_key = self._key(old) if old is not None and old.id in filling.taken and self._passes(old) else None
        new_key = self._key(new) if new is not None and self._passes(new) else None
        if old_key != new_key:
            filling.moves.append((old_key, new_key))

    def window(self, offset: int, limit: int) -> list[str]:
        """The visitors from `offset` on, top first."""
        if not self._descending:
            return [key[2] for key in self._keys.islice(offset, offset + limit)]
        end = max(0, len(self._keys) - offset)
        return [key[2] for key in self._keys.islice(max(0, end - limit), end, reverse=True)]

    def key(self, visitor: Visitor) -> PositionKey:
        """Where the visitor stands: kept of a window's last row, for :meth:`untouched`."""
        return self._key(visitor)

    def untouched(self, ids: AbstractSet[str], bottom: PositionKey | None) -> bool:
        """Whether a window cannot have changed since the last flush. `bottom`: None for a window that is not full."""
        if self._moved is not None and (bottom is None or not self._below(self._moved, bottom)):
            return False
        return self._changed.isdisjoint(ids)

    def flushed(self) -> None:
        """Everybody has looked: begin to note anew."""
        self._changed.clear()
        self._moved = None

    def _below(self, key: PositionKey, other: PositionKey) -> bool:
        return key < other if self._descending else key > other

    def _note(self, key: PositionKey) -> None:
        if self._moved is None or self._below(self._moved, key):
            self._moved = key

    def _passes(self, visitor: Visitor) -> bool:
        return self._matches is None or self._matches(visitor)


class StatusCounts:
    """How many visitors that pass `wish` (a filter without status) are in each status. Filled in slices, too."""

    def __init__(self, wish: Filter, facts: SiteFacts) -> None:
        self._matches = predicate(wish, facts)
        self._counts: dict[Status, int] = dict.fromkeys(STATUSES, 0)
        self._shown: dict[Status, int] | None = None
        self._counted: set[str] | None = set()  # while it is being filled: who is in already

    def change(self, old: Visitor | None, new: Visitor | None) -> None:
        """Follow one visitor's change."""
        if self._counted is not None:
            old = self._while_filling(self._counted, old, new)
        before = old.status if old is not None and self._passes(old) else None
        after = new.status if new is not None and self._passes(new) else None
        if before == after:
            return
        if before is not None:
            self._counts[before] -= 1
        if after is not None:
            self._counts[after] += 1
        self._shown = None

    def add(self, visitor: Visitor) -> None:
        """Count a visitor while the counters are filled, unless a change was quicker."""
        if self._counted is not None and visitor.id not in self._counted:
            self.change(None, visitor)

    def filled(self) -> None:
        """Everybody is in."""
        self._counted = None

    def shown(self) -> dict[Status, int]:
        """The counts as of now; the same object until one of them changes."""
        if self._shown is None:
            self._shown = dict(self._counts)
        return self._shown

    def _while_filling(self, counted: set[str], old: Visitor | None, new: Visitor | None) -> Visitor | None:
        """`old` if it is in already. A slice looks each visitor up when its turn comes, so one who went stays out."""
        known = old if old is not None and old.id in counted else None
        if new is not None:
            counted.add(new.id)
        return known

    def _passes(self, visitor: Visitor) -> bool:
        return self._matches is None or self._matches(visitor)
