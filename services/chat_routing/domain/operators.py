"""Is an operator there? One state per (site, operator), from the set of its open connections on any gateway.

Policy: several tabs, devices and gateways are one operator. While one connection is open the operator is what it chose
(online or away). When the last one is lost it stays so for the grace of the site, for a reload or a dead gateway is
not a person who left; then it is offline. A logout has no grace. Facts may come twice and in any order: the end of a
connection is remembered, so a late announcement of it opens nothing.

Read :func:`fold` first, then :func:`settle` (what the passing of time alone does).
"""

from __future__ import annotations

from typing import Literal, assert_never

from msgspec import Struct
from msgspec.structs import replace

from shared.contracts.sites import Role
from shared.contracts.streams import OperatorConnected, OperatorDisconnected, OperatorSet, OperatorState

GATEWAY_SILENCE_MS = 20_000  # four missed signs at one per 5 s: a pause of garbage or disk is shorter, a death longer
MAX_CONNECTIONS = 32  # of one operator on one site; when full the oldest goes, for it is the likeliest ghost
MAX_ENDED = 64  # ends remembered against late announcements; more than reconnects within one redelivery
FORGET_MS = 24 * 3_600_000  # an offline operator's record says nothing any more after a day

Reason = Literal["", "connected", "connection_lost", "logout", "chosen", "missed"]


class Connection(Struct, frozen=True, array_like=True):
    """One open socket."""

    gateway: str
    connection: str
    since_ms: int


class OperatorPresence(Struct, frozen=True, omit_defaults=True):
    """What is known of one operator on one site. `lost_at_ms` is set while no connection is open.

    `state` is what others were last told; `reason` says why it is so. `version` grows with every told change.
    `chats`, `misses`, `idle_since_ms`: its load, as the floor last had it.
    `seen_ms` is the latest fact about a connection: a late fact never dates a loss back behind it.
    """

    name: str
    role: Role = "operator"
    state: OperatorState = "offline"
    reason: Reason = ""
    wanted: Literal["online", "away"] = "online"
    wanted_at_ms: int = 0
    state_at_ms: int = 0
    seen_ms: int = 0
    lost_at_ms: int | None = None
    connections: tuple[Connection, ...] = ()
    ended: tuple[tuple[str, str], ...] = ()
    version: int = 0
    chats: int = 0
    misses: int = 0
    idle_since_ms: int = 0


OperatorFact = OperatorConnected | OperatorDisconnected | OperatorSet


def fold(before: OperatorPresence | None, fact: OperatorFact, now_ms: int) -> OperatorPresence | None:
    """The operator after `fact`; None if nothing is known and the fact tells nothing.

    The sender's time is taken, but never a later one than `now_ms`: a gateway's clock must not stretch a grace.
    """
    match fact:
        case OperatorConnected():
            return _connected(before, fact, min(fact.at_ms, now_ms))
        case OperatorDisconnected():
            return _disconnected(before, fact, min(fact.at_ms, now_ms))
        case OperatorSet():
            return _chose(before, fact, min(fact.at_ms, now_ms))
        case _:
            assert_never(fact)


def lose_gateway(before: OperatorPresence, gateway: str, last_sign_ms: int) -> OperatorPresence:
    """All connections on `gateway` are gone since its last sign of life. They may be announced again later."""
    left = tuple(c for c in before.connections if c.gateway != gateway)
    if left == before.connections:
        return before
    return replace(before, connections=left, lost_at_ms=None if left else max(last_sign_ms, before.seen_ms))


def settle(before: OperatorPresence, now_ms: int, resumed_at_ms: int, grace_ms: int) -> OperatorPresence:
    """The operator once the time that has passed is taken into account: offline when the grace is over."""
    if before.state == "offline" or before.lost_at_ms is None:
        return before
    if now_ms < max(before.lost_at_ms, resumed_at_ms) + grace_ms:
        return before
    return _told(before, "offline", "connection_lost", now_ms)


def due_ms(operator: OperatorPresence, resumed_at_ms: int, grace_ms: int) -> int | None:
    """When to look at this operator again: end of the grace, or the time to forget one that is offline.

    The grace counts from `resumed_at_ms` if that is later: while nobody processed, nobody could come back either.
    """
    if operator.lost_at_ms is None:
        return None
    if operator.state == "offline":
        return operator.state_at_ms + FORGET_MS
    return max(operator.lost_at_ms, resumed_at_ms) + grace_ms


def forgettable(operator: OperatorPresence, now_ms: int) -> bool:
    """Whether the record of an operator who is long offline can be dropped."""
    return operator.state == "offline" and not operator.connections and now_ms >= operator.state_at_ms + FORGET_MS


def is_news(before: OperatorPresence | None, after: OperatorPresence) -> bool:
    """Whether others must be told: the state changed, or the name of somebody who is there."""
    if before is None or before.state != after.state:
        return before is not None or after.state != "offline"
    return before.name != after.name and after.state != "offline"


def set_away(before: OperatorPresence, now_ms: int) -> OperatorPresence:
    """The router takes the operator out of the rotation after missed offers; the operator comes back by choice."""
    wanting = replace(before, wanted="away", wanted_at_ms=now_ms)
    return wanting if before.state == "offline" else _told(wanting, "away", "missed", now_ms)


def _connected(before: OperatorPresence | None, fact: OperatorConnected, at_ms: int) -> OperatorPresence:
    known = before or OperatorPresence(name=fact.name)
    key = (fact.gateway, fact.connection)
    if key in known.ended:
        return known
    opened = known.connections
    if all((c.gateway, c.connection) != key for c in opened):
        opened = (*opened, Connection(fact.gateway, fact.connection, at_ms))[-MAX_CONNECTIONS:]
    seen_ms = max(known.seen_ms, at_ms)
    known = replace(known, name=fact.name, role=fact.role, connections=opened, lost_at_ms=None, seen_ms=seen_ms)
    return known if known.state != "offline" else _told(known, known.wanted, "connected", at_ms)


def _disconnected(before: OperatorPresence | None, fact: OperatorDisconnected, at_ms: int) -> OperatorPresence:
    known = before or OperatorPresence(name="", state_at_ms=at_ms, lost_at_ms=at_ms)
    key = (fact.gateway, fact.connection)
    if key not in known.ended:
        known = replace(known, ended=(*known.ended, key)[-MAX_ENDED:])
    left = tuple(c for c in known.connections if (c.gateway, c.connection) != key)
    if left != known.connections:
        seen_ms = max(known.seen_ms, at_ms)
        known = replace(known, connections=left, seen_ms=seen_ms, lost_at_ms=None if left else seen_ms)
    if fact.logout and not left:
        # Logging out forgets the choice: the next login begins online, as a first one does.
        known = replace(known, wanted="online")
        return known if known.state == "offline" else _told(known, "offline", "logout", at_ms)
    return known


def _chose(before: OperatorPresence | None, fact: OperatorSet, at_ms: int) -> OperatorPresence | None:
    if before is None or at_ms < before.wanted_at_ms:
        return before
    wanting = replace(before, wanted=fact.state, wanted_at_ms=at_ms)
    return wanting if before.state in ("offline", fact.state) else _told(wanting, fact.state, "chosen", at_ms)


def _told(before: OperatorPresence, state: OperatorState, reason: Reason, at_ms: int) -> OperatorPresence:
    return replace(before, state=state, reason=reason, state_at_ms=at_ms, version=before.version + 1)
