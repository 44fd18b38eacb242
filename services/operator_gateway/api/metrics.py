"""What the API counts. Labels are operations and codes of our own, so their number is fixed."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter


class ApiMetrics:
    """Every request ends in exactly one outcome: `ok` or the code of its refusal."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "foyer_gateway_api_requests_total",
            "API requests, by operation and outcome (ok or a problem's code)",
            ["operation", "outcome"],
            registry=registry,
        )

    def count(self, operation: str, outcome: str) -> None:
        """One request has been answered."""
        self._requests.labels(operation, outcome).inc()
