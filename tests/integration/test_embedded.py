"""The embedded Valkey keeps what it was given, stops when told, and says clearly why it cannot start."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from shared.embedded import EmbeddedValkey, EmbeddedValkeyError, PortBusyError
from shared.embedded.config import quoted


def ask(port: int, *words: str) -> bytes:
    """One command over a raw socket; the reply's first bytes."""
    request = f"*{len(words)}\r\n" + "".join(f"${len(word)}\r\n{word}\r\n" for word in words)
    with socket.create_connection(("127.0.0.1", port), 2) as connection:
        connection.sendall(request.encode())
        return connection.recv(4096)


def wait_until_gone(pid: int, timeout_s: float = 10) -> bool:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        if Path(f"/proc/{pid}/stat").exists() and Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z":
            return True
        time.sleep(0.01)
    return False


def test_data_survives_a_stop(tmp_path: Path) -> None:
    server = EmbeddedValkey(tmp_path)
    with server:
        assert ask(server.port, "SET", "colour", "green") == b"+OK\r\n"
        first_port = server.port
    assert not server.running
    with server:
        assert server.port == first_port
        assert ask(server.port, "GET", "colour") == b"$5\r\ngreen\r\n"


def test_acknowledged_write_survives_a_kill_with_fsync_always(tmp_path: Path) -> None:
    server = EmbeddedValkey(tmp_path, fsync="always").start()
    assert ask(server.port, "SET", "colour", "blue") == b"+OK\r\n"
    server.kill()
    assert not server.running
    with server:
        assert ask(server.port, "GET", "colour") == b"$4\r\nblue\r\n"


def test_server_is_durable_refuses_eviction_and_listens_on_loopback_only(tmp_path: Path) -> None:
    with EmbeddedValkey(tmp_path / "a folder with 'quotes\" and spaces", fsync="always") as server:
        assert b"always" in ask(server.port, "CONFIG", "GET", "appendfsync")
        assert b"\r\nyes\r\n" in ask(server.port, "CONFIG", "GET", "appendonly")
        assert b"noeviction" in ask(server.port, "CONFIG", "GET", "maxmemory-policy")
        assert b"\r\n127.0.0.1\r\n" in ask(server.port, "CONFIG", "GET", "bind")


def test_extra_setting_wins(tmp_path: Path) -> None:
    with EmbeddedValkey(tmp_path, settings={"maxmemory": "64mb"}) as server:
        assert b"67108864" in ask(server.port, "CONFIG", "GET", "maxmemory")


def test_busy_port_is_named(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(PortBusyError, match=str(port)):
            EmbeddedValkey(tmp_path, port).start()


def test_second_server_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    with EmbeddedValkey(tmp_path), pytest.raises(EmbeddedValkeyError, match="already uses the data folder"):
        EmbeddedValkey(tmp_path).start()


def test_bad_setting_shows_the_servers_own_words(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedValkeyError, match="no-such-setting"):
        EmbeddedValkey(tmp_path, settings={"no-such-setting": "1"}).start()


def test_missing_binary_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(EmbeddedValkeyError, match=r"make setup.*REDIS_URL"):
        EmbeddedValkey(tmp_path).start()


def test_interrupt_of_the_parents_group_does_not_reach_the_server(tmp_path: Path) -> None:
    with EmbeddedValkey(tmp_path) as server:
        assert server.pid is not None
        assert os.getpgid(server.pid) != os.getpgid(0)
        assert os.getsid(server.pid) != os.getsid(0)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's death")
def test_server_dies_with_a_killed_parent(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from shared.embedded import EmbeddedValkey\n"
        "print(EmbeddedValkey(Path(sys.argv[1])).start().pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)
    assert wait_until_gone(pid)


def test_folder_is_free_again_after_a_kill(tmp_path: Path) -> None:
    server = EmbeddedValkey(tmp_path).start()
    server.kill()
    with EmbeddedValkey(tmp_path) as other:
        assert other.running


@pytest.mark.parametrize(
    ("value", "token"),
    [
        ("plain", "plain"),
        ("", '""'),
        ('a "b"', '"a \\"b\\""'),
        ("ü x", '"\\xc3\\xbc x"'),
        ("back\\slash", '"back\\\\slash"'),
    ],
)
def test_any_value_is_one_token(value: str, token: str) -> None:
    assert quoted(value) == token
