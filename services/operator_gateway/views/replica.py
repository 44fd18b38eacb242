"""A site's visitors, kept from the log: which changes apply, which are old news, and when something was missed.

Each part numbers its changes of a site without gaps. A change whose number is not the next one means that something
was missed: the replica says so and whoever feeds it reads the site again. A change that is already contained (its
number is not above the last one) is skipped, so everything may be delivered twice. Read :meth:`SiteReplica.apply`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any, Literal, TypeVar

import msgspec

from services.operator_gateway.views.pool import Pool
from services.operator_gateway.views.visitors import Visitor
from shared.contracts.rows import EngagementRow, PresenceRow
from shared.contracts.streams import Part, RowChanged, RowGone

Outcome = Literal["applied", "old", "gap"]
# The visitor before and after, and the only fields that differ if that is known: some of presence's part.
OnChange = Callable[[Visitor | None, Visitor | None, Collection[str] | None], None]

PartRow = TypeVar("PartRow", PresenceRow, EngagementRow)

_PRESENCE_TYPES: dict[str, Any] = {field.name: field.type for field in msgspec.structs.fields(PresenceRow)}
_ENGAGEMENT_TYPES: dict[str, Any] = {field.name: field.type for field in msgspec.structs.fields(EngagementRow)}


class SiteReplica:
    """All visitors of one site. `on_change(old, new, fields)` is told of each one that appears, changes or goes."""

    def __init__(self, on_change: OnChange) -> None:
        self._on_change = on_change
        self._visitors: dict[str, Visitor] = {}
        # Engagements outlive a visitor's absence (a chat waits for its visitor), so they are kept beside the visitors.
        self._engagements: dict[str, EngagementRow] = {}
        self._seq: dict[Part, int] = {"presence": 0, "engagement": 0}
        self._pool = Pool()

    def __len__(self) -> int:
        return len(self._visitors)

    def get(self, visitor: str) -> Visitor | None:
        """The visitor, if on the site now."""
        return self._visitors.get(visitor)

    def visitors(self) -> list[Visitor]:
        """All visitors at this moment."""
        return list(self._visitors.values())

    def __iter__(self) -> Iterator[Visitor]:
        return iter(self._visitors.values())

    def seq(self, part: Part) -> int:
        """The number of the part's last change that is contained."""
        return self._seq[part]

    def apply(self, part: Part, change: RowChanged | RowGone) -> Outcome:
        """Take one change of the log, in the log's order."""
        expected = self._seq[part] + 1
        if change.seq < expected:
            return "old"
        if change.seq > expected:
            return "gap"
        if not self._fold(part, change):
            return "gap"
        self._seq[part] = change.seq
        return "applied"

    def _fold(self, part: Part, change: RowChanged | RowGone) -> bool:
        """False if the change cannot be laid over what is known: as bad as a gap."""
        if isinstance(change, RowGone):
            if part == "presence":
                self._put(change.visitor, None)
            else:
                self._put_engagement(change.visitor, None)
            return True
        if part == "presence":
            return self._fold_presence(change)
        talk = None if change.full else self._engagements.get(change.visitor)
        engagement = _patched(EngagementRow, _ENGAGEMENT_TYPES, talk, change)
        if engagement is None:
            return False
        self._put_engagement(change.visitor, engagement)
        return True

    def _fold_presence(self, change: RowChanged) -> bool:
        """The commonest change by far: one look at what is known, and no more is replaced than differs."""
        known = self._visitors.get(change.visitor)
        base = None if change.full or known is None else known.presence
        row = _patched(PresenceRow, _PRESENCE_TYPES, base, change)
        if row is None:
            return False
        if known is None or change.full:
            self._put(change.visitor, self._pool.shared(row))
            return True
        new = Visitor(known.id, row, known.engagement).follow(known)
        self._visitors[known.id] = new
        self._on_change(known, new, change.fields)
        return True

    def _put(self, visitor: str, presence: PresenceRow | None) -> None:
        old = self._visitors.get(visitor)
        if presence is None:
            if old is not None:
                del self._visitors[visitor]
                self._on_change(old, None, None)
            return
        new = Visitor(visitor if old is None else old.id, presence, self._engagements.get(visitor)).follow(old)
        self._visitors[visitor] = new
        self._on_change(old, new, None)

    def _put_engagement(self, visitor: str, engagement: EngagementRow | None) -> None:
        if engagement is None:
            self._engagements.pop(visitor, None)
        else:
            self._engagements[visitor] = engagement
        old = self._visitors.get(visitor)
        if old is not None:
            new = Visitor(old.id, old.presence, engagement).follow(old)
            self._visitors[visitor] = new
            self._on_change(old, new, None)

    # --- loading: the site as stored, while the log moves on -----------------------------------------------------

    def begin_load(self, presence_seq: int, engagement_seq: int) -> None:
        """Count on from the numbers that were read before the rows were."""
        self._seq = {"presence": presence_seq, "engagement": engagement_seq}

    def load(
        self, presence: Iterable[tuple[str, PresenceRow]], engagements: Iterable[tuple[str, EngagementRow]]
    ) -> None:
        """Lay a slice of stored rows over what is known. What did not change keeps its object and costs nobody."""
        for visitor, engagement in engagements:
            if self._engagements.get(visitor) != engagement:
                self._put_engagement(visitor, engagement)
        for visitor, row in presence:
            known = self._visitors.get(visitor)
            if known is None or known.presence != row:
                self._put(visitor, self._pool.shared(row))

    def retain(self, presence: set[str], engagements: set[str]) -> None:
        """Forget what a complete load did not contain."""
        for visitor in [visitor for visitor in self._visitors if visitor not in presence]:
            self._put(visitor, None)
        for visitor in [visitor for visitor in self._engagements if visitor not in engagements]:
            self._put_engagement(visitor, None)

    def catch_up(self, part: Part, change: RowChanged | RowGone) -> Outcome:
        """Take a change that came while the site was being read: the rows may contain it already.

        What the row's version says is older than the row is skipped; what belongs to a row that is not there is
        skipped, too, for the entry that took the row away comes later. Numbers must still be without gaps.
        """
        expected = self._seq[part] + 1
        if change.seq < expected:
            return "old"
        if change.seq > expected:
            return "gap"
        self._seq[part] = change.seq
        version = self._version(part, change.visitor)
        if change.version <= version:
            return "old"
        if version < 0 and not (isinstance(change, RowChanged) and change.full):
            return "old"
        return "applied" if self._fold(part, change) else "gap"

    def _version(self, part: Part, visitor: str) -> int:
        """The part's version, -1 if there is none."""
        if part == "presence":
            known = self._visitors.get(visitor)
            return known.presence.version if known else -1
        talk = self._engagements.get(visitor)
        return talk.version if talk else -1


def _patched(kind: type[PartRow], types: dict[str, Any], base: PartRow | None, change: RowChanged) -> PartRow | None:
    """`base` with the change's fields, or a new part if the change is full; None if that does not make a valid part."""
    try:
        if change.full:
            return msgspec.convert({**change.fields, "version": change.version}, kind)
        if base is None:
            return None
        fields = {name: msgspec.convert(value, types[name]) for name, value in change.fields.items() if name in types}
    except msgspec.ValidationError:
        return None
    fields["version"] = change.version
    return msgspec.structs.replace(base, **fields)
