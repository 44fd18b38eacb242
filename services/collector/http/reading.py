"""Reading a request's body: size, type and time are checked before a byte of it is believed.

Read :func:`read_body`. A body that came along with its header, the usual case, is taken without waiting.
"""

from __future__ import annotations

import asyncio
import base64
import binascii

from aiohttp import web

from services.collector.domain.refusals import Refusal
from shared.contracts.tracking import MAX_BODY_BYTES

_TYPES = ("text/plain", "application/json")


def _header_refused(request: web.BaseRequest, limit: int) -> Refusal | None:
    fields = request.headers
    kind = fields.get("Content-Type", "text/plain").partition(";")[0].strip().lower()
    if kind not in _TYPES:
        return Refusal("content_type")
    if fields.get("Content-Encoding", "identity").strip().lower() not in ("", "identity"):
        return Refusal("content_encoding")
    length = request.content_length
    if length is not None and length > limit:
        return Refusal("too_large")
    return None


async def read_body(request: web.BaseRequest, body_s: float, limit: int = MAX_BODY_BYTES) -> bytes | Refusal:
    """The body, at most `limit` bytes (16 KiB) of text/plain or application/json, that arrives within `body_s`."""
    refused = _header_refused(request, limit)
    if refused is not None:
        return refused
    content = request.content
    if content.is_eof():
        body = content.read_nowait() if not content.at_eof() else b""
        return body if len(body) <= limit else Refusal("too_large")
    if request.headers.get("Expect", "").lower() == "100-continue" and request.transport is not None:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    received = bytearray()
    try:
        async with asyncio.timeout(body_s):
            while chunk := await content.readany():
                received += chunk
                if len(received) > limit:
                    return Refusal("too_large")
    except TimeoutError:
        return Refusal("timeout")
    except web.RequestPayloadError:
        return Refusal("bad_request")
    return bytes(received)


def read_query_body(text: str) -> bytes | Refusal:
    """The pixel's `d`: base64url, with or without padding."""
    if len(text) > MAX_BODY_BYTES * 4 // 3 + 4:
        return Refusal("too_large")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return Refusal("not_json")
