"""A service process from start to end: readiness, busy port, failing task, signals while waiting and serving."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
import textwrap

import aiohttp
import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry

from shared.runtime.health import Health
from shared.runtime.service import Listener, PortBusyError, Service, running
from tests.eventually import eventually


async def nothing() -> None:
    pass


async def forever() -> None:
    await asyncio.Event().wait()


def service(order: list[str] | None = None, **changes: object) -> Service:
    calls = [] if order is None else order

    async def note(what: str) -> None:
        calls.append(what)

    options: dict[str, object] = {
        "name": "example",
        "health": Health(),
        "registry": CollectorRegistry(),
        "listeners": [Listener(web.Application(), "127.0.0.1", 0, "EXAMPLE_PORT")],
        "admin": ("127.0.0.1", 0, "EXAMPLE_ADMIN_PORT"),
        "start": lambda: note("start"),
        "tasks": [forever],
        "drain": lambda: note("drain"),
        "close": lambda: note("close"),
    }
    return Service(**(options | changes))  # type: ignore[arg-type]


async def fetch(port: int, path: str) -> tuple[int, dict[str, object]]:
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}{path}") as answer:
        return answer.status, await answer.json()


async def test_ready_says_why_not():
    built, missing = service(), ["no redis"]
    built.health.require("redis", lambda: missing[0] if missing else None)
    built.health.note("geoip", lambda: "no file")
    async with running(built) as up:
        assert await fetch(up.admin_port, "/healthz") == (200, {"alive": True})
        not_ready = {"ready": False, "reasons": {"redis": "no redis"}, "warnings": {"geoip": "no file"}}
        assert await fetch(up.admin_port, "/readyz") == (503, not_ready)
        missing.clear()
        assert (await fetch(up.admin_port, "/readyz"))[0] == 200


async def test_it_is_not_ready_before_its_ports_are_open():
    seen: list[dict[str, str]] = []

    async def start() -> None:
        seen.append(built.health.reasons())

    built = service(start=start)
    async with running(built):
        assert seen == [{"process": "starting"}]
        assert built.health.reasons() == {}
    assert built.health.reasons() == {"process": "draining"}


async def test_it_drains_before_it_closes():
    order: list[str] = []
    async with running(service(order)):
        assert order == ["start"]
    assert order == ["start", "drain", "close"]


async def test_a_task_that_fails_is_noticed():
    async def fails() -> None:
        raise ValueError("broken")

    async with running(service(tasks=[fails])) as up:
        assert isinstance(await up.failed, ValueError)


async def test_a_busy_port_is_named_with_its_setting():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        listener = Listener(web.Application(), "127.0.0.1", port, "EXAMPLE_PORT")
        with pytest.raises(PortBusyError, match=rf"127\.0\.0\.1:{port}.*set EXAMPLE_PORT"):
            async with running(service(listeners=[listener])):
                pass


PROGRAM = """
import asyncio, sys
from dataclasses import dataclass
from shared.runtime.service import run_service
from shared.runtime.settings import setting
from tests.integration.test_service_life import forever, nothing, service

@dataclass(frozen=True, kw_only=True)
class Settings:
    waits: bool = setting("WAITS", False, help="wait for ever at start")
    need: str = setting("NEED", help="something to say")

def build(settings):
    async def start():
        print("starting", flush=True)
        if settings.waits:
            await asyncio.Event().wait()
    async def task():
        print("serving", flush=True)
        await forever()
    return service(start=start, tasks=[task])

sys.exit(run_service("example", Settings, build))
"""


async def process(**env: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", textwrap.dedent(PROGRAM)),
        env={**os.environ, **env},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(("waits", "line"), [("off", b"serving"), ("on", b"starting")])
async def test_a_signal_ends_it_cleanly_even_while_it_still_waits(number, waits, line):
    started = await process(NEED="x", WAITS=waits)
    assert started.stdout is not None
    async with asyncio.timeout(60):
        while line not in await started.stdout.readline():
            pass
        started.send_signal(number)
        with contextlib.suppress(ProcessLookupError):
            started.send_signal(number)  # an impatient second one is harmless
        _out, err = await started.communicate()
    assert started.returncode == 0, err.decode()


async def test_wrong_settings_are_told_and_end_it():
    started = await process()
    _out, err = await started.communicate()
    assert started.returncode == 1
    assert b"NEED: not set (something to say)" in err
    assert b"Traceback" not in err


async def test_eventually_reports_the_last_failure():
    with pytest.raises(AssertionError, match="never became true"):
        await eventually(lambda: False, within_s=0)
