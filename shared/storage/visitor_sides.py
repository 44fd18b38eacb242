"""What a visitor's browser finds when it comes (back): status, place in the queue, a pending invitation.

Chat-routing writes it with the commit that tells the same on the chat stream (:func:`told_writes`), so a collector
reads one consistent moment (:meth:`VisitorSides.of`) and puts later outcomes on top of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

import msgspec
from msgspec import Struct

from shared.contracts.chat import (
    ChatMarked,
    InviteGone,
    InviteMade,
    OfflineMessageLeft,
    QueuePlace,
    StatusChanged,
)
from shared.contracts.streams import StoredOperatorTold, decode_stored_operator_told
from shared.domain.partitions import Partition, Partitions
from shared.storage import keys
from shared.storage.clients import Clients
from shared.storage.visitors import pairs
from shared.storage.writes import Write, hdel, hset, pexpire, xadd

# How long a chat that is over can still be caught up with, and how long one that goes on may stay without any change.
OVER_MS: Final = 3_600_000
ONGOING_MS: Final = 7 * 24 * 3_600_000
INBOX_LENGTH: Final = 10_000  # messages of a site; older ones fall out
GROUP_SIZE = 200  # sides in one read: about 1 ms of Redis
STATUS, PLACE = "status", "place"
VISITOR = "v"  # among those who have read a chat

_encode = msgspec.msgpack.Encoder().encode
_decode_status = msgspec.msgpack.Decoder(StatusChanged).decode
_decode_place = msgspec.msgpack.Decoder(QueuePlace).decode
_decode_invite = msgspec.msgpack.Decoder(InviteMade).decode


class Side(Struct, frozen=True):
    """One visitor's side as of entry `top` of the partition's chat stream. Nothing: the visitor just navigates.

    `mark` differs whenever status, place or invitation differ.
    """

    top: str
    status: StatusChanged | None = None
    place: QueuePlace | None = None
    invite: InviteMade | None = None
    mark: bytes = b""


class VisitorSides:
    """Reads sides. Every method raises Unavailable."""

    def __init__(self, clients: Clients, partitions: Partitions) -> None:
        self._clients = clients
        self._partitions = partitions
        self._waiting: dict[Partition, list[tuple[str, str, asyncio.Future[Side]]]] = {}
        self._readers: dict[Partition, asyncio.Task[None]] = {}

    async def of(self, site: str, visitor: str) -> Side:
        """The visitor's side now. Whoever asks while a read is under way shares the next one: after an outage all
        visitors say hello at once."""
        partition = self._partitions.of(site)
        side: asyncio.Future[Side] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(partition, []).append((site, visitor, side))
        if partition not in self._readers:
            self._readers[partition] = asyncio.create_task(self._read(partition))
        return await side

    async def _read(self, partition: Partition) -> None:
        try:
            while waiting := self._waiting.pop(partition, None):
                for start in range(0, len(waiting), GROUP_SIZE):
                    group = [one for one in waiting[start : start + GROUP_SIZE] if not one[2].done()]
                    if group:
                        await self._read_group(partition, group)
        finally:
            del self._readers[partition]

    async def _read_group(self, partition: Partition, group: list[tuple[str, str, asyncio.Future[Side]]]) -> None:
        names = [keys.stream("chat", partition), keys.invitations(partition)]
        names += [keys.visitor_side(partition, site, visitor) for site, visitor, _ in group]
        try:
            found = await self._clients.script("visitor_side", names, [_field(s, v) for s, v, _ in group])
            top, sides = found[0].decode(), zip(found[1::3], found[2::3], found[3::3], strict=True)
            answers: list[Side | Exception] = [_side(top, *one) for one in sides]
        except Exception as fault:
            answers = [fault] * len(group)
        for (_, _, side), answer in zip(group, answers, strict=True):
            if side.done():  # nobody waits any more
                continue
            if isinstance(answer, Exception):
                side.set_exception(answer)
            else:
                side.set_result(answer)

    async def invitations(self, partition: Partition) -> list[InviteMade]:
        """All invitations of the partition that wait for an answer: at most one for each slot of an operator."""
        stored = await self._clients.call("HGETALL", keys.invitations(partition))
        return [_decode_invite(packed) for _, packed in pairs(stored)]

    async def operators(self, site: str) -> list[StoredOperatorTold]:
        """The site's operators as last told; who is not among them is offline."""
        stored = await self._clients.call("HGETALL", keys.operators(self._partitions.of(site), site))
        return [decode_stored_operator_told(packed) for _, packed in pairs(stored)]


def _side(top: str, status: bytes, place: bytes, invite: bytes) -> Side:
    if not status and not invite:
        return Side(top)
    return Side(
        top,
        _decode_status(status) if status else None,
        _decode_place(place) if place else None,
        _decode_invite(invite) if invite else None,
        status + b"\0" + place + b"\0" + invite,
    )


def told_writes(partition: Partition, outcomes: Iterable[Struct], retention_ms: Callable[[str], int]) -> list[Write]:
    """What follows for the stored sides and inboxes from the outcomes of one commit, in their order."""
    writes: list[Write] = []
    for outcome in outcomes:
        match outcome:
            case StatusChanged(site=site, visitor=visitor):
                key = keys.visitor_side(partition, site, visitor)
                writes += hset(key, {STATUS: _encode(outcome)})
                writes += hdel(key, [PLACE])
                writes.append(pexpire(key, OVER_MS if outcome.status == "navigating" else ONGOING_MS))
            case QueuePlace(site=site, visitor=visitor):
                key = keys.visitor_side(partition, site, visitor)
                writes += hset(key, {PLACE: _encode(outcome)})
                writes.append(pexpire(key, ONGOING_MS))
            case ChatMarked(read=int(seq), site=site, by=by):
                key = keys.reads(partition, outcome.chat)
                # GT: a window that is behind does not take back what was read in another one.
                writes.append(Write("ZADD", key, ("GT", seq, by.id if by.kind == "operator" else VISITOR)))
                writes.append(pexpire(key, retention_ms(site)))
            case InviteMade(site=site, visitor=visitor):
                writes += hset(keys.invitations(partition), {_field(site, visitor): _encode(outcome)})
            case InviteGone(site=site, visitor=visitor):
                writes += hdel(keys.invitations(partition), [_field(site, visitor)])
            case OfflineMessageLeft(site=site):
                key, kept_ms = keys.inbox(partition, site), retention_ms(site)
                writes.append(xadd(key, _encode(outcome), INBOX_LENGTH))
                writes.append(Write("XTRIM", key, ("MINID", max(0, outcome.at - kept_ms))))
                writes.append(pexpire(key, kept_ms))
            case _:
                continue
    return writes


def _field(site: str, visitor: str) -> str:
    return f"{site} {visitor}"
