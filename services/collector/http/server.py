"""What the collector's listener says by itself: to broken HTTP, to late headers, and to the figures."""

from __future__ import annotations

from aiohttp import web

from services.collector.domain.refusals import Refusal
from services.collector.http.answers import problem, problem_parts
from services.collector.outcomes import Outcomes
from shared.runtime.edge_server import EdgeLimits, EdgeServer, Handler

MAX_LINE = 24 * 1024  # the pixel's address carries a whole batch, base64url


class CollectorVoice:
    """Errors before a request are answered like all others."""

    def __init__(self, outcomes: Outcomes) -> None:
        self._outcomes = outcomes

    def connected(self, change: int) -> None:
        """One connection more (1) or less (-1)."""
        self._outcomes.connections += change

    def dropped(self, reason: str) -> None:
        """A limit closed a connection."""
        self._outcomes.connection_dropped(reason)

    def broken(self, status: int) -> web.Response:
        """The answer to what is not valid HTTP."""
        answer = problem(Refusal("bad_request" if status < 500 else "internal"))
        self._outcomes.answer("broken", answer.status)
        return answer

    def late(self) -> bytes:
        """408 for a request whose header never came to its end."""
        fields, body = problem_parts(Refusal("timeout"))
        fields |= {"Content-Length": str(len(body)), "Connection": "close"}
        lines = ["HTTP/1.1 408 Request Timeout", *(f"{name}: {value}" for name, value in fields.items())]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def collector_server(handler: Handler, outcomes: Outcomes, limits: EdgeLimits) -> EdgeServer:
    """The collector's public listener. A compressed body is refused, so it is never inflated."""
    return EdgeServer(handler, CollectorVoice(outcomes), limits, auto_decompress=False, max_line_size=MAX_LINE)
