"""One step of a partition: decode the batch, load what it is about, apply it, hand back the changes.

Everything that decides is pure and lives in `domain`; nothing is kept between steps, so a step that is repeated (after
a crash, a lost reply, a takeover) comes to the same result.
"""

from __future__ import annotations

from services.chat_routing.metrics import Metrics
from services.chat_routing.roster import Fact, Roster, SettingsOf
from shared.contracts.streams import ChatOutcomes, GatewayUnknown, OperatorChanged, decode_cmd, encode
from shared.domain.partitions import Partition
from shared.storage.engagements import EngagementStore
from shared.storage.owner import BATCH, Changes, Inputs

RECHECK_MS = 200  # while a backlog is worked off: a sign of life may be waiting in it
MAX_OUTCOMES = 500  # in one stream entry


class ChatStep:
    """The step that a :class:`~shared.storage.owner.PartitionOwner` calls. Raises Unavailable."""

    def __init__(self, store: EngagementStore, settings_of: SettingsOf, metrics: Metrics) -> None:
        self._store = store
        self._settings_of = settings_of
        self._metrics = metrics

    async def __call__(self, partition: Partition, inputs: Inputs) -> Changes:
        """The changes that this batch asks for."""
        facts: list[Fact] = [decode_cmd(payload) for _, payload in inputs.entries]
        roster = Roster(partition, inputs.now_ms, inputs.resumed_at_ms, self._settings_of)
        await roster.load(self._store, facts, inputs.due)
        for fact in facts:
            roster.take(fact)
        if len(inputs.entries) >= BATCH:
            roster.postpone(inputs.due, inputs.now_ms + RECHECK_MS)
        else:
            roster.elapse(inputs.due)
        return Changes(
            writes=roster.writes(),
            timers=roster.timers,
            chat=_payloads(roster.outcomes),
            on_committed=lambda: self._count(facts, inputs.due, roster.outcomes),
        )

    def _count(
        self, facts: list[Fact], due: tuple[bytes, ...], outcomes: list[OperatorChanged | GatewayUnknown]
    ) -> None:
        for fact in facts:
            self._metrics.inputs.labels(type(fact).__name__).inc()
        self._metrics.inputs.labels("timer").inc(len(due))
        for outcome in outcomes:
            if isinstance(outcome, OperatorChanged):
                self._metrics.operator_changes.labels(outcome.state).inc()
            else:
                self._metrics.gateways_lost.inc()


def _payloads(outcomes: list[OperatorChanged | GatewayUnknown]) -> list[bytes]:
    parts = [tuple(outcomes[i : i + MAX_OUTCOMES]) for i in range(0, len(outcomes), MAX_OUTCOMES)]
    return [encode(ChatOutcomes(part)) for part in parts]
