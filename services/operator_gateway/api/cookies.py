"""The console's cookie: the login's token, out of reach of scripts and of other sites.

`__Host-` ties it to this host and to TLS, which no neighbour on a parent domain can forge. Without TLS it has another
name and no Secure, and exists only on this very machine: browsers take Secure cookies nowhere else without TLS.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from aiohttp import web

SECURE_NAME = "__Host-foyer_session"
LOCAL_NAME = "foyer_session"
LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


def token_of(request: web.Request, *, secure: bool) -> str:
    """The token in the cookie, or an empty string."""
    return request.cookies.get(_name(request, secure=secure), "")


def set_token(response: web.Response, request: web.Request, token: str, ttl_s: int, *, secure: bool) -> None:
    """Give the browser the token for `ttl_s`, or take it away when it is empty."""
    name = _name(request, secure=secure)
    response.set_cookie(
        name,
        token,
        max_age=ttl_s if token else 0,
        path="/",
        secure=name == SECURE_NAME,
        httponly=True,
        samesite="Strict",
    )


def _name(request: web.Request, *, secure: bool) -> str:
    return LOCAL_NAME if not secure and _is_local(request.host) else SECURE_NAME


def _is_local(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    return name in LOCAL_HOSTS or name.endswith(".localhost")
