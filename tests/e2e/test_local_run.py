"""`make run` as a person sees it: one command brings everything up, Ctrl-C brings it down, the data stays."""

import asyncio
import json
import os
import signal
import socket
import stat
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from deploy.local.settings import PORTS
from shared.embedded.server import free_port
from tests.eventually import eventually

ROOT = Path(__file__).resolve().parents[2]
UP_S = 90.0  # the hopeless case


class LocalRun:
    """A `python -m deploy.local` on free ports with a data folder of its own."""

    def __init__(self, folder: Path, **env: str) -> None:
        kept = {key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ}
        self.ports = {name: str(free_port()) for name in PORTS}
        self.folder = folder
        self.env = {**kept, **self.ports, "DATA_DIR": str(folder), **env}
        self.output = b""
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self.output = b""
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "deploy.local"),
            cwd=ROOT,
            env=self.env,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        self._reader = asyncio.create_task(self._read())

    async def ready(self) -> dict[str, Any]:
        await eventually(lambda: b"\nFoyer is ready\n" in self.output or self.exit_code is not None, within_s=UP_S)
        assert self.exit_code is None, self.text
        content: dict[str, Any] = json.loads((self.folder / "run.json").read_text())
        return content

    async def stop(self, number: signal.Signals = signal.SIGINT, times: int = 1) -> int:
        assert self._process is not None
        for _ in range(times):
            self._process.send_signal(number)
        return await self.ended()

    async def ended(self) -> int:
        assert self._process is not None
        assert self._reader is not None
        code = await asyncio.wait_for(self._process.wait(), UP_S)
        await self._reader
        return code

    @property
    def exit_code(self) -> int | None:
        return self._process.returncode if self._process else None

    @property
    def text(self) -> str:
        return self.output.decode()

    async def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        while chunk := await self._process.stdout.read(65536):
            self.output += chunk

    async def close(self) -> None:
        if self._process is not None and self.exit_code is None:
            await self.stop(signal.SIGTERM)


@pytest.fixture
async def run(tmp_path: Path) -> AsyncIterator[LocalRun]:
    local = LocalRun(tmp_path / "data")
    yield local
    await local.close()


async def get(url: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status, await answer.text()


async def logs_in(run_file: dict[str, Any]) -> bool:
    login = {"email": run_file["email"], "password": run_file["password"]}
    url = f"{run_file['console']}/api/v1/session"
    async with aiohttp.ClientSession() as session, session.post(url, json=login) as answer:
        return answer.status in (200, 201)


def closed(port: str) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", int(port))) != 0


async def test_everything_comes_up_says_where_it_is_and_the_second_run_knows_the_first(run: LocalRun) -> None:
    await run.start()
    first = await run.ready()
    assert stat.S_IMODE((run.folder / "run.json").stat().st_mode) == 0o600
    assert all(str(first[key]) in run.text for key in ("console", "demo", "email", "password", "site"))
    status, page = await get(first["demo"])
    assert status == 200
    assert f'src="{first["collector"]}/t/v1.js" data-site="{first["site"]}"' in page
    assert await logs_in(first)
    assert await run.stop(times=2) == 0  # an impatient second Ctrl-C changes nothing
    assert all(closed(port) for port in run.ports.values())
    assert "was killed" not in run.text

    await run.start()
    assert await run.ready() == first
    assert await run.stop(signal.SIGTERM) == 0


async def test_killed_service_is_started_again(run: LocalRun) -> None:
    await run.start()
    await run.ready()
    victim = _process_with(f"PRESENCE_ADMIN_PORT={run.ports['PRESENCE_ADMIN_PORT']}", "services.presence")
    os.kill(victim, signal.SIGKILL)
    await eventually(lambda: "presence          ended with SIGKILL" in run.text)
    url = f"http://127.0.0.1:{run.ports['PRESENCE_ADMIN_PORT']}/readyz"

    async def ready_again() -> bool:
        try:
            return (await get(url))[0] == 200
        except aiohttp.ClientError:
            return False

    await eventually(ready_again, within_s=UP_S)
    assert await run.stop() == 0


async def test_killed_data_server_is_started_again_with_its_data(run: LocalRun) -> None:
    await run.start()
    first = await run.ready()
    os.kill(_process_listening(run.ports["VALKEY_PORT"]), signal.SIGKILL)
    await eventually(lambda: "valkey            has ended; starting it again" in run.text)

    async def all_ready() -> bool:
        urls = [f"http://127.0.0.1:{run.ports[name]}/readyz" for name in run.ports if name.endswith("ADMIN_PORT")]
        return all([(await get(url))[0] == 200 for url in urls])

    await eventually(all_ready, within_s=UP_S)
    await eventually(lambda: logs_in(first), within_s=UP_S)  # readiness may be of a moment ago
    assert await run.stop() == 0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's death")
async def test_killed_run_leaves_no_process_behind(run: LocalRun) -> None:
    await run.start()
    await run.ready()
    await run.stop(signal.SIGKILL)
    await eventually(lambda: all(closed(port) for port in run.ports.values()), within_s=UP_S)


async def test_busy_port_is_named_with_its_setting(run: LocalRun) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        run.env["GATEWAY_PORT"] = str(other.getsockname()[1])
        await run.start()
        assert await run.ended() == 1
    assert f"port {run.env['GATEWAY_PORT']} is in use by another program (set GATEWAY_PORT" in run.text


async def test_interrupt_while_coming_up_leaves_nothing_behind(run: LocalRun) -> None:
    await run.start()
    await eventually(lambda: b"valkey" in run.output or run.exit_code is not None, within_s=UP_S)
    assert await run.stop() == 0
    assert all(closed(port) for port in run.ports.values())


async def test_simulated_visitors_reach_the_collector(tmp_path: Path) -> None:
    run = LocalRun(tmp_path / "data", VISITORS="8")
    try:
        await run.start()
        await run.ready()

        async def counted() -> bool:
            _, metrics = await get(f"http://127.0.0.1:{run.ports['COLLECTOR_ADMIN_PORT']}/metrics")
            return any(
                line.startswith("foyer_") and "event" in line and float(line.rsplit(" ", 1)[-1]) >= 8
                for line in metrics.splitlines()
                if not line.startswith("#")
            )

        await eventually(counted, within_s=UP_S)
    finally:
        await run.close()


def _process_listening(port: str) -> int:
    """The embedded server on this port: it says so in its title."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            title = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if b"valkey-server" in title and f"127.0.0.1:{port}".encode() in title:
            return int(folder.name)
    pytest.skip("processes cannot be looked at on this system")


def _process_with(variable: str, module: str) -> int:
    """The process that was started with this variable and runs this module."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environment = (folder / "environ").read_bytes().split(b"\0")
            arguments = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if variable.encode() in environment and module.encode() in arguments:
            return int(folder.name)
    pytest.skip("processes cannot be looked at on this system")
