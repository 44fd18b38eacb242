"""Each service's Redis user can do the service's work, and not much else."""

import inspect
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Self
from urllib.parse import quote

import pytest

from deploy.acl import RIGHTS, acl_file
from shared.domain.partitions import Partitions
from shared.embedded import EmbeddedValkey
from shared.storage import keys
from shared.storage.clients import Clients, RedisSettings
from shared.storage.known_visitors import KnownVisitors
from shared.storage.transcripts import Transcripts
from shared.storage.visitor_sides import VisitorSides

PASSWORDS = {name: f"password of {name}" for name in RIGHTS}
NAMES = {"collector": "collector", "presence": "presence", "chat_routing": "chat-routing"}


class Connection:
    """A user's raw connection: replies as text, errors included."""

    def __init__(self, port: int, name: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), 5)
        assert self("AUTH", name, PASSWORDS[name]) == "+OK"

    def __call__(self, *words: str) -> str:
        request = f"*{len(words)}\r\n" + "".join(f"${len(word.encode())}\r\n{word}\r\n" for word in words)
        self._socket.sendall(request.encode())
        return self._socket.recv(65536).decode().strip()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedValkey]:
    folder = tmp_path_factory.mktemp("acl")
    with EmbeddedValkey(folder, settings={"aclfile": str(write_acl(folder))}) as running:
        yield running


def write_acl(folder: Path) -> Path:
    path = folder / "users.acl"
    path.write_text(acl_file(PASSWORDS))
    return path


@pytest.mark.parametrize("name", RIGHTS)
@pytest.mark.parametrize(
    "command",
    ["FLUSHALL", "KEYS *", "CONFIG GET *", "REPLICAOF NO ONE", "MONITOR", "ACL LIST", "SHUTDOWN", "SCRIPT FLUSH"],
)
def test_no_service_may_flush_list_or_reconfigure(server: EmbeddedValkey, name: str, command: str) -> None:
    with Connection(server.port, name) as connection:
        assert connection(*command.split()).startswith("-NOPERM")


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("collector", "HGETALL {dir}:secrets"),
        ("collector", "HGET {dir}:s:x field"),
        ("collector", "HSET v:{p0.1}:s_1 x y"),
        ("collector", "HSET {dir}:sites x y"),
        ("presence", "HGETALL {dir}:secrets"),
        ("presence", "XADD chat:{p0.1} * d x"),
        ("presence", "HSET g:{p0.1}:s_1 x y"),
        ("presence", "SET own:{p0.1}:chat_routing x"),
        ("chat-routing", "HSET v:{p0.1}:s_1 x y"),
        ("chat-routing", "XADD in:{p0.1} * d x"),
        ("chat-routing", "HGETALL {dir}:secrets"),
        ("operator-gateway", "HSET v:{p0.1}:s_1 x y"),
        ("operator-gateway", "XADD log:{p0.1} * d x"),
        ("operator-gateway", "SET own:{p0.1}:presence x"),
    ],
)
def test_a_service_cannot_touch_what_is_not_its_own(server: EmbeddedValkey, name: str, command: str) -> None:
    with Connection(server.port, name) as connection:
        assert connection(*command.split()).startswith("-NOPERM")
        by_script = connection("EVAL", "return redis.call(unpack(ARGV))", "0", *command.split())
        assert "user executing the script" in by_script or "ACL failure in script" in by_script, "Redis 7.0 or newer"


async def test_the_collector_may_read_what_a_visitor_is_to_hear(server: EmbeddedValkey) -> None:
    password = quote(PASSWORDS["collector"])
    clients = Clients(RedisSettings(f"redis://collector:{password}@127.0.0.1:{server.port}/0"))
    partitions = Partitions(16)
    sides = VisitorSides(clients, partitions)
    assert (await sides.of("s_1", "visitor")).status is None
    assert await sides.invitations(partitions.of("s_1")) == []
    assert await sides.operators("s_1") == []
    assert await Transcripts(clients, partitions).after("s_1.visitor.1.1", 0) == []
    assert await KnownVisitors(clients, partitions).standing("s_1", "visitor", 1) == "unknown"
    await clients.close()


def test_nobody_comes_in_without_a_name(server: EmbeddedValkey) -> None:
    with socket.create_connection(("127.0.0.1", server.port), 5) as connection:
        connection.sendall(b"PING\r\n")
        assert connection.recv(100).startswith(b"-NOAUTH")


def test_every_kind_of_key_has_a_service_that_may_write_it() -> None:
    kinds = set(re.findall(r'return f"([a-z]+):', inspect.getsource(keys))) | {"in", "cmd", "log", "chat"}
    written = {pattern.partition(":")[0] for rights in RIGHTS.values() for pattern in rights.writes}
    assert kinds <= written


def test_acl_file_has_no_password_in_it() -> None:
    text = acl_file(PASSWORDS)
    assert not any(password in text for password in PASSWORDS.values())
