"""What chat-routing counts. Labels are kinds, states and codes of our own, so their number is fixed."""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge

from shared.contracts.chat import CommandDone, StatusChanged
from shared.contracts.streams import GatewayUnknown, OperatorChanged
from shared.storage.owner import OwnerStats


class Metrics:
    """The process's metrics, all with the prefix `foyer_chat_routing_`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"foyer_chat_routing_{name}", text, labels, registry=registry)

        self._registry = registry
        self._inputs = counter("inputs", "Entries and timers processed, by kind", "kind")
        self._operators = counter("operator_changes", "Operators' states and loads told, by state", "state")
        self._gateways = counter("gateways_unknown", "Gateways asked to announce themselves")
        self._commands = counter("commands", "Commands answered, by code (ok when done)", "code")
        self._notified = counter("notifications", "Attempts to send a mail or webhook, by outcome", "outcome")
        self._statuses = counter("status_changes", "Visitors' statuses entered", "status")

    def committed(self, entries: Sequence[object], timers: int, outcomes: Sequence[object]) -> None:
        """Count a batch that is durable."""
        for entry in entries:
            self._inputs.labels(type(entry).__name__).inc()
        self._inputs.labels("timer").inc(timers)
        for outcome in outcomes:
            match outcome:
                case OperatorChanged(state=state):
                    self._operators.labels(state).inc()
                case GatewayUnknown():
                    self._gateways.inc()
                case CommandDone(code=code):
                    self._commands.labels(code or "ok").inc()
                case StatusChanged(status=status):
                    self._statuses.labels(status).inc()

    def too_late(self, number: int) -> None:
        """Count commands that were not begun in time, and so not carried out."""
        if number:
            self._commands.labels("too_late").inc(number)

    def notified(self, outcome: str) -> None:
        """Count an attempt: delivered, put_off or given_up."""
        self._notified.labels(outcome).inc()

    def watch(self, stats: OwnerStats) -> None:
        """Show the partition loop's figures."""
        shown = {
            "owned_partitions": ("Partitions held by this instance", lambda: stats.owned),
            "parked_entries": ("Entries that could not be processed since the start", lambda: stats.parked),
            "fenced_commits": ("Commits refused because the lease was lost", lambda: stats.fenced),
            "lag_ms": ("Age of the last entry when it was processed", lambda: stats.oldest_ms),
        }
        for name, (text, read) in shown.items():
            Gauge(f"foyer_chat_routing_{name}", text, registry=self._registry).set_function(read)
