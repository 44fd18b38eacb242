"""What visitors who only look cost: CPU and memory of thousands of quiet live channels.

    python -m bench.idle_visitors [--visitors 10000] [--settle 80] [--seconds 60]

Real collector, presence and Valkey; the channels are opened by client processes from several loopback addresses, each
says hello and tells of one page view, answers pings, and says nothing more: visible and idle. After everybody has
turned idle, CPU is taken over `--seconds`, process by process. Memory is what the collector's process has more than
before, divided by the channels. The baseline, in the same run and with the same clients, is a bare aiohttp WebSocket
server with the same heartbeat, which reads and answers nothing but pings.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import os
import resource
import sys
import tempfile
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from bench._figures import cpu_s, info, machine, memory_kib
from shared.embedded.server import free_port
from shared.storage.clients import Clients, RedisSettings
from tests.eventually import eventually
from tests.stack import Stack

ORIGIN = "https://shop.example"
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
CLIENTS = 4  # processes, each with a loopback address of its own: 28,000 ports each
OPENING = 50  # handshakes at a time and process
HEARTBEAT_S = 25

BARE = f"""
import asyncio, sys, uvloop, resource
from aiohttp import web
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
async def live(request):
    socket = web.WebSocketResponse(heartbeat={HEARTBEAT_S})
    await socket.prepare(request)
    async for _ in socket:
        pass
    return socket
async def main():
    app = web.Application()
    app.router.add_get("/v1/live", live)
    runner = web.AppRunner(app, access_log=None, handle_signals=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", int(sys.argv[1]), backlog=1024).start()
    await asyncio.Event().wait()
asyncio.Runner(loop_factory=uvloop.new_event_loop).run(main())
"""


class Quiet(asyncio.Protocol):
    """The browser's end: handshake, hello and one page view if `site` is given, then only pongs."""

    def __init__(self, site: str) -> None:
        self._site = site
        self._received = b""
        self._upgraded = False
        self._told = False
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        key = base64.b64encode(os.urandom(16)).decode()
        transport.write(
            f"GET /v1/live HTTP/1.1\r\nHost: c\r\nOrigin: {ORIGIN}\r\nUser-Agent: {AGENT}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        """Frames of a server are short and unmasked here."""
        self._received += data
        if not self._upgraded:
            head, found, self._received = self._received.partition(b"\r\n\r\n")
            if not found:
                self._received = head
                return
            assert head.startswith(b"HTTP/1.1 101"), head
            self._upgraded = True
            if self._site:
                self._say(
                    f'{{"type":"hello","id":"h","site":"{self._site}","tab":"{uuid.uuid4()}","visitor":"{uuid.uuid4()}"}}'
                )
            else:
                self.ready.set_result(None)
        while len(self._received) >= 2 and len(self._received) >= 2 + self._received[1] + 2 * (
            self._received[1] == 126
        ):
            self._frame()

    def _frame(self) -> bool:
        """Take one frame, if it is all there."""
        if len(self._received) < 2:
            return False
        opcode, size, start = self._received[0] & 15, self._received[1], 2
        if size == 126:
            size, start = int.from_bytes(self._received[2:4], "big"), 4
        if len(self._received) < start + size:
            return False
        payload, self._received = self._received[start : start + size], self._received[start + size :]
        if opcode == 9:
            self._write(10, payload)
        elif opcode == 1:
            assert payload.startswith(b'{"type":"ok"'), payload
            if self._told:
                self.ready.set_result(None)
            else:
                self._told = True
                event = f'"type":"page","page":"{uuid.uuid4()}","n":1,"at":1,"url":"{ORIGIN}/a","title":"A"'
                self._say(f'{{"type":"events","id":"e","sent":1,"events":[{{{event}}}]}}')
        return True

    def _say(self, text: str) -> None:
        self._write(1, text.encode())

    def _write(self, opcode: int, payload: bytes) -> None:
        size = bytes([128 | len(payload)]) if len(payload) < 126 else b"\xfe" + len(payload).to_bytes(2, "big")
        self._transport.write(bytes([128 | opcode]) + size + bytes(4) + payload)  # masked with zeros

    def connection_lost(self, exc: Exception | None) -> None:
        """Fails the run if it was not asked for."""
        if not self.ready.done():
            self.ready.set_exception(exc or ConnectionError("closed"))


async def be_quiet(port: int, count: int, address: str, site: str) -> None:
    """Open `count` channels from `address`, say so, and keep them until the input ends."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    loop, slots = asyncio.get_running_loop(), asyncio.Semaphore(OPENING)

    async def one() -> asyncio.BaseTransport:
        async with slots:
            transport, quiet = await loop.create_connection(
                lambda: Quiet(site), "127.0.0.1", port, local_addr=(address, 0)
            )
            await quiet.ready
            return transport

    transports = await asyncio.gather(*(one() for _ in range(count)))
    print("open", flush=True)
    await loop.run_in_executor(None, sys.stdin.readline)
    assert not any(transport.is_closing() for transport in transports), "a channel was lost"
    print("kept", flush=True)
    for transport in transports:
        transport.close()


@contextlib.asynccontextmanager
async def crowd(port: int, count: int, site: str) -> AsyncIterator[None]:
    """So many open channels."""
    processes = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bench.idle_visitors", "--client", str(port), str(count // CLIENTS)),
            *(f"127.0.0.{number + 2}", site),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        for number in range(CLIENTS)
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            assert await process.stdout.readline() == b"open\n"
        yield
        for process in processes:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(b"\n")
            assert await process.stdout.readline() == b"kept\n"
    finally:
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            await process.wait()


@dataclass
class Cost:
    """`opening_s`: CPU for all handshakes; `share`: CPU of a core while quiet, by process; `kib` a connection."""

    opening_s: float
    share: dict[str, float]
    kib: float


async def cost(pids: dict[str, int], port: int, options: argparse.Namespace, site: str = "") -> Cost:
    """Of the first of `pids`, which holds the connections, and of the others."""
    holder = next(iter(pids.values()))
    memory, opening = memory_kib(holder), cpu_s(holder)
    async with crowd(port, options.visitors, site):
        opening = cpu_s(holder) - opening
        await asyncio.sleep(options.settle)
        kib = (memory_kib(holder) - memory) / options.visitors
        before = {name: cpu_s(pid) for name, pid in pids.items()}
        await asyncio.sleep(options.seconds)
        share = {name: (cpu_s(pid) - before[name]) / options.seconds for name, pid in pids.items()}
    return Cost(opening, share, kib)


async def bare(options: argparse.Namespace) -> Cost:
    """The baseline."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", BARE, str(port))

    async def listens() -> bool:
        with contextlib.suppress(OSError):
            (await asyncio.open_connection("127.0.0.1", port))[1].close()
            return True
        return False

    await eventually(listens)
    try:
        return await cost({"bare": process.pid}, port, options)
    finally:
        process.terminate()
        await process.wait()


async def real(options: argparse.Namespace) -> Cost:
    """Collector, presence and Valkey."""
    env = {f"COLLECTOR_{name}_PER_S": "1e9" for name in ("ADDRESS", "NEWCOMERS", "VISITOR", "SITE")}
    env |= {"COLLECTOR_HEARTBEAT_S": str(HEARTBEAT_S)}
    with tempfile.TemporaryDirectory() as folder:
        async with Stack(Path(folder), {}, env, (ORIGIN,), services=("presence", "collector")) as stack:
            clients = Clients(RedisSettings(stack.valkey.url))
            pids = {"valkey": int((await info(clients, "server"))["process_id"])}
            for service in ("collector", "presence"):
                process = stack.first(service).process
                assert process is not None
                pids = {service: process.pid, **pids} if service == "collector" else {**pids, service: process.pid}
            try:
                return await cost(pids, stack.first("collector").port, options, stack.site)
            finally:
                await clients.close()


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--visitors", type=int, default=10_000)
    parser.add_argument("--settle", type=float, default=80.0, help="seconds before CPU is taken; idleness comes at 60")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--client", nargs=4, metavar=("PORT", "COUNT", "ADDRESS", "SITE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.client:
        port, count, address, site = options.client
        asyncio.run(be_quiet(int(port), int(count), address, site))
        return
    plain, ours = asyncio.run(bare(options)), asyncio.run(real(options))
    print(machine())
    print(f"{options.visitors} idle channels; CPU of one core over {options.seconds:.0f} s:")
    for name, share in (*plain.share.items(), *ours.share.items()):
        print(f"  {name:10} {share:6.2%}")
    print(f"  collector, presence and valkey together {sum(ours.share.values()):6.2%}")
    print(f"memory a channel: bare {plain.kib:.1f} KiB, collector {ours.kib:.1f} KiB, x{ours.kib / plain.kib:.2f}")
    print(f"CPU to open all: bare {plain.opening_s:.1f} s, collector with hello and page view {ours.opening_s:.1f} s")


if __name__ == "__main__":
    main()
