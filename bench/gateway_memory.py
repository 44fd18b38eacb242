"""Memory of a connected operator beside a bare WebSocket, and of a visitor of a watched site.

    python -m bench.gateway_memory [--sockets 500] [--visitors 100000]

*Operators*: sockets that offer deflate as browsers do, each with a session object and one open view; the growth of the
serving process's resident memory is divided by them. The baseline is a bare aiohttp WebSocket handler that keeps the
same session object, with compression as aiohttp has it by default and switched off. `foyer` is the list alone, `whole
gateway` the process as it is deployed, with an operator of its own on each socket. *Visitors*: rows laid into a
replica with one open view, as a gateway that watches the site holds them. Each way runs in a process of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import msgspec
import uvloop
from aiohttp import web

from bench._garbage import resident_kib
from bench._visitors import stored
from bench.gateway_fanout import Site, Step, foyer
from bench.gateway_site import SITE, Child, Shop, tokens_for
from services.operator_gateway.sockets.frames import Dialect
from services.operator_gateway.views.engine import SiteViews, ViewSpec
from services.operator_gateway.views.visitors import SiteFacts
from shared.contracts.operators import Filter, Sort
from shared.contracts.sites import Membership, Operator
from shared.domain.visitor_packing import decode_row
from shared.embedded import EmbeddedValkey
from shared.storage.clients import Clients, RedisSettings
from tests.eventually import eventually

ROUNDS = 3
WHOLE = "whole gateway"
WARM_UP = 20  # sockets before counting: code, caches and pools are paid for


def session_object() -> Operator:
    """What a gateway keeps of who is connected."""
    return msgspec.json.decode(
        msgspec.json.encode(
            Operator(operator="o_bench", email="a@b.example", name="Bench", memberships=(Membership(site=SITE),))
        ),
        type=Operator,
    )


async def bare(compress: bool) -> tuple[web.Application, str, Step, Callable[[], int]]:
    """WebSockets and nothing else, but for the session."""
    sessions: dict[web.WebSocketResponse, tuple[Operator, dict[str, Any]]] = {}

    async def handler(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse(compress=compress)
        await ws.prepare(request)
        sessions[ws] = (session_object(), {"list": Site})
        async for _ in ws:
            pass
        return ws

    app = web.Application()
    app.router.add_get("/bare", handler)

    async def step() -> None:
        for ws in sessions:
            await ws.send_bytes(b"x" * 700)

    return app, "/bare", step, lambda: len(sessions)


async def ours(dialect: Dialect) -> tuple[web.Application, str, Step, Callable[[], int]]:
    """The gateway's way."""
    return await foyer(dialect, session_object)


WAYS: dict[str, Callable[[], Awaitable[tuple[web.Application, str, Step, Callable[[], int]]]]] = {
    "bare, no deflate": lambda: bare(compress=False),
    "bare, deflate": lambda: bare(compress=True),
    "foyer, JSON": lambda: ours("json"),
    "foyer, msgpack": lambda: ours("msgpack"),
}


async def per_socket(name: str, sockets: int) -> float:
    """KiB for each connected socket after a few deltas."""
    app, path, step, present = await WAYS[name]()
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
    port = runner.addresses[0][1]
    others = []

    async def more(count: int) -> None:
        before = present()
        command = [sys.executable, "-m", "bench.gateway_fanout", "--clients", f"{port} {path} {count}"]
        others.append(await asyncio.create_subprocess_exec(*command))
        await eventually(lambda: present() >= before + count, within_s=120, every_s=0.1)
        for _ in range(3):
            await step()
            await asyncio.sleep(0.1)

    try:
        await more(WARM_UP)
        before_kib = resident_kib()
        await more(sockets)
        return (resident_kib() - before_kib) / sockets
    finally:
        for other in others:
            other.kill()
            await other.wait()
        await runner.cleanup()


async def in_whole_gateway(sockets: int) -> float:
    """The same of a real gateway's process: login, attendance, desk and all other registries included."""
    with tempfile.TemporaryDirectory() as folder, EmbeddedValkey(Path(folder)) as server:
        clients = Clients(RedisSettings(server.url))
        await clients.ready()
        await Shop(clients).fill(1000)
        tokens = await tokens_for(clients, sockets + WARM_UP, each=1)
        gateway = await Child.start("--serve", server.url)
        children = [gateway]
        try:
            port = (await gateway.figures())["port"]
            found = []
            for share in (tokens[:WARM_UP], tokens[WARM_UP:]):
                children.append(await Child.start("--operate", json.dumps([port, share, len(share), 1, False, 1])))
                await children[-1].figures()
                await asyncio.sleep(1)
                found.append((await gateway.ask())["kib"])
            return cast("float", (found[1] - found[0]) / sockets)
        finally:
            for child in children:
                await child.stop()
            await clients.close()


def per_visitor(visitors: int, views: int) -> float:
    """KiB for each visitor of a watched site on which `views` different views are open."""
    rows = [(f"00000000-0000-4000-8000-{number:012d}", stored(number)) for number in range(1, visitors + 1)]
    site = SiteViews(SiteFacts(), "bench")
    sorts = [Sort("visit_started_at", "desc"), Sort("nickname"), Sort("page"), Sort("pages", "desc"), Sort("country")]
    groups = [site.join(ViewSpec(sort, Filter(), 0, 50)) for sort in sorts[:views]]
    before_kib = resident_kib()
    for at in range(0, visitors, 500):
        slice_of_rows = [(visitor, row) for visitor, packed in rows[at : at + 500] if (row := decode_row(packed))]
        site.replica.load(slice_of_rows, ())
    while site.fill():
        pass
    for group in groups:
        group.advance(site.replica, site.facts)
    return (resident_kib() - before_kib) / visitors


def one(way: str, options: argparse.Namespace) -> float:
    """One figure, in this process."""
    if way.startswith("visitor"):
        return per_visitor(options.visitors, int(way.split(" ")[1]))
    if way == WHOLE:
        return uvloop.run(in_whole_gateway(options.sockets))
    return uvloop.run(per_socket(way, options.sockets))


def main() -> None:
    """Print all ways, each measured in processes of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sockets", type=int, default=500)
    parser.add_argument("--visitors", type=int, default=100_000)
    parser.add_argument("--way", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        print(json.dumps(one(options.way, options)))
        return
    base = 0.0
    for way in (*WAYS, WHOLE, "visitor 1", "visitor 5"):
        command = [sys.executable, "-m", "bench.gateway_memory", "--way", way]
        command += [f"--sockets={options.sockets}", f"--visitors={options.visitors}"]
        rounds = 1 if way.startswith("visitor") else ROUNDS
        found = sorted(
            json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            for _ in range(rounds)
        )
        middle = found[len(found) // 2]
        base = base or middle
        what = (
            "socket"
            if not way.startswith("visitor")
            else f"visitor of {options.visitors:,}, different orders: {way[-1]}"
        )
        ratio = "" if way.startswith("visitor") else f"x{middle / base:.2f}"
        print(f"{way:17} {middle:7.2f} KiB a {what} ({found[0]:.2f} to {found[-1]:.2f})  {ratio}", flush=True)


if __name__ == "__main__":
    main()
