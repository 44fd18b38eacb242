"""The console's files, as `make setup` built them, with the headers that keep foreign code out of the page.

Files are known from the start: a request names one of them or gets the page itself (its addresses are made by the
browser), so no path reaches the file system. Names under `assets/` carry a hash of their content and never change.
"""

from __future__ import annotations

from pathlib import Path

from aiohttp import web

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "font-src 'self'",
        "connect-src 'self'",
        "manifest-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
PAGE_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
IMMUTABLE = "public, max-age=31536000, immutable"
REVALIDATE = "no-cache"
TYPES = {  # the system's table differs between machines
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
    ".png": "image/png",
}


def add_console_routes(app: web.Application, folder: Path) -> None:
    """Serve the console for every path that nothing else claims. Add it last."""
    files = _files(folder)

    async def console(request: web.Request) -> web.StreamResponse:
        path = request.path.strip("/")
        found = files.get(path)
        if found is None:
            if "." in path.rpartition("/")[2] or "index.html" not in files:
                return web.Response(status=404, text="not found", headers=PAGE_HEADERS)
            path, found = "index.html", files["index.html"]
        caching = IMMUTABLE if path.startswith("assets/") else REVALIDATE
        headers = {**PAGE_HEADERS, "Cache-Control": caching}
        headers["Content-Type"] = TYPES.get(found.suffix, "application/octet-stream")
        return web.FileResponse(found, headers=headers)

    app.router.add_get("/{path:.*}", console)


def _files(folder: Path) -> dict[str, Path]:
    return {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
