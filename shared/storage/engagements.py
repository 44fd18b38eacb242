"""What chat-routing reads from Redis and the writes that it puts into a commit. One writer: the partition's owner.

An engagement's state has one home: `ea:` while an operator is held or awaited (all of a site are read together),
`eo:` afterwards (read one by one). The row that others see stands in `g:`. Read :class:`StoredSite` first.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from msgspec import DecodeError

from shared.contracts.chat import OfflineMessageLeft
from shared.contracts.chat_records import decode_done_message, decode_inbox_message
from shared.contracts.notifications import Undelivered, decode_delivery, decode_undelivered
from shared.contracts.rows import SEQ_FIELD
from shared.contracts.sites import Site
from shared.domain.partitions import Partition
from shared.storage import keys
from shared.storage.clients import Clients, RedisClock
from shared.storage.owner import Guess
from shared.storage.visitors import pairs
from shared.storage.writes import Argument, Write, delete, hdel, hset, pexpire, set_value, xadd, zadd, zrem

OperatorKey = tuple[str, str]  # site, operator
SERVICE = "chat_routing"  # names the checkpoint, leases, timers and mark: changing it would begin anew
MAX_INBOX_DONE = 1_000  # messages that were dealt with, shown for reference
INBOX_PAGE = 500  # messages read at a time
PICKUPS_FIELD = b"pickups"
WAITING_LOOK = 50  # visitors looked at in one step when an operator becomes free (some have left)
MAX_TRIGGER_WAITING = 1_000  # visitors of a site; who has waited longest falls out
TRIGGER_WAITING_MS = 3_600_000
OLDER_ANSWERS_MS = 24 * 3_600_000  # from the last one on: whoever repeats a command does so within minutes


@dataclass(frozen=True, slots=True)
class StoredSite:
    """One site's values, packed. `visitors` are presence's; `touched` engagements that are not engaged.

    Where the caller has kept the site, only `touched` and `visitors` are read.
    """

    operators: dict[str, bytes] = field(default_factory=dict)
    engaged: dict[str, bytes] = field(default_factory=dict)
    touched: dict[str, bytes] = field(default_factory=dict)
    visitors: dict[str, bytes] = field(default_factory=dict)
    seq: int = 0
    pickups: bytes | None = None


@dataclass(frozen=True, slots=True)
class Messages:
    """Entries of one visitor's offline messages: those that wait, those that were dealt with, those to be sent out,
    and those that could not be."""

    waiting: list[str] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    leaving: list[str] = field(default_factory=list)
    buried: list[str] = field(default_factory=list)


class EngagementStore:
    """Reads for one step, each in one round trip. Every method raises Unavailable."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self.clock = RedisClock(clients, late=False)

    async def sites(
        self, partition: Partition, wanted: Mapping[str, Collection[str]], kept: Collection[str]
    ) -> dict[str, StoredSite]:
        """These visitors of each site and, except for the sites in `kept`, all its operators and engaged visitors."""
        commands: list[tuple[str | bytes, ...]] = []
        names = {site: list(visitors) for site, visitors in wanted.items()}
        for site, visitors in names.items():
            if visitors:
                commands.append(("HMGET", keys.unengaged(partition, site), *visitors))
                commands.append(("HMGET", keys.visitors(partition, site), *visitors))
            if site not in kept:
                commands.append(("HGETALL", keys.operators(partition, site)))
                commands.append(("HGETALL", keys.engaged(partition, site)))
                commands.append(("HMGET", keys.engagement_meta(partition, site), SEQ_FIELD, PICKUPS_FIELD))
        answers = iter(await self._clients.pipeline(commands))
        found: dict[str, StoredSite] = {}
        for site, visitors in names.items():
            few = StoredSite()
            if visitors:
                few = StoredSite(touched=_present(visitors, next(answers)), visitors=_present(visitors, next(answers)))
            found[site] = few if site in kept else _whole(few, next(answers), next(answers), next(answers))
        return found

    async def rows_of(self, partition: Partition, site: str, visitors: Collection[str]) -> dict[str, bytes]:
        """What presence has of these visitors, as it stands in :attr:`StoredSite.visitors`."""
        if not visitors:
            return {}
        names = list(visitors)
        return _present(names, await self._clients.call("HMGET", keys.visitors(partition, site), *names))

    async def gateway_signs(self, partition: Partition, gateways: Collection[str]) -> dict[str, int]:
        """When each known one of `gateways` last gave a sign of life (ms)."""
        if not gateways:
            return {}
        names = list(gateways)
        answers = await self._clients.call("HMGET", keys.gateways(partition), *names)
        return {name: int(value) for name, value in zip(names, answers, strict=True) if value is not None}

    async def chats_of(self, partition: Partition, site: str, visitor: str) -> list[str]:
        """The chats in the visitor's history."""
        names = await self._clients.call("HKEYS", keys.chats(partition, site, visitor))
        return [name.decode() for name in names]

    async def messages_of(self, partition: Partition, site: str, visitor: str) -> Messages:
        """The visitor's messages in the inbox. Looks through all of it: only for an erasure, which is rare."""
        waiting = [
            entry
            async for entry, packed in self._entries(keys.inbox(partition, site))
            if decode_inbox_message(packed).visitor == visitor
        ]
        done = [
            entry
            async for entry, packed in self._entries(keys.inbox_done(partition, site))
            if decode_done_message(packed).message.visitor == visitor
        ]
        leaving = [
            entry
            async for entry, packed in self._entries(keys.notifications(partition))
            if _about(packed) == (site, visitor)
        ]
        buried = [
            entry
            async for entry, packed in self._entries(keys.dead_notifications(partition))
            if (line := decode_undelivered(packed)).visitor == visitor and line.site == site
        ]
        return Messages(waiting, done, leaving, buried)

    async def buried(
        self, partition: Partition, site: str, entry: str
    ) -> tuple[Undelivered, OfflineMessageLeft | None] | None:
        """A delivery of the site that was given up, and the offline message that it was about, if that is still in the
        inbox or among those dealt with."""
        entries = await self._clients.call("XRANGE", keys.dead_notifications(partition), entry, entry)
        line = decode_undelivered(entries[0][1][b"d"]) if entries else None
        if line is None or line.site != site:
            return None
        return line, await self._message(partition, line) if line.message else None

    async def _message(self, partition: Partition, line: Undelivered) -> OfflineMessageLeft | None:
        async for _, packed in self._entries(keys.inbox(partition, line.site)):
            waiting = decode_inbox_message(packed)
            if (waiting.visitor, waiting.id) == (line.visitor, line.message):
                return waiting
        async for _, packed in self._entries(keys.inbox_done(partition, line.site)):
            done = decode_done_message(packed).message
            if (done.visitor, done.id) == (line.visitor, line.message):
                return done
        return None

    async def _entries(self, key: str) -> AsyncIterator[tuple[str, bytes]]:
        after = "-"
        while True:
            entries = await self._clients.call("XRANGE", key, after, "+", "COUNT", INBOX_PAGE)
            for entry, fields in entries:
                yield entry.decode(), fields[b"d"]
            if len(entries) < INBOX_PAGE:
                return
            after = f"({entries[-1][0].decode()}"

    async def older_answers(
        self, partition: Partition, wanted: Mapping[tuple[str, str], Collection[bytes]]
    ) -> dict[tuple[str, str], list[bytes]]:
        """Of these fields among the older answers of visitors (site, visitor): those that there are."""
        commands: list[tuple[str | bytes, ...]] = [
            ("HMGET", keys.older_answers(partition, *who), *fields) for who, fields in wanted.items()
        ]
        answers = await self._clients.pipeline(commands)
        return {who: [value for value in found if value] for who, found in zip(wanted, answers, strict=True)}

    async def trigger_histories(
        self, partition: Partition, visitors: Collection[tuple[str, str]]
    ) -> dict[tuple[str, str], bytes]:
        """What triggers have done to these visitors (site, visitor), packed; nothing of who was never invited."""
        names = list(visitors)
        commands = [("GET", keys.trigger_history(partition, *who)) for who in names]
        answers = await self._clients.pipeline(commands) if commands else []
        return {who: value for who, value in zip(names, answers, strict=True) if value is not None}

    async def trigger_waiting(self, partition: Partition, site: str) -> list[str]:
        """Some visitors for whom no operator was free when a trigger fitted, the latest first."""
        key = keys.trigger_waiting(partition, site)
        return [name.decode() for name in await self._clients.call("ZREVRANGE", key, 0, WAITING_LOOK - 1)]

    async def connected_through(self, partition: Partition, gateway: str) -> list[OperatorKey]:
        """The operators who may have a connection on `gateway`."""
        fields = await self._clients.call("HKEYS", keys.gateway_operators(partition, gateway))
        return [(site, operator) for site, _, operator in (field.decode().partition(" ") for field in fields)]


def _about(packed: bytes) -> tuple[str, str] | None:
    """Whom a delivery is about; one that cannot be read must not keep anybody from being erased."""
    try:
        return decode_delivery(packed).about
    except DecodeError:
        return None


def _whole(few: StoredSite, operators: Any, engaged: Any, meta: list[bytes | None]) -> StoredSite:
    return replace(
        few,
        operators={name.decode(): value for name, value in pairs(operators)},
        engaged={name.decode(): value for name, value in pairs(engaged)},
        seq=int(meta[0] or 0),
        pickups=meta[1],
    )


def _present(names: list[str], values: list[bytes | None]) -> dict[str, bytes]:
    return {name: value for name, value in zip(names, values, strict=False) if value is not None}


def _fields(values: Mapping[str, bytes]) -> dict[str | bytes, Argument]:
    return {name: value for name, value in values.items()}  # noqa: C416  # a mapping of a wider type


def put_operators(partition: Partition, site: str, values: Mapping[str, bytes]) -> list[Write]:
    """Store operators' values."""
    return hset(keys.operators(partition, site), _fields(values))


def drop_operators(partition: Partition, site: str, operators: Iterable[str]) -> list[Write]:
    """Forget operators."""
    return hdel(keys.operators(partition, site), operators)


def put_engagements(
    partition: Partition, site: str, engaged: Mapping[str, bytes], unengaged: Mapping[str, bytes], gone: Iterable[str]
) -> list[Write]:
    """Store states, each in its one home; `gone` are forgotten."""
    forgotten = list(gone)
    return [
        *hset(keys.engaged(partition, site), _fields(engaged)),
        *hset(keys.unengaged(partition, site), _fields(unengaged)),
        *hdel(keys.engaged(partition, site), [*unengaged, *forgotten]),
        *hdel(keys.unengaged(partition, site), [*engaged, *forgotten]),
    ]


def put_older_answers(
    partition: Partition, key: tuple[str, str], values: Mapping[bytes, bytes], *, anew: bool
) -> list[Write]:
    """Keep older answers about a visitor (`key`: site, visitor); `anew`: those kept so far go."""
    name = keys.older_answers(partition, *key)
    fields: dict[str | bytes, Argument] = {field: value for field, value in values.items()}  # noqa: C416
    return [*([delete(name)] if anew else []), *hset(name, fields), pexpire(name, OLDER_ANSWERS_MS)]


def drop_older_answers(partition: Partition, site: str, visitor: str) -> Write:
    """Forget the older answers about a visitor."""
    return delete(keys.older_answers(partition, site, visitor))


def put_rows(partition: Partition, site: str, rows: Mapping[str, bytes], gone: Iterable[str], seq: int) -> list[Write]:
    """Store the rows that others see, with the sequence number as of them."""
    key, meta = keys.engagements(partition, site), keys.engagement_meta(partition, site)
    return [*hset(key, _fields(rows)), *hdel(key, gone), *hset(meta, {SEQ_FIELD: seq})]


def put_pickups(partition: Partition, site: str, packed: bytes) -> list[Write]:
    """Store when visitors of each skill were lately engaged."""
    return hset(keys.engagement_meta(partition, site), {PICKUPS_FIELD: packed})


def add_lines(partition: Partition, chat: str, lines: Iterable[tuple[int, bytes]], ttl_ms: int) -> list[Write]:
    """Append to a transcript; the entry's id is the line's seq. It is kept for `ttl_ms` from its last line on."""
    key = keys.transcript(partition, chat)
    return [*(xadd(key, packed, entry_id=f"{seq}-0") for seq, packed in lines), pexpire(key, ttl_ms)]


def put_summary(
    partition: Partition, key: tuple[str, str], chat: str, packed: bytes, *, began_ms: int, now_ms: int, ttl_ms: int
) -> list[Write]:
    """Store a chat's line in the history of its visitor (`key`: site, visitor) and of the site; old ones fall out."""
    history, listed = keys.chats(partition, *key), keys.site_chats(partition, key[0])
    return [
        *hset(history, {chat: packed}),
        pexpire(history, ttl_ms),
        *zadd(listed, {chat.encode(): began_ms}),
        Write("ZREMRANGEBYSCORE", listed, ("-inf", now_ms - ttl_ms)),
    ]


def erase_chats(partition: Partition, key: tuple[str, str], chats: Iterable[str]) -> list[Write]:
    """Remove these chats of a visitor (`key`: site, visitor) with their transcripts, and the history."""
    names = list(chats)
    return [
        *(delete(keys.transcript(partition, chat)) for chat in names),
        *(delete(keys.reads(partition, chat)) for chat in names),
        *zrem(keys.site_chats(partition, key[0]), names),
        delete(keys.chats(partition, *key)),
        delete(keys.visitor_side(partition, *key)),
        delete(keys.trigger_history(partition, *key)),
        delete(keys.older_answers(partition, *key)),
        *zrem(keys.trigger_waiting(partition, key[0]), [key[1]]),
    ]


def put_trigger_history(partition: Partition, key: tuple[str, str], packed: bytes, ttl_ms: int) -> Write:
    """Store what triggers have done to a visitor (`key`: site, visitor)."""
    return set_value(keys.trigger_history(partition, *key), packed, ttl_ms)


def put_trigger_waiting(partition: Partition, site: str, since: Mapping[bytes, int], no_more: list[str]) -> list[Write]:
    """Store who waits for a free operator since when, and who does so no longer."""
    key = keys.trigger_waiting(partition, site)
    writes = zrem(key, no_more)
    if since:
        writes += [*zadd(key, since), Write("ZREMRANGEBYRANK", key, (0, -MAX_TRIGGER_WAITING - 1))]
        writes.append(pexpire(key, TRIGGER_WAITING_MS))
    return writes


def put_desk_line(partition: Partition, key: OperatorKey, visitor: str, packed: bytes | None) -> list[Write]:
    """Store what the operator has to do with the visitor; None: nothing any more."""
    name = keys.desk(partition, *key)
    return hdel(name, [visitor]) if packed is None else hset(name, {visitor: packed})


def put_ban(partition: Partition, site: str, visitor: str, packed: bytes | None) -> list[Write]:
    """Store or forget a ban."""
    name = keys.bans(partition, site)
    return hdel(name, [visitor]) if packed is None else hset(name, {visitor: packed})


def finish_message(partition: Partition, site: Site, entry: str, packed: bytes) -> list[Write]:
    """Take a message out of the inbox and keep it among those that are done."""
    key = keys.inbox_done(partition, site.site)
    return [
        Write("XDEL", keys.inbox(partition, site.site), (entry,)),
        xadd(key, packed, MAX_INBOX_DONE),
        pexpire(key, site.settings.retention_ms),
    ]


def erase_messages(partition: Partition, site: str, messages: Messages) -> list[Write]:
    """Remove these messages from the inbox and from what is to be sent."""
    writes = []
    if messages.waiting:
        writes.append(Write("XDEL", keys.inbox(partition, site), tuple(messages.waiting)))
    if messages.done:
        writes.append(Write("XDEL", keys.inbox_done(partition, site), tuple(messages.done)))
    if messages.leaving:
        writes.append(Write("XDEL", keys.notifications(partition), tuple(messages.leaving)))
    if messages.buried:
        writes.append(Write("XDEL", keys.dead_notifications(partition), tuple(messages.buried)))
    return writes


def put_mark(partition: Partition, mark: str) -> Write:
    """Store the mark of this commit."""
    return set_value(keys.commit_mark(SERVICE, partition), mark.encode())


def guess_mark(partition: Partition, mark: str, on_wrong: Callable[[], None]) -> Guess | None:
    """The step rests on what is kept since the commit with `mark`; None if on nothing."""
    return Guess(keys.commit_mark(SERVICE, partition), mark, on_wrong) if mark else None


def put_gateway(partition: Partition, gateway: str, sign_ms: int) -> list[Write]:
    """Store a gateway's last sign of life."""
    return hset(keys.gateways(partition), {gateway: sign_ms})


def drop_gateway(partition: Partition, gateway: str) -> list[Write]:
    """Forget a gateway and who was connected through it."""
    return [*hdel(keys.gateways(partition), [gateway]), delete(keys.gateway_operators(partition, gateway))]


def link(partition: Partition, gateway: str, operators: Iterable[OperatorKey]) -> list[Write]:
    """Note that these operators have connections on `gateway`."""
    return hset(keys.gateway_operators(partition, gateway), {f"{s} {o}": 1 for s, o in operators})


def unlink(partition: Partition, gateway: str, operators: Iterable[OperatorKey]) -> list[Write]:
    """Note that these operators have none there any more."""
    return hdel(keys.gateway_operators(partition, gateway), [f"{s} {o}" for s, o in operators])
