"""The gateway's public port against connections that ask for nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from shared.storage.clients import Clients
from tests.live_rig import Rig, gateway


@pytest.fixture
async def rig(clients: Clients, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Rig]:
    monkeypatch.setattr("services.operator_gateway.app.HEADER_S", 0.2)
    monkeypatch.setattr("services.operator_gateway.app.SPARE_CONNECTIONS", 5)
    monkeypatch.setattr("shared.runtime.edge_server.SWEEP_S", 0.05)
    async with gateway(clients, redis_url, tmp_path, max_connections=10, max_per_address=10) as running:
        yield running


async def opened(rig: Rig, sent: bytes = b"") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    url = urlsplit(rig.url)
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    writer.write(sent)
    return reader, writer


async def test_a_header_that_never_ends_is_answered_408_and_closed(rig: Rig) -> None:
    reader, writer = await opened(rig, b"GET / HTTP/1.1\r\nHost: x\r\n")
    answer = await asyncio.wait_for(reader.read(), 10)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"code":"timeout"' in answer
    writer.close()


async def test_connections_that_ask_nothing_make_room_for_operators(rig: Rig) -> None:
    silent = [await opened(rig) for _ in range(15)]
    console = await rig.connect(await rig.operator(await rig.shop()))
    assert console.named("ready")
    assert await asyncio.wait_for(silent[0][0].read(), 10) == b"", "who waited longest made room"
    for _, writer in silent:
        writer.close()


async def test_broken_http_is_a_problem_like_any_other(rig: Rig) -> None:
    reader, writer = await opened(rig, b"\x00\x01 nonsense\r\n\r\n")
    answer = await asyncio.wait_for(reader.read(), 10)
    assert b" 400 " in answer.splitlines()[0]
    assert b"application/problem+json" in answer
    assert b"nonsense" not in answer
    writer.close()
