"""Values that many rows have in common, kept once.

A hundred thousand visitors have a few hundred devices, languages and countries between them; as they come out of the
decoder each row brings copies of its own, a third of what the row weighs. Read :meth:`Pool.shared`.
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import force_setattr

from shared.contracts.rows import PresenceRow

MAX_POOLED = 20_000  # values; then the pool begins anew and rows share from there on
_FIELDS = ("device", "country", "lang", "referrer", "campaign", "source")
_NO_ATTRS: dict[str, str] = {}  # rows are frozen and nobody writes to their attributes


class Pool:
    """The common values of one site."""

    def __init__(self) -> None:
        self._values: dict[Any, Any] = {}

    def shared(self, row: PresenceRow) -> PresenceRow:
        """The same row, just decoded and nobody else's yet, with its common values replaced by their equals."""
        values = self._values
        if len(values) > MAX_POOLED:
            values.clear()
        for name in _FIELDS:
            value = getattr(row, name)
            force_setattr(row, name, values.setdefault(value, value))
        if not row.attrs:
            force_setattr(row, "attrs", _NO_ATTRS)
        return row
