"""What the image runs: the service that SERVICE names, its health check, or the admin command line.

`python -m deploy.container` becomes the service (same process, so signals reach it), `… health` asks its readiness,
`… admin ARG…` is `python -m services.operator_gateway admin ARG…`.
"""

from __future__ import annotations

import http.client
import os
import sys
from collections.abc import Mapping, Sequence
from typing import NoReturn

# name: module and admin port with its setting
SERVICES = {
    "collector": ("services.collector", "COLLECTOR_ADMIN_PORT", 9100),
    "presence": ("services.presence", "PRESENCE_ADMIN_PORT", 9101),
    "chat-routing": ("services.chat_routing", "CHAT_ROUTING_ADMIN_PORT", 9102),
    "operator-gateway": ("services.operator_gateway", "GATEWAY_ADMIN_PORT", 9103),
}
HEALTH_TIMEOUT_S = 2.0


def command(arguments: Sequence[str], env: Mapping[str, str]) -> list[str]:
    """The Python arguments to become. Raises SystemExit with a clear message for an unknown service."""
    if arguments[:1] == ["admin"]:
        return ["-m", "services.operator_gateway", *arguments]
    return ["-m", _service(env)[0], *arguments]


def _service(env: Mapping[str, str]) -> tuple[str, str, int]:
    name = env.get("SERVICE", "")
    if name not in SERVICES:
        sys.exit(f"SERVICE is {name!r}: one of {', '.join(SERVICES)} is needed")
    return SERVICES[name]


def healthy(env: Mapping[str, str]) -> bool:
    """Whether the service of this container says that it is ready."""
    _, setting, default = _service(env)
    connection = http.client.HTTPConnection("127.0.0.1", int(env.get(setting) or default), timeout=HEALTH_TIMEOUT_S)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def main() -> NoReturn:
    arguments = sys.argv[1:]
    if arguments == ["health"]:
        sys.exit(0 if healthy(os.environ) else 1)
    os.execv(sys.executable, [sys.executable, *command(arguments, os.environ)])  # noqa: S606  # our own services


if __name__ == "__main__":
    main()
