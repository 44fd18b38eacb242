"""Makes `foyer.env`, the secrets of the compose set-up: `python -m deploy.compose_env TARGET`. An old one stays."""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path


def content() -> str:
    """Fresh secrets. The password has only characters that need no escaping in an address or a configuration file."""
    password = secrets.token_hex(24)
    lines = [
        "# Secrets of this installation. Keep it private and keep it: visitors' tokens are signed with FOYER_SECRET.",
        f"FOYER_SECRET={secrets.token_hex(32)}",
        f"VALKEY_PASSWORD={password}",
        f"REDIS_URL=redis://:{password}@valkey:6379/0",
        "# every write is on disk before it is acknowledged: VALKEY_FSYNC=always",
        "VALKEY_FSYNC=everysec",
        "# where browsers reach the collectors and the console",
        "COLLECTOR_URL=http://127.0.0.1:8100",
        "GATEWAY_URL=http://127.0.0.1:8200",
    ]
    return "\n".join(lines) + "\n"


def main() -> int:
    target = Path(sys.argv[1])
    try:
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        print(f"{target} is there already and stays as it is")
        return 0
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(content())
    print(f"{target} made, readable by you alone")
    return 0


if __name__ == "__main__":
    sys.exit(main())
