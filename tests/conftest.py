"""Fixtures that every area shares: one real Valkey for the whole run, emptied between tests."""

import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, settings

from shared.embedded import EmbeddedValkey
from shared.storage.clients import Clients, RedisSettings
from tests.no_skips import pytest_runtest_makereport

__all__ = ["pytest_runtest_makereport"]

# How long an example takes says something about the machine and nothing about the code.
settings.register_profile("foyer", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("foyer")


@pytest.fixture(autouse=True)
def plain_logs() -> None:
    """Tracebacks as plain text: structlog's default draws them, which on a busy machine takes longer than a lease."""
    shown = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[structlog.processors.add_log_level, shown])


@pytest.fixture(scope="session")
def valkey_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedValkey]:
    """The run's server. A test that kills or stops servers makes one of its own."""
    folder: Path = tmp_path_factory.mktemp("valkey")
    with EmbeddedValkey(folder) as server:
        yield server


@pytest.fixture
def redis_url(valkey_server: EmbeddedValkey) -> str:
    """Address of an empty database."""
    with socket.create_connection(("127.0.0.1", valkey_server.port), 5) as connection:
        connection.sendall(b"FLUSHALL SYNC\r\nSCRIPT FLUSH SYNC\r\n")
        replies = b""
        while replies.count(b"\r\n") < 2:
            replies += connection.recv(64)
    assert replies == b"+OK\r\n+OK\r\n", replies
    return valkey_server.url


@pytest.fixture
async def clients(redis_url: str) -> AsyncIterator[Clients]:
    """Connections to the empty database."""
    opened = Clients(RedisSettings(redis_url))
    yield opened
    await opened.close()
