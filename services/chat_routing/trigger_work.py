"""One site's triggers within one step: whom they fit, who waits for a free operator, when to look again.

What is stored of a visitor is only what triggers have done to it, and only once they have. Nothing is decided here:
:mod:`services.chat_routing.domain.triggers` says what fits, the floor whether the invitation can be made. Read
:meth:`TriggerWork.consider`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import msgspec

from services.chat_routing.domain.agents import Agent
from services.chat_routing.domain.floor import Result
from services.chat_routing.domain.triggers import History, Past, invited, next_look_ms, ready, seen
from services.chat_routing.domain.turn import Refusal
from services.chat_routing.timers import trigger_timer, waiting_timer
from shared.contracts.sites import Site, Trigger
from shared.domain.partitions import Partition
from shared.domain.visitor_packing import unpack_visitor
from shared.storage.engagements import WAITING_LOOK, put_trigger_history, put_trigger_waiting
from shared.storage.writes import Write

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(dict[str, Past]).decode

Invite = Callable[[str, Trigger], Result | Refusal]


@dataclass(frozen=True, slots=True)
class TriggerInputs:
    """What is stored, packed: histories by visitor, and visitors (the latest first) who wait for a free operator."""

    histories: Mapping[str, bytes] = field(default_factory=dict)
    waiting: tuple[str, ...] = ()


class TriggerWork:
    """The triggers of `site` during one batch. `visitors`: presence's values."""

    def __init__(self, partition: Partition, site: Site, visitors: Mapping[str, bytes], stored: TriggerInputs) -> None:
        self.timers: dict[bytes, int | None] = {}
        self._partition = partition
        self._site = site
        self._triggers = tuple(trigger for trigger in site.triggers if trigger.enabled)
        self._visitors = visitors
        self._histories: dict[str, History] = {name: _decode(packed) for name, packed in stored.histories.items()}
        self._stored_waiting = stored.waiting
        self._changed: set[str] = set()
        self._waiting: dict[bytes, int] = {}
        self._no_more: list[str] = []

    def consider(self, visitor: str, now_ms: int, invite: Invite) -> bool:
        """Let the first trigger that fits and can invite do so; False if one only lacks a free operator."""
        packed = self._visitors.get(visitor)
        shown = seen(unpack_visitor(packed)) if packed is not None and self._triggers else None
        timer = trigger_timer((self._site.site, visitor))
        if shown is None:
            self.timers[timer] = None
            return True
        history = self._histories.get(visitor, {})
        lacking = False
        for trigger in ready(self._triggers, shown, history, now_ms):
            result = invite(visitor, trigger)
            if not isinstance(result, Refusal):
                self._histories[visitor] = history = invited(history, trigger, now_ms)
                self._changed.add(visitor)
                lacking = False
                break
            lacking = lacking or result.code == "at_capacity"
        self.timers[timer] = next_look_ms(self._triggers, shown, history, now_ms)
        if lacking:
            self._waiting.setdefault(visitor.encode(), now_ms)
        return not lacking

    def consider_waiting(self, now_ms: int, invite: Invite) -> None:
        """An operator is free: whoever still fits and needs a skill of that one is invited."""
        for visitor in self._stored_waiting:
            if self.consider(visitor, now_ms, invite):
                self._no_more.append(visitor)
            else:
                self._waiting.pop(visitor.encode(), None)  # stands in the set already
        if self._no_more and len(self._stored_waiting) == WAITING_LOOK:
            self.timers[waiting_timer(self._site.site)] = now_ms

    def free(self, agents: Mapping[str, Agent]) -> dict[str, int]:
        """Free slots as :meth:`note_free` compares them; nothing where nobody can be waiting for one."""
        return free_slots(agents) if self._triggers else {}

    def note_free(self, before: Mapping[str, int], after: Mapping[str, Agent], now_ms: int) -> None:
        """Look at those who wait if somebody has more free slots than at the beginning."""
        if self._triggers and any(slots > before.get(name, 0) for name, slots in free_slots(after).items()):
            self.look_at_waiting(now_ms)

    def look_at_waiting(self, now_ms: int) -> None:
        """In the next step: what is waiting has to be read first."""
        if self._triggers:
            self.timers.setdefault(waiting_timer(self._site.site), now_ms)

    def forget(self, visitor: str) -> None:
        """Nothing of the visitor is to be kept; what is stored goes with its chats."""
        self._changed.discard(visitor)
        self._waiting.pop(visitor.encode(), None)
        self.timers[trigger_timer((self._site.site, visitor))] = None

    def writes(self) -> list[Write]:
        """Everything that differs from what was loaded."""
        site, ttl_ms = self._site.site, self._site.settings.retention_ms
        writes = put_trigger_waiting(self._partition, site, self._waiting, self._no_more)
        for visitor in sorted(self._changed):
            packed = _encode(self._histories[visitor])
            writes.append(put_trigger_history(self._partition, (site, visitor), packed, ttl_ms))
        return writes


def free_slots(agents: Mapping[str, Agent]) -> dict[str, int]:
    """Slots of the operators who could be asked now."""
    return {
        name: agent.free for name, agent in agents.items() if agent.state == "online" and agent.connected and agent.free
    }
