"""One service as a child process: started, watched, started again when it dies, stopped when asked.

Read `Child.start` (fails loudly while the run comes up) and `Child.watch` (patient afterwards). A child has its own
session, so Ctrl-C in the terminal does not reach it: the runner decides the order. On Linux it dies with the runner.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from deploy.local.terminal import BoundedLog, Burst, Shown, Terminal, printable, readable
from shared.embedded import bound_exec

READY_POLL_S = 0.1
STEADY_S = 60.0  # who ran this long has recovered: the next death counts as the first
BACKOFF_FIRST_S, BACKOFF_MOST_S = 0.5, 30.0
CHUNK_BYTES = 1 << 16
MAX_LINE_BYTES = 1 << 16
TAIL_LINES = 15


class ChildFailedError(Exception):
    """A child that ended, or was not ready in time, while the run was coming up."""


@dataclass(frozen=True)
class ChildSpec:
    """What to run. `ready_url` answers 200 when it does its work; without one it counts as ready when it runs."""

    name: str
    module: str
    arguments: tuple[str, ...]
    env: Mapping[str, str]
    ready_url: str | None
    stop_s: float = 20.0


def backoff_s(deaths: int) -> float:
    """The pause before the next start after so many deaths in a row."""
    return float(min(BACKOFF_MOST_S, BACKOFF_FIRST_S * 2 ** min(deaths - 1, 16)))


class Child:
    """A supervised process."""

    def __init__(self, spec: ChildSpec, terminal: Terminal, log: BoundedLog) -> None:
        self.spec = spec
        self._terminal = terminal
        self._log = log
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._burst = Burst()
        self._process: asyncio.subprocess.Process | None = None
        self._pump: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()

    @property
    def pid(self) -> int | None:
        """Of the process now, also when it has just ended."""
        return self._process.pid if self._process else None

    async def start(self, timeout_s: float) -> None:
        """Start and wait until ready. Raises ChildFailedError with the end of its log."""
        process = await self._spawn()
        deadline = time.monotonic() + timeout_s
        answer = "nothing yet"
        while process.returncode is None:
            ready, answer = await _ask_ready(self.spec.ready_url)
            if ready:
                return
            if time.monotonic() > deadline:
                raise ChildFailedError(f"{self.spec.name} is not ready after {timeout_s:.0f} s: {answer}")
            await asyncio.sleep(READY_POLL_S)
        await self._drained()
        tail = "\n  ".join(self._tail) or "(it said nothing)"
        raise ChildFailedError(f"{self.spec.name} ended with {_ending(process.returncode)}:\n  {tail}")

    async def watch(self) -> None:
        """Starts the child again whenever it dies, later and later; returns when it was stopped on purpose."""
        deaths = 0
        while self._process is not None:
            started = time.monotonic()
            code = await self._process.wait()
            await self._drained()
            if self._stopping.is_set():
                return
            deaths = 1 if time.monotonic() - started > STEADY_S else deaths + 1
            pause_s = backoff_s(deaths)
            self._say("error", f"ended with {_ending(code)}; starting it again in {pause_s:g} s")
            await asyncio.sleep(pause_s)
            if self._stopping.is_set():
                return
            await self._spawn()

    async def stop(self) -> bool:
        """SIGTERM and time to drain, then SIGKILL. True when it left by itself and in order. The log is closed."""
        self._stopping.set()
        try:
            return await self._end()
        finally:
            await self._drained()
            self._log.close()

    async def _end(self) -> bool:
        process = self._process
        if process is None or process.returncode is not None:
            return True
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(self.spec.stop_s):
                await process.wait()
        except TimeoutError:
            self._say("error", f"did not stop within {self.spec.stop_s:g} s and was killed")
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
            return False
        return process.returncode in (0, -signal.SIGTERM)

    async def _spawn(self) -> asyncio.subprocess.Process:
        command = [sys.executable, "-m", self.spec.module, *self.spec.arguments]
        bound = [sys.executable, "-I", "-S", str(bound_exec.__file__), str(os.getpid()), *command]
        self._process = await asyncio.create_subprocess_exec(
            *bound,
            env=self.spec.env,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        assert self._process.stdout is not None  # noqa: S101  # a pipe was asked for
        self._pump = asyncio.create_task(self._read_log(self._process.stdout))
        return self._process

    async def _read_log(self, stream: asyncio.StreamReader) -> None:
        """Lines into the file and, when they matter, onto the terminal. An endless line is cut, never collected."""
        rest = b""
        while chunk := await stream.read(CHUNK_BYTES):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                self._take(line)
            if len(rest) > MAX_LINE_BYTES:
                self._take(rest)
                rest = b""
        if rest:
            self._take(rest)

    def _take(self, line: bytes) -> None:
        self._log.write(line)
        text = line.decode(errors="replace")
        shown = readable(text)
        self._tail.append(shown.text if shown else printable(text))
        if shown is None:
            return
        held_back = self._burst.held_back
        if not self._burst.allows(time.monotonic(), shown.text):
            return
        if held_back:
            self._burst.held_back = 0
            self._say("warning", f"({held_back} more lines in {self._log.path})")
        self._terminal.from_child(self.spec.name, shown)

    async def _drained(self) -> None:
        """What the child wrote last is in the log."""
        if self._pump is not None:
            await self._pump

    def _say(self, level: str, text: str) -> None:
        self._terminal.from_child(self.spec.name, Shown("error" if level == "error" else "warning", text))


def _ending(code: int | None) -> str:
    if code is not None and code < 0:
        return signal.Signals(-code).name
    return f"exit code {code}"


async def _ask_ready(url: str | None) -> tuple[bool, str]:
    """Whether a readiness address says yes, and what it said. A bare socket: one GET needs no client."""
    if url is None:
        return True, ""
    host, _, path = url.removeprefix("http://").partition("/")
    name, _, port = host.partition(":")
    try:
        async with asyncio.timeout(2.0):
            reader, writer = await asyncio.open_connection(name, int(port))
            try:
                writer.write(f"GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
                head, _, body = (await reader.read(CHUNK_BYTES)).partition(b"\r\n\r\n")
            finally:
                writer.close()
    except (OSError, TimeoutError) as error:
        return False, str(error) or "no answer"
    return head.split(b" ")[1:2] == [b"200"], printable(body.decode(errors="replace") or head.decode(errors="replace"))
