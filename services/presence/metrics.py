"""What presence counts. Every event of every entry ends in exactly one outcome."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from shared.domain.partitions import Partition, Partitions
from shared.storage.owner import PartitionOwner

OUTCOMES = ("accepted", "duplicate", "unknown_site", "disabled_site")
BATCH_SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500)


class Metrics:
    """The registry's families, and the report of each durable batch."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._events = Counter("foyer_presence_events", "Events by what became of them", ["outcome"], registry=registry)
        for outcome in OUTCOMES:
            self._events.labels(outcome)
        self._batches = Histogram(
            "foyer_presence_batch_entries", "Entries in one commit", buckets=BATCH_SIZES, registry=registry
        )
        self._live: dict[Partition, dict[str, int]] = {}

    def report(
        self, partition: Partition, outcomes: Mapping[str, int], live: Mapping[str, int], entries: int, /
    ) -> None:
        """Count a batch that is durable."""
        for outcome, amount in outcomes.items():
            if amount:
                self._events.labels(outcome).inc(amount)
        self._batches.observe(entries)
        self._live.setdefault(partition, {}).update(live)

    def watch(self, owner: PartitionOwner, partitions: Partitions) -> None:
        """Show the partition loop's own figures."""
        stats = owner.stats

        def gauge(name: str, text: str, value: Callable[[], float]) -> None:
            Gauge(f"foyer_presence_{name}", text, registry=self._registry).set_function(value)

        gauge("owned_partitions", "Partitions held by this instance", lambda: sum(map(owner.holds, partitions.all())))
        gauge("lag_seconds", "Age of the last entry processed, when it was", lambda: stats.oldest_ms / 1000)
        gauge("parked_entries", "Entries put aside because they could not be processed", lambda: stats.parked)
        gauge("fenced_commits", "Commits refused because the partition had a new owner", lambda: stats.fenced)
        gauge(
            "live_visitors",
            "Visitors on the sites of this instance's partitions, of sites heard of since it took them",
            lambda: sum(sum(sites.values()) for partition, sites in self._live.items() if owner.holds(partition)),
        )
