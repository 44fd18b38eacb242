"""What `make run` can be told, all by environment variables, and what the children are told in turn."""

from __future__ import annotations

import json
import os
import secrets
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GEOIP_FILE = ROOT / "build/geoip/country.mmdb"
MAX_VISITORS = 20_000  # one simulator process; past this it would measure itself
HOST = "127.0.0.1"
DEMO_SITE_NAME = "Halden & Birch"
DEMO_EMAIL = "demo@example.com"
DEMO_OPERATOR = "Dana Demo"
DEMO_WIDGET = 'widget={"launcher": true, "color": "#24382f"}'  # the bubble in the demo website's own green

PORTS = {
    "COLLECTOR_PORT": 8100,
    "GATEWAY_PORT": 8200,
    "DEMO_PORT": 8300,
    "COLLECTOR_ADMIN_PORT": 9100,
    "PRESENCE_ADMIN_PORT": 9101,
    "CHAT_ROUTING_ADMIN_PORT": 9102,
    "GATEWAY_ADMIN_PORT": 9103,
    "VALKEY_PORT": 7380,
}

# In a local trial everybody comes from one address, and whoever a program plays is a visitor like any other.
TRIAL = {
    "COLLECTOR_DECLARED_CRAWLERS_ONLY": "on",
    "COLLECTOR_ADDRESS_PER_S": "20000",
    "COLLECTOR_ADDRESS_BURST": "100000",
    "COLLECTOR_NEWCOMERS_PER_S": "5000",
    "COLLECTOR_NEWCOMERS_BURST": "100000",
    "COLLECTOR_REMEMBERED_PER_DAY": "1000000",
    "COLLECTOR_REMEMBERED_BURST": "100000",
}


class SettingsError(ValueError):
    """A setting that cannot be used; the message names it."""


@dataclass(frozen=True)
class LocalSettings:
    """Everything that one local run depends on."""

    ports: Mapping[str, int]
    data_dir: Path
    redis_url: str | None = field(repr=False)
    visitors: int
    environment: Mapping[str, str] = field(repr=False)  # of the caller: what it says about a service stands

    @classmethod
    def from_environment(cls, env: Mapping[str, str]) -> LocalSettings:
        """Raises SettingsError for a value that is none."""
        ports = {name: _number(env, name, default, 1, 65_535) for name, default in PORTS.items()}
        redis_url = env.get("REDIS_URL", "").strip() or None
        used = [(port, name) for name, port in ports.items() if not (redis_url and name == "VALKEY_PORT")]
        for port, name in used:
            twin = next(other for number, other in used if number == port)
            if twin != name:
                raise SettingsError(f"{twin} and {name} are both {port}: give each its own port")
        data_dir = Path(env.get("DATA_DIR", "").strip() or ROOT / ".data").expanduser().absolute()
        return cls(ports, data_dir, redis_url, _number(env, "VISITORS", 0, 0, MAX_VISITORS), dict(env))

    @property
    def collector_url(self) -> str:
        return f"http://{HOST}:{self.ports['COLLECTOR_PORT']}"

    @property
    def console_url(self) -> str:
        return f"http://{HOST}:{self.ports['GATEWAY_PORT']}"

    @property
    def demo_url(self) -> str:
        return f"http://{HOST}:{self.ports['DEMO_PORT']}"

    @property
    def demo_origins(self) -> tuple[str, ...]:
        """The demo website may be opened by either name of this machine."""
        return (self.demo_url, f"http://localhost:{self.ports['DEMO_PORT']}")

    def busy_ports(self) -> Iterator[tuple[str, int]]:
        """The settings whose port another program holds."""
        for name, port in self.ports.items():
            if name == "VALKEY_PORT" and self.redis_url:
                continue
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((HOST, port))
                except OSError:
                    yield name, port

    def service_environment(self, redis_url: str) -> dict[str, str]:
        """What every service is started with: what this run decides, what the caller says, and what nobody said."""
        decided = {name: str(port) for name, port in self.ports.items()}
        decided |= {"REDIS_URL": redis_url, "DATA_DIR": str(self.data_dir), "PYTHONUNBUFFERED": "1"}
        unsaid = {
            "COLLECTOR_HOST": HOST,  # a trial run is for this machine, not for its neighbours
            "GATEWAY_HOST": HOST,
            "COLLECTOR_URL": self.collector_url,
            "GEOIP_DB": str(GEOIP_FILE),
            **TRIAL,
        }
        if not self.environment.get("FOYER_SECRET") and not self.environment.get("FOYER_SECRET_FILE"):
            unsaid["FOYER_SECRET"] = kept_secret(self.data_dir / "secret")
        if self.visitors:
            unsaid["TRUSTED_PROXIES"] = HOST  # simulated visitors tell their addresses; without them nobody may
        said = {name: value for name, value in self.environment.items() if value or name not in unsaid}
        return {**unsaid, **said, **decided}


def _number(env: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    text = env.get(name, "").strip()
    if not text:
        return default
    if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
        raise SettingsError(f"{name} is {text!r}: a number from {least} to {most} is needed")
    return int(text)


def kept_secret(path: Path) -> str:
    """A random secret, made at the first run and kept in a file that only its owner reads."""
    try:
        return path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        write_private(path, secrets.token_urlsafe(32) + "\n")
        return path.read_text(encoding="utf-8").strip()


def kept_password(path: Path) -> str:
    """Like kept_secret, but short enough to be typed: 80 bits in groups of four."""
    if not path.exists():
        digits = "abcdefghjkmnpqrstuvwxyz23456789"  # nothing that looks like something else
        groups = ("".join(secrets.choice(digits) for _ in range(4)) for _ in range(4))
        write_private(path, "-".join(groups) + "\n")
    return path.read_text(encoding="utf-8").strip()


def write_private(path: Path, text: str) -> None:
    """Writes a file that its owner alone can read, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    partial = path.with_name(path.name + ".partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    partial.replace(path)


def write_run_file(settings: LocalSettings, *, password: str, site: str, redis_url: str) -> Path:
    """Where the run is to be found, for scripts and tests: DATA_DIR/run.json."""
    path = settings.data_dir / "run.json"
    content = {
        "console": settings.console_url,
        "collector": settings.collector_url,
        "demo": settings.demo_url,
        "email": DEMO_EMAIL,
        "password": password,
        "site": site,
        "redis_url": redis_url,
    }
    write_private(path, json.dumps(content, indent=2) + "\n")
    return path
