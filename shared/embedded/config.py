"""What the embedded server is told: durable by default, refuses instead of forgetting, this machine only."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

Fsync = Literal["everysec", "always"]


def quoted(value: str) -> str:
    """A value as one token of the configuration file, whatever it contains."""
    if value.isprintable() and value and not set(value) & set(" \"'\\#"):
        return value
    return '"' + "".join(_escaped(byte) for byte in value.encode()) + '"'


def _escaped(byte: int) -> str:
    char = chr(byte)
    if char in '"\\':
        return "\\" + char
    return char if 0x20 <= byte < 0x7F else f"\\x{byte:02x}"


def server_config(data_dir: Path, port: int, fsync: Fsync, extra: Mapping[str, str]) -> str:
    """The text of `valkey.conf`; `extra` comes last and wins."""
    settings = {
        "bind": "127.0.0.1",
        "protected-mode": "yes",
        "port": str(port),
        "daemonize": "no",
        "dir": str(data_dir),
        "appendonly": "yes",
        "appendfsync": fsync,
        "save": "",  # the append-only file is the only copy; snapshots would write everything a second time
        "maxmemory-policy": "noeviction",  # a full memory refuses writes; it never forgets an acknowledged one
        "shutdown-on-sigterm": "default",
        "always-show-logo": "no",
    }
    settings.update(extra)
    return "".join(f"{name} {quoted(value)}\n" for name, value in settings.items())
