"""The demo website's server: templates in, pages out, with the tracker's script tag and the site key filled in.

Read `build`. The pages carry a strict Content-Security-Policy that allows the collector and nothing else, so the demo
also shows that tracker and widget need no exception on a customer's site.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from string import Template

from aiohttp import web
from aiohttp.typedefs import Handler

from deploy.demo.catalogue import PIECES, SHOP, STUDIO_STEPS, Piece, page_title

HERE = Path(__file__).resolve().parent
MAX_FORM_BYTES = 16 * 1024


@dataclass(frozen=True)
class DemoSettings:
    """Where to listen, and whose tracker to embed."""

    port: int
    site: str
    collector_url: str
    host: str = "127.0.0.1"

    @classmethod
    def from_environment(cls, env: Mapping[str, str]) -> DemoSettings:
        collector = env.get("DEMO_COLLECTOR_URL", "http://127.0.0.1:8100").rstrip("/")
        return cls(int(env.get("DEMO_PORT", "8300")), env.get("DEMO_SITE", ""), collector)

    @property
    def content_security_policy(self) -> str:
        collector = self.collector_url
        socket = collector.replace("http", "ws", 1)
        return (
            "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'; style-src 'self'; "
            f"font-src 'self'; script-src 'self' {collector}; connect-src 'self' {collector} {socket}; "
            f"img-src 'self' data: {collector}; media-src {collector}"
        )


class Pages:
    """Renders the templates; everything put into them is escaped here."""

    def __init__(self, settings: DemoSettings) -> None:
        self._settings = settings
        self._templates = {
            path.stem: Template(path.read_text(encoding="utf-8")) for path in (HERE / "templates").glob("*.html")
        }

    def page(self, template: str, title: str, current: str, **parts: str) -> web.Response:
        """A whole page. `parts` are HTML already; titles are text."""
        body = self._templates[template].substitute(parts)
        text = self._templates["base"].substitute(
            title=escape(page_title(title)),
            shop=escape(SHOP),
            body=body,
            collector=escape(self._settings.collector_url),
            site=escape(self._settings.site),
            **{f"at_{name}": ' aria-current="page"' if name == current else "" for name in SECTIONS},
        )
        headers = {"Content-Security-Policy": self._settings.content_security_policy, "Cache-Control": "no-cache"}
        return web.Response(text=text, content_type="text/html", headers=headers)

    def cards(self, pieces: tuple[Piece, ...]) -> str:
        return "".join(self._templates["card"].substitute(_piece_parts(piece)) for piece in pieces)

    def piece(self, piece: Piece) -> web.Response:
        facts = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in piece.facts)
        others = tuple(other for other in PIECES if other is not piece)[:3]
        parts = {**_piece_parts(piece), "facts": facts, "others": self.cards(others)}
        return self.page("piece", f"{piece.name}, {piece.kind.lower()}", "collection", **parts)


SECTIONS = ("home", "collection", "studio", "about", "contact")
PAGES_KEY = web.AppKey("pages", Pages)


def _piece_parts(piece: Piece) -> dict[str, str]:
    words = {"slug": piece.slug, "name": piece.name, "kind": piece.kind, "line": piece.line, "story": piece.story}
    return {key: escape(value) for key, value in words.items()} | {"price": f"€ {piece.price_eur:,}"}


async def home(request: web.Request) -> web.Response:
    pages = request.app[PAGES_KEY]
    return pages.page("home", "Furniture made to order", "home", cards=pages.cards(PIECES[:3]))


async def collection(request: web.Request) -> web.Response:
    pages = request.app[PAGES_KEY]
    return pages.page("collection", "Collection", "collection", cards=pages.cards(PIECES))


async def piece(request: web.Request) -> web.Response:
    found = next((piece for piece in PIECES if piece.slug == request.match_info["slug"]), None)
    if found is None:
        raise web.HTTPNotFound
    return request.app[PAGES_KEY].piece(found)


async def studio(request: web.Request) -> web.Response:
    titles = dict(STUDIO_STEPS)
    if request.path not in titles:
        raise web.HTTPNotFound
    return request.app[PAGES_KEY].page("studio", titles[request.path], "studio")


async def about(request: web.Request) -> web.Response:
    return request.app[PAGES_KEY].page("about", "The workshop", "about")


async def contact(request: web.Request) -> web.Response:
    return request.app[PAGES_KEY].page("contact", "Talk to us", "contact")


async def sent(request: web.Request) -> web.Response:
    return request.app[PAGES_KEY].page("sent", "Thank you", "contact")


async def take_form(request: web.Request) -> web.Response:
    """Reads the form and forgets it: this shop has no owner."""
    await request.post()
    raise web.HTTPSeeOther("/contact/sent")


async def healthz(_: web.Request) -> web.Response:
    return web.Response(text="ok")


@web.middleware
async def friendly_not_found(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPNotFound:
        answer = request.app[PAGES_KEY].page("missing", "Not here", "")
        answer.set_status(404)
        return answer


def build(settings: DemoSettings) -> web.Application:
    """The website, ready to be served."""
    app = web.Application(client_max_size=MAX_FORM_BYTES, middlewares=[friendly_not_found])
    app[PAGES_KEY] = Pages(settings)
    app.router.add_get("/", home)
    app.router.add_get("/collection", collection)
    app.router.add_get("/collection/{slug}", piece)
    app.router.add_get("/studio", studio)
    app.router.add_get("/studio/{step}", studio)
    app.router.add_get("/about", about)
    app.router.add_get("/contact", contact)
    app.router.add_post("/contact", take_form)
    app.router.add_get("/contact/sent", sent)
    app.router.add_get("/healthz", healthz)
    app.router.add_static("/static", HERE / "static")
    return app


def main() -> None:
    settings = DemoSettings.from_environment(os.environ)
    web.run_app(build(settings), host=settings.host, port=settings.port, print=None, access_log=None)
