"""Sorted indexes and counters over one site, each kept once for all views that want it.

An index holds the visitors that pass one filter in the order of one column; views read it from either end. Filling
one for 100,000 visitors takes longer than the event loop may be held up, so it is done in slices: keys of the visitors
of one moment are collected, sorted run by run, and put together at the end. What changes after that moment is noted as
keys that come and keys that go; in which order they are laid over the rest makes no difference. Until then the index is
empty.

Between two flushes an index notes what was touched, so that a window that cannot have changed is not even looked at.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from collections.abc import Set as AbstractSet
from itertools import groupby

from sortedcontainers import SortedList

from services.operator_gateway.views import filters, ordering
from services.operator_gateway.views.filters import Matches, predicate
from services.operator_gateway.views.ordering import PositionKey, bounds, column_of, position_key, visitor_of
from services.operator_gateway.views.visitors import SiteFacts, Visitor
from shared.contracts.operators import Filter, SortBy
from shared.contracts.rows import STATUSES, Status

FILL_SLICE = 4_000  # visitors whose keys are made at a time: about 4 ms
RUN = 10_000  # keys sorted at a time: about 4 ms


class _Filling:
    """An index that is not complete yet: keys that belong into it, and keys to take out of it at the end."""

    def __init__(self) -> None:
        self.come: list[PositionKey] = []
        self.gone: list[PositionKey] = []


class SortedIndex:
    """The visitors that pass `wish`, in the order of `by`, as keys that end in the visitor's id."""

    def __init__(self, by: SortBy, wish: Filter, facts: SiteFacts) -> None:
        self._key = position_key(by, facts)
        self._matches: Matches | None = predicate(wish, facts)
        self._reads = ordering.reads(by) | filters.reads(wish)
        self._keys: SortedList[PositionKey] = SortedList()
        self._filling: _Filling | None = _Filling()
        # What was touched since the last flush: the rows whose content changed, and, of all places where a row came,
        # went or moved, the one nearest to the top of the list, for either direction of reading. A full window that
        # ends above it shows the same rows.
        self._changed: set[str] = set()
        self._first: PositionKey | None = None
        self._last: PositionKey | None = None
        self._last_alike = ""

    def __len__(self) -> int:
        return len(self._keys)

    def change(self, old: Visitor | None, new: Visitor | None, fields: Collection[str] | None = None) -> None:
        """Follow one visitor's change. `fields`: all that differs, if only some fields of presence's part do."""
        if fields is not None and new is not None and self._reads.isdisjoint(fields):
            self._changed.add(new.id)
            return
        old_key = self._key(old) if old is not None and self._passes(old) else None
        new_key = self._key(new) if new is not None and self._passes(new) else None
        if old_key == new_key:
            if new is not None and new_key is not None:
                self._changed.add(new.id)
            return
        filling = self._filling
        if old_key is not None:
            if filling is not None:
                filling.gone.append(old_key)
            else:
                self._keys.remove(old_key)
                self._note(old_key)
        if new_key is not None:
            if filling is not None:
                filling.come.append(new_key)
            else:
                self._keys.add(new_key)
                self._note(new_key)

    def fill(self, visitors: Sequence[Visitor]) -> Iterator[None]:
        """Take in the `visitors` of the moment when the index was made, in slices; then it is complete."""
        filling = self._filling
        if filling is None:
            return
        come, key, matches = filling.come, self._key, self._matches
        for start in range(0, len(visitors), FILL_SLICE):
            come.extend(map(key, filter(matches, visitors[start : start + FILL_SLICE])))  # None lets all pass
            yield
        for start in range(0, len(come), RUN):
            come[start : start + RUN] = sorted(come[start : start + RUN])
            yield
        self._keys.update(come)  # runs in order are merged, not sorted
        self._filling = None
        for gone in filling.gone:
            self._keys.remove(gone)
        if self._keys:
            self._note(self._keys[0])
            self._note(self._keys[-1])

    def window(self, offset: int, limit: int, descending: bool) -> list[str]:
        """The visitors from `offset` on, top first."""
        if descending:
            return [visitor_of(key) for key in self._from_the_end(offset, limit)]
        return [visitor_of(key) for key in self._keys.islice(offset, offset + limit)]

    def _from_the_end(self, offset: int, limit: int) -> list[PositionKey]:
        """Higher columns first, but rows that the column does not tell apart in their own order all the same."""
        end = len(self._keys) - offset
        nearby = self._keys.islice(max(0, end - limit), max(0, end), reverse=True)
        alike = [list(run) for _, run in groupby(nearby, column_of)]
        if not alike:
            return []
        found = self._alike(alike[0][0], offset, limit)  # may begin above the window
        for run in alike[1:-1]:
            found.extend(reversed(run))
        if len(alike) > 1:
            found.extend(self._alike(alike[-1][0], offset + len(found), limit - len(found)))  # may end below it
        return found

    def _alike(self, key: PositionKey, offset: int, limit: int) -> list[PositionKey]:
        """The rows alike to `key` from the list's `offset` on, read from the end."""
        lowest, beyond = bounds(column_of(key))
        begin, end = self._keys.bisect_left(lowest), self._keys.bisect_left(beyond)
        start = begin + max(0, offset - (len(self._keys) - end))
        return list(self._keys.islice(start, min(end, start + limit)))

    def key(self, visitor: Visitor) -> PositionKey:
        """Where the visitor stands: kept of a window's last row, for :meth:`untouched`."""
        return self._key(visitor)

    def untouched(self, ids: AbstractSet[str], bottom: PositionKey | None, descending: bool) -> bool:
        """Whether a window cannot have changed since the last flush. `bottom`: None for a window that is not full."""
        if self._first is not None and (bottom is None or not self._ends_above(bottom, descending)):
            return False
        return self._changed.isdisjoint(ids)

    def _ends_above(self, bottom: PositionKey, descending: bool) -> bool:
        """Whether `bottom` stands above everything that was touched."""
        if not descending:
            return self._first is not None and bottom < self._first
        last = self._last
        return last is not None and bottom != last and (bottom > last) is not bottom.startswith(self._last_alike)

    def flushed(self) -> None:
        """Everybody has looked: begin to note anew."""
        self._changed.clear()
        self._first = self._last = None

    def _note(self, key: PositionKey) -> None:
        if self._first is None or key < self._first:
            self._first = key
        last = self._last
        # Read from the end, a place is above another one if its column is higher, or the same and the rest is lower.
        if last is None or (key > last) is not key.startswith(self._last_alike):
            self._last, self._last_alike = key, bounds(column_of(key))[0]

    def _passes(self, visitor: Visitor) -> bool:
        return self._matches is None or self._matches(visitor)


class StatusCounts:
    """How many visitors that pass `wish` (a filter without status) are in each status. Filled in slices, too."""

    def __init__(self, wish: Filter, facts: SiteFacts) -> None:
        self._matches = predicate(wish, facts)
        self._reads = filters.reads(wish)
        self._counts: dict[Status, int] = dict.fromkeys(STATUSES, 0)
        self._shown: dict[Status, int] | None = None

    def change(self, old: Visitor | None, new: Visitor | None, fields: Collection[str] | None = None) -> None:
        """Follow one visitor's change. `fields`: all that differs, if only some fields of presence's part do."""
        if fields is not None and self._reads.isdisjoint(fields):
            return
        before = old.status if old is not None and self._passes(old) else None
        after = new.status if new is not None and self._passes(new) else None
        if before == after:
            return
        if before is not None:
            self._counts[before] -= 1
        if after is not None:
            self._counts[after] += 1
        self._shown = None

    def fill(self, visitors: Sequence[Visitor]) -> Iterator[None]:
        """Count the `visitors` of the moment when the counters were made, in slices; changes since are counted."""
        counts, matches = self._counts, self._matches
        for start in range(0, len(visitors), FILL_SLICE):
            for visitor in filter(matches, visitors[start : start + FILL_SLICE]):
                counts[visitor.status] += 1
            self._shown = None
            yield

    def shown(self) -> dict[Status, int]:
        """The counts as of now; the same object until one of them changes."""
        if self._shown is None:
            # While they are filled, somebody may have gone who has not been counted yet.
            self._shown = {status: max(0, count) for status, count in self._counts.items()}
        return self._shown

    def _passes(self, visitor: Visitor) -> bool:
        return self._matches is None or self._matches(visitor)
