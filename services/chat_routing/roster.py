"""The operators' side of one step: facts and due timers in, changed records and timers out.

A :class:`Roster` is the working set of one batch: it is given what is stored, changed by pure functions, and turned
into writes at the end. Whoever shares out visitors is told of each change by `on_change`, at once and in order, and of
each new connection by `on_connected`.
Read :meth:`Roster.take` and :meth:`Roster.elapse`, then :meth:`Roster.writes`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import msgspec
from msgspec.structs import replace

from services.chat_routing.domain.operators import (
    GATEWAY_SILENCE_MS,
    OperatorPresence,
    due_ms,
    fold,
    forgettable,
    is_news,
    lose_gateway,
    set_away,
    settle,
)
from services.chat_routing.timers import gateway_timer, missing_timer, operator_timer
from shared.contracts.sites import SiteSettings
from shared.contracts.streams import (
    GatewayAlive,
    GatewayUnknown,
    OperatorChanged,
    OperatorConnected,
    OperatorFact,
    StoredOperator,
    decode_stored_operator,
)
from shared.domain.partitions import Partition
from shared.storage.engagements import (
    OperatorKey,
    drop_gateway,
    drop_operators,
    link,
    put_gateway,
    put_operators,
    unlink,
)
from shared.storage.writes import Write

SettingsOf = Callable[[str], SiteSettings]

_encode = msgspec.msgpack.Encoder().encode
_decode_state = msgspec.msgpack.Decoder(OperatorPresence).decode


def unpack_operator(value: bytes) -> OperatorPresence:
    """A stored value as chat-routing reads it."""
    return _decode_state(decode_stored_operator(value).state)


@dataclass(frozen=True, slots=True)
class Known:
    """What is stored of the operators (by site) and gateways that a batch touches. `through`: who is connected by a
    gateway."""

    operators: Mapping[str, Mapping[str, OperatorPresence]] = field(default_factory=dict)
    signs: Mapping[str, int] = field(default_factory=dict)
    through: Mapping[str, list[OperatorKey]] = field(default_factory=dict)


class Roster:
    """The operators and gateways that one batch touches."""

    def __init__(
        self,
        partition: Partition,
        known: Known,
        *,
        now_ms: int,
        resumed_at_ms: int,
        settings_of: SettingsOf,
        tell: Callable[[OperatorChanged | GatewayUnknown], None],
        on_change: Callable[[OperatorKey, OperatorPresence], None],
        on_connected: Callable[[OperatorKey], None],
    ) -> None:
        self.timers: dict[bytes, int | None] = {}
        self._partition = partition
        self._stored = known.operators
        self._through = known.through
        # Those who differ from what is stored, None for who is forgotten: most batches change nobody.
        self._changed: dict[OperatorKey, OperatorPresence | None] = {}
        self._signs = dict(known.signs)
        self._now_ms = now_ms
        self._resumed_at_ms = resumed_at_ms
        self._settings_of = settings_of
        self._tell = tell
        self._on_change = on_change
        self._on_connected = on_connected
        self._changed_signs: set[str] = set()
        self._dead: set[str] = set()

    def _stored_of(self, key: OperatorKey) -> OperatorPresence | None:
        return self._stored.get(key[0], {}).get(key[1])

    def _of(self, key: OperatorKey) -> OperatorPresence | None:
        return self._changed[key] if key in self._changed else self._stored_of(key)

    def take(self, fact: OperatorFact) -> None:
        """One fact from a gateway."""
        if isinstance(fact, GatewayAlive):
            self._sign(fact.gateway, fact.at_ms, announced=False)
            return
        if isinstance(fact, OperatorConnected):
            self._sign(fact.gateway, fact.at_ms, announced=True)
        key = (fact.site, fact.operator)
        before = self._of(key)
        after = fold(before, fact, self._now_ms)
        if after is not None:
            self._put(key, after)
            if isinstance(fact, OperatorConnected) and after.connections != (before.connections if before else ()):
                self._on_connected(key)

    def elapse(self, gateways: list[str], operators: list[OperatorKey]) -> None:
        """What the time that has passed does by itself. A timer that was moved meanwhile finds nothing to do."""
        for gateway in gateways:
            self._check_gateway(gateway)
        for key in operators:
            self._check_operator(key)

    def is_missing(self, key: OperatorKey) -> bool:
        """Whether the operator has been without connection long enough that visitors are told."""
        known = self._of(key)
        if known is None or known.lost_at_ms is None or known.state == "offline":
            return False
        return self._now_ms >= self._missing_ms(key, known.lost_at_ms)

    def took_away(self, key: OperatorKey) -> None:
        """Unanswered offers took the operator out of the rotation."""
        known = self._of(key)
        if known is not None:
            self._put(key, set_away(known, self._now_ms))

    def note_load(self, key: OperatorKey, *, chats: int, misses: int, idle_since_ms: int) -> None:
        """The operator's load at the end of the batch; told if the number of chats is another one."""
        before = self._of(key)
        if before is None:
            return
        if (before.chats, before.misses, before.idle_since_ms) == (chats, misses, idle_since_ms):
            return
        after = replace(before, chats=chats, misses=misses, idle_since_ms=idle_since_ms)
        self._changed[key] = after
        if chats != before.chats:
            self._tell(_told(key, after))

    def of_site(self, site: str) -> Mapping[str, OperatorPresence]:
        """The site's operators as they are now."""
        stored = self._stored.get(site, {})
        changed = {operator: one for (key, operator), one in self._changed.items() if key == site}
        if not changed:
            return stored
        return {operator: one for operator, one in {**stored, **changed}.items() if one is not None}

    def _sign(self, gateway: str, at_ms: int, *, announced: bool) -> None:
        known = self._signs.get(gateway)
        if known is None and not announced:
            self._tell(GatewayUnknown(gateway, self._now_ms))
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
        self._tell(GatewayUnknown(gateway, self._now_ms))
        for key in self._through.get(gateway, ()):
            before = self._of(key)
            if before is not None:
                self._put(key, lose_gateway(before, gateway, sign_ms))
                self._check_operator(key)

    def _check_operator(self, key: OperatorKey) -> None:
        before = self._of(key)
        if before is None:
            return
        if forgettable(before, self._now_ms):
            self._changed[key] = None
            self.timers[operator_timer(key)] = None
            return
        grace_ms = self._settings_of(key[0]).operator_grace_ms
        self._put(key, settle(before, self._now_ms, self._resumed_at_ms, grace_ms))

    def _put(self, key: OperatorKey, after: OperatorPresence) -> None:
        before = self._of(key)
        self._changed[key] = after
        self.timers[operator_timer(key)] = due_ms(
            after, self._resumed_at_ms, self._settings_of(key[0]).operator_grace_ms
        )
        lost_ms = before.lost_at_ms if before else None
        if after.lost_at_ms != lost_ms:
            due = None if after.lost_at_ms is None else self._missing_ms(key, after.lost_at_ms)
            self.timers[missing_timer(key)] = due
        news = is_news(before, after)
        if news:
            self._tell(_told(key, after))
        if news or bool(after.connections) != bool(before and before.connections):
            self._on_change(key, after)

    def _missing_ms(self, key: OperatorKey, lost_at_ms: int) -> int:
        return max(lost_at_ms, self._resumed_at_ms) + self._settings_of(key[0]).operator_missing_ms

    def writes(self) -> list[Write]:
        """Everything that differs from what was loaded."""
        values: dict[str, dict[str, bytes]] = defaultdict(dict)
        forgotten: list[OperatorKey] = []
        for key, operator in self._changed.items():
            if operator is None:
                forgotten.append(key)
            elif operator is not self._stored_of(key):
                state = msgspec.Raw(_encode(operator))
                values[key[0]][key[1]] = _encode(StoredOperator(_told(key, operator), state))
        writes = [write for site, fields in values.items() for write in put_operators(self._partition, site, fields)]
        for site, operator_id in forgotten:
            writes += drop_operators(self._partition, site, [operator_id])
        for gateway in self._changed_signs - self._dead:
            writes += put_gateway(self._partition, gateway, self._signs[gateway])
        return writes + self._link_writes()

    def _link_writes(self) -> list[Write]:
        """Keep the index from gateway to operators in step with the connections."""
        opened: dict[str, set[OperatorKey]] = defaultdict(set)
        ended: dict[str, set[OperatorKey]] = defaultdict(set)
        for key, new in self._changed.items():
            old = self._stored_of(key)
            before, after = _gateways_of(old), _gateways_of(new)
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


def _gateways_of(operator: OperatorPresence | None) -> set[str]:
    return {c.gateway for c in operator.connections} if operator else set()


def _told(key: OperatorKey, operator: OperatorPresence) -> OperatorChanged:
    return OperatorChanged(
        site=key[0],
        operator=key[1],
        name=operator.name,
        state=operator.state,
        chats=operator.chats,
        at_ms=operator.state_at_ms,
        reason=operator.reason,
    )
