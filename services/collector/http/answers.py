"""Answers: the headers that every one of them carries, and problem+json for what is refused.

Every origin may read them (`Access-Control-Allow-Origin: *`): no cookie or other standing credential is looked at, so
an answer tells a page nothing that its own request did not bring.
"""

from __future__ import annotations

import itertools
import secrets
from http import HTTPStatus
from typing import Any, Final

import msgspec
from aiohttp import HttpVersion11, web
from aiohttp.helpers import rfc822_formatted_time

from services.collector.domain.refusals import Refusal
from shared.contracts.problems import Problem

REQUEST_ID: Final = "X-Request-Id"
# One random part for the process and a count: unique without asking the kernel for randomness each time.
_process: Final = secrets.token_hex(8)
_count: Final = itertools.count(1)

_COMMON: Final[dict[str, str]] = {
    "Server": "foyer",
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "X-Request-Id, Retry-After",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
_encode = msgspec.json.Encoder().encode

# A transparent picture of one pixel: 43 bytes.
GIF: Final = (
    b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00,"
    b"\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"
)


def headers(**more: str) -> dict[str, str]:
    """The headers of an answer with a new request id; `more` with `_` for `-`."""
    answer = {**_COMMON, REQUEST_ID: f"{_process}{next(_count):08x}"}
    for name, value in more.items():
        answer[name.replace("_", "-")] = value
    return answer


_NO_CONTENT: Final = (
    "HTTP/1.1 204 No Content\r\n"
    + "".join(f"{name}: {value}\r\n" for name, value in _COMMON.items())
    + f"{REQUEST_ID}: {_process}"
)


class Written(web.StreamResponse):
    """An answer that is one text already, at a third of the cost of building it header by header.

    Only for HTTP/1.1 connections that stay open. aiohttp's server asks an answer for what is below and nothing else.
    """

    def __init__(self, status: int, text: bytes) -> None:
        # The parent's fields are for answers that are built.
        self._status = status
        self._keep_alive = True
        self._text = text

    async def prepare(self, request: web.BaseRequest) -> None:
        """Write the answer."""
        transport = request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the client is gone")
        transport.write(self._text)
        await request.writer.drain()  # waits while the client reads none of its answers

    async def write_eof(self, data: bytes = b"") -> None:
        """There is no body."""


def _may_be_written(request: web.BaseRequest) -> bool:
    return request.keep_alive and request.version == HttpVersion11


def no_content(request: web.BaseRequest) -> web.StreamResponse:
    """204: nothing to say, the answer to nearly every beacon."""
    if _may_be_written(request):
        return Written(204, f"{_NO_CONTENT}{next(_count):08x}\r\nDate: {rfc822_formatted_time()}\r\n\r\n".encode())
    return web.Response(status=204, headers=headers())


def json_answer(value: Any, status: int = 200, **more: str) -> web.Response:
    """`value` as JSON."""
    return web.Response(status=status, body=_encode(value), headers=headers(Content_Type="application/json", **more))


def retry_header(refusal: Refusal) -> dict[str, str]:
    """Retry-After of a refusal, where it has one."""
    return {} if refusal.retry_after_s is None else {"Retry_After": str(max(1, refusal.retry_after_s))}


def problem_parts(refusal: Refusal, **more: str) -> tuple[dict[str, str], bytes]:
    """Headers and body of `refusal` as problem+json."""
    fields = headers(Content_Type="application/problem+json", **retry_header(refusal), **more)
    body = Problem(refusal.title, refusal.status, refusal.code, fields[REQUEST_ID], errors=refusal.errors)
    return fields, _encode(body)


def problem(refusal: Refusal, **more: str) -> web.Response:
    """`refusal` as problem+json."""
    fields, body = problem_parts(refusal, **more)
    return web.Response(status=refusal.status, body=body, headers=fields)


def problem_to(request: web.BaseRequest, refusal: Refusal) -> web.StreamResponse:
    """The same for a request that was read to its end: to refuse a flood must not cost more than to take it."""
    if not _may_be_written(request):
        return problem(refusal)
    fields, body = problem_parts(refusal)
    lines = [f"HTTP/1.1 {refusal.status} {HTTPStatus(refusal.status).phrase}"]
    lines += [f"{name}: {value}" for name, value in fields.items()]
    lines += [f"Content-Length: {len(body)}", f"Date: {rfc822_formatted_time()}", "\r\n"]
    return Written(refusal.status, "\r\n".join(lines).encode() + body)


def pixel(status: int = 200, **more: str) -> web.Response:
    """The picture."""
    return web.Response(status=status, body=GIF, headers=headers(Content_Type="image/gif", **more))
