"""Answers that were put aside, between the domain and Redis: which to read for a batch, and what to write after it.

Read :func:`sought` (before the step) and :func:`older_answer_writes` (after it).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import msgspec

from services.chat_routing.domain.answers import Sent, aside_field, is_to_be_sought, put_aside, sent
from services.chat_routing.domain.engagement import Answer, Engagement
from shared.contracts.chat import Command, MarkChat
from shared.contracts.streams import CmdEntry
from shared.domain.partitions import Partition
from shared.storage.engagements import drop_older_answers, put_older_answers
from shared.storage.writes import Write

Who = tuple[str, str]  # site, visitor
Aside = Mapping[Sent, Answer]

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Answer).decode


def sought(entries: Iterable[CmdEntry], engagements: Mapping[Who, Engagement]) -> dict[Who, list[bytes]]:
    """The fields to read: only of long chats, and only for commands that are not among their last ones."""
    wanted: dict[Who, list[bytes]] = {}
    for entry in entries:
        if isinstance(entry, Command) and not isinstance(entry, MarkChat):
            who = (entry.site, entry.visitor)
            engagement = engagements.get(who)
            if engagement is not None and is_to_be_sought(engagement, sent(entry)):
                wanted.setdefault(who, []).append(aside_field(sent(entry)))
    return wanted


def by_site(found: Mapping[Who, Collection[bytes]]) -> dict[str, dict[str, Aside]]:
    """What was read, by site and visitor."""
    sites: dict[str, dict[str, Aside]] = {}
    for (site, visitor), values in found.items():
        answers = [_decode(value) for value in values]
        sites.setdefault(site, {})[visitor] = {(one.by, one.id): one for one in answers}
    return sites


def older_answer_writes(
    partition: Partition,
    site: str,
    stored: Mapping[str, Engagement],
    after: Mapping[str, Engagement],
    changed: Iterable[str],
) -> tuple[list[Write], dict[str, Engagement]]:
    """What to write, and the engagements that carry fewer answers now. A record goes with its engagement."""
    writes: list[Write] = []
    shortened: dict[str, Engagement] = {}
    for visitor in changed:
        engagement, before = after.get(visitor), stored.get(visitor)
        if engagement is None:
            if before is not None and before.aside:
                writes.append(drop_older_answers(partition, site, visitor))
            continue
        new, older = put_aside(engagement)
        if new is not engagement:
            shortened[visitor] = new
        if older:
            values = {aside_field((one.by, one.id)): _encode(one) for one in older}
            writes += put_older_answers(partition, (site, visitor), values, anew=new.aside == len(older))
    return writes, shortened
