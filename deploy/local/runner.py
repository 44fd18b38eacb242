"""The order of a local run: data server, demo site, services, website, visitors; and all of it backwards at the end.

Read `Runner.run`. Nothing here is needed in production, where an init system or an orchestrator does this.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

from deploy.local.child import Child, ChildFailedError, ChildSpec, backoff_s
from deploy.local.settings import (
    DEMO_EMAIL,
    DEMO_OPERATOR,
    DEMO_SITE_NAME,
    DEMO_WIDGET,
    HOST,
    LocalSettings,
    kept_password,
    write_run_file,
)
from deploy.local.terminal import BoundedLog, Shown, Terminal
from shared.embedded import EmbeddedValkey, EmbeddedValkeyError, PortBusyError

READY_S = 60.0
ADMIN_S = 30.0
VALKEY_POLL_S = 0.5
SERVICES = (
    ("collector", "services.collector", "COLLECTOR_ADMIN_PORT"),
    ("presence", "services.presence", "PRESENCE_ADMIN_PORT"),
    ("chat-routing", "services.chat_routing", "CHAT_ROUTING_ADMIN_PORT"),
    ("operator-gateway", "services.operator_gateway", "GATEWAY_ADMIN_PORT"),
)
# Who takes work in leaves first, who does the work next; the server that remembers it all is last (it is not here).
STOP_ORDER = (("visitors", "demo"), ("collector", "operator-gateway"), ("presence", "chat-routing"))


class RunFailedError(Exception):
    """The run cannot come up; the message is for the person who started it."""


class Runner:
    """One local run, from nothing to `Foyer is ready` and back."""

    def __init__(self, settings: LocalSettings, terminal: Terminal) -> None:
        self._settings = settings
        self._terminal = terminal
        self._children: dict[str, Child] = {}
        self._watchers: list[asyncio.Task[None]] = []
        self._stop = asyncio.Event()

    async def run(self) -> int:
        """Comes up, waits for a signal, goes down. The exit code: 0, or 1 when it could not come up."""
        self._catch_signals()
        try:
            self._refuse_busy_ports()
            async with self._data_server() as redis_url:
                try:
                    if await self._unless_stopped(self._come_up(redis_url)):
                        await self._stop.wait()
                finally:
                    self._terminal.line("\nStopping …")
                    await self._stop_children()
        except (RunFailedError, ChildFailedError, EmbeddedValkeyError) as error:
            self._terminal.line(self._terminal.paint("error", f"\nFoyer cannot run: {error}"))
            return 1
        self._terminal.line("Foyer has stopped. The data is kept in " + str(self._settings.data_dir))
        return 0

    def _catch_signals(self) -> None:
        """Setting the event twice changes nothing, so an impatient second Ctrl-C is harmless."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._stop.set)

    async def _unless_stopped(self, work: Any) -> bool:
        """Awaits the work, or gives it up when the run is told to stop. True when it was done."""
        task = asyncio.ensure_future(work)
        stopped = asyncio.ensure_future(self._stop.wait())
        await asyncio.wait((task, stopped), return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if task.done():
            task.result()
            return True
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        return False

    def _refuse_busy_ports(self) -> None:
        busy = list(self._settings.busy_ports())
        if busy:
            lines = [f"port {port} is in use by another program (set {name} to another one)" for name, port in busy]
            raise RunFailedError("\n  ".join(lines))

    @contextlib.asynccontextmanager
    async def _data_server(self) -> AsyncIterator[str]:
        """The address of the server: the one that REDIS_URL names, or our own."""
        if self._settings.redis_url:
            yield self._settings.redis_url
            return
        valkey = EmbeddedValkey(self._settings.data_dir / "valkey", self._settings.ports["VALKEY_PORT"])
        try:
            start = time.monotonic()
            valkey.start()
        except PortBusyError as error:
            raise RunFailedError(f"{error} (set VALKEY_PORT to another one)") from error
        self._tell_ready("valkey", start, f"{HOST}:{valkey.port}, data in {valkey.data_dir}")
        watcher = asyncio.create_task(self._watch_valkey(valkey))
        try:
            yield valkey.url
        finally:
            watcher.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watcher
            valkey.stop()

    async def _watch_valkey(self, valkey: EmbeddedValkey) -> None:
        deaths = 0
        while True:
            await asyncio.sleep(VALKEY_POLL_S)
            if valkey.running:
                continue
            deaths += 1
            self._say("valkey", f"has ended; starting it again in {backoff_s(deaths):g} s")
            await asyncio.sleep(backoff_s(deaths))
            try:
                valkey.launch()
            except EmbeddedValkeyError as error:
                self._say("valkey", str(error))

    async def _come_up(self, redis_url: str) -> None:
        settings = self._settings
        (settings.data_dir / "run.json").unlink(
            missing_ok=True
        )  # an earlier run's: nobody shall take it for this one's
        password = kept_password(settings.data_dir / "demo-password")
        env = settings.service_environment(redis_url)
        site = await self._make_demo_site(env, password)
        await asyncio.gather(*(self._start(spec) for spec in self._services(env)))
        demo_env = {**env, "DEMO_SITE": site, "DEMO_COLLECTOR_URL": settings.collector_url}
        await self._start(ChildSpec("demo", "deploy.demo", (), demo_env, f"{settings.demo_url}/healthz"))
        run_file = write_run_file(settings, password=password, site=site, redis_url=redis_url)
        if settings.visitors:
            visitors = ("--collector", settings.collector_url, "--site", site, "--origin", settings.demo_url)
            arguments = (*visitors, "--visitors", str(settings.visitors))
            await self._start(ChildSpec("visitors", "deploy.simulate", arguments, env, None, stop_s=5))
        self._watchers = [asyncio.create_task(child.watch()) for child in self._children.values()]
        self._tell_addresses(site, password, str(run_file))

    def _services(self, env: Mapping[str, str]) -> list[ChildSpec]:
        return [
            ChildSpec(name, module, (), env, f"http://{HOST}:{self._settings.ports[port]}/readyz")
            for name, module, port in SERVICES
        ]

    async def _make_demo_site(self, env: Mapping[str, str], password: str) -> str:
        """The demo's site key. The command finds what an earlier run has made."""
        origins = [part for origin in self._settings.demo_origins for part in ("--origin", origin)]
        who = ["--email", DEMO_EMAIL, "--name", DEMO_OPERATOR, "--password-env", "FOYER_ADMIN_PASSWORD"]
        command = [
            "services.operator_gateway",
            "admin",
            "init",
            "--site-name",
            DEMO_SITE_NAME,
            *origins,
            *who,
            "--setting",
            DEMO_WIDGET,
            "--json",
        ]
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            *command,
            env={**env, "FOYER_ADMIN_PASSWORD": password},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(ADMIN_S):
                out, err = await process.communicate()
        except TimeoutError:
            raise RunFailedError(f"the demo site could not be made within {ADMIN_S:g} s") from None
        finally:
            if process.returncode is None:
                process.kill()
        try:
            return str(json.loads(out.decode().strip().splitlines()[-1])["site"])
        except (ValueError, KeyError, IndexError, TypeError):
            said = (err or out).decode(errors="replace").strip()
            raise RunFailedError(f"the demo site could not be made:\n{said}") from None

    async def _start(self, spec: ChildSpec) -> None:
        start = time.monotonic()
        log = BoundedLog(self._settings.data_dir / "logs" / f"{spec.name}.log")
        child = self._children[spec.name] = Child(spec, self._terminal, log)
        await child.start(READY_S)
        self._tell_ready(spec.name, start, "")

    async def _stop_children(self) -> None:
        for names in STOP_ORDER:
            await asyncio.gather(*(self._children[name].stop() for name in names if name in self._children))
        for watcher in self._watchers:
            watcher.cancel()
        await asyncio.gather(*self._watchers, return_exceptions=True)

    def _tell_ready(self, name: str, started: float, text: str) -> None:
        took = f"{time.monotonic() - started:.1f} s"
        self._terminal.line(f"{name:<17} {self._terminal.paint('good', 'ready')} {took:>6}  {text}".rstrip())

    def _tell_addresses(self, site: str, password: str, run_file: str) -> None:
        settings, terminal = self._settings, self._terminal
        rows = [
            ("Console", terminal.paint("bold", settings.console_url)),
            ("Login", f"{terminal.paint('bold', DEMO_EMAIL)}  {terminal.paint('bold', password)}"),
            ("Demo website", terminal.paint("bold", settings.demo_url)),
            ("Site key", f"{site}  (tracker: {settings.collector_url}/t/v1.js)"),
            (
                "Visitors",
                f"{settings.visitors} simulated" if settings.visitors else "none simulated (VISITORS=200 make run)",
            ),
            ("Files", f"{run_file}, logs in {settings.data_dir / 'logs'}"),
        ]
        self._terminal.line()
        for label, text in rows:
            self._terminal.line(f"  {label:<14}{text}")
        self._terminal.line("\nCtrl-C stops everything; the data is kept.\nFoyer is ready")

    def _say(self, name: str, text: str) -> None:
        self._terminal.from_child(name, Shown("error", text))


def run_with(settings: LocalSettings) -> int:
    """Runs until a signal; the exit code."""
    settings.data_dir.mkdir(parents=True, mode=0o700, exist_ok=True)
    return asyncio.run(Runner(settings, Terminal()).run())
