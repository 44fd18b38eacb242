"""Sites kept in memory from one step to the next, so that one message does not load a site's thousand chats.

Nothing rests on it: every commit of a partition writes a mark of its own, and what is kept counts only while the mark
in Redis is the one of our last commit that we know to be done. The commit itself compares it, so nothing has to be
asked beforehand. Another owner, a lost reply or a Redis that lost data changes the mark or takes it away: then the
commit writes nothing, :meth:`Kept.forget` is called, and the step is made again with everything read anew. Read
:meth:`Kept.of`.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from services.chat_routing.domain.engagement import Engagement
from services.chat_routing.domain.floor import Floor
from services.chat_routing.domain.operators import OperatorPresence
from shared.domain.partitions import Partition

MAX_RECORDS = 50_000  # of all sites and partitions: some 100 MB; beyond it the sites used longest ago are dropped

Engaged = Mapping[str, Engagement]


@dataclass(frozen=True, slots=True)
class KeptSite:
    """One site as of the end of a step: its operators and engaged visitors.

    `floor` was made of them with the directory as of `version`; None when it has to be made.
    """

    operators: Mapping[str, OperatorPresence] = field(default_factory=dict)
    engaged: Engaged = field(default_factory=dict)
    seq: int = 0
    pickups: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    floor: Floor | None = None
    version: int = -1

    @property
    def size(self) -> int:
        """How many records."""
        return len(self.operators) + len(self.engaged)


@dataclass(slots=True)
class _Partition:
    mark: str
    sites: dict[str, KeptSite] = field(default_factory=dict)


class Kept:
    """What this process knows of the partitions that it owns."""

    def __init__(self) -> None:
        self._partitions: OrderedDict[int, _Partition] = OrderedDict()
        self._nonce = secrets.token_hex(8)
        self._commits = 0

    def of(self, partition: Partition) -> tuple[str, Mapping[str, KeptSite]]:
        """The mark that must be in Redis still, and the sites as of it; empty if nothing is kept."""
        known = self._partitions.get(partition.index)
        if known is None:
            return "", {}
        self._partitions.move_to_end(partition.index)
        return known.mark, known.sites

    def forget(self, partition: Partition) -> None:
        """The mark in Redis is another one."""
        self._partitions.pop(partition.index, None)

    def next_mark(self) -> str:
        """The mark of a commit that is about to be made; no two are alike."""
        self._commits += 1
        return f"{self._nonce}:{self._commits}"

    def promise(self, partition: Partition, mark: str, sites: Mapping[str, KeptSite]) -> Callable[[], None]:
        """What to call once the commit with `mark` is done: these sites were worked on, the others are as before.

        That commit must have compared the mark before.
        """

        def done() -> None:
            before = self._partitions.pop(partition.index, None)
            kept = {**before.sites, **sites} if before is not None else dict(sites)
            self._partitions[partition.index] = _Partition(mark, {site: one for site, one in kept.items() if one.size})
            while len(self._partitions) > 1 and self._size() > MAX_RECORDS:
                self._partitions.popitem(last=False)

        return done

    def _size(self) -> int:
        return sum(site.size for known in self._partitions.values() for site in known.sites.values())
