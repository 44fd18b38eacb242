"""The operators' side of one step: facts and due timers in, changed records, timers and outcomes out.

A :class:`Roster` is the working set of one batch: loaded once, changed by pure functions, turned into writes at the
end. Read :meth:`Roster.take` and :meth:`Roster.elapse`, then :meth:`Roster.writes`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable

import msgspec

from services.chat_routing.domain.operators import (
    GATEWAY_SILENCE_MS,
    OperatorPresence,
    due_ms,
    fold,
    forgettable,
    is_news,
    lose_gateway,
    settle,
)
from shared.contracts.sites import SiteSettings
from shared.contracts.streams import (
    GatewayAlive,
    GatewayUnknown,
    OperatorChanged,
    OperatorConnected,
    OperatorDisconnected,
    OperatorSet,
    StoredOperator,
    decode_stored_operator,
)
from shared.domain.partitions import Partition
from shared.storage.engagements import (
    EngagementStore,
    OperatorKey,
    drop_gateway,
    drop_operators,
    link,
    put_gateway,
    put_operators,
    unlink,
)
from shared.storage.writes import Write

Fact = OperatorConnected | OperatorDisconnected | OperatorSet | GatewayAlive
SettingsOf = Callable[[str], SiteSettings]

_encode = msgspec.msgpack.Encoder().encode
_decode_state = msgspec.msgpack.Decoder(OperatorPresence).decode


def operator_timer(site: str, operator: str) -> bytes:
    """Member of the timer set: look at this operator again."""
    return f"o {site} {operator}".encode()


def gateway_timer(gateway: str) -> bytes:
    """Member of the timer set: is this gateway still alive?"""
    return f"g {gateway}".encode()


class Roster:
    """The operators and gateways that one batch touches. `outcomes` are what to tell, in order."""

    def __init__(self, partition: Partition, now_ms: int, resumed_at_ms: int, settings_of: SettingsOf) -> None:
        self.outcomes: list[OperatorChanged | GatewayUnknown] = []
        self.timers: dict[bytes, int | None] = {}
        self._partition = partition
        self._now_ms = now_ms
        self._resumed_at_ms = resumed_at_ms
        self._settings_of = settings_of
        self._stored: dict[OperatorKey, OperatorPresence] = {}
        self._operators: dict[OperatorKey, OperatorPresence] = {}
        self._forgotten: set[OperatorKey] = set()
        self._signs: dict[str, int] = {}
        self._changed_signs: set[str] = set()
        self._dead: set[str] = set()
        self._through: dict[str, list[OperatorKey]] = {}

    async def load(self, store: EngagementStore, facts: Iterable[Fact], due: Iterable[bytes]) -> None:
        """Read whatever these facts and timers are about. Raises Unavailable."""
        operators: set[OperatorKey] = set()
        gateways: set[str] = set()
        for fact in facts:
            if not isinstance(fact, GatewayAlive):
                operators.add((fact.site, fact.operator))
            if not isinstance(fact, OperatorSet):
                gateways.add(fact.gateway)
        for kind, name in map(_member, due):
            if kind == "o":
                site, _, operator = name.partition(" ")
                operators.add((site, operator))
            elif kind == "g":
                gateways.add(name)
                self._through[name] = await store.connected_through(self._partition, name)
                operators.update(self._through[name])
        self._signs = await store.gateway_signs(self._partition, gateways)
        values = await store.operators(self._partition, operators)
        self._stored = {key: _decode_state(decode_stored_operator(value).state) for key, value in values.items()}
        self._operators = dict(self._stored)

    def take(self, fact: Fact) -> None:
        """One fact from a gateway."""
        if isinstance(fact, GatewayAlive):
            self._sign(fact.gateway, fact.at_ms, announced=False)
            return
        if isinstance(fact, OperatorConnected):
            self._sign(fact.gateway, fact.at_ms, announced=True)
        key = (fact.site, fact.operator)
        after = fold(self._operators.get(key), fact, self._now_ms)
        if after is not None:
            self._put(key, after)

    def elapse(self, due: Iterable[bytes]) -> None:
        """What the time that has passed does by itself. A timer that was moved meanwhile finds nothing to do."""
        for kind, name in map(_member, due):
            if kind == "g":
                self._check_gateway(name)
        for kind, name in map(_member, due):
            if kind == "o":
                site, _, operator = name.partition(" ")
                self._check_operator((site, operator))

    def postpone(self, due: Iterable[bytes], until_ms: int) -> None:
        """Leave these for later: while input is waiting, an absence is not yet a fact."""
        self.timers.update(dict.fromkeys(due, until_ms))

    def _sign(self, gateway: str, at_ms: int, *, announced: bool) -> None:
        known = self._signs.get(gateway)
        if known is None and not announced:
            self.outcomes.append(GatewayUnknown(gateway, self._now_ms))
        sign_ms = max(known or 0, min(at_ms, self._now_ms))
        if sign_ms != known:
            self._signs[gateway] = sign_ms
            self._changed_signs.add(gateway)
        self.timers[gateway_timer(gateway)] = max(sign_ms, self._resumed_at_ms) + GATEWAY_SILENCE_MS

    def _check_gateway(self, gateway: str) -> None:
        sign_ms = self._signs.get(gateway)
        if sign_ms is None:
            return
        silent_at_ms = max(sign_ms, self._resumed_at_ms) + GATEWAY_SILENCE_MS
        if self._now_ms < silent_at_ms:
            self.timers[gateway_timer(gateway)] = silent_at_ms
            return
        self._dead.add(gateway)
        self.timers[gateway_timer(gateway)] = None
        self.outcomes.append(GatewayUnknown(gateway, self._now_ms))
        for key in self._through.get(gateway, ()):
            before = self._operators.get(key)
            if before is not None:
                self._put(key, lose_gateway(before, gateway, sign_ms))
                self._check_operator(key)

    def _check_operator(self, key: OperatorKey) -> None:
        before = self._operators.get(key)
        if before is None:
            return
        if forgettable(before, self._now_ms):
            del self._operators[key]
            self._forgotten.add(key)
            self.timers[operator_timer(*key)] = None
            return
        grace_ms = self._settings_of(key[0]).operator_grace_ms
        self._put(key, settle(before, self._now_ms, self._resumed_at_ms, grace_ms))

    def _put(self, key: OperatorKey, after: OperatorPresence) -> None:
        before = self._operators.get(key)
        self._operators[key] = after
        self._forgotten.discard(key)
        if is_news(before, after):
            self.outcomes.append(_told(key, after))
        grace_ms = self._settings_of(key[0]).operator_grace_ms
        self.timers[operator_timer(*key)] = due_ms(after, self._resumed_at_ms, grace_ms)

    def writes(self) -> list[Write]:
        """Everything that differs from what was loaded."""
        values: dict[str, dict[str, bytes]] = defaultdict(dict)
        for key, operator in self._operators.items():
            if operator != self._stored.get(key):
                state = msgspec.Raw(_encode(operator))
                values[key[0]][key[1]] = _encode(StoredOperator(_told(key, operator), state))
        writes = [write for site, fields in values.items() for write in put_operators(self._partition, site, fields)]
        for site, operator_id in self._forgotten:
            writes += drop_operators(self._partition, site, [operator_id])
        for gateway in self._changed_signs - self._dead:
            writes += put_gateway(self._partition, gateway, self._signs[gateway])
        return writes + self._link_writes()

    def _link_writes(self) -> list[Write]:
        """Keep the index from gateway to operators in step with the connections."""
        opened: dict[str, set[OperatorKey]] = defaultdict(set)
        ended: dict[str, set[OperatorKey]] = defaultdict(set)
        for key in self._operators.keys() | self._stored.keys():
            before, after = _gateways_of(self._stored.get(key)), _gateways_of(self._operators.get(key))
            for gateway in after - before:
                opened[gateway].add(key)
            for gateway in before - after - self._dead:
                ended[gateway].add(key)
        writes = [write for gateway in self._dead for write in drop_gateway(self._partition, gateway)]
        for gateway, keys in opened.items():
            writes += link(self._partition, gateway, sorted(keys))
        for gateway, keys in ended.items():
            writes += unlink(self._partition, gateway, sorted(keys))
        return writes


def is_operator_timer(member: bytes) -> bool:
    """Whether the timer concerns operators or gateways."""
    return member[:2] in (b"o ", b"g ")


def _member(member: bytes) -> tuple[str, str]:
    kind, _, name = member.decode().partition(" ")
    return kind, name


def _gateways_of(operator: OperatorPresence | None) -> set[str]:
    return {c.gateway for c in operator.connections} if operator else set()


def _told(key: OperatorKey, operator: OperatorPresence) -> OperatorChanged:
    return OperatorChanged(
        site=key[0],
        operator=key[1],
        name=operator.name,
        state=operator.state,
        chats=0,
        at_ms=operator.state_at_ms,
        reason=operator.reason,
    )
