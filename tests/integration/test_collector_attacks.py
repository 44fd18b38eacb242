"""Attacks on the public port: requests that two servers would read differently, and clients slow on purpose."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import aiohttp
import pytest

from shared.contracts.streams import TabEvents
from shared.storage.clients import Clients
from tests.collector_rig import FIREFOX, ORIGIN, CollectorRig, batch, collector, make_site
from tests.eventually import eventually
from tests.tools import tool

HEAD = f"Host: x\r\nOrigin: {ORIGIN}\r\nUser-Agent: {FIREFOX}\r\nContent-Type: text/plain\r\n"


@pytest.fixture
async def rig(clients: Clients, redis_url: str) -> AsyncIterator[CollectorRig]:
    await make_site(clients)
    async with collector(clients, redis_url, header_s=1.0, body_s=1.0, max_connections=150) as running:
        yield running


def hidden() -> str:
    """A whole beacon, to be hidden in the body of another request."""
    body = json.dumps(batch())
    return f"POST /v1/e HTTP/1.1\r\n{HEAD}Content-Length: {len(body)}\r\n\r\n{body}"


# How a request says where its body ends, in ways that servers are known to disagree about. Each is followed by what is
# the next request for one of them, and part of the body for the other.
AMBIGUOUS = {
    "length, then chunked": "Content-Length: {n}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked, then length": "Transfer-Encoding: chunked\r\nContent-Length: {n}\r\n\r\n0\r\n\r\n",
    "two lengths": "Content-Length: 0\r\nContent-Length: {n}\r\n\r\n",
    "two lengths in one": "Content-Length: 0, {n}\r\n\r\n",
    "length with a sign": "Content-Length: +{n}\r\n\r\n",
    "length with an underscore": "Content-Length: 1_0\r\n\r\n",
    "length in hexadecimal": "Content-Length: 0x{n}\r\n\r\n",
    "empty length": "Content-Length: \r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "blank before the colon": "Content-Length: {n}\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "unknown coding": "Transfer-Encoding: xchunked\r\nContent-Length: {n}\r\n\r\n0\r\n\r\n",
    "chunked is not last": "Transfer-Encoding: chunked, identity\r\nContent-Length: {n}\r\n\r\n0\r\n\r\n",
    "chunked twice": "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\nContent-Length: {n}\r\n\r\n0\r\n\r\n",
    "folded header": "X: a\r\n b\r\nTransfer-Encoding:\r\n chunked\r\nContent-Length: {n}\r\n\r\n0\r\n\r\n",
    "bare LF after a header": "X: a\nTransfer-Encoding: chunked\r\nContent-Length: {n}\r\n\r\n0\r\n\r\n",
    "bare CR in a header": "X: a\rTransfer-Encoding: chunked\r\nContent-Length: {n}\r\n\r\n0\r\n\r\n",
    "NUL in a name": "Content-Length\0: {n}\r\nContent-Length: 0\r\n\r\n",
    "NUL in a value": "X: a\0\r\nContent-Length: {n}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunk size with a sign": "Transfer-Encoding: chunked\r\n\r\n+0\r\n\r\n",
    "chunk size in words": "Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n",
    "chunk ended by bare LF": "Transfer-Encoding: chunked\r\n\r\n0\n\n",
    "chunk size beyond all numbers": "Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n\r\n",
}


@pytest.mark.parametrize("name", AMBIGUOUS)
async def test_nothing_is_hidden_in_a_request_of_which_the_end_is_disputed(rig: CollectorRig, name: str) -> None:
    inner = hidden()
    outer = f"POST /v1/e HTTP/1.1\r\n{HEAD}" + AMBIGUOUS[name].format(n=len(inner))
    reader, writer = await asyncio.open_connection("127.0.0.1", rig.port)
    writer.write((outer + inner).encode())
    async with asyncio.timeout(10):
        answer = (await reader.read()).decode()
    writer.close()
    assert answer.count("HTTP/1.") == 1, "answered once and closed"
    assert answer.split(" ")[1] in ("400", "408"), answer
    assert await rig.entries() == []


async def test_a_forged_length_does_not_make_the_next_request_of_a_proxy_ours(rig: CollectorRig) -> None:
    """What follows a refused body on the same connection is read away, never taken for a request."""
    inner = hidden()
    outer = f"POST /v1/e HTTP/1.1\r\n{HEAD.replace('text/plain', 'image/png')}Content-Length: {len(inner)}\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", rig.port)
    writer.write((outer + inner).encode())
    async with asyncio.timeout(10):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
    assert head.startswith("HTTP/1.1 415 ")
    writer.close()
    assert (await rig.post(batch())).status == 204
    [only] = await rig.entries()
    assert isinstance(only, TabEvents)


SLOW = {
    "headers": ("-H", "-i", "1", "-x", "24"),
    "bodies": ("-B", "-i", "1", "-s", "8192", "-x", "10", "-t", "POST"),
    "readers": ("-X", "-w", "1", "-y", "8", "-n", "1", "-z", "1", "-k", "3"),
}


@pytest.mark.parametrize("kind", SLOW)
async def test_visitors_are_served_while_others_are_slow_on_purpose(rig: CollectorRig, kind: str) -> None:
    """300 connections against room for 150: who is slow is sent away, who is quick does not notice."""
    path = "/v1/site?key=s_9f8e7d6c" if kind == "readers" else "/v1/e"
    attack = await asyncio.create_subprocess_exec(
        *(tool("slowhttptest"), *SLOW[kind], "-c", "300", "-r", "150", "-l", "4", "-p", "2", "-u", rig.url + path),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    served = 0
    elsewhere = aiohttp.TCPConnector(force_close=True, local_addr=("127.0.0.2", 0))
    timeout = aiohttp.ClientTimeout(total=2)  # the contract's promise to a visitor
    try:
        finished = asyncio.create_task(attack.communicate())
        async with aiohttp.ClientSession(connector=elsewhere, timeout=timeout) as session:
            while not finished.done():
                headers = {"Origin": ORIGIN, "User-Agent": FIREFOX}
                async with session.post(f"{rig.url}/v1/e", data=json.dumps(batch()), headers=headers) as answer:
                    assert answer.status == 204
                served += 1
                await asyncio.sleep(0.02)
        report, _ = finished.result()
        assert b"Exit status" in report, report[-2000:]
    finally:
        if attack.returncode is None:
            attack.kill()
            await attack.wait()
    assert served >= 20

    async def is_empty() -> bool:
        return await rig.metric("foyer_collector_connections") <= 2

    await eventually(is_empty)
    assert await rig.metric('foyer_collector_inputs_total{channel="http",outcome="internal"}') == 0
