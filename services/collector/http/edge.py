"""Routes and errors of the public port. Read :meth:`Edge.handle`: every request goes through it, every answer leaves
there with a request id, CORS headers and a count.

No framework routing: there are a dozen exact paths, and the path of a beacon is the most expensive thing we have.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

import structlog
from aiohttp import web

from services.collector.domain.refusals import Refusal
from services.collector.http.answers import headers, problem
from services.collector.http.scripts import Scripts
from services.collector.outcomes import Outcomes
from shared.runtime.edge_server import EdgeServer

log = structlog.get_logger()
Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

PREFLIGHT_S: Final = "86400"  # the longest that any browser keeps it


@dataclass(frozen=True)
class Route:
    """What a path answers to. A GET route answers HEAD as well, as aiohttp leaves the body out itself."""

    name: str
    methods: dict[str, Handler]

    @property
    def allow(self) -> str:
        """The Allow header."""
        head = ["HEAD"] if "GET" in self.methods else []
        return ", ".join([*self.methods, *head, "OPTIONS"])


class Edge:
    """Dispatches requests to `routes`, by exact path, and to the scripts below `/t/`."""

    def __init__(self, routes: dict[str, Route], scripts: Scripts, outcomes: Outcomes) -> None:
        self._routes = routes
        self._scripts = scripts
        self._outcomes = outcomes
        self.server: EdgeServer | None = None  # set by the composition root: server and edge need each other

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request; nothing that a client sends may raise past this."""
        if self.server is not None:
            self.server.begin(request)
        name = "other"
        try:
            path = request.rel_url.raw_path
            route = self._routes.get(path) or self._script_route(path)
            if route is None:
                answer: web.StreamResponse = problem(Refusal("not_found"))
            else:
                name = route.name
                answer = await self._answer(route, request)
        except ConnectionError:
            raise  # the client is gone
        except Exception:
            log.exception("request_failed", route=name)
            answer = problem(Refusal("internal"))
        finally:
            if self.server is not None:
                self.server.end(request)
        self._outcomes.answer(name, answer.status)
        return answer

    async def _answer(self, route: Route, request: web.BaseRequest) -> web.StreamResponse:
        method = "GET" if request.method == "HEAD" else request.method
        handler = route.methods.get(method)
        if handler is not None:
            return await handler(request)
        if method == "OPTIONS":
            return web.Response(status=204, headers=self._preflight(route))
        return problem(Refusal("method"), Allow=route.allow)

    @staticmethod
    def _preflight(route: Route) -> dict[str, str]:
        fields = headers(
            Allow=route.allow,
            Access_Control_Allow_Methods=route.allow,
            Access_Control_Allow_Headers="Authorization, Content-Type",
            Access_Control_Max_Age=PREFLIGHT_S,
        )
        fields["Cache-Control"] = f"public, max-age={PREFLIGHT_S}"
        return fields

    def _script_route(self, path: str) -> Route | None:
        if not path.startswith("/t/"):
            return None
        return Route("scripts", {"GET": partial(self._script, path.removeprefix("/t/"))})

    async def _script(self, path: str, request: web.BaseRequest) -> web.StreamResponse:
        return self._scripts.answer(path, request)
