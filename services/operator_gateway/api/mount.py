"""Puts the API into an application: the routes of the table, the document, and an answer for everything else."""

from __future__ import annotations

import re
from collections.abc import Sequence

from aiohttp import web

from services.operator_gateway.api.context import ApiContext
from services.operator_gateway.api.endpoint import endpoint, guarded
from services.operator_gateway.api.openapi import document
from services.operator_gateway.api.problems import Refusal
from services.operator_gateway.api.routing import Route
from services.operator_gateway.api.table import PREFIX, ROUTES

DOCUMENT_PATH = "/api/openapi.json"


def add_api_routes(app: web.Application, context: ApiContext, routes: Sequence[Route] = ROUTES) -> None:
    """Serve `routes` below /api/v1, their document, and problems for every other path below /api/."""
    for route in routes:
        app.router.add_route(route.method, PREFIX + route.path, endpoint(context, route))
    described = document(routes)

    async def openapi(request: web.Request) -> web.Response:
        async def respond() -> web.Response:
            return web.Response(body=described, content_type="application/json")

        return await guarded(context, request, "openapi", respond)

    app.router.add_get(DOCUMENT_PATH, openapi)
    methods = {PREFIX + route.path: [r.method for r in routes if r.path == route.path] for route in routes}
    patterns = [(_pattern(path), allowed) for path, allowed in {**methods, DOCUMENT_PATH: ["GET"]}.items()]

    async def nothing(request: web.Request) -> web.Response:
        async def respond() -> web.Response:
            for pattern, allowed in patterns:
                if pattern.fullmatch(request.path):
                    raise Refusal("method", headers={"Allow": ", ".join(allowed)})
            raise Refusal("not_found")

        return await guarded(context, request, "none", respond)

    app.router.add_route("*", "/api/{rest:.*}", nothing)


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile("[^/]+".join(re.escape(part) for part in re.split(r"\{\w+\}", path)))
