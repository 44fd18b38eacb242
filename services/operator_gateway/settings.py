"""The gateway's settings, from the environment: `python -m services.operator_gateway --help` lists them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from services.operator_gateway.sockets.engine import CONNECTS_PER_S, Doors
from shared.domain.peers import TrustedProxies, parse_networks
from shared.runtime.settings import SettingsError, setting
from shared.storage.clients import RedisSettings

STATIC = Path(__file__).parent / "static"


@dataclass(frozen=True, kw_only=True)
class GatewaySettings:
    """One gateway process."""

    host: str = setting("GATEWAY_HOST", "0.0.0.0", help="address to listen on")  # noqa: S104  # the operators' edge
    port: int = setting("GATEWAY_PORT", 8200, help="console, HTTP API and sockets", minimum=0, maximum=65535)
    admin_host: str = setting("GATEWAY_ADMIN_HOST", "127.0.0.1", help="address of the admin port")
    admin_port: int = setting("GATEWAY_ADMIN_PORT", 9103, help="health and metrics", minimum=0, maximum=65535)
    redis_url: str = setting("REDIS_URL", "redis://127.0.0.1:7380/0", help="Redis or Valkey", secret=True)
    partitions: int = setting("PARTITIONS", 16, help="fixed at installation", minimum=1, maximum=1024)
    origins: tuple[str, ...] = setting(
        "GATEWAY_ORIGINS", (), help="origins of pages that may open sockets; none: only the gateway's own"
    )
    polling: bool = setting("SOCKETIO_POLLING", True, help="long-polling on /socket.io/ for clients that need it")
    max_connections: int = setting("GATEWAY_MAX_CONNECTIONS", 5_000, help="operators' sockets", minimum=1)
    max_per_address: int = setting(
        "GATEWAY_MAX_CONNECTIONS_PER_ADDRESS", 500, help="sockets from one address", minimum=1
    )
    connects_per_s: int = setting(
        "GATEWAY_CONNECTS_PER_S", CONNECTS_PER_S, help="sockets let in each second after a burst", minimum=1
    )
    trusted_proxies: str = setting("TRUSTED_PROXIES", "", help="networks whose address header is believed")
    trusted_header: str = setting("TRUSTED_HEADER", "X-Forwarded-For", help="the one header that is believed")
    tls_proxy: bool = setting(
        "GATEWAY_BEHIND_TLS", False, help="a proxy before the gateway speaks TLS: cookies are marked Secure"
    )
    collector_url: str = setting("COLLECTOR_URL", "", help="where websites load the tracker from, for the snippet")
    geoip_db: Path | None = setting("GEOIP_DB", None, help="the collectors' country database, to name its source")
    static: Path = setting("GATEWAY_STATIC", STATIC, help="folder of the built console")
    instance: str = setting("GATEWAY_INSTANCE", "", help="prefix of this gateway's name; the rest is made up")
    log_level: str = setting("LOG_LEVEL", "INFO", help="DEBUG, INFO, WARNING or ERROR")

    def __post_init__(self) -> None:
        try:
            parse_networks(self.trusted_proxies)
        except ValueError as error:
            raise SettingsError(f"TRUSTED_PROXIES: {error}") from None

    @property
    def redis(self) -> RedisSettings:
        """Where Redis is."""
        return RedisSettings(self.redis_url)

    @property
    def trusted(self) -> TrustedProxies:
        """Whose header is believed."""
        return TrustedProxies(parse_networks(self.trusted_proxies))

    @property
    def doors(self) -> Doors:
        """Who may open sockets."""
        return Doors(
            origins=frozenset(origin.rstrip("/") for origin in self.origins),
            polling=self.polling,
            max_connections=self.max_connections,
            max_per_address=self.max_per_address,
            connects_per_s=self.connects_per_s,
        )
