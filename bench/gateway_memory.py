"""Memory of a connected operator beside a bare WebSocket, and of a visitor of a watched site.

    python -m bench.gateway_memory [--sockets 500] [--visitors 100000]

*Operators*: sockets that offer deflate as browsers do, each with a session object and one open view; the growth of the
serving process's resident memory is divided by them. The baseline is a bare aiohttp WebSocket handler that keeps the
same session object, with compression as aiohttp has it by default and switched off. *Visitors*: rows laid into a
replica with one open view, as a gateway that watches the site holds them. Each way runs in a process of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import uvloop
from aiohttp import web

from bench.gateway_fanout import Site, Step, foyer
from services.operator_gateway.sockets.frames import Dialect
from services.operator_gateway.views.engine import SiteViews, ViewSpec
from services.operator_gateway.views.visitors import SiteFacts
from shared.contracts.operators import Filter, Sort
from shared.contracts.sites import Membership, Operator
from shared.domain.visitor import Tab, View, Visitor
from shared.domain.visitor_packing import decode_row, pack_visitor
from tests.eventually import eventually

PAGE_BYTES = 4096
ROUNDS = 3
WARM_UP = 20  # sockets before counting: code, caches and pools are paid for


def resident_kib() -> float:
    """What the process holds now, garbage apart."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * PAGE_BYTES / 1024


def session_object() -> Operator:
    """What a gateway keeps of who is connected."""
    return msgspec.json.decode(
        msgspec.json.encode(
            Operator(
                operator="o_bench", email="a@b.example", name="Bench", memberships=(Membership(site="s_0000beef"),)
            )
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


def stored(number: int) -> bytes:
    """A visitor as presence stores one: two tabs' worth of ordinary values."""
    url = f"https://www.shop.example/department/{number % 40}/products/{number}?campaign=autumn"
    view = View(number.to_bytes(16, "big"), url, f"Product {number} in department {number % 40}", 1)
    return pack_visitor(
        Visitor(
            number=number, version=number, live=True, visits=1 + number % 5, pages=1 + number % 9,
            visit_started_at=1_700_000_000_000 + number, country=("DE", "AT", "CH", "US", "GB")[number % 5],
            lang="de-DE", browser="Firefox", os="Windows", kind="desktop", referrer="https://search.example/",
            tabs=(Tab(b"t" * 16, view=view, seen_at=1),),
        )
    )  # fmt: skip


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
    for way in (*WAYS, "visitor 1", "visitor 5"):
        command = [sys.executable, "-m", "bench.gateway_memory", "--way", way]
        command += [f"--sockets={options.sockets}", f"--visitors={options.visitors}"]
        rounds = 1 if way.startswith("visitor") else ROUNDS
        found = sorted(
            json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            for _ in range(rounds)
        )
        middle = found[len(found) // 2]
        base = base or middle
        what = "socket" if way in WAYS else f"visitor of {options.visitors:,}, different orders: {way[-1]}"
        ratio = f"x{middle / base:.2f}" if way in WAYS else ""
        print(f"{way:17} {middle:7.2f} KiB a {what} ({found[0]:.2f} to {found[-1]:.2f})  {ratio}", flush=True)


if __name__ == "__main__":
    main()
