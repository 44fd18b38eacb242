"""What the API's handlers work with, made once by the composition root."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from aiohttp import web
from prometheus_client import CollectorRegistry

from services.operator_gateway.api.metrics import ApiMetrics
from services.operator_gateway.passwords import Passwords
from shared.contracts.control import MAX_BODY_BYTES, Attribution
from shared.contracts.streams import CmdEntry, ForgetVisitor, encode
from shared.domain.partitions import Partitions
from shared.runtime.clock import Clock
from shared.storage.bots import BotReports
from shared.storage.canned import CannedReplies
from shared.storage.chat_records import ChatRecords
from shared.storage.directory import Directory
from shared.storage.directory_store import DirectoryStore
from shared.storage.history import History
from shared.storage.lockout import Lockout
from shared.storage.log import GroupAppender
from shared.storage.notifications import BuriedNotifications
from shared.storage.sessions import Sessions
from shared.storage.snapshots import Snapshots
from shared.storage.transcripts import Transcripts


@dataclass(frozen=True)
class Limits:
    """Sizes and deadlines of a request."""

    body_bytes: int = MAX_BODY_BYTES
    body_s: float = 10.0


def peer_address(request: web.Request) -> str:
    """The address of the connection; behind proxies the composition root passes something wiser."""
    return request.remote or "unknown"


def is_secure(request: web.Request) -> bool:
    """Whether the browser's side speaks TLS, as far as this process can see."""
    return request.secure


@dataclass(frozen=True)
class ApiContext:
    """`collector_url` is where websites load the tracker from; `client_address` feeds the lock-out."""

    directory: Directory
    store: DirectoryStore
    sessions: Sessions
    passwords: Passwords
    lockout: Lockout
    clock: Clock
    partitions: Partitions
    appender: GroupAppender
    history: History
    bots: BotReports
    transcripts: Transcripts
    records: ChatRecords
    canned: CannedReplies
    buried: BuriedNotifications
    snapshots: Snapshots
    collector_url: str = ""
    geoip: Attribution | None = None
    client_address: Callable[[web.Request], str] = peer_address
    secure: Callable[[web.Request], bool] = is_secure
    limits: Limits = field(default_factory=Limits)
    metrics: ApiMetrics = field(default_factory=lambda: ApiMetrics(CollectorRegistry()))

    async def tell(self, site: str, entry: CmdEntry) -> None:
        """Ask chat-routing for something; Redis has it when this returns. Raises Lagging or Unavailable."""
        await self.appender.submit("cmd", self.partitions.of(site), encode(entry))

    async def forget(self, entry: ForgetVisitor) -> None:
        """Ask presence to erase a visitor; it tells chat-routing. Raises Lagging or Unavailable."""
        await self.appender.submit("in", self.partitions.of(entry.site), encode(entry))
