"""What others read of engagements, beside rows and histories: operators' desks and bans, as differences.

Both follow from the engagement alone, so what is written is the difference of before and after: nothing can be
forgotten, and a batch costs what it changes. Read :func:`record_writes`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from services.chat_routing.domain.bans import ban_of
from services.chat_routing.domain.engagement import Engagement, offers, status, with_operators
from services.chat_routing.domain.turn import offer_made
from shared.contracts.chat_records import DeskLine
from shared.contracts.sites import Site
from shared.domain.partitions import Partition
from shared.storage.engagements import put_ban, put_desk_line
from shared.storage.writes import Write

_encode = msgspec.msgpack.Encoder().encode


def desk_lines(engagement: Engagement | None, site: Site) -> dict[str, DeskLine]:
    """By operator: the chat that it is in (or has invited to), and what it is asked."""
    if engagement is None:
        return {}
    seen, there = status(engagement.phase), with_operators(engagement.phase)
    lines = {one.id: DeskLine(seen, engagement.chat, there) for one in there}
    for offer in offers(engagement.phase):
        made = offer_made(offer, engagement, site.settings)
        line = lines.get(offer.operator, DeskLine(seen))
        lines[offer.operator] = msgspec.structs.replace(line, offer=made)
    return lines


def record_writes(
    partition: Partition,
    site: Site,
    before: Mapping[str, Engagement],
    after: Mapping[str, Engagement],
    changed: Iterable[str],
) -> list[Write]:
    """The writes for the engagements that changed."""
    writes: list[Write] = []
    for visitor in changed:
        old, new = before.get(visitor), after.get(visitor)
        was, now = desk_lines(old, site), desk_lines(new, site)
        for operator in sorted(was.keys() | now.keys()):
            line = now.get(operator)
            if line != was.get(operator):
                packed = None if line is None else _encode(line)
                writes += put_desk_line(partition, (site.site, operator), visitor, packed)
        ban = ban_of(new)
        if ban != ban_of(old):
            writes += put_ban(partition, site.site, visitor, None if ban is None else _encode(ban))
    return writes
