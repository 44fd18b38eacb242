"""What chat-routing counts. Labels are kinds and states of our own, so their number is fixed."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge

from shared.storage.owner import OwnerStats


class Metrics:
    """The process's metrics, all with the prefix `foyer_chat_routing_`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.inputs = Counter(
            "foyer_chat_routing_inputs_total", "Entries and timers processed, by kind", ["kind"], registry=registry
        )
        self.operator_changes = Counter(
            "foyer_chat_routing_operator_changes_total",
            "Operators' states told, by state",
            ["state"],
            registry=registry,
        )
        self.gateways_lost = Counter(
            "foyer_chat_routing_gateways_unknown_total", "Gateways asked to announce themselves", registry=registry
        )
        self._registry = registry

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
