"""A customer's website: a few pages that embed the tracker, with an SPA section, on an origin of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web

PAGES = {"/": "Home", "/pricing": "Pricing", "/contact": "Contact", "/app": "App"}
SCRIPT = """<script>
function route(path, title) { history.pushState({}, "", path); document.title = title; }
</script>"""


@dataclass
class Website:
    """`embed` is what the page carries of us; set it when site key and collector are known."""

    origin: str
    embed: str = ""

    def install(self, collector: str, site: str) -> None:
        """Embed the tracker as documented."""
        self.embed = f'<script async src="{collector}/t/v1.js" data-site="{site}"></script>'

    async def page(self, request: web.Request) -> web.Response:
        """Any page; its title is its name."""
        title = PAGES.get(request.path, "App" if request.path.startswith("/app") else "Elsewhere")
        links = "".join(f'<a href="{path}">{name}</a> ' for path, name in PAGES.items())
        text = f"<!doctype html><title>{title}</title>{self.embed}{SCRIPT}<h1>{title}</h1><input id=field> {links}"
        return web.Response(text=text, content_type="text/html")


@asynccontextmanager
async def website(host: str = "127.0.0.1") -> AsyncIterator[Website]:
    """Serve it on a free port."""
    site = Website("")
    app = web.Application()
    app.router.add_get("/{path:.*}", site.page)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    site.origin = f"http://{host}:{runner.addresses[0][1]}"
    try:
        yield site
    finally:
        await runner.cleanup()
