"""Several collector processes on one port: the kernel shares the connections out (`SO_REUSEPORT`).

The process that was started only supervises: it starts the workers, starts one again that ended by itself, and hands
on the signal to stop, so that every one of them drains. Worker number i has the admin port `COLLECTOR_ADMIN_PORT` + i:
scrape them all, there is nothing to add up here. Limits of rates and connections hold for each worker by itself.
Read :func:`supervise`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Mapping

import structlog

from services.collector.pressure import container_limit
from services.collector.settings import CollectorSettings
from shared.embedded import bound_exec

log = structlog.get_logger()

AGAIN_S = 1.0  # before a worker that ended is started again
STOP_S = 25.0  # a worker drains in less; orchestrators kill after 30 s
HASTY_S = 5.0  # a worker that ends this soon after its start has something wrong with its settings
MAX_HASTY = 3  # in a row; then all stop
# A worker drains when its supervisor is killed: else it would keep the port, and nobody would stop it.
_BOUND = (sys.executable, "-I", "-S", str(bound_exec.__file__))
_WORKER = (sys.executable, "-m", "services.collector")


def port_problem(settings: CollectorSettings) -> str | None:
    """Why the public port cannot be had. Asked without SO_REUSEPORT: with it, we would share a stranger's port."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            return (
                f"cannot listen on {settings.host}:{settings.port}: {error.strerror or error}. "
                "Stop the other program or set COLLECTOR_PORT to another port."
            )
    return None


def environment(settings: CollectorSettings, number: int, environ: Mapping[str, str]) -> dict[str, str]:
    """What worker `number` sees."""
    admin = settings.admin_port and settings.admin_port + number
    own = {"COLLECTOR_WORKERS": "1", "COLLECTOR_SHARED_PORT": "on", "COLLECTOR_ADMIN_PORT": str(admin)}
    share = container_limit() // settings.workers // (1024 * 1024)
    if not settings.memory_mb and share:
        own["COLLECTOR_MEMORY_MB"] = str(share)
    return {**environ, **own}


async def _keep(settings: CollectorSettings, number: int, stop: asyncio.Event) -> None:
    """Run one worker until `stop`, starting it again when it ends. Raises RuntimeError when that is hopeless."""
    loop, hasty = asyncio.get_running_loop(), 0
    stopping = asyncio.ensure_future(stop.wait())
    try:
        while not stop.is_set():
            started = loop.time()
            env = environment(settings, number, os.environ)
            process = await asyncio.create_subprocess_exec(*_BOUND, str(os.getpid()), *_WORKER, env=env)
            ended = asyncio.ensure_future(process.wait())
            await asyncio.wait((ended, stopping), return_when=asyncio.FIRST_COMPLETED)
            if stop.is_set():
                await _end(process)
                return
            hasty = hasty + 1 if loop.time() - started < HASTY_S else 0
            log.warning("worker_ended", number=number, status=process.returncode)
            if hasty >= MAX_HASTY:
                raise RuntimeError(f"worker {number} does not start")
            await asyncio.wait((stopping,), timeout=AGAIN_S)
    finally:
        stopping.cancel()


async def _end(process: asyncio.subprocess.Process) -> None:
    """Let it drain; kill it if it does not."""
    if process.returncode is None:
        process.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(STOP_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


async def supervise(settings: CollectorSettings) -> int:
    """Run `settings.workers` of them until a signal; the exit status."""
    problem = port_problem(settings)
    if problem is not None:
        print(f"collector: {problem}", file=sys.stderr)  # noqa: T201
        return 1
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    keeping = [asyncio.create_task(_keep(settings, number, stop)) for number in range(settings.workers)]
    log.info("workers_started", count=settings.workers, port=settings.port)
    done, _ = await asyncio.wait(keeping, return_when=asyncio.FIRST_EXCEPTION)
    stop.set()
    await asyncio.wait(keeping)
    hopeless = [task for task in done if task.exception() is not None]
    for task in hopeless:
        log.error("workers_stopped", reason=str(task.exception()))
    return 1 if hopeless else 0
