"""What a view shows at one moment, and the difference between two moments.

A window is a value: it can be kept for a client that fell behind at no cost, and the difference from any earlier window
to the present one is always a complete message. Read :func:`difference`; the order in which a client applies the parts
(remove, insert, update, move) is what the positions in it are made for.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from functools import cached_property
from typing import Any
from zlib import crc32

import msgspec
from msgspec import Struct

from shared.contracts.rows import Row, Status

_FIELDS: tuple[str, ...] = tuple(name for name in Row.__struct_fields__ if name not in {"visitor", "version"})


class Window:
    """Rows in order, the number of rows of the whole list, and the counters."""

    def __init__(self, rows: tuple[Row, ...], total: int, counts: dict[Status, int]) -> None:
        self.rows = rows
        self.total = total
        self.counts = counts

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """The visitors in order."""
        return tuple(row.visitor for row in self.rows)

    @cached_property
    def by_id(self) -> dict[str, Row]:
        """The rows by visitor."""
        return {row.visitor: row for row in self.rows}

    @cached_property
    def checksum(self) -> int:
        """CRC-32 over `visitor:version` joined by newlines."""
        return checksum([(row.visitor, row.version) for row in self.rows])

    def lacking(self, have: Sequence[tuple[str, int]]) -> tuple[Row, ...]:
        """The rows that a client with `have` has not got, or has in another version."""
        known = dict(have)
        return tuple(row for row in self.rows if known.get(row.visitor) != row.version)


EMPTY = Window((), 0, {})


class Difference(Struct, frozen=True, kw_only=True):
    """How to get from one window to a later one. `total` and `counts` are None if they are the same."""

    total: int | None
    counts: dict[Status, int] | None
    remove: tuple[str, ...]
    insert: tuple[tuple[int, Row], ...]
    update: tuple[tuple[str, int, dict[str, Any]], ...]
    move: tuple[tuple[str, int], ...]

    def __bool__(self) -> bool:
        return any((self.remove, self.insert, self.update, self.move, self.total is not None, self.counts is not None))


def checksum(rows: Sequence[tuple[str, int]]) -> int:
    """CRC-32 as `view:check` carries it."""
    return crc32("\n".join(f"{visitor}:{version}" for visitor, version in rows).encode())


def difference(old: Window, new: Window) -> Difference:
    """The parts of a delta from `old` to `new`; costs what the window holds, whatever the list holds."""
    total = new.total if new.total != old.total else None
    counts = new.counts if new.counts is not old.counts and new.counts != old.counts else None
    if len(old.rows) == len(new.rows) and all(map(_is, old.rows, new.rows)):
        return Difference(total=total, counts=counts, remove=(), insert=(), update=(), move=())
    remove = tuple(visitor for visitor in old.ids if visitor not in new.by_id)
    current = [visitor for visitor in old.ids if visitor in new.by_id] if remove else list(old.ids)
    insert: list[tuple[int, Row]] = []
    update: list[tuple[str, int, dict[str, Any]]] = []
    for index, row in enumerate(new.rows):
        before = old.by_id.get(row.visitor)
        if before is None:
            at = min(index, len(current))
            current.insert(at, row.visitor)
            insert.append((at, row))
        elif before is not row and before != row:
            update.append((row.visitor, row.version, _changed_fields(before, row)))
    move = moves(current, list(new.ids))
    return Difference(
        total=total, counts=counts, remove=remove, insert=tuple(insert), update=tuple(update), move=tuple(move)
    )


def _is(left: Row, right: Row) -> bool:
    return left is right


def _changed_fields(old: Row, new: Row) -> dict[str, Any]:
    """Fields that differ; None for one that is absent from now on."""
    return {name: value for name in _FIELDS if (value := getattr(new, name)) != getattr(old, name)}


def moves(current: list[str], wanted: list[str]) -> list[tuple[str, int]]:
    """The fewest moves that turn `current` into `wanted`, a permutation of it. `current` is used up.

    One row that changed its place is by far the commonest case and is found without the general method.
    """
    if current == wanted:
        return []
    first = next(index for index, visitor in enumerate(current) if visitor != wanted[index])
    last = next(index for index in range(len(current) - 1, -1, -1) if current[index] != wanted[index])
    if current[first + 1 : last + 1] == wanted[first:last]:
        return [(current[first], last)]
    if current[first:last] == wanted[first + 1 : last + 1]:
        return [(current[last], first)]
    return _general_moves(current, wanted, first, last)


def _general_moves(current: list[str], wanted: list[str], first: int, last: int) -> list[tuple[str, int]]:
    """Rows outside the longest run that is in order already go, from top to bottom, behind their predecessor.

    A row that was put behind its predecessor is never touched again, and what stays stands in the right order among
    itself, so after the last move every row follows its predecessor.
    """
    rank = {visitor: index for index, visitor in enumerate(wanted[first : last + 1])}
    staying = _longest_rising([rank[visitor] for visitor in current[first : last + 1]])
    result: list[tuple[str, int]] = []
    for index in range(first, last + 1):
        visitor = wanted[index]
        if rank[visitor] in staying:
            continue
        current.remove(visitor)
        at = current.index(wanted[index - 1]) + 1 if index else 0
        current.insert(at, visitor)
        result.append((visitor, at))
    return result


def _longest_rising(ranks: list[int]) -> set[int]:
    """The members of a longest rising subsequence (patience sorting, n log n)."""
    tails: list[int] = []
    tail_at: list[int] = []
    before: list[int] = []
    for index, rank in enumerate(ranks):
        pile = bisect_left(tails, rank)
        before.append(tail_at[pile - 1] if pile else -1)
        if pile == len(tails):
            tails.append(rank)
            tail_at.append(index)
        else:
            tails[pile] = rank
            tail_at[pile] = index
    staying: set[int] = set()
    at = tail_at[-1] if tail_at else -1
    while at >= 0:
        staying.add(ranks[at])
        at = before[at]
    return staying


def fields_of(row: Row) -> dict[str, Any]:
    """A row as a client holds it: plain values, absent fields absent."""
    fields: dict[str, Any] = msgspec.to_builtins(row)
    return fields
