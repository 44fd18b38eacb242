"""Visitors as presence stores them, for benchmarks that need many."""

from __future__ import annotations

from shared.domain.visitor import Tab, View, Visitor
from shared.domain.visitor_packing import pack_visitor


def stored(number: int) -> bytes:
    """A visitor as presence stores one: two tabs' worth of ordinary values."""
    url = f"https://www.shop.example/department/{number % 40}/products/{number}?campaign=autumn"
    view = View(number.to_bytes(16, "big"), url, f"Product {number} in department {number % 40}", 1)
    return pack_visitor(
        Visitor(
            number=number, version=number, live=True, visits=1 + number % 5, pages=1 + number % 9,
            visit_started_at=1_700_000_000_000 + number, country=("DE", "AT", "CH", "US", "GB")[number % 5],
            lang="de-DE", browser="Firefox", os="Windows", kind="desktop", referrer="https://search.example/",
            tabs=(Tab(b"t" * 16, view=view, seen_at=1),),
        )
    )  # fmt: skip
