"""What the tracker in one tab says, without a browser: numbered events with engaged and idle time.

Pure: `now_ms` is the tab's monotonic clock. Follows the tracker's rules: a page in use is one that is visible and was
touched within the last minute.
"""

from __future__ import annotations

import random
import uuid
from dataclasses import dataclass, field
from typing import Any

IDLE_MS = 60_000
Event = dict[str, Any]


def new_uuid(rng: random.Random) -> str:
    """A random UUID from the given generator."""
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))


@dataclass
class Tab:
    """One browser tab. Each method gives the event that the tracker would send."""

    tab: str
    rng: random.Random
    about: dict[str, Any]  # lang, screen, tz: sent with each page
    n: int = 0
    page: str = ""
    path: str = ""
    visible: bool = True
    _where: dict[str, Any] = field(default_factory=dict)
    _engaged_ms: int = 0
    _settled_ms: int = 0
    _input_ms: int = 0

    def open_page(self, now_ms: int, url: str, title: str, referrer: str | None) -> Event:
        """A page view: a new id, and the engaged time begins again."""
        self._settle(now_ms)
        self.page, self._engaged_ms, self._input_ms, self.visible = new_uuid(self.rng), 0, now_ms, True
        self._where = {"url": url, "title": title}
        return self._event("page", now_ms) | self.about | ({"referrer": referrer} if referrer else {})

    def touch(self, now_ms: int) -> None:
        """Mouse, key or finger."""
        self._settle(now_ms)
        self._input_ms = now_ms

    def beat(self, now_ms: int) -> Event:
        return self._event("beat", now_ms)

    def hide(self, now_ms: int) -> Event:
        event = self._event("hide", now_ms)
        self.visible = False
        return event

    def show(self, now_ms: int) -> Event:
        self._settle(now_ms)
        self.visible, self._input_ms = True, now_ms
        return self._event("show", now_ms)

    def leave(self, now_ms: int) -> Event:
        return self._event("leave", now_ms)

    def _settle(self, now_ms: int) -> None:
        if self.visible:
            self._engaged_ms += max(0, min(now_ms, self._input_ms + IDLE_MS) - self._settled_ms)
        self._settled_ms = max(self._settled_ms, now_ms)

    def _event(self, kind: str, now_ms: int) -> Event:
        self._settle(now_ms)
        self.n += 1
        times = {"at": now_ms, "engaged_ms": self._engaged_ms, "idle_ms": max(0, now_ms - self._input_ms)}
        return {"type": kind, "page": self.page, "n": self.n, **times, **self._where}
