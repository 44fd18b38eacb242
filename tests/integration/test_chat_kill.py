"""Chats go on, line by line and without a double, while processes of chat-routing are killed."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections import Counter

import msgspec

from shared.contracts.chat import AcceptRequest, Actor, ChatEvent, CommandDone, RequestChat, SendMessage
from shared.contracts.sites import Membership, Operator, Site
from shared.contracts.streams import CmdEntry, GatewayAlive, OperatorConnected, decode_chat, decode_log, encode
from shared.domain.partitions import Partitions
from shared.runtime.clock import SystemClock
from shared.storage import keys
from shared.storage.blocks import payloads_in
from shared.storage.clients import Clients
from shared.storage.directory_store import DirectoryStore
from shared.storage.log import PartitionLog
from tests.eventually import eventually

PARTITIONS = Partitions(4)
SITES = [f"s_{n:04x}" for n in range(12)]
MESSAGES = 40
VISITOR = "11111111-1111-4111-8111-111111111111"
decode_line = msgspec.msgpack.Decoder(ChatEvent).decode


async def start(redis_url: str, instance: str) -> asyncio.subprocess.Process:
    environ = os.environ | {
        "REDIS_URL": redis_url,
        "PARTITIONS": str(PARTITIONS.count),
        "CHAT_ROUTING_ADMIN_PORT": "0",
        "CHAT_ROUTING_INSTANCE": instance,
        "LOG_LEVEL": "ERROR",
    }
    return await asyncio.create_subprocess_exec(sys.executable, "-m", "services.chat_routing", env=environ)


async def prepare(clients: Clients) -> None:
    store = DirectoryStore(clients)
    for site in SITES:
        await store.create_site(Site(site=site, name=site))
    memberships = tuple(Membership(site=site, max_chats=2) for site in SITES)
    await store.create_operator(Operator(operator="o_ada1", email="a@b.c", name="Ada", memberships=memberships), "")


async def begin_chats(log: PartitionLog) -> None:
    now = SystemClock().now_ms()
    visitor, operator = Actor("visitor", VISITOR), Actor("operator", "o_ada1")
    for site in SITES:
        entries: list[CmdEntry] = [
            OperatorConnected(site, "o_ada1", "Ada", "c1", "gw1", now),
            RequestChat(site=site, visitor=VISITOR, by=visitor, id="ask", name="Eve"),
            AcceptRequest(site=site, visitor=VISITOR, by=operator, id="take"),
        ]
        await log.append("cmd", PARTITIONS.of(site), [encode(entry) for entry in entries])


async def say(log: PartitionLog, n: int) -> None:
    """Both sides say something on every site; every third line is delivered twice, as after a lost reply."""
    by = Actor("visitor", VISITOR) if n % 2 else Actor("operator", "o_ada1")
    for site in SITES:
        line = encode(SendMessage(site=site, visitor=VISITOR, by=by, id=f"m{n}", text=f"Line {n}"))
        await log.append("cmd", PARTITIONS.of(site), [line] * (2 if n % 3 == 0 else 1))
    await asyncio.gather(
        *(log.append("cmd", p, [encode(GatewayAlive("gw1", SystemClock().now_ms()))]) for p in PARTITIONS.all())
    )


async def test_killed_processes_lose_and_double_nothing(redis_url: str, clients: Clients) -> None:
    await prepare(clients)
    log = PartitionLog(clients)
    processes = [await start(redis_url, "one"), await start(redis_url, "two")]
    try:
        await eventually(lambda: shared(clients), within_s=30)
        await begin_chats(log)
        for n in range(MESSAGES):
            await say(log, n)
            if n in (10, 25):
                processes[-1].send_signal(signal.SIGKILL)
                processes.append(await start(redis_url, f"after-{n}"))
        await eventually(lambda: all_done(clients), within_s=40)
    finally:
        for process in processes:
            if process.returncode is None:
                process.terminate()
            await process.wait()
    for site in SITES:
        await check(clients, site)


async def shared(clients: Clients) -> bool:
    leases = [await clients.call("GET", keys.lease("chat_routing", p)) for p in PARTITIONS.all()]
    return all(leases) and len({lease.rpartition(b":")[0] for lease in leases}) == 2


async def all_done(clients: Clients) -> bool:
    return bool(sum([await clients.call("XLEN", keys.stream("cmd", p)) for p in PARTITIONS.all()]) == 0)


async def check(clients: Clients, site: str) -> None:
    here = PARTITIONS.of(site)
    answers: Counter[tuple[str, int, str]] = Counter()
    chat = ""
    for _, fields in await clients.call("XRANGE", keys.stream("chat", here), "-", "+"):
        for one in decode_chat(fields[b"d"]).outcomes:
            if isinstance(one, CommandDone) and one.site == site:
                assert one.code is None
                answers[one.id, one.seq, one.by.kind] += 1
                chat = one.chat
    lines = [decode_line(f[b"d"]) for _, f in await clients.call("XRANGE", keys.transcript(here, chat), "-", "+")]
    assert [line.seq for line in lines] == list(range(1, MESSAGES + 3))
    assert [line.type for line in lines[:2]] == ["requested", "started"]
    assert [(line.id, line.text) for line in lines[2:]] == [(f"m{n}", f"Line {n}") for n in range(MESSAGES)]
    assert {(line.id, line.seq) for line in lines[2:]} <= {(ident, seq) for ident, seq, _ in answers}
    rows = [
        change
        for _, fields in await clients.call("XRANGE", keys.stream("log", here), "-", "+")
        for change in decode_log(payloads_in(fields)[0]).changes
        if change.site == site
    ]
    assert [change.seq for change in rows] == list(range(1, len(rows) + 1))
    assert await clients.call("XLEN", keys.parked("chat_routing", here)) == 0
