"""Cost of a change and of a flush in the view engine, by the number of visitors on the site.

    python -m bench.gateway_views [--changes 2000]

For sites of 1,000, 10,000 and 100,000 visitors: one row goes to another page (the list is sorted by page, so it moves
in the index), and one view of 50 rows is brought up to date and compared with the window before. Beside it, in the same
run, what a plain `sorted` of the whole list costs for each change. Microseconds of processor time, the median of five.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Callable

import msgspec

from services.operator_gateway.views.engine import Group, SiteViews, ViewSpec
from services.operator_gateway.views.ordering import natural_key
from services.operator_gateway.views.visitors import SiteFacts
from services.operator_gateway.views.window import difference
from shared.contracts.operators import Filter, Sort
from shared.contracts.rows import Device, Page, PresenceRow
from shared.contracts.streams import RowChanged

SIZES = (1_000, 10_000, 100_000)
ROUNDS = 5


def visitor_id(number: int) -> str:
    """A uuid-shaped id."""
    return f"00000000-0000-4000-8000-{number:012d}"


def site(size: int) -> SiteViews:
    """A site with that many visitors."""
    views = SiteViews(SiteFacts(), "bench")
    for number in range(1, size + 1):
        row = PresenceRow(
            version=1, number=number, nickname=f"Visitor {number}", named=False, returning=False, visits=1,
            country="DE", activity="active", visit_started_at=number, page=Page("https://shop.example/", "Home"),
            pages=1, device=Device("Firefox", "Linux", "desktop"),
        )  # fmt: skip
        fields = {name: value for name, value in msgspec.to_builtins(row).items() if name != "version"}
        views.replica.apply("presence", RowChanged("s", number, visitor_id(number), number, fields, full=True))
    return views


def microseconds(work: Callable[[], object], times: int) -> float:
    """The median over the rounds of one call's processor time."""
    rounds = []
    for _ in range(ROUNDS):
        start = time.process_time()
        for _ in range(times):
            work()
        rounds.append((time.process_time() - start) / times * 1e6)
    return statistics.median(rounds)


def opened(views: SiteViews) -> Group:
    """A view of the first 50 by page, filled."""
    group = views.join(ViewSpec(Sort("page", "asc"), Filter(), 0, 50))
    while views.fill():
        pass
    group.advance(views.replica, views.facts)
    return group


def measured(size: int, changes: int) -> tuple[float, float, float]:
    """Microseconds of a change, of a flush after a change in the window, and of sorting everything."""
    views, dice = site(size), random.Random(1)
    group = opened(views)
    seq = size

    def change(number: int | None = None) -> None:
        nonlocal seq
        seq += 1
        page = {"url": "https://shop.example/", "title": f"Product {dice.randrange(10_000)}"}
        number = number or dice.randrange(1, size + 1)
        views.replica.apply("presence", RowChanged("s", seq, visitor_id(number), seq, {"page": page}))

    def change_and_flush() -> None:
        before = group.window
        first = views.replica.get(group.window.ids[0])
        change(first.presence.number if first else 1)
        views.flush()
        difference(before, group.window)

    def sort_all() -> None:
        sorted((natural_key(visitor.presence.page.title), visitor.presence.number) for visitor in views.replica)

    one = microseconds(change, changes)
    views.flush()
    return one, microseconds(change_and_flush, changes) - one, microseconds(sort_all, max(1, 20_000 // size))


def main() -> None:
    """Print a line for each size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--changes", type=int, default=2000)
    options = parser.parse_args()
    for size in SIZES:
        change, flush, everything = measured(size, options.changes)
        print(
            f"{size:7,} visitors: change {change:6.1f} us, flush and difference {flush:6.1f} us, "
            f"sorting everything {everything:10.1f} us (x{everything / (change + flush):.0f})"
        )


if __name__ == "__main__":
    main()
