"""Settings of presence, from the environment."""

from __future__ import annotations

from dataclasses import dataclass

from shared.runtime.settings import setting


@dataclass(frozen=True)
class PresenceSettings:
    """One process of presence. Behaviour (graces, silence, idleness, retention) is set per site, not here."""

    redis_url: str = setting("REDIS_URL", "redis://127.0.0.1:7380/0", help="Redis or Valkey, 7.0 or newer", secret=True)
    partitions: int = setting(
        "PARTITIONS", 16, help="number of partitions, fixed at installation", minimum=1, maximum=1024
    )
    admin_host: str = setting("PRESENCE_ADMIN_HOST", "127.0.0.1", help="address of health and metrics")
    admin_port: int = setting("PRESENCE_ADMIN_PORT", 9101, help="port of health and metrics", minimum=0, maximum=65535)
    instance: str = setting("PRESENCE_INSTANCE", "", help="name of this instance; made up when empty")
    log_level: str = setting("LOG_LEVEL", "INFO", help="DEBUG, INFO, WARNING or ERROR")
