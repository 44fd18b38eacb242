"""What the edge does about clients that are slow, greedy, broken or behind proxies: raw sockets, a real Valkey."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from shared.contracts.streams import TabEvents
from shared.storage.clients import Clients
from tests.collector_rig import FIREFOX, ORIGIN, CollectorRig, batch, collector, make_site, new_id

HEAD = f"Host: x\r\nOrigin: {ORIGIN}\r\nUser-Agent: {FIREFOX}\r\nContent-Type: text/plain\r\n"


@asynccontextmanager
async def raw(rig: CollectorRig) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A bare connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", rig.port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def exchange(rig: CollectorRig, *parts: str | bytes) -> str:
    """What comes back for bytes on a connection of their own, until the collector closes it."""
    async with raw(rig) as (reader, writer):
        for part in parts:
            writer.write(part if isinstance(part, bytes) else part.encode())
        async with asyncio.timeout(10):
            return (await reader.read()).decode()


@pytest.fixture
async def rig(clients: Clients, redis_url: str) -> AsyncIterator[CollectorRig]:
    await make_site(clients)
    async with collector(clients, redis_url, header_s=0.3, body_s=0.3) as running:
        yield running


async def test_a_header_that_never_ends_is_answered_408_and_closed(rig: CollectorRig) -> None:
    answer = await exchange(rig, "POST /v1/e HTTP/1.1\r\nHost:")
    assert answer.startswith("HTTP/1.1 408 ")
    assert "X-Request-Id: " in answer
    assert json.loads(answer.partition("\r\n\r\n")[2])["code"] == "timeout"


async def test_a_body_that_never_ends_is_answered_408_and_closed(rig: CollectorRig) -> None:
    answer = await exchange(rig, f"POST /v1/e HTTP/1.1\r\n{HEAD}Content-Length: 100\r\n\r\nhalf")
    assert answer.startswith("HTTP/1.1 408 ")
    assert '"code":"timeout"' in answer
    assert await rig.metric('foyer_collector_inputs_total{channel="http",outcome="timeout"}') == 1


BROKEN: dict[str, str | bytes] = {
    "not HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "two lengths": f"POST /v1/e HTTP/1.1\r\n{HEAD}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    "length and chunked": f"POST /v1/e HTTP/1.1\r\n{HEAD}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
    "negative length": f"POST /v1/e HTTP/1.1\r\n{HEAD}Content-Length: -5\r\n\r\nhello",
    "header with NUL": "GET /v1/site HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n",
    "endless line": f"GET /{'x' * 40_000} HTTP/1.1\r\nHost: x\r\n\r\n",
    "too many headers": "GET / HTTP/1.1\r\n" + "".join(f"X-{i}: 1\r\n" for i in range(500)) + "\r\n",
    "bad chunk": f"POST /v1/e HTTP/1.1\r\n{HEAD}Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("name", BROKEN)
async def test_broken_http_is_a_problem_like_any_other_and_closes(rig: CollectorRig, name: str) -> None:
    answer = await exchange(rig, BROKEN[name])
    assert answer.split(" ")[:2] in (["HTTP/1.0", "400"], ["HTTP/1.1", "400"])
    assert '"code":"bad_request"' in answer
    assert "X-Request-Id: " in answer or "X-Request-ID: " in answer
    assert "Traceback" not in answer
    assert await rig.metric('foyer_collector_answers_total{route="broken",status="400"}') == 1
    assert await rig.entries() == []


async def test_a_chunked_body_is_taken_within_the_limit(rig: CollectorRig) -> None:
    body = json.dumps(batch()).encode()
    start = f"POST /v1/e HTTP/1.1\r\n{HEAD}Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    good = await exchange(rig, start, f"{len(body):x}\r\n", body, "\r\n0\r\n\r\n")
    assert good.startswith("HTTP/1.1 204 ")
    large = await exchange(rig, start, f"{20_000:x}\r\n", b" " * 20_000, "\r\n0\r\n\r\n")
    assert large.startswith("HTTP/1.1 413 ")


async def test_too_large_is_said_before_the_body_is_sent(rig: CollectorRig) -> None:
    answer = await exchange(rig, f"POST /v1/e HTTP/1.1\r\n{HEAD}Content-Length: 999999999\r\n\r\n")
    assert answer.startswith("HTTP/1.1 413 ")


async def test_who_waits_for_100_continue_gets_it(rig: CollectorRig) -> None:
    body = json.dumps(batch()).encode()
    async with raw(rig) as (reader, writer):
        head = f"POST /v1/e HTTP/1.1\r\n{HEAD}Expect: 100-continue\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode())
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100 ")
        writer.write(body)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 204 ")


async def test_pipelined_beacons_are_each_answered(rig: CollectorRig) -> None:
    body = json.dumps(batch())
    one = f"POST /v1/e HTTP/1.1\r\n{HEAD}Content-Length: {len(body)}\r\n\r\n{body}"
    async with raw(rig) as (reader, writer):
        writer.write(one.encode() * 5)
        for _ in range(5):
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 204 ")
    assert len(await rig.entries()) == 5


@pytest.mark.parametrize("caps", [{"max_connections": 20, "max_per_address": 20}, {"max_per_address": 20}])
async def test_a_flood_of_silent_connections_does_not_keep_a_visitor_out(
    clients: Clients, redis_url: str, caps: dict[str, Any]
) -> None:
    """1,500 connections that never finish a header once exhausted the process: now the oldest makes room."""
    await make_site(clients)
    async with collector(clients, redis_url, **caps) as rig:
        silent = [await asyncio.open_connection("127.0.0.1", rig.port) for _ in range(60)]
        for _, writer in silent:
            writer.write(b"POST /v1/e HTTP/1.1\r\n")
        assert (await rig.post(batch())).status == 204
        assert await rig.metric('foyer_collector_connections_dropped_total{reason="no_room"}') >= 41
        assert await rig.metric("foyer_collector_connections") == 20
        for _, writer in silent:
            writer.close()


async def test_live_channels_are_not_what_makes_room(clients: Clients, redis_url: str) -> None:
    await make_site(clients)
    async with (
        collector(clients, redis_url, max_connections=3, max_per_address=3) as rig,
        rig.live() as one,
        rig.live() as two,
    ):
        await one.hello()
        await two.hello()
        for _ in range(5):
            assert (await rig.post(batch(), {"Connection": "close"})).status == 204
        assert (await one.ask({"type": "x", "id": "1"}))["type"] == "error"  # still there


async def test_an_address_that_asks_too_often_is_told_when_to_return(clients: Clients, redis_url: str) -> None:
    await make_site(clients)
    async with collector(clients, redis_url, address_per_s=0.5, address_burst=3) as rig:
        assert [(await rig.post(batch())).status for _ in range(3)] == [204] * 3
        answer = await rig.post(batch())
        assert (answer.status, answer.json["code"], answer.headers["Retry-After"]) == (429, "too_fast", "2")
        assert len(await rig.entries()) == 3


async def test_a_visitor_that_sends_too_often_is_refused_alone(clients: Clients, redis_url: str) -> None:
    await make_site(clients)
    async with collector(clients, redis_url, visitor_per_s=0.5, visitor_burst=2) as rig:
        tab = new_id()
        assert [(await rig.post(batch(tab=tab))).status for _ in range(3)] == [204, 204, 429]
        assert (await rig.post(batch())).status == 204


async def test_invented_visitors_of_one_address_are_bounded(clients: Clients, redis_url: str) -> None:
    await make_site(clients)
    async with collector(clients, redis_url, newcomers_per_s=0.5, newcomers_burst=5) as rig:
        statuses = [(await rig.post(batch(visitor=new_id()))).status for _ in range(8)]
        assert statuses == [200] * 5 + [429] * 3
        known = new_id()
        token = rig.token(known)
        assert (await rig.post(batch(visitor=known, token=token))).status == 204  # who was here before is not held up


async def test_a_network_that_invents_visitors_brings_anonymous_ones(clients: Clients, redis_url: str) -> None:
    await make_site(clients)
    async with collector(clients, redis_url, remembered_per_day=1, remembered_burst=3) as rig:
        invented = [new_id() for _ in range(5)]
        assert [(await rig.post(batch(visitor=one))).status for one in invented] == [200] * 3 + [204] * 2
        async with rig.live() as channel:
            answer = await channel.hello(visitor=new_id())
        assert answer["type"] == "ok"
        assert "token" not in answer
        known, old = new_id(), new_id()
        assert (await rig.post(batch(visitor=known, token=rig.token(known)))).status == 204
        await rig.known(old, 1_000)
        assert (await rig.post(batch(visitor=old))).status == 204
        entries = [entry for entry in await rig.entries() if isinstance(entry, TabEvents)]
        assert [entry.visitor for entry in entries] == [*invented, known, old]
        assert [entry.anonymous for entry in entries] == [False] * 3 + [True] * 2 + [False] * 2
        assert await rig.metric("foyer_collector_unremembered_total") == 3
        assert "newcomers" in (await rig.readiness())["warnings"]


async def test_a_network_is_an_address_or_an_ipv6_site(clients: Clients, redis_url: str) -> None:
    await make_site(clients)
    scaled: dict[str, Any] = {"remembered_per_day": 1, "remembered_burst": 1, "trusted_proxies": "127.0.0.1/32"}
    async with collector(clients, redis_url, **scaled) as rig:
        for address, status in (
            ("203.0.113.7", 200),
            ("203.0.113.7", 204),
            ("203.0.113.8", 200),
            ("2001:db8:1:1::1", 200),
            ("2001:db8:1:2::1", 204),
            ("2001:db8:2:1::1", 200),
        ):
            assert (await rig.post(batch(visitor=new_id()), {"X-Forwarded-For": address})).status == status, address


async def test_only_a_trusted_proxy_may_name_the_address(clients: Clients, redis_url: str) -> None:
    await make_site(clients)
    forged = {"X-Forwarded-For": "203.0.113.7"}
    rate: dict[str, Any] = {"address_per_s": 0.001, "address_burst": 1}
    async with collector(clients, redis_url, **rate) as rig:
        assert (await rig.post(batch(), forged)).status == 204
        assert (await rig.post(batch(), {"X-Forwarded-For": "203.0.113.8"})).status == 429
    async with collector(clients, redis_url, trusted_proxies="127.0.0.1/32", **rate) as rig:
        assert (await rig.post(batch(), forged)).status == 204
        assert (await rig.post(batch(), {"X-Forwarded-For": "1.1.1.1, 203.0.113.7"})).status == 429
        assert (await rig.post(batch(), {"X-Forwarded-For": "203.0.113.7, 198.51.100.9"})).status == 204


async def test_no_address_reaches_stream_or_log(
    clients: Clients, redis_url: str, capfd: pytest.CaptureFixture[str]
) -> None:
    await make_site(clients)
    async with collector(clients, redis_url, trusted_proxies="127.0.0.1/32") as rig:
        await rig.post(batch(), {"X-Forwarded-For": "203.0.113.77"})
        await exchange(rig, BROKEN["two lengths"])
        [entry] = await rig.entries()
        assert isinstance(entry, TabEvents)
        assert "203.0.113.77" not in repr(entry)
    output = capfd.readouterr()
    assert "203.0.113.77" not in output.out + output.err
    assert "127.0.0.1" not in output.out + output.err
