"""The whole of Foyer as real processes on free ports, for end-to-end and fault tests.

`async with Stack(folder) as stack:` starts Valkey and one of each service and makes a site with an admin. Instances can
be added, killed and started again on the same ports. Each service has its own Redis user with the rights of
`deploy/acl.py`; a command that was refused for want of rights fails the test.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import aiohttp

from deploy.acl import RIGHTS, acl_file
from shared.embedded import EmbeddedValkey
from shared.embedded.server import free_port
from tests.eventually import eventually

ROOT = Path(__file__).resolve().parents[1]
SERVICES = ("presence", "chat_routing", "collector", "operator_gateway")
PORT_SETTING = {"collector": "COLLECTOR_PORT", "operator_gateway": "GATEWAY_PORT"}
ADMIN_SETTING = {
    "collector": "COLLECTOR_ADMIN_PORT",
    "presence": "PRESENCE_ADMIN_PORT",
    "chat_routing": "CHAT_ROUTING_ADMIN_PORT",
    "operator_gateway": "GATEWAY_ADMIN_PORT",
}
EMAIL, PASSWORD = "admin@example.com", "correct horse battery staple"
REDIS_PASSWORDS = {user: f"of-{user}" for user in RIGHTS}
START_S = 120.0  # a hopeless case, on a loaded machine


def refused_commands(valkey: EmbeddedValkey) -> list[str]:
    """Whom the server has refused what for want of rights: user and key or command."""
    with socket.create_connection(("127.0.0.1", valkey.port), 5) as connection:
        connection.sendall(b"ACL LOG\r\nPING\r\n")
        answer = b""
        while not answer.endswith(b"+PONG\r\n"):
            answer += connection.recv(65536)
    words = answer.decode().split("\r\n")
    objects = [words[at + 2] for at, word in enumerate(words) if word == "object"]
    users = [words[at + 2] for at, word in enumerate(words) if word == "username"]
    return [f"{user}: {thing}" for user, thing in zip(users, objects, strict=True)]


@dataclass
class Instance:
    """One process of a service."""

    service: str
    env: dict[str, str]
    log: Path
    port: int
    admin_port: int
    process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        """Its public address (collector and gateway)."""
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Start the process; it need not be ready yet."""
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", f"services.{self.service}", cwd=ROOT, env=self.env, stdout=log, stderr=log
            )

    async def ready(self) -> None:
        """Wait until /readyz says yes."""
        async with aiohttp.ClientSession() as session:

            async def yes() -> bool:
                assert self.process is not None
                assert self.process.returncode is None, f"{self.service} ended:\n{self.log_tail()}"
                with contextlib.suppress(aiohttp.ClientError):
                    async with session.get(f"http://127.0.0.1:{self.admin_port}/readyz") as answer:
                        assert answer.status == 200, await answer.text()
                        return True
                return False

            await eventually(yes, within_s=START_S, every_s=0.05)

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Signal it and wait for its end; the exit status."""
        assert self.process is not None
        if self.process.returncode is None:
            self.process.send_signal(number)
        return await self.process.wait()

    async def kill(self) -> None:
        """SIGKILL: no chance to say goodbye."""
        await self.stop(signal.SIGKILL)

    def log_tail(self) -> str:
        """The last lines that it wrote."""
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:])


@dataclass
class Stack:
    """See the module's text. `settings` are site settings, `env` goes to every service, `services` start at once."""

    folder: Path
    settings: dict[str, Any] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)
    origins: tuple[str, ...] = ("http://127.0.0.1", "http://localhost")
    fsync: str = "everysec"
    services: tuple[str, ...] = SERVICES
    instances: list[Instance] = field(default_factory=list)
    site: str = ""

    async def __aenter__(self) -> Self:
        users = self.folder / "users.acl"
        users.write_text(acl_file(REDIS_PASSWORDS).replace("user default off", "user default on nopass ~* &* +@all"))
        self.valkey = EmbeddedValkey(
            self.folder / "valkey",
            fsync=self.fsync,  # type: ignore[arg-type]
            settings={"aclfile": str(users)},
        ).start()
        try:
            await self._set_up()
            for service in self.services:
                await self.add(service)
            await asyncio.gather(*(instance.ready() for instance in self.instances))
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *error: object) -> None:
        for instance in self.instances:
            with contextlib.suppress(ProcessLookupError):
                await instance.stop(signal.SIGKILL)
        refused = refused_commands(self.valkey) if self.valkey.running else []
        self.valkey.stop()
        if not any(error):
            assert not refused, f"a service did what its Redis user may not (deploy/acl.py): {refused}"

    async def _set_up(self) -> None:
        arguments = ["init", "--site-name", "Shop", "--email", EMAIL, "--name", "Ada", "--json"]
        arguments += ["--password-env", "FOYER_ADMIN_PASSWORD"]
        for origin in self.origins:
            arguments += ["--origin", origin]
        self.site = (await self.admin(*arguments))["site"]
        if self.settings:
            pairs = [f"{name}={value}" for name, value in self.settings.items()]
            await self.admin("site", "settings", self.site, *pairs, "--json")

    def environment(self, **more: str) -> dict[str, str]:
        """What a process of this stack sees."""
        base = {key: os.environ[key] for key in ("PATH", "HOME", "LANG", "CI") if key in os.environ}
        browsers = {"COLLECTOR_DECLARED_CRAWLERS_ONLY": "on"}  # else Playwright's visitors count as crawlers
        secrets = {"FOYER_SECRET": "0123456789abcdef" * 4, "FOYER_ADMIN_PASSWORD": PASSWORD}
        return {**base, **browsers, **secrets, "REDIS_URL": self.redis_url("operator_gateway"), **self.env, **more}

    async def admin(self, *arguments: str) -> Any:
        """The answer of `python -m services.operator_gateway admin …`."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "services.operator_gateway", "admin", *arguments),
            cwd=ROOT,
            env=self.environment(),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        assert process.returncode == 0, err.decode()
        return json.loads(out)

    async def add(self, service: str, **env: str) -> Instance:
        """Start one more instance of `service`."""
        port, admin_port = free_port(), free_port()
        ports = {ADMIN_SETTING[service]: str(admin_port)}
        if service in PORT_SETTING:
            ports[PORT_SETTING[service]] = str(port)
        number = sum(instance.service == service for instance in self.instances)
        log = self.folder / f"{service}-{number}.log"
        collector = self.first("collector").url if service == "operator_gateway" else ""
        urls = {"COLLECTOR_URL": collector} if collector else {}
        redis = {"REDIS_URL": self.redis_url(service)}
        instance = Instance(service, self.environment(**redis, **ports, **urls, **env), log, port, admin_port)
        self.instances.append(instance)
        await instance.start()
        return instance

    def redis_url(self, service: str) -> str:
        """The server's address for the service's own user."""
        user = service.replace("_", "-")
        return f"redis://{user}:{REDIS_PASSWORDS[user]}@127.0.0.1:{self.valkey.port}/0"

    def first(self, service: str) -> Instance:
        """The first instance of `service`."""
        return next(instance for instance in self.instances if instance.service == service)

    @property
    def collector(self) -> str:
        """Public address of the first collector."""
        return self.first("collector").url

    @property
    def gateway(self) -> str:
        """Public address of the first gateway."""
        return self.first("operator_gateway").url
