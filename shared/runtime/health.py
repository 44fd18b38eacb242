"""The admin port: is the process alive, may it get traffic (and if not, why), and its metrics.

Live means that the event loop answers. Ready means that every check passes; a check returns the reason why not.
"""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

Check = Callable[[], str | None]


class Health:
    """The process's readiness checks. A check returns None when all is well, else a short reason."""

    def __init__(self) -> None:
        self._checks: dict[str, Check] = {}
        self._notes: dict[str, Check] = {}
        self.serving = False  # set once all ports are open
        self.draining = False

    def require(self, name: str, check: Check) -> None:
        """Not ready while `check` gives a reason."""
        self._checks[name] = check

    def note(self, name: str, check: Check) -> None:
        """Shown in readiness, but no obstacle: a missing country database, for instance."""
        self._notes[name] = check

    def reasons(self) -> dict[str, str]:
        """Why the process is not ready; empty when it is."""
        reasons = {name: reason for name, check in self._checks.items() if (reason := check()) is not None}
        if self.draining or not self.serving:
            return {"process": "draining" if self.draining else "starting", **reasons}
        return reasons

    def warnings(self) -> dict[str, str]:
        """What is not as it should be, though the process serves."""
        return {name: reason for name, check in self._notes.items() if (reason := check()) is not None}


def admin_app(health: Health, registry: CollectorRegistry) -> web.Application:
    """`/healthz`, `/readyz` and `/metrics`."""

    async def healthz(_request: web.Request) -> web.Response:
        return web.json_response({"alive": True})

    async def readyz(_request: web.Request) -> web.Response:
        reasons = health.reasons()
        body = {"ready": not reasons, "reasons": reasons, "warnings": health.warnings()}
        return web.json_response(body, status=503 if reasons else 200)

    async def metrics(_request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", metrics)
    return app
