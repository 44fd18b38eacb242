"""A service process from start to end: settings, listeners, tasks, and a draining shutdown.

A service's composition root returns a :class:`Service`; :func:`run_service` is its `__main__`. Tests use
:func:`running` with the same composition root, in one event loop and on free ports.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import structlog
from aiohttp import web
from prometheus_client import CollectorRegistry

from shared.runtime import garbage
from shared.runtime.edge_server import EdgeLimits, EdgeRunner, Voice
from shared.runtime.health import Health, admin_app
from shared.runtime.logs import configure_logging
from shared.runtime.settings import SettingsError, help_text, load

log = structlog.get_logger()
S = TypeVar("S")
BACKLOG = 1024  # thousands of clients that were cut off return within seconds
DRAIN_S = 10.0  # how long tasks and open requests may take to finish; orchestrators kill after 30 s


@dataclass(frozen=True)
class Listener:
    """One HTTP port. `setting` is the environment variable that names it, for the message when it is busy."""

    app: web.Application | web.Server
    host: str
    port: int
    setting: str
    shared: bool = False  # with other processes of this service (SO_REUSEPORT)
    # options of aiohttp's runner: limits and deadlines of the public edges
    options: dict[str, Any] = field(default_factory=dict)
    edge: tuple[Voice, EdgeLimits] | None = None  # an application that faces the public


@dataclass
class Service:
    """What a composition root built. `start` runs before the listeners open, `tasks` for as long as the process lives.

    `drain` is called first at shutdown (refuse new work, tell the clients), `close` last.
    """

    name: str
    health: Health
    registry: CollectorRegistry
    listeners: list[Listener]
    admin: tuple[str, int, str]  # host, port, setting
    start: Callable[[], Awaitable[None]]
    tasks: list[Callable[[], Coroutine[Any, Any, None]]]
    drain: Callable[[], Awaitable[None]]
    close: Callable[[], Awaitable[None]]


class PortBusyError(Exception):
    """A port that we were told to listen on is taken."""


async def _listen(listener: Listener) -> tuple[web.BaseRunner, int]:
    runner: web.BaseRunner
    if isinstance(listener.app, web.Server):
        runner = web.ServerRunner(listener.app, handle_signals=False, **listener.options)
    elif listener.edge is not None:
        runner = EdgeRunner(listener.app, *listener.edge, **listener.options)
    else:
        runner = web.AppRunner(listener.app, access_log=None, handle_signals=False, **listener.options)
    await runner.setup()
    try:
        shared = listener.shared or None
        await web.TCPSite(runner, listener.host, listener.port, backlog=BACKLOG, reuse_port=shared).start()
    except OSError as error:
        await runner.cleanup()
        raise PortBusyError(
            f"cannot listen on {listener.host}:{listener.port}: {error.strerror or error}. "
            f"Stop the other program or set {listener.setting} to another port."
        ) from error
    return runner, runner.addresses[0][1]


@dataclass
class Running:
    """A running service: the ports it got (in the listeners' order, admin last) and how it ended."""

    service: Service
    ports: list[int]
    failed: asyncio.Future[BaseException]

    @property
    def admin_port(self) -> int:
        """The port of /healthz, /readyz and /metrics."""
        return self.ports[-1]


@asynccontextmanager
async def running(service: Service) -> AsyncIterator[Running]:
    """Run `service` until the block ends, then drain and close it.

    The admin port opens first, so that readiness can say what the process still waits for. Raises PortBusyError.
    """
    host, port, setting_name = service.admin
    admin = Listener(admin_app(service.health, service.registry), host, port, setting_name)
    runners: list[web.BaseRunner] = []
    tasks: list[asyncio.Task[None]] = []
    failed: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()

    def ended(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and not failed.done():
            failed.set_result(task.exception() or RuntimeError(f"task {task.get_name()} ended"))

    try:
        admin_runner, admin_port = await _listen(admin)
        runners.append(admin_runner)
        await service.start()
        ports = []
        for listener in service.listeners:
            runner, bound = await _listen(listener)
            runners.append(runner)
            ports.append(bound)
        for make in service.tasks:
            task = asyncio.create_task(make(), name=getattr(make, "__qualname__", service.name))
            task.add_done_callback(ended)
            tasks.append(task)
        service.health.serving = True
        yield Running(service, [*ports, admin_port], failed)
    finally:
        service.health.draining = True
        await _shut_down(service, runners, tasks)


async def _shut_down(service: Service, runners: list[web.BaseRunner], tasks: list[asyncio.Task[None]]) -> None:
    """Drain, stop listening, stop the tasks, close: in this order, each with a deadline, whatever fails on the way."""

    async def within(step: Awaitable[object], what: str) -> None:
        try:
            async with asyncio.timeout(DRAIN_S):
                await step
        except Exception as error:
            log.warning("shutdown_step_failed", step=what, reason=repr(error))

    await within(service.drain(), "drain")
    for runner in reversed(runners):
        await within(runner.cleanup(), "listener")
    for task in tasks:
        task.cancel()
    if tasks:
        await within(asyncio.wait(tasks), "tasks")
    await within(service.close(), "close")


async def _serve(build: Callable[[S], Service], settings: S) -> int:
    loop, main, stop = asyncio.get_running_loop(), asyncio.current_task(), asyncio.Event()
    up: Running | None = None

    def on_signal() -> None:
        # While it still starts (waiting for Redis, say) there is nothing to drain: give up waiting.
        if up is None and main is not None and not stop.is_set():
            main.cancel()
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal)
    try:
        async with running(build(settings)) as up:
            garbage.settle()
            log.info("started", ports=up.ports)
            stopping = asyncio.ensure_future(stop.wait())
            await asyncio.wait((stopping, up.failed), return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
            if up.failed.done():
                log.error("task_failed", exc_info=up.failed.result())
                return 1
    except asyncio.CancelledError:
        if not stop.is_set():
            raise
    log.info("stopped")
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.remove_signal_handler(number)  # else closing the loop brings back the default, and an impatient second
        signal.signal(number, signal.SIG_IGN)  # signal ends a process as killed that has just stopped cleanly
    return 0


def run_service(name: str, settings_cls: type[S], build: Callable[[S], Service], argv: list[str] | None = None) -> int:
    """The process: exit status 0 after a clean stop, 1 when something is wrong with settings, ports or a task."""
    arguments = sys.argv[1:] if argv is None else argv
    if arguments:
        wanted = arguments[0] in ("-h", "--help")
        print(help_text(settings_cls, f"services.{name}"), file=sys.stdout if wanted else sys.stderr)
        return 0 if wanted else 2
    try:
        settings = load(settings_cls, os.environ)
    except SettingsError as error:
        print(f"{name}: wrong settings\n{error}\n(--help lists them all)", file=sys.stderr)  # noqa: T201
        return 1
    configure_logging(name, getattr(settings, "log_level", "INFO"))
    import uvloop  # noqa: PLC0415  # not importable everywhere; only a process needs it

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_serve(build, settings))
    except PortBusyError as error:
        print(f"{name}: {error}", file=sys.stderr)  # noqa: T201
        return 1
