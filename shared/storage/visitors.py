"""Presence's keys: reading what a batch touches, and the writes of one visitor.

Three round trips at most load a batch: the live visitors with their sites' numbers, the profiles of those who are not
live, the navigation of the few whose past pages matter. Read :class:`Visitors`, then :func:`visitor_writes`.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from shared.contracts.rows import SEQ_FIELD, Visit
from shared.domain.partitions import Partition
from shared.domain.visitor import StoredView, Visitor, pack_view, unpack_view
from shared.domain.visitor_packing import pack_visitor, unpack_visitor
from shared.storage import keys
from shared.storage.clients import Clients
from shared.storage.writes import Write, delete, hdel, hincrby, hset, pexpire, pexpire_once, set_value

_encode_visit = msgspec.msgpack.Encoder().encode
_decode_visit = msgspec.msgpack.Decoder(Visit).decode
Who = tuple[str, str]  # site, visitor
SiteDay = tuple[str, int]  # site, days since the epoch (UTC)
DAY_MS = 86_400_000
DAY_COUNTERS_MS = 400 * DAY_MS  # a year and a month: counts without persons, for reports
# An anonymous visitor's events may be repeated this much later; then nothing is known any more.
ANONYMOUS_MEMORY_MS = 120_000
NAVIGATION_SLACK_MS = 60_000  # the navigation outlives the visit gap a little, so that a visit continued has its pages


@dataclass(slots=True)
class SiteNumbers:
    """A site's hash `m:`: last sequence number and visitor number given, visitors live now."""

    seq: int = 0
    number: int = 0
    live: int = 0


@dataclass(frozen=True, slots=True)
class PastVisit:
    """A finished visit, packed, the visitor's `number`th."""

    number: int
    packed: bytes
    retention_ms: int


@dataclass(frozen=True, slots=True)
class Loaded:
    """What the first round trip found. A visitor who is not live is not in `live`."""

    live: dict[Who, Visitor] = field(default_factory=dict)
    sites: dict[str, SiteNumbers] = field(default_factory=dict)
    collectors: dict[str, int] = field(default_factory=dict)


class Visitors:
    """Reads of presence's keys in one partition."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    async def load(self, partition: Partition, wanted: Mapping[str, Sequence[str]]) -> Loaded:
        """The live ones of `wanted` (site -> visitors), the sites' numbers and the collectors. Raises Unavailable."""
        commands: list[tuple[str, ...]] = [("HGETALL", keys.collectors(partition))]
        for site, visitors in wanted.items():
            commands.append(("HMGET", keys.site_meta(partition, site), SEQ_FIELD.decode(), "number", "live"))
            commands.append(("HMGET", keys.visitors(partition, site), *visitors))
        answers = await self._clients.pipeline(commands)
        loaded = Loaded(collectors={name.decode(): int(at_ms) for name, at_ms in pairs(answers[0])})
        for (site, visitors), meta, packed in zip(wanted.items(), answers[1::2], answers[2::2], strict=True):
            loaded.sites[site] = SiteNumbers(*(int(value or 0) for value in meta))
            for visitor, value in zip(visitors, packed, strict=True):
                if value is not None:
                    loaded.live[site, visitor] = unpack_visitor(value)
        return loaded

    async def profiles(self, partition: Partition, who: Sequence[Who]) -> dict[Who, Visitor]:
        """What is kept of visitors who are not live. Raises Unavailable."""
        if not who:
            return {}
        values = await self._clients.call("MGET", *(keys.profile(partition, *one) for one in who))
        return {one: unpack_visitor(value) for one, value in zip(who, values, strict=True) if value is not None}

    async def views(self, partition: Partition, who: Sequence[Who]) -> dict[Who, dict[int, StoredView]]:
        """The stored navigation of `who`. Raises Unavailable."""
        answers = await self._clients.pipeline([("HGETALL", keys.navigation(partition, *one)) for one in who])
        return {
            one: {int(slot): unpack_view(value) for slot, value in pairs(answer)}
            for one, answer in zip(who, answers, strict=True)
        }

    async def bot_names(self, partition: Partition, days: Sequence[SiteDay]) -> dict[SiteDay, set[str]]:
        """Which crawlers have a count on these days already. Raises Unavailable."""
        if not days:
            return {}
        found = await self._clients.pipeline([("HKEYS", keys.bots(partition, *one)) for one in days])
        return {one: {name.decode() for name in names} for one, names in zip(days, found, strict=True)}

    async def with_engagement(self, partition: Partition, who: Sequence[Who]) -> set[Who]:
        """Those of `who` whose row has an engagement part, which chat-routing writes. Raises Unavailable."""
        found = await self._clients.pipeline([("HEXISTS", keys.engagements(partition, s), v) for s, v in who])
        return {one for one, there in zip(who, found, strict=True) if there}


def pairs(answer: Mapping[bytes, bytes] | Sequence[bytes]) -> Iterable[tuple[bytes, bytes]]:
    """HGETALL's answer as pairs, whichever protocol the connection speaks."""
    if isinstance(answer, Mapping):
        return answer.items()
    return zip(answer[::2], answer[1::2], strict=True)


def profile_ttl_ms(visitor: Visitor, retention_ms: int, visit_gap_ms: int) -> int:
    """How long a visitor who left is remembered."""
    if visitor.anonymous:
        return ANONYMOUS_MEMORY_MS
    return retention_ms if visitor.visits else visit_gap_ms


def profile_write(partition: Partition, who: Who, visitor: Visitor, ttl_ms: int) -> Write:
    """Keep what stays of a visitor who is not live."""
    return set_value(keys.profile(partition, *who), pack_visitor(visitor), ttl_ms)


def profile_removal(partition: Partition, who: Who) -> Write:
    """The visitor is live (again): the state has one home."""
    return delete(keys.profile(partition, *who))


def navigation_writes(
    partition: Partition, who: Who, lines: Mapping[int, StoredView], ttl_ms: int | None
) -> list[Write]:
    """Set lines of the navigation and let it all expire after `ttl_ms`; None leaves the expiry as it is."""
    key = keys.navigation(partition, *who)
    fields: dict[str | bytes, str | bytes | int] = {str(slot): pack_view(line) for slot, line in lines.items()}
    return [*hset(key, fields), *([] if ttl_ms is None else [pexpire(key, ttl_ms)])]


def navigation_kept(partition: Partition, who: Who) -> Write:
    """The visit goes on after all: its navigation expires no more."""
    return Write("PERSIST", keys.navigation(partition, *who))


def navigation_removal(partition: Partition, who: Who) -> Write:
    """A new visit begins with an empty navigation."""
    return delete(keys.navigation(partition, *who))


def pack_visit(visit: Visit) -> bytes:
    """A finished visit as it is kept: compressed to a third, for it is kept long and read rarely."""
    return zlib.compress(_encode_visit(visit))


def unpack_visit(packed: bytes) -> Visit:
    """What :func:`pack_visit` was given. Raises zlib.error and msgspec.MsgspecError."""
    return _decode_visit(zlib.decompress(packed))


def visit_writes(partition: Partition, who: Who, visit: PastVisit, most: int) -> list[Write]:
    """Put a visit into the history, which keeps `most`; writing it again replaces it."""
    writes = [set_value(keys.visit(partition, *who, visit.number), visit.packed, visit.retention_ms)]
    if visit.number > most:
        writes.append(delete(keys.visit(partition, *who, visit.number - most)))
    return writes


def erasure(partition: Partition, who: Who, visits: int, most: int) -> list[Write]:
    """Remove everything that is stored of a visitor who was here `visits` times."""
    past = range(max(1, visits - most + 1), visits + 1)
    return [
        *hdel(keys.visitors(partition, who[0]), [who[1]]),
        delete(keys.profile(partition, *who)),
        delete(keys.navigation(partition, *who)),
        *(delete(keys.visit(partition, *who, number)) for number in past),
    ]


def rows_writes(partition: Partition, site: str, present: Mapping[str, Visitor], gone: Sequence[str]) -> list[Write]:
    """The live visitors of one site that changed, and those who left."""
    key = keys.visitors(partition, site)
    fields: dict[str | bytes, str | bytes | int] = {name: pack_visitor(visitor) for name, visitor in present.items()}
    return [*hdel(key, gone), *hset(key, fields)]


def site_writes(partition: Partition, site: str, numbers: SiteNumbers) -> list[Write]:
    """The site's numbers as of this commit."""
    fields: dict[str | bytes, str | bytes | int] = {
        SEQ_FIELD: numbers.seq,
        "number": numbers.number,
        "live": numbers.live,
    }
    return hset(keys.site_meta(partition, site), fields)


def day_writes(partition: Partition, site: str, now_ms: int, counts: Mapping[str, int]) -> list[Write]:
    """Add to the site's counts of today."""
    key = keys.site_day(partition, site, now_ms // DAY_MS)
    writes = [hincrby(key, name, amount) for name, amount in counts.items() if amount]
    return [*writes, pexpire_once(key, DAY_COUNTERS_MS)] if writes else []


def collector_writes(partition: Partition, signs: Mapping[str, int], lost: Sequence[str]) -> list[Write]:
    """When collectors were last heard of; `lost` are forgotten."""
    key = keys.collectors(partition)
    fields: dict[str | bytes, str | bytes | int] = {name: at_ms for name, at_ms in signs.items()}  # noqa: C416
    return [*hset(key, fields), *hdel(key, lost)]
