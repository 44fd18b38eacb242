"""What the live side counts."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


class LiveMetrics:
    """Families of one gateway; label values come from fixed sets."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._events = Counter(
            "foyer_gateway_events", "Client events by name and outcome", ["event", "outcome"], registry=registry
        )
        self._bad = Counter("foyer_gateway_bad_packets", "Packets that made no sense", ["reason"], registry=registry)
        self._deltas = Counter("foyer_gateway_deltas", "Deltas sent to connections", registry=registry)
        self.reloads = Counter(
            "foyer_gateway_site_reloads", "Sites read again, by reason", ["reason"], registry=registry
        )
        self.flushes = Histogram(
            "foyer_gateway_flush_seconds", "Work of one flush of one site", buckets=SECONDS, registry=registry
        )
        self.age = Histogram(
            "foyer_gateway_shown_age_seconds",
            "Age of a change when it was sent to those who see it",
            buckets=SECONDS,
            registry=registry,
        )
        self.loads = Histogram(
            "foyer_gateway_site_load_seconds", "Time to read a site", buckets=SECONDS, registry=registry
        )

    def event(self, name: str, outcome: str) -> None:
        """One client event was answered."""
        self._events.labels(name, outcome).inc()

    def bad_packet(self, reason: str) -> None:
        """One packet made no sense."""
        self._bad.labels(reason).inc()

    def deltas(self, count: int) -> None:
        """Deltas were sent."""
        self._deltas.inc(count)

    def gauge(self, name: str, text: str, value: Callable[[], float]) -> None:
        """A value that is looked up when it is asked for."""
        Gauge(f"foyer_gateway_{name}", text, registry=self._registry).set_function(value)
