"""The website's own proxy in front of the collector, under a path: nginx as docs/embedding.md configures it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp

from shared.contracts.streams import TabAttached, TabEvents
from shared.embedded.server import free_port
from shared.storage.clients import Clients
from tests.collector_rig import FIREFOX, ORIGIN, SITE, CollectorRig, batch, collector, make_site, new_id
from tests.eventually import eventually
from tests.tools import tool

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "embedding.md"
HEADERS = {"Origin": ORIGIN, "User-Agent": FIREFOX, "Cookie": "session=of-the-website"}


def configuration(folder: Path, port: int, collector_port: int) -> str:
    """The documented block in a server of its own. Only the address and the missing certificate differ."""
    blocks = re.findall(r"```nginx\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    location = blocks[0].replace("https://HOST", f"http://127.0.0.1:{collector_port}").replace("HOST", "localhost")
    temporary = "\n".join(f"{name}_temp_path {folder}/{name};" for name in ("client_body", "proxy", "fastcgi"))
    return f"""
daemon off; pid {folder}/pid; error_log stderr;
events {{ }}
http {{
  access_log off; {temporary} uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  map $http_upgrade $foyer_connection {{ default upgrade; "" ""; }}
  server {{ listen 127.0.0.1:{port}; {location} }}
}}
"""


@contextlib.asynccontextmanager
async def proxied(rig: CollectorRig, folder: Path) -> AsyncIterator[str]:
    """The address of nginx in front of the collector."""
    port = free_port()
    (folder / "nginx.conf").write_text(configuration(folder, port, rig.port))
    process = await asyncio.create_subprocess_exec(
        *(tool("nginx", "nginx-light"), "-p", str(folder), "-c", str(folder / "nginx.conf")),
        stderr=asyncio.subprocess.DEVNULL,
    )

    async def listens() -> bool:
        with contextlib.suppress(OSError):
            (await asyncio.open_connection("127.0.0.1", port))[1].close()
            return True
        return False

    try:
        await eventually(listens)
        yield f"http://127.0.0.1:{port}/foyer"
    finally:
        process.terminate()
        await process.wait()


def visitor_at(address: str) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(local_addr=(address, 0)), headers=HEADERS)


async def test_beacons_and_the_live_channel_go_through_the_websites_own_proxy(
    clients: Clients, redis_url: str, tmp_path: Path
) -> None:
    await make_site(clients)
    async with (
        collector(clients, redis_url, trusted_proxies="127.0.0.1/32") as rig,
        proxied(rig, tmp_path) as url,
        visitor_at("127.0.0.2") as session,
    ):
        async with session.post(f"{url}/v1/e", json=batch()) as answer:
            assert answer.status == 204
            assert "X-Request-Id" in answer.headers
        async with session.get(f"{url}/t/versions.json") as answer:
            assert answer.status in (200, 404)  # 404 where the tracker was not built: the collector's own answer
            assert "X-Request-Id" in answer.headers
        async with session.ws_connect(f"{url}/v1/live") as channel:
            await channel.send_str(json.dumps({"type": "hello", "id": "h", "site": SITE, "tab": new_id()}))
            assert json.loads(await channel.receive_str())["type"] == "ok"
        kinds = [type(entry) for entry in await rig.entries()]
        assert kinds[:2] == [TabEvents, TabAttached]


async def test_each_visitor_behind_the_proxy_has_limits_of_its_own(
    clients: Clients, redis_url: str, tmp_path: Path
) -> None:
    await make_site(clients)
    async with (
        collector(clients, redis_url, trusted_proxies="127.0.0.1/32", address_per_s=0.001, address_burst=1) as rig,
        proxied(rig, tmp_path) as url,
        visitor_at("127.0.0.2") as one,
        visitor_at("127.0.0.3") as other,
    ):
        statuses = []
        for session in (one, one, other):
            forged = {"X-Forwarded-For": "203.0.113.7"}
            async with session.post(f"{url}/v1/e", json=batch(), headers=forged) as answer:
                statuses.append(answer.status)
        assert statuses == [204, 429, 204], "the proxy's word counts, not the browser's"
