"""What the list has to be told: the difference between a visitor's row before and after a commit."""

from __future__ import annotations

from typing import Any

from services.presence.domain.draft import Draft
from shared.contracts.rows import PresenceRow
from shared.contracts.streams import RowChanged, RowGone
from shared.domain.visitor import Visitor, presence_row

# The version stands beside the fields, not among them.
FIELDS = tuple(name for name in PresenceRow.__struct_fields__ if name != "version")


def row_change(site: str, visitor: str, before: Visitor, draft: Draft, seq: int) -> RowChanged | RowGone | None:
    """The change that takes number `seq`, which is the row's version too; None when nothing visible changed."""
    old, new = presence_row(before), presence_row(draft.visitor)
    if new is None:
        return None if old is None else RowGone(site, seq, visitor, seq)
    if old is None or draft.forgotten >= 0:
        return RowChanged(site, seq, visitor, seq, {name: getattr(new, name) for name in FIELDS}, full=True)
    fields: dict[str, Any] = {}
    for name in FIELDS:
        value = getattr(new, name)
        if value != getattr(old, name):
            fields[name] = value
    return RowChanged(site, seq, visitor, seq, fields) if fields else None
