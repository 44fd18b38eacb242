"""What became of each input: exactly one counted outcome each. `internal` stays zero unless the collector is wrong."""

from __future__ import annotations

from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

Channel = Literal["http", "pixel", "live"]

ACCEPTED = "accepted"
PARTLY = "partly_accepted"
NOTHING = "nothing_valid"
BOT = "bot"

_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2)


class Outcomes:
    """The collector's metrics. Labels are from fixed sets: codes, channels, route names."""

    def __init__(self, registry: CollectorRegistry) -> None:
        prefix = "foyer_collector_"
        self._inputs = Counter(
            f"{prefix}inputs", "Batches by what became of them.", ["channel", "outcome"], registry=registry
        )
        self._answers = Counter(f"{prefix}answers", "HTTP answers.", ["route", "status"], registry=registry)
        self._known: dict[tuple[str, str, str], Counter] = {}
        self.events = Counter(f"{prefix}events", "Events stored.", registry=registry)
        self.append_seconds = Histogram(
            f"{prefix}append_seconds", "From validated to stored in Redis.", buckets=_BUCKETS, registry=registry
        )
        self.connections = Gauge(f"{prefix}connections", "Open connections.", registry=registry)
        self.connections_dropped = Counter(
            f"{prefix}connections_dropped", "Connections closed by a limit.", ["reason"], registry=registry
        )
        self.channels = Gauge(f"{prefix}live_channels", "Live channels that said hello.", registry=registry)
        self.departures_waiting = Gauge(f"{prefix}departures_waiting", "Closed channels to report.", registry=registry)
        self.departures_dropped = Counter(
            f"{prefix}departures_dropped", "Closed channels that could not be reported: no room.", registry=registry
        )

    def input(self, channel: Channel, outcome: str) -> None:
        """One input has come to its end."""
        self._child(self._inputs, channel, outcome).inc()

    def answer(self, route: str, status: int) -> None:
        """One HTTP answer."""
        self._child(self._answers, route, str(status)).inc()

    def _child(self, metric: Counter, one: str, other: str) -> Counter:
        # labels() builds and locks each time; this is on the path of every beacon.
        key = (metric._name, one, other)
        child = self._known.get(key)
        if child is None:
            child = self._known[key] = metric.labels(one, other)
        return child
