"""The collector's settings, from the environment: `python -m services.collector --help` lists them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from services.collector.domain.rates import Rate
from shared.domain.peers import TrustedProxies, parse_networks
from shared.runtime.settings import SettingsError, setting
from shared.storage.clients import RedisSettings
from shared.storage.log import LAG_LIMIT_BYTES

MIN_SECRET = 32
STATIC = Path(__file__).parent / "static"


@dataclass(frozen=True, kw_only=True)
class CollectorSettings:
    """Checked at start; whatever depends on several of them is checked by :meth:`__post_init__`."""

    secret: str = setting(
        "FOYER_SECRET", help=f"signs visitors' tokens: at least {MIN_SECRET} random characters", secret=True
    )
    previous_secret: str = setting(
        "FOYER_SECRET_PREVIOUS", "", help="the secret before, while tokens made with it are still taken", secret=True
    )
    host: str = setting("COLLECTOR_HOST", "0.0.0.0", help="address to listen on")  # noqa: S104  # the public edge
    port: int = setting("COLLECTOR_PORT", 8100, help="public port", minimum=0, maximum=65535)
    workers: int = setting(
        "COLLECTOR_WORKERS", 1, help="processes that share the port; their admin ports follow each other", minimum=1
    )
    shared_port: bool = setting("COLLECTOR_SHARED_PORT", False, help="set by the supervisor of several workers")
    admin_host: str = setting("COLLECTOR_ADMIN_HOST", "127.0.0.1", help="address of the admin port")
    admin_port: int = setting("COLLECTOR_ADMIN_PORT", 9100, help="health and metrics", minimum=0, maximum=65535)
    redis_url: str = setting("REDIS_URL", "redis://127.0.0.1:7380/0", help="Redis or Valkey", secret=True)
    partitions: int = setting("PARTITIONS", 16, help="fixed at installation", minimum=1, maximum=1024)
    lag_kib: int = setting(
        "COLLECTOR_LAG_KIB",
        LAG_LIMIT_BYTES // 1024,
        help="KiB that may wait in a partition before 503",
        minimum=1,
    )
    geoip_db: Path | None = setting("GEOIP_DB", None, help="GeoIP2, GeoLite2 or DB-IP Country database (.mmdb)")
    static: Path = setting("COLLECTOR_STATIC", STATIC, help="folder of the built tracker")
    trusted_proxies: str = setting("TRUSTED_PROXIES", "", help="networks whose address header is believed")
    trusted_header: str = setting("TRUSTED_HEADER", "X-Forwarded-For", help="the one header that is believed")
    declared_crawlers_only: bool = setting(
        "COLLECTOR_DECLARED_CRAWLERS_ONLY", False, help="browsers that programs drive, and programs, are visitors"
    )
    address_per_s: float = setting("COLLECTOR_ADDRESS_PER_S", 500.0, help="requests an address", minimum=0.001)
    address_burst: int = setting("COLLECTOR_ADDRESS_BURST", 5000, help="requests of an address at once", minimum=1)
    newcomers_per_s: float = setting(
        "COLLECTOR_NEWCOMERS_PER_S", 100.0, help="visitors without a token from an address", minimum=0.001
    )
    newcomers_burst: int = setting("COLLECTOR_NEWCOMERS_BURST", 5000, help="such visitors at once", minimum=1)
    remembered_per_day: float = setting(
        "COLLECTOR_REMEMBERED_PER_DAY", 1000.0, help="new visitors of a network that are kept, a day", minimum=0.001
    )
    remembered_burst: int = setting(
        "COLLECTOR_REMEMBERED_BURST", 3000, help="new visitors of a network that are kept, at once", minimum=1
    )
    visitor_per_s: float = setting("COLLECTOR_VISITOR_PER_S", 20.0, help="requests of a visitor", minimum=0.001)
    visitor_burst: int = setting("COLLECTOR_VISITOR_BURST", 300, help="requests of a visitor at once", minimum=1)
    site_per_s: float = setting("COLLECTOR_SITE_PER_S", 5000.0, help="requests of a site's visitors", minimum=0.001)
    site_burst: int = setting("COLLECTOR_SITE_BURST", 20_000, help="requests of a site at once", minimum=1)
    frames_per_s: float = setting("COLLECTOR_FRAMES_PER_S", 20.0, help="messages of a live channel", minimum=0.001)
    frames_burst: int = setting("COLLECTOR_FRAMES_BURST", 300, help="messages of a live channel at once", minimum=1)
    chat_per_s: float = setting("COLLECTOR_CHAT_PER_S", 20.0, help="chat messages of a visitor", minimum=0.001)
    chat_burst: int = setting("COLLECTOR_CHAT_BURST", 300, help="chat messages of a visitor at once", minimum=1)
    max_connections: int = setting(
        "COLLECTOR_MAX_CONNECTIONS", 20_000, help="fewer if the system allows fewer open files", minimum=1
    )
    max_per_address: int = setting(
        "COLLECTOR_MAX_CONNECTIONS_PER_ADDRESS", 0, help="0: half of all; trusted proxies are exempt", minimum=0
    )
    memory_mb: int = setting(
        "COLLECTOR_MEMORY_MB", 0, help="above it beacons are refused; 0: 4/5 of the container's limit", minimum=0
    )
    header_s: float = setting("COLLECTOR_HEADER_S", 10.0, help="seconds until a header must be complete", minimum=0.1)
    body_s: float = setting("COLLECTOR_BODY_S", 10.0, help="seconds until a body must be complete", minimum=0.1)
    hello_s: float = setting("COLLECTOR_HELLO_S", 10.0, help="seconds until a live channel must say hello", minimum=0.1)
    heartbeat_s: float = setting(
        "COLLECTOR_HEARTBEAT_S",
        25.0,
        help="seconds between pings on a live channel; routers drop idle links at 60",
        minimum=0.1,
    )
    alive_s: float = setting(
        "COLLECTOR_ALIVE_S", 10.0, help="seconds between signs of life to presence", minimum=0.05, maximum=12
    )
    log_level: str = setting("LOG_LEVEL", "INFO", help="DEBUG, INFO, WARNING or ERROR")

    def __post_init__(self) -> None:
        problems = []
        for name, secret in (("FOYER_SECRET", self.secret), ("FOYER_SECRET_PREVIOUS", self.previous_secret)):
            if secret and len(secret) < MIN_SECRET:
                problems.append(f"{name}: shorter than {MIN_SECRET} characters")
        try:
            parse_networks(self.trusted_proxies)
        except ValueError as error:
            problems.append(f"TRUSTED_PROXIES: {error}")
        if self.workers > 1 and not self.port:
            problems.append("COLLECTOR_PORT: several workers need a port of a number")
        if problems:
            raise SettingsError("\n".join(problems))

    @property
    def redis(self) -> RedisSettings:
        """Where Redis is."""
        return RedisSettings(self.redis_url)

    @property
    def trusted(self) -> TrustedProxies:
        """Whose header is believed."""
        return TrustedProxies(parse_networks(self.trusted_proxies))

    @property
    def address_rate(self) -> Rate:
        """Requests of an address."""
        return Rate(self.address_per_s, self.address_burst)

    @property
    def newcomers_rate(self) -> Rate:
        """Visitors without a token of an address."""
        return Rate(self.newcomers_per_s, self.newcomers_burst)

    @property
    def remembered_rate(self) -> Rate:
        """New visitors of a network who are given an identity; the others are anonymous."""
        return Rate(self.remembered_per_day / 86_400, self.remembered_burst)

    @property
    def visitor_rate(self) -> Rate:
        """Requests of a visitor."""
        return Rate(self.visitor_per_s, self.visitor_burst)

    @property
    def frames_rate(self) -> Rate:
        """Messages of a live channel: a tab sends one every few seconds, after an outage some more at once."""
        return Rate(self.frames_per_s, self.frames_burst)

    @property
    def chat_rate(self) -> Rate:
        """Chat messages of a visitor, typing marks among them."""
        return Rate(self.chat_per_s, self.chat_burst)

    @property
    def site_rate(self) -> Rate:
        """Requests of a site."""
        return Rate(self.site_per_s, self.site_burst)
