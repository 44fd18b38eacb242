"""Makers of rows and changes, and a client that applies deltas as CONTRACT says."""

from __future__ import annotations

import uuid
from typing import Any

import msgspec

from services.operator_gateway.views.window import Difference
from shared.contracts.operators import ViewDelta
from shared.contracts.rows import Device, EngagementRow, Page, PresenceRow
from shared.contracts.streams import RowChanged

SITE = "s_00000001"


def visitor_id(number: int) -> str:
    return str(uuid.UUID(int=number * 2**64 + 7))


def presence(number: int, **fields: Any) -> PresenceRow:
    base: dict[str, Any] = {
        "version": 1,
        "number": number,
        "nickname": f"Visitor {number}",
        "named": False,
        "returning": False,
        "visits": 1,
        "country": "DE",
        "activity": "active",
        "visit_started_at": 1_000_000 + number,
        "page": Page("https://shop.test/", "Home"),
        "pages": 1,
        "device": Device("Firefox", "Linux", "desktop"),
    }
    return PresenceRow(**{**base, **fields})


def engagement(**fields: Any) -> EngagementRow:
    return EngagementRow(**{"version": 1, "status": "requested", **fields})


def full(visitor: str, seq: int, row: PresenceRow | EngagementRow) -> RowChanged:
    fields = msgspec.to_builtins(row)
    del fields["version"]
    return RowChanged(SITE, seq, visitor, row.version, fields, full=True)


class Client:
    """Holds a window as a browser does: plain values, changed only by what arrives."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.total = 0
        self.counts: dict[str, int] = {}
        self.epoch = ""
        self.seq = 0

    def take_state(self, state: dict[str, Any]) -> None:
        known = {row["visitor"]: row for row in self.rows} | {row["visitor"]: row for row in state["rows"]}
        order = state.get("order")
        self.rows = [known[visitor] for visitor in order] if order is not None else list(state["rows"])
        self.total, self.counts = state["total"], state["counts"]
        self.epoch, self.seq = state["epoch"], state["seq"]

    def have(self) -> list[list[Any]]:
        return [[row["visitor"], row["version"]] for row in self.rows]

    def take_delta(self, delta: dict[str, Any]) -> bool:
        """False if this delta does not follow what is here: the client must ask again."""
        if delta["epoch"] != self.epoch or delta["prev"] != self.seq:
            return False
        gone = set(delta.get("remove", ()))
        assert gone <= {row["visitor"] for row in self.rows}
        self.rows = [row for row in self.rows if row["visitor"] not in gone]
        for position, row in delta.get("insert", ()):
            assert 0 <= position <= len(self.rows)
            self.rows.insert(position, dict(row))
        by_id = {row["visitor"]: row for row in self.rows}
        for visitor, version, fields in delta.get("update", ()):
            row = by_id[visitor]
            row["version"] = version
            for name, value in fields.items():
                if value is None:
                    row.pop(name, None)
                else:
                    row[name] = value
        for visitor, position in delta.get("move", ()):
            at = next(index for index, row in enumerate(self.rows) if row["visitor"] == visitor)
            self.rows.insert(position, self.rows.pop(at))
        self.total = delta.get("total", self.total)
        self.counts = delta.get("counts", self.counts)
        self.seq = delta["seq"]
        return True


def delta_of(epoch: str, prev: int, seq: int, parts: Difference) -> ViewDelta:
    return ViewDelta(epoch=epoch, prev=prev, seq=seq, **msgspec.structs.asdict(parts))


def as_wire(delta: ViewDelta) -> dict[str, Any]:
    decoded: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(delta))
    return decoded
