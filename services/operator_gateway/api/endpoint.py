"""The way of a request: who asks, may they, what do they say; then the handler; then the answer.

Every answer carries X-Request-Id and is never cached. Every failure ends here in one problem+json. Read
:func:`endpoint` first.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import structlog
from aiohttp import web
from msgspec import Struct

from services.operator_gateway.api import cookies
from services.operator_gateway.api.context import ApiContext
from services.operator_gateway.api.problems import Refusal, answer
from services.operator_gateway.api.routing import Anyone, Call, Reply, Route, admit
from services.operator_gateway.passwords import PasswordsBusy
from shared.domain.field_errors import field_error
from shared.storage.faults import Lagging, Unavailable
from shared.storage.sessions import SignedIn

log = structlog.get_logger()

Handle = Callable[[web.Request], Awaitable[web.StreamResponse]]
COMMON_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
}
BEARER = "bearer "
REQUEST_ID = web.RequestKey("request_id", str)


def endpoint(context: ApiContext, route: Route) -> Handle:
    """The aiohttp handler of `route`."""

    async def handle(request: web.Request) -> web.StreamResponse:
        return await guarded(context, request, route.operation, lambda: _respond(context, route, request))

    return handle


async def guarded(
    context: ApiContext, request: web.Request, operation: str, respond: Callable[[], Awaitable[web.Response]]
) -> web.Response:
    """Exactly one answer and one counted outcome, with the headers that every answer has, whatever happens."""
    request_id = secrets.token_hex(8)
    request[REQUEST_ID] = request_id
    outcome = "ok"
    try:
        response = await respond()
    except Exception as error:
        refusal = _refusal(error, operation, request_id)
        outcome, response = refusal.code, answer(refusal, request_id)
    context.metrics.count(operation, outcome)
    response.headers.update(COMMON_HEADERS)
    response.headers["X-Request-Id"] = request_id
    return response


def _refusal(error: Exception, operation: str, request_id: str) -> Refusal:
    match error:
        case Refusal():
            return error
        case Unavailable():
            log.warning("api_unavailable", operation=operation, request_id=request_id, reason=str(error))
            return Refusal("unavailable", retry_after_s=2)
        case Lagging(retry_after_s=retry_after_s):
            return Refusal("unavailable", retry_after_s=retry_after_s)
        case PasswordsBusy():
            return Refusal("busy", retry_after_s=1)
    log.error("api_failed", operation=operation, request_id=request_id, exc_info=error)
    return Refusal("internal")


async def _respond(context: ApiContext, route: Route, request: web.Request) -> web.Response:
    _refuse_other_websites(route, request)
    login, by_cookie = await _who(context, route, request)
    await context.directory.catch_up()
    site = context.directory.site(request.match_info.get("site", ""))
    admit(route.rule, login.operator if login else None, site)
    if login and by_cookie and route.changes and not isinstance(route.rule, Anyone):
        _check_csrf(request, login)
    call = Call(
        context=context,
        request=request,
        body=await _body(context, route, request),
        query=_query(route, request),
        login=login,
        site_=site,
        expected=_expected(route, request),
        by_cookie=by_cookie,
    )
    result = await route.handle(call)
    if login and route.changes:  # who changed what: ids only
        named = dict(request.match_info)
        log.info(
            "api_changed",
            operation=route.operation,
            by=login.operator.operator,
            request_id=request[REQUEST_ID],
            **named,
        )
    return _response(context, route, request, result if isinstance(result, Reply) else Reply(result))


def _refuse_other_websites(route: Route, request: web.Request) -> None:
    """Browsers say where a request comes from. Nothing here is for other websites, logging in least of all."""
    if route.changes and request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        raise Refusal("cross_site")


async def _who(context: ApiContext, route: Route, request: web.Request) -> tuple[SignedIn | None, bool]:
    """The login that the request brings and whether a cookie named it. A header that is no login is not overlooked."""
    header = request.headers.get("Authorization")
    if header is not None:
        token = header[len(BEARER) :].strip() if header[: len(BEARER)].lower() == BEARER else ""
        login = await context.sessions.verify(token)
        if login is None and not isinstance(route.rule, Anyone):
            raise Refusal("unauthorized", headers={"WWW-Authenticate": "Bearer"})
        return login, False
    token = cookies.token_of(request, secure=context.secure(request))
    return (await context.sessions.verify(token) if token else None), True


def _check_csrf(request: web.Request, login: SignedIn) -> None:
    given = request.headers.get("X-CSRF-Token", "")
    if not hmac.compare_digest(given.encode(errors="replace"), login.session.csrf.encode()):
        raise Refusal("csrf")


async def _body(context: ApiContext, route: Route, request: web.Request) -> Any:
    if route.body is None:
        return None
    raw = await _read(context, request)
    if not raw:
        if route.body_optional:
            return route.body()
        raise Refusal("empty")
    if request.content_type != "application/json":
        raise Refusal("content_type")
    try:
        return msgspec.json.decode(raw, type=route.body)
    except msgspec.ValidationError as error:
        raise Refusal("invalid", errors=(field_error(str(error)),)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Refusal("not_json") from None


async def _read(context: ApiContext, request: web.Request) -> bytes:
    limits = context.limits
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Refusal("content_encoding")
    if (request.content_length or 0) > limits.body_bytes:
        raise Refusal("too_large")
    body = bytearray()
    try:
        async with asyncio.timeout(limits.body_s):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > limits.body_bytes:
                    raise Refusal("too_large")
    except TimeoutError:
        raise Refusal("timeout", headers={"Connection": "close"}) from None
    return bytes(body)


def _query(route: Route, request: web.Request) -> Any:
    if route.query is None:
        return None
    try:
        return msgspec.convert(dict(request.query), route.query, strict=False)
    except msgspec.ValidationError as error:
        raise Refusal("invalid", errors=(field_error(str(error)),)) from None


def _expected(route: Route, request: web.Request) -> int | None:
    text = request.headers.get("If-Match", "*").strip()
    if not route.versioned or text == "*":
        return None
    number = text.removeprefix("W/").strip('"')
    if not (number.isascii() and number.isdecimal() and len(number) < 16):
        raise Refusal("bad_version")
    return int(number)


def _response(context: ApiContext, route: Route, request: web.Request, reply: Reply) -> web.Response:
    if reply.file is not None:
        response = web.Response(body=reply.file.content, content_type=reply.file.media, charset="utf-8")
        response.headers["Content-Disposition"] = f'attachment; filename="{reply.file.name}"'
    elif reply.value is None:
        response = web.Response(status=204)
    else:
        body = msgspec.json.encode(reply.value)
        response = web.Response(status=route.status, body=body, content_type="application/json")
        if (version := _version(reply.value)) is not None:
            response.headers["ETag"] = f'"{version}"'
    if reply.login is not None:
        cookies.set_token(response, request, reply.login, reply.cookie_s, secure=context.secure(request))
    return response


def _version(value: Struct) -> int | None:
    version = getattr(value, "version", None)
    return version if isinstance(version, int) else None
