"""What became of each input: exactly one counted outcome each. `internal` stays zero unless the collector is wrong.

Plain numbers, shown to Prometheus when it asks: the client library's counters lock, and five of them on the path of
every beacon cost as much as its validation.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from shared.contracts.streams import MAX_BOT_NAMES, OTHER_BOTS

Channel = Literal["http", "pixel", "live", "chat"]

ACCEPTED = "accepted"
PARTLY = "partly_accepted"
NOTHING = "nothing_valid"
BOT = "bot"

_PREFIX = "foyer_collector_"
_BUCKETS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0)


class Outcomes(Collector):
    """The collector's figures. Labels are from fixed sets: codes, channels, route names, reasons; and bounded: bots.

    Not for threads: everything that counts runs in the event loop.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._inputs: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._answers: defaultdict[tuple[str, int], int] = defaultdict(int)
        self._dropped: defaultdict[str, int] = defaultdict(int)
        self._bots: defaultdict[str, int] = defaultdict(int)
        self._appends = [0] * (len(_BUCKETS_S) + 1)
        self._append_sum_s = 0.0
        self.events = 0
        self.unremembered = 0
        self.connections = 0
        self.channels = 0
        self.chat_waiting = 0
        self.departures_waiting = 0
        self.departures_dropped = 0
        registry.register(self)

    def input(self, channel: Channel, outcome: str) -> None:
        """One input has come to its end."""
        self._inputs[channel, outcome] += 1

    def answer(self, route: str, status: int) -> None:
        """One HTTP answer."""
        self._answers[route, status] += 1

    def connection_dropped(self, reason: str) -> None:
        """A limit closed a connection."""
        self._dropped[reason] += 1

    def bot(self, name: str) -> None:
        """A crawler came; names beyond so many are counted together."""
        self._bots[name if name in self._bots or len(self._bots) < MAX_BOT_NAMES else OTHER_BOTS] += 1

    def stored(self, events: int, took_s: float) -> None:
        """Events were appended; `took_s` from submission to confirmation."""
        self.events += events
        self._append_sum_s += took_s
        self._appends[bisect_left(_BUCKETS_S, took_s)] += 1

    def collect(self) -> Iterator[Metric]:
        """What /metrics shows."""
        yield _labelled("inputs", "Batches by what became of them.", ("channel", "outcome"), self._inputs)
        yield _labelled("answers", "HTTP answers.", ("route", "status"), self._answers)
        dropped = {(reason,): count for reason, count in self._dropped.items()}
        yield _labelled("connections_dropped", "Connections closed by a limit.", ("reason",), dropped)
        bots = {(name,): count for name, count in self._bots.items()}
        yield _labelled("bots", "Crawlers by the name they give themselves, over all sites.", ("name",), bots)
        yield CounterMetricFamily(f"{_PREFIX}events", "Events stored.", value=self.events)
        yield CounterMetricFamily(f"{_PREFIX}unremembered", "Newcomers taken as anonymous.", value=self.unremembered)
        lost = self.departures_dropped
        yield CounterMetricFamily(f"{_PREFIX}departures_dropped", "Closed channels that had no room.", value=lost)
        yield GaugeMetricFamily(f"{_PREFIX}connections", "Open connections.", value=self.connections)
        yield GaugeMetricFamily(f"{_PREFIX}live_channels", "Live channels that said hello.", value=self.channels)
        yield GaugeMetricFamily(f"{_PREFIX}chat_waiting", "Requests that wait for chat news.", value=self.chat_waiting)
        waiting = self.departures_waiting
        yield GaugeMetricFamily(f"{_PREFIX}departures_waiting", "Closed channels still to report.", value=waiting)
        yield self._append_histogram()

    def _append_histogram(self) -> HistogramMetricFamily:
        below, buckets = 0, []
        for bound, count in zip((*map(str, _BUCKETS_S), "+Inf"), self._appends, strict=True):
            below += count
            buckets.append((bound, float(below)))
        return HistogramMetricFamily(
            f"{_PREFIX}append_seconds", "From submitted to stored.", buckets=buckets, sum_value=self._append_sum_s
        )


def _labelled(name: str, text: str, labels: tuple[str, ...], counts: Mapping[Any, int]) -> CounterMetricFamily:
    family = CounterMetricFamily(_PREFIX + name, text, labels=labels)
    for values, count in counts.items():
        family.add_metric([str(value) for value in values], count)
    return family
