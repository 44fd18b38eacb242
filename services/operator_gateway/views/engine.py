"""All views of one site: the replica, the indexes and counters that somebody wants, and the groups of equal views.

Equal views (same sort, filter, offset and limit) are one group: its window is worked out once per flush, however many
operators look. Read :meth:`SiteViews.flush`. Nothing here knows of sockets, tasks or clocks; filling an index is the
only long work and comes as an iterator that the caller advances.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from math import inf

import msgspec

from services.operator_gateway.views.filters import normalized, without_status
from services.operator_gateway.views.index import SortedIndex, StatusCounts
from services.operator_gateway.views.ordering import PositionKey, normalized_sort
from services.operator_gateway.views.replica import SiteReplica
from services.operator_gateway.views.shedding import COUNTERS_EVERY_S, Rounds, Shedding
from services.operator_gateway.views.visitors import SiteFacts, Visitor
from services.operator_gateway.views.window import EMPTY, Window
from shared.contracts.operators import Filter, Sort, SortBy, ViewOpen
from shared.contracts.rows import Row

SPARE = 4  # indexes and counters kept when their last view closes: a console that is loaded again wants the same

IndexKey = tuple[SortBy, Filter]


class ViewSpec(msgspec.Struct, frozen=True):
    """What a view shows; equal specs share a group."""

    sort: Sort
    filter: Filter
    offset: int
    limit: int


def spec_of(request: ViewOpen) -> ViewSpec:
    """The wish of a client in the form in which equal wishes are equal."""
    return ViewSpec(normalized_sort(request.sort), normalized(request.filter), request.offset, request.limit)


def _index_key(spec: ViewSpec) -> IndexKey:
    """Both directions of an order are read from one index."""
    return spec.sort.by, spec.filter


class Group:
    """Equal views. `window` is what everyone was, or is about to be, told as of `seq`."""

    def __init__(self, spec: ViewSpec, index: SortedIndex, counts: StatusCounts) -> None:
        self.spec = spec
        self.index = index
        self.counts = counts
        self.seq = 0
        self.window: Window = EMPTY
        self.before: Window = EMPTY  # the window of `seq` - 1
        self.users = 0
        self._descending = spec.sort.dir == "desc"
        self._bottom: PositionKey | None = None
        self._rounds = Rounds()
        self._told_at_s = -inf  # when members were last told anything
        self._counters_due_s = inf  # when they are to be told that only counters are others now

    @property
    def held(self) -> int:
        """Rows whose change is put off."""
        return self._rounds.held

    @property
    def due_s(self) -> float:
        """When what was put off has to be looked at, changes or not."""
        return min(self._counters_due_s, self._rounds.due_s)

    def advance(
        self, replica: SiteReplica, facts: SiteFacts, now_s: float = inf, shedding: Shedding = Shedding.NOTHING
    ) -> bool:
        """Bring the window up to date; True, with a new `seq`, if it is another one now.

        Without `now_s` nothing is put off. Counters alone are news only every few seconds.
        """
        total, counts = len(self.index), self.counts.shown()
        old = self.window
        rows = old.rows
        if not self.seq or self.held or not self.index.untouched(old.by_id.keys(), self._bottom, self._descending):
            rows = self._rows(replica, facts)
            if self.seq:
                rows = self._rounds.shown(rows, old.by_id, now_s, shedding)
        self._counters_due_s = inf
        if self.seq and _same(rows, old.rows):
            if total == old.total and counts == old.counts:
                return False
            due_s = self._told_at_s + COUNTERS_EVERY_S
            if now_s < due_s:
                self._counters_due_s = due_s
                return False
        self.window, self.before = Window(rows, total, counts), old
        self.seq += 1
        if now_s < inf:
            self._told_at_s = now_s
        return True

    def _rows(self, replica: SiteReplica, facts: SiteFacts) -> tuple[Row, ...]:
        spec = self.spec
        visitors = [replica.get(one) for one in self.index.window(spec.offset, spec.limit, self._descending)]
        present = [visitor for visitor in visitors if visitor is not None]
        self._bottom = self.index.key(present[-1]) if len(present) == spec.limit else None
        return tuple(visitor.row(facts) for visitor in present)


class SiteViews:
    """The views of one site. `epoch` names this replica's life: sequence numbers of another one mean nothing."""

    def __init__(self, facts: SiteFacts, epoch: str) -> None:
        self.facts = facts
        self.epoch = epoch
        self.replica = SiteReplica(self._changed)
        self._indexes: dict[IndexKey, SortedIndex] = {}
        self._counters: dict[Filter, StatusCounts] = {}
        self._groups: dict[ViewSpec, Group] = {}
        self._filling: dict[IndexKey | Filter, Iterator[None]] = {}
        self._spare: dict[IndexKey | Filter, None] = {}
        self.dirty = False
        self.due_s = inf

    @property
    def held(self) -> int:
        """Rows of windows whose change is put off."""
        return sum(group.held for group in self._groups.values())

    @property
    def groups(self) -> int:
        """How many different views there are."""
        return len(self._groups)

    @property
    def entries(self) -> int:
        """How many index entries are held: what memory is bounded by."""
        return sum(len(index) for index in self._indexes.values()) + len(self.replica) * len(self._filling)

    @property
    def complete(self) -> int:
        """How many indexes and counters are complete."""
        return self.kept - len(self._filling)

    @property
    def kept(self) -> int:
        """How many indexes and counters there are."""
        return len(self._indexes) + len(self._counters)

    def has(self, spec: ViewSpec) -> bool:
        """Whether a view like `spec` is open."""
        return spec in self._groups

    def join(self, spec: ViewSpec) -> Group:
        """One more view like `spec`; :meth:`leave` gives it back. Its index may still have to be filled."""
        group = self._groups.get(spec)
        if group is None:
            index, counts = self._index(_index_key(spec)), self._counts(without_status(spec.filter))
            group = self._groups[spec] = Group(spec, index, counts)
        group.users += 1
        return group

    def leave(self, group: Group) -> None:
        """One view less; what nobody wants any more is dropped."""
        group.users -= 1
        if group.users > 0 or self._groups.get(group.spec) is not group:
            return
        del self._groups[group.spec]
        specs = self._groups.keys()
        key = _index_key(group.spec)
        if not any(_index_key(spec) == key for spec in specs):
            self._retire(key)
        facet = without_status(group.spec.filter)
        if not any(without_status(spec.filter) == facet for spec in specs):
            self._retire(facet)

    def _retire(self, key: IndexKey | Filter) -> None:
        """Nobody wants this index or these counters: keep the last few complete ones, drop the oldest."""
        if key in self._filling:
            self._drop(key)
            return
        self._spare[key] = None
        if len(self._spare) > SPARE:
            self._drop(next(iter(self._spare)))

    def _drop(self, key: IndexKey | Filter) -> None:
        self._spare.pop(key, None)
        self._filling.pop(key, None)
        if isinstance(key, Filter):
            self._counters.pop(key, None)
        else:
            self._indexes.pop(key, None)

    def filling(self, group: Group) -> bool:
        """Whether the group's index or counters are still incomplete."""
        spec = group.spec
        return _index_key(spec) in self._filling or without_status(spec.filter) in self._filling

    def fill(self) -> bool:
        """Do one slice of work on an index that is not complete; False if there is none."""
        for key, work in self._filling.items():
            if next(work, _COMPLETE) is _COMPLETE:
                del self._filling[key]
            self.dirty = True
            return True
        return False

    def flush(self, now_s: float = inf, shedding: Shedding = Shedding.NOTHING) -> list[Group]:
        """Bring all groups that somebody was shown up to date: those that changed.

        A group that nobody was shown yet (seq 0) stays so: its index may still be empty. What is put off comes due at
        `due_s`.
        """
        shown = [group for group in self._groups.values() if group.seq]
        changed = [group for group in shown if group.advance(self.replica, self.facts, now_s, shedding)]
        self.due_s = min((group.due_s for group in shown), default=inf)
        for index in self._indexes.values():
            index.flushed()
        self.dirty = False
        return changed

    def _changed(self, old: Visitor | None, new: Visitor | None, fields: Collection[str] | None) -> None:
        self.dirty = True
        for index in self._indexes.values():
            index.change(old, new, fields)
        for counts in self._counters.values():
            counts.change(old, new, fields)

    def _index(self, key: IndexKey) -> SortedIndex:
        self._spare.pop(key, None)
        index = self._indexes.get(key)
        if index is None:
            index = self._indexes[key] = SortedIndex(*key, self.facts)
            self._filling[key] = index.fill(self.replica.visitors())
        return index

    def _counts(self, wish: Filter) -> StatusCounts:
        self._spare.pop(wish, None)
        counts = self._counters.get(wish)
        if counts is None:
            counts = self._counters[wish] = StatusCounts(wish, self.facts)
            self._filling[wish] = counts.fill(self.replica.visitors())
        return counts


_COMPLETE = object()


def _same(left: tuple[Row, ...], right: tuple[Row, ...]) -> bool:
    if left is right:
        return True
    return len(left) == len(right) and all(one is other or one == other for one, other in zip(left, right, strict=True))
