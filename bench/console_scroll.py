"""The console with 100,000 visitors in a real browser: frames while scrolling, memory, requests; beside 1,000 visitors.

    python -m bench.console_scroll [--visitors 100000] [--baseline 1000] [--changes 100] [--seconds 5] [--rounds 3]

A real gateway process serves the built console and two sites whose rows are written as presence writes them; while the
browser scrolls, visitors of both go to other pages. Each site is shown in a fresh page and scrolled twice: *reading*,
1,500 px a second from the top, and *dragging*, from the first row to the last in the given time. Printed: the time
between frames, the main thread's work for each frame (all of it, script, style and layout), how many of the places were
empty in the frames drawn, requests made, and the JavaScript heap afterwards with garbage collected. The figures of the
smaller site are the baseline. Chromium is headless and draws without a graphics card.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import re
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import uvloop
from playwright.async_api import Browser, CDPSession, Page, async_playwright, expect

from bench._figures import machine, spread
from bench._visitors import stored
from services.operator_gateway.passwords import Passwords
from services.operator_gateway.settings import STATIC
from shared.contracts.sites import Membership, Operator, Site, Skill
from shared.contracts.streams import LogEntry, RowChanged, encode
from shared.domain.partitions import Partitions
from shared.embedded import EmbeddedValkey
from shared.embedded.server import free_port
from shared.storage import keys
from shared.storage.clients import Clients, RedisSettings
from shared.storage.directory_store import DirectoryStore
from tests.e2e.chromium import ARGUMENTS, chromium_path

PASSWORD = "correct horse battery staple"
READING_PX_S = 1_500  # a wheel that is turned without a pause
TICK_S = 0.05
START_MS = 60_000
METRICS = ("TaskDuration", "ScriptDuration", "RecalcStyleDuration", "LayoutDuration")

# Scrolls with the display's frames and looks at what each of them shows.
SCROLL = """async ({ to, seconds }) => {
  const grid = document.querySelector('[role=grid]');
  const from = grid.scrollTop, gaps = [];
  let rows = 0, empty = 0, begun = 0, last = 0;
  await new Promise((done) => {
    const frame = (now) => {
      if (begun === 0) begun = now; else gaps.push(now - last);
      last = now;
      const box = grid.getBoundingClientRect(), height = parseFloat(grid.style.getPropertyValue('--row-height'));
      const places = Math.floor(grid.clientHeight / height) - 1;  // the head takes one
      let filled = 0;
      for (const row of grid.querySelectorAll('.grid-body .row')) {
        const { top, bottom } = row.getBoundingClientRect();
        if (bottom > box.top && top < box.bottom) filled += 1;
      }
      rows += places;
      empty += Math.max(0, places - filled);
      const share = (now - begun) / 1000 / seconds;
      if (share >= 1) { grid.scrollTop = to; return done(); }
      grid.scrollTop = from + (to - from) * share;
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  });
  return { gaps, rows, empty };
}"""


class Shop:
    """One site's visitors, written as presence writes them."""

    def __init__(self, clients: Clients, site: str, visitors: int) -> None:
        self.site = site
        self.visitors = visitors
        self._clients = clients
        self._partition = Partitions(16).of(site)
        self._seq = visitors

    async def fill(self) -> None:
        """Everybody comes."""
        await self._clients.call("HSET", keys.checkpoint("presence", self._partition), "epoch", "bench")
        key = keys.visitors(self._partition, self.site)
        for start in range(1, self.visitors + 1, 1000):
            numbers = range(start, min(start + 1000, self.visitors + 1))
            await self._clients.pipeline([("HSET", key, _visitor(number), stored(number)) for number in numbers])
        await self._clients.call("HSET", keys.site_meta(self._partition, self.site), "seq", self._seq)

    async def traffic(self, per_second: float) -> None:
        """Until cancelled: visitors go to other pages."""
        owed = 0.0
        while True:
            owed += per_second * TICK_S
            changes = tuple(self._moves() for _ in range(int(owed)))
            owed -= len(changes)
            if changes:
                log = keys.stream("log", self._partition)
                entry = encode(LogEntry("presence", changes))
                await self._clients.call("XADD", log, "MAXLEN", "~", 20_000, "*", "d", entry)
            await asyncio.sleep(TICK_S)

    def _moves(self) -> RowChanged:
        self._seq += 1
        number = random.randrange(1, self.visitors + 1)
        page = {"url": f"https://www.shop.example/{self._seq}", "title": f"Page {self._seq}"}
        return RowChanged(self.site, self._seq, _visitor(number), self._seq, {"page": page})


def _visitor(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012d}"


async def account(store: DirectoryStore, site: str, secret: str) -> str:
    """The site and an operator of it: the e-mail to sign in with."""
    email = f"{site.replace('_', '')}@bench.example"
    await store.create_site(Site(site=site, name=f"Bench {site[-1]}", skills=(Skill("general", "General"),)))
    member = (Membership(site=site, role="operator"),)
    operator = f"o_{site[2:]}"
    await store.create_operator(Operator(operator=operator, email=email, name="Bench", memberships=member), secret)
    return email


@asynccontextmanager
async def gateway(redis_url: str) -> AsyncIterator[str]:
    """A gateway process with the built console; its address."""
    ports = [free_port(), free_port()]
    env = {**os.environ, "REDIS_URL": redis_url, "GATEWAY_HOST": "127.0.0.1"}
    env |= {"GATEWAY_PORT": str(ports[0]), "GATEWAY_ADMIN_PORT": str(ports[1])}
    command = [sys.executable, "-m", "services.operator_gateway"]
    process = await asyncio.create_subprocess_exec(*command, env=env, stdout=asyncio.subprocess.DEVNULL)
    try:
        yield f"http://127.0.0.1:{ports[0]}"
    finally:
        process.terminate()
        await process.wait()


async def signed_in(browser: Browser, url: str, email: str, visitors: int) -> Page:
    """The console with the list."""
    page = await (await browser.new_context(viewport={"width": 1440, "height": 900})).new_page()
    page.set_default_timeout(START_MS)
    for _ in range(200):
        try:
            await page.goto(url)
            break
        except Exception:  # the gateway is still starting
            await asyncio.sleep(0.1)
    await page.get_by_label("E-mail").fill(email)
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    grid = page.get_by_role("grid")
    await expect(grid).to_have_attribute("aria-rowcount", str(visitors + 1), timeout=START_MS)
    await expect(grid).to_have_attribute("aria-busy", "false", timeout=START_MS)
    await expect(page.locator(".grid-body-missing")).to_have_count(0, timeout=START_MS)
    return page


@dataclass
class Figures:
    """What one way of scrolling cost. Times in ms; `work` for each frame; `empty` as a share of the rows drawn."""

    gaps: list[float]
    work: dict[str, float]
    empty: float
    requests: int
    heap_mib: float = 0.0

    @property
    def median(self) -> float:
        return statistics.median(self.gaps)

    def at(self, share: float) -> float:
        """The time between frames that this share of them keeps below."""
        return sorted(self.gaps)[min(len(self.gaps) - 1, int(share * len(self.gaps)))]


@dataclass
class Bench:
    """A page and what is counted of it."""

    page: Page
    cdp: CDPSession
    moves: list[int] = field(default_factory=list)

    async def scroll(self, to: float, seconds: float) -> Figures:
        """Scroll evenly to `to` px."""
        before, asked = await self._metrics(), len(self.moves)
        seen: dict[str, Any] = await self.page.evaluate(SCROLL, {"to": to, "seconds": seconds})
        after = await self._metrics()
        frames = len(seen["gaps"])
        work = {name: (after[name] - before[name]) * 1e3 / frames for name in METRICS}
        return Figures(seen["gaps"], work, seen["empty"] / max(1, seen["rows"]), len(self.moves) - asked)

    async def heap_mib(self) -> float:
        """Live JavaScript objects."""
        await self.cdp.send("HeapProfiler.collectGarbage")
        usage = await self.cdp.send("Runtime.getHeapUsage")
        return cast("float", usage["usedSize"]) / 2**20

    async def _metrics(self) -> dict[str, float]:
        answer = await self.cdp.send("Performance.getMetrics")
        return {metric["name"]: metric["value"] for metric in answer["metrics"]}


async def measure(browser: Browser, url: str, email: str, shop: Shop, options: argparse.Namespace) -> list[Figures]:
    """Reading, then dragging through everything."""
    moves: list[int] = []
    page = await signed_in(browser, url, email, shop.visitors)
    # The socket is opened before anybody can listen to it: the second one, after a reload, is counted.
    page.on("websocket", lambda ws: ws.on("framesent", lambda data: moves.extend([1] * _asks(data))))
    await page.reload()
    await expect(page.get_by_role("grid")).to_have_attribute("aria-rowcount", str(shop.visitors + 1))
    await expect(page.locator(".grid-body-missing")).to_have_count(0)
    cdp = await page.context.new_cdp_session(page)
    await cdp.send("Performance.enable")
    bench = Bench(page, cdp, moves)
    traffic = asyncio.create_task(shop.traffic(options.changes))
    await bench.scroll(400, 1)  # what is compiled at first use is no cost of scrolling
    found = [await bench.scroll(400 + READING_PX_S * options.seconds, options.seconds)]
    height = await page.evaluate("document.querySelector('[role=grid]').scrollHeight")
    await page.evaluate("document.querySelector('[role=grid]').scrollTop = 0")
    found.append(await bench.scroll(height, options.seconds))
    traffic.cancel()
    await expect(page.locator(f"[role=row][aria-rowindex='{shop.visitors + 1}']")).to_be_visible()
    found[1].heap_mib = await bench.heap_mib()
    await page.context.close()
    return found


def _asks(data: str | bytes) -> int:
    return len(re.findall(b"view:(?:open|move|sync)", data if isinstance(data, bytes) else data.encode()))


def table(name: str, small: list[Figures], large: list[Figures]) -> None:
    """One way of scrolling, both sites side by side: medians of the rounds, and the ratio with its spread."""
    print(f"\n{name}: figure, baseline, large, ratio (smallest to largest of the rounds)")

    def line(text: str, unit: str, figure: Callable[[Figures], float]) -> None:
        one, other = [figure(found) for found in small], [figure(found) for found in large]
        ratios = [b / a for a, b in zip(one, other, strict=True)] if all(one) else []
        ratio = spread(ratios) if ratios else "       -"
        print(f"  {text:38} {statistics.median(one):9.2f} {statistics.median(other):9.2f} {unit:4}{ratio}")

    line("between frames, median", "ms", lambda found: found.median)
    for share in (0.95, 0.99):
        line(f"between frames, {share:.0%}", "ms", lambda found, share=share: found.at(share))  # type: ignore[misc]
    for metric in METRICS:
        line(f"work for a frame: {metric}", "ms", lambda found, metric=metric: found.work[metric])  # type: ignore[misc]
    line("places without a row", "%", lambda found: found.empty * 100)
    line("requests", "", lambda found: found.requests)
    if large[0].heap_mib:
        line("JavaScript heap afterwards", "MiB", lambda found: found.heap_mib)


async def run(options: argparse.Namespace) -> None:
    """Both sites in turn, several times."""
    print(machine())
    if not (STATIC / "index.html").is_file():
        sys.exit("the console is not built: make setup")
    with tempfile.TemporaryDirectory() as folder, EmbeddedValkey(Path(folder)) as server:
        clients = Clients(RedisSettings(server.url))
        store, passwords = DirectoryStore(clients), Passwords()
        secret = await passwords.hash(PASSWORD)
        passwords.close()
        shops = [Shop(clients, "s_00000001", options.baseline), Shop(clients, "s_00000002", options.visitors)]
        emails = [await account(store, shop.site, secret) for shop in shops]
        for shop in shops:
            await shop.fill()
        async with gateway(server.url) as url, async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=chromium_path(), args=ARGUMENTS)
            rounds = [
                [await measure(browser, url, email, shop, options) for email, shop in zip(emails, shops, strict=True)]
                for _ in range(options.rounds)
            ]
            await browser.close()
        for at, name in enumerate((f"reading, {READING_PX_S} px a second", "dragging from the first row to the last")):
            table(name, [small[at] for small, _ in rounds], [large[at] for _, large in rounds])
        await clients.close()


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--visitors", type=int, default=100_000)
    parser.add_argument("--baseline", type=int, default=1_000)
    parser.add_argument("--changes", type=float, default=100)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    uvloop.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
