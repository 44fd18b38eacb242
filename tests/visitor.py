"""A visitor's browser as the collector sees it, over plain HTTP, that repeats what was not acknowledged."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp

AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"


def now_ms() -> int:
    """The tab's monotonic milliseconds."""
    return time.monotonic_ns() // 1_000_000


@dataclass
class Visitor:
    """One tab of one browser. `collector` is asked for at each send, so that it may move."""

    session: aiohttp.ClientSession
    collector: Callable[[], str]
    site: str
    origin: str
    visitor: str = field(default_factory=lambda: str(uuid.uuid4()))
    tab: str = field(default_factory=lambda: str(uuid.uuid4()))
    page: str = ""
    n: int = 0
    acknowledged_pages: int = 0
    refusals: int = 0

    def event(self, kind: str, **fields: Any) -> dict[str, Any]:
        """The next event of this tab; a page view begins a page."""
        self.n += 1
        if kind == "page":
            self.page = str(uuid.uuid4())
        return {"type": kind, "page": self.page, "n": self.n, "at": now_ms(), "engaged_ms": 0, **fields}

    async def send(self, *events: dict[str, Any]) -> int:
        """One try; the status, 0 if there was no answer."""
        body = {
            "site": self.site,
            "visitor": self.visitor,
            "tab": self.tab,
            "sent": now_ms(),
            "events": list(events),
        }
        headers = {"Origin": self.origin, "User-Agent": AGENT}
        try:
            async with self.session.post(f"{self.collector()}/v1/e", json=body, headers=headers) as answer:
                return answer.status
        except (aiohttp.ClientError, TimeoutError):
            return 0

    async def deliver(self, *events: dict[str, Any]) -> None:
        """Repeat until it is acknowledged, as the tracker does."""
        while True:
            status = await self.send(*events)
            if status in (200, 204):
                return
            assert status in (0, 429, 503), f"unexpected answer {status}"
            self.refusals += 1
            await asyncio.sleep(0.05)

    async def view(self, path: str) -> None:
        """One page view, acknowledged."""
        await self.deliver(self.event("page", url=f"{self.origin}{path}", title=path))
        self.acknowledged_pages += 1

    async def leave(self) -> None:
        """Close the tab."""
        await self.deliver(self.event("leave"))
