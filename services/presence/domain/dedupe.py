"""Has this event of this tab been seen? Remembered as the highest number and the bounded holes below it.

A tab numbers its events; they may arrive twice, in any order and over two transports. A number is new if it is above
the highest one or fills a hole. Read :func:`accept`.
"""

from __future__ import annotations

# Numbers that may still be on their way. A tab queues 50 events at most; when more than 256 are missing, the oldest
# ones are given up (taken as seen), so that a jump of the counter cannot fill the memory.
MAX_HOLES = 256

Seen = tuple[int, tuple[int, ...]]  # highest number, holes as a flat run of pairs (first, last), ascending


def accept(top: int, holes: tuple[int, ...], n: int) -> Seen | None:
    """What has been seen once `n` is; None if it has been seen already."""
    if n == top + 1:
        return n, holes
    if n > top:
        return n, _bounded((*holes, max(top + 1, n - MAX_HOLES), n - 1))
    for i in range(0, len(holes), 2):
        first, last = holes[i], holes[i + 1]
        if first <= n <= last:
            before = (first, n - 1) if first < n else ()
            after = (n + 1, last) if n < last else ()
            return top, (*holes[:i], *before, *after, *holes[i + 2 :])
    return None


def _bounded(holes: tuple[int, ...]) -> tuple[int, ...]:
    """The highest `MAX_HOLES` of the missing numbers."""
    room = MAX_HOLES
    for i in range(len(holes) - 2, -1, -2):
        size = holes[i + 1] - holes[i] + 1
        if size >= room:
            return (holes[i + 1] - room + 1, *holes[i + 1 :])
        room -= size
    return holes
