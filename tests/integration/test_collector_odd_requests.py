"""Requests that no browser sends: the answer is a 4xx with a request id, or the connection closes."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator

import pytest

from shared.storage.clients import Clients
from tests.collector_rig import ORIGIN, CollectorRig, batch, collector, make_site

TARGETS = [
    "*",
    "//evil.example/v1/e",
    "http://evil.example/v1/e",
    "http://[::1/v1/e",
    "/v1/e%00",
    "/v1/%2e%2e/e",
    "/v1/e?" + "a=" * 200,
    "/v1/site?key=%ff%fe",
    "/v1/site?key=" + "s" * 100,
    "/v1/e.gif?d=" + "%" * 50,
    "/v1/live?x=\xe9",
    "/t/%2e%2e/%2e%2e/settings.py",
    "/t/" + "a/" * 100,
    "?x",
    "",
]
METHODS = ["GET", "HEAD", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "get"]


@pytest.fixture
async def rig(clients: Clients, redis_url: str) -> AsyncIterator[CollectorRig]:
    await make_site(clients)
    async with collector(clients, redis_url, header_s=0.5, body_s=0.5, address_burst=10**6) as running:
        yield running


async def answer_to(rig: CollectorRig, request: bytes, end: bytes = b"") -> bytes:
    """What comes back until `end`, or until the collector closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", rig.port)
    try:
        writer.write(request)
        async with asyncio.timeout(10):
            return await (reader.readuntil(end) if end else reader.read())
    except (ConnectionError, asyncio.IncompleteReadError):
        return b""
    finally:
        writer.close()


@pytest.mark.parametrize("method", METHODS)
async def test_odd_targets_and_methods_are_refused_politely(rig: CollectorRig, method: str) -> None:
    for target in TARGETS:
        request = f"{method} {target} HTTP/1.1\r\nHost: x\r\nOrigin: {ORIGIN}\r\nConnection: close\r\n\r\n"
        answer = await answer_to(rig, request.encode("latin-1"))
        status = int(answer.split(b" ", 2)[1])
        assert status in (200, 204, 400, 403, 404, 405, 422, 426), (target, answer)
        assert b"x-request-id" in answer.lower()
    assert await rig.metric('foyer_collector_answers_total{route="other",status="500"}') == 0


UPGRADES = [
    "Upgrade: websocket\r\nConnection: close\r\n",
    "Upgrade: websocket\r\nConnection: Upgrade\r\n",
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 12\r\nSec-WebSocket-Key: x\r\n",
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: Zebra\r\n",
    "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n",
]


@pytest.mark.parametrize("headers", UPGRADES)
async def test_a_broken_handshake_is_refused_without_quoting_it(rig: CollectorRig, headers: str) -> None:
    request = f"GET /v1/live HTTP/1.1\r\nHost: x\r\nOrigin: {ORIGIN}\r\n{headers}\r\n"
    answer = await answer_to(rig, request.encode(), b"}")
    assert answer.split(b" ", 2)[1] in (b"400", b"426")
    assert b"Zebra" not in answer
    assert b'"code"' in answer


async def test_arbitrary_bytes_never_hurt_the_next_visitor(rig: CollectorRig) -> None:
    source = random.Random(1)
    noise = [source.randbytes(source.randrange(300)) for _ in range(100)]
    beginnings = (b"", b"POST /v1/e HTTP/1.1\r\n", b"GET /v1/live HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n")
    requests = [beginnings[i % 3] + tail + b"\r\n" * (i % 2 * 2) for i, tail in enumerate(noise)]
    for answer in await asyncio.gather(*(answer_to(rig, request) for request in requests)):
        assert answer.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4"))
    assert (await rig.post(batch())).status == 204
