"""Answers: the headers that every one of them carries, and problem+json for what is refused.

Every origin may read them (`Access-Control-Allow-Origin: *`): no cookie or other standing credential is looked at, so
an answer tells a page nothing that its own request did not bring.
"""

from __future__ import annotations

import itertools
import secrets
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


class NoContent(web.StreamResponse):
    """204, the answer to nearly every beacon: written as one prepared text, at a third of the cost of building it.

    Only for HTTP/1.1 connections that stay open. aiohttp's server asks an answer for what is below and nothing else.
    """

    def __init__(self) -> None:
        # The parent's fields are for answers that are built header by header.
        self._status = 204
        self._keep_alive = True

    async def prepare(self, request: web.BaseRequest) -> None:
        """Write the answer."""
        transport = request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the client is gone")
        transport.write(f"{_NO_CONTENT}{next(_count):08x}\r\nDate: {rfc822_formatted_time()}\r\n\r\n".encode())
        await request.writer.drain()  # waits while the client reads none of its answers

    async def write_eof(self, data: bytes = b"") -> None:
        """There is no body."""


def no_content(request: web.BaseRequest) -> web.StreamResponse:
    """204: nothing to say."""
    if request.keep_alive and request.version == HttpVersion11:
        return NoContent()
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


def pixel(status: int = 200, **more: str) -> web.Response:
    """The picture."""
    return web.Response(status=status, body=GIF, headers=headers(Content_Type="image/gif", **more))
