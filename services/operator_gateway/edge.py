"""What the gateway's listener says by itself, and what it counts: connections, and those that a limit closed."""

from __future__ import annotations

import secrets

import msgspec
from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge

from shared.contracts.problems import Problem

HEADER_S = 10.0  # for a first request
SPARE_CONNECTIONS = 1_000  # beside the sockets: the console's files, the API, whoever is about to be refused


class GatewayVoice:
    """Errors before a request are problems like all others."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._open = Gauge("foyer_gateway_http_connections", "Open connections of the public port", registry=registry)
        self._dropped = Counter(
            "foyer_gateway_http_connections_dropped", "Connections that a limit closed", ["reason"], registry=registry
        )

    def connected(self, change: int) -> None:
        """One connection more (1) or less (-1)."""
        self._open.inc(change)

    def dropped(self, reason: str) -> None:
        """A limit closed a connection."""
        self._dropped.labels(reason).inc()

    def broken(self, status: int) -> web.Response:
        """The answer to what is not valid HTTP."""
        if status < 500:
            fields, body = _problem(400, "bad_request", "Bad request")
        else:
            fields, body = _problem(500, "internal", "Internal error")
        return web.Response(status=400 if status < 500 else 500, body=body, headers=fields)

    def late(self) -> bytes:
        """408 for a request whose header never came to its end."""
        fields, body = _problem(408, "timeout", "The request did not arrive in time")
        fields |= {"Content-Length": str(len(body)), "Connection": "close"}
        lines = ["HTTP/1.1 408 Request Timeout", *(f"{name}: {value}" for name, value in fields.items())]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def _problem(status: int, code: str, title: str) -> tuple[dict[str, str], bytes]:
    request_id = secrets.token_hex(8)
    body = msgspec.json.encode(Problem(title, status, code, request_id))
    fields = {"Content-Type": "application/problem+json", "X-Request-Id": request_id, "Cache-Control": "no-store"}
    return fields, body
