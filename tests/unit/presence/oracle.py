"""What a visitor's row should be, computed the slow and obvious way: plain dictionaries, and a look at every second."""

from __future__ import annotations

from dataclasses import dataclass, field

SIGNS = ("page", "show", "beat")
GRACE, SILENCE, HIDDEN_SILENCE, IDLE, GAP = 15, 45, 75, 60, 1800


@dataclass
class OracleTab:
    """`page` is None while the tab is not there."""

    seen: set[int] = field(default_factory=set)
    page: str | None = None
    hidden: bool = False
    focused: float = 0
    heard: float = 0
    left: float | None = None
    detached: bool = False
    open: dict[str, str] = field(default_factory=dict)  # channel -> collector
    over: set[str] = field(default_factory=set)


@dataclass
class OraclePage:
    url: str = ""
    title: str = ""
    engaged: int = 0


@dataclass
class Oracle:
    """Times are seconds."""

    now: int = 0
    resumed: float = float("-inf")
    tabs: dict[str, OracleTab] = field(default_factory=dict)
    pages: dict[str, OraclePage] = field(default_factory=dict)
    collectors: dict[str, float] = field(default_factory=dict)
    visits: int = 0
    views: int = 0
    started: float = 0
    ended: float = 0
    input: float = float("-inf")
    active: str = "active"
    live: bool = False
    attrs: dict[str, tuple[str, float]] = field(default_factory=dict)

    # --- what happens ---

    def event(self, tab: str, n: int, kind: str, page: str, at: float, **told: object) -> None:
        one = self.tabs.setdefault(tab, OracleTab())
        if n in one.seen:
            return
        newest = n > max(one.seen, default=-1)
        one.seen.add(n)
        if not self.live and kind in SIGNS and self._is_first_of_a_visit(kind, at):
            self.visits, self.views, self.started, self.ended = self.visits + 1, 0, at, at
            self.pages, self.input = {}, float("-inf")
        for key, value in dict(told.get("attrs") or {}).items():  # type: ignore[call-overload]
            if key not in self.attrs or self.attrs[key][1] <= at:
                self.attrs[key] = (value, at)
        shows = one.page == page
        turns = newest and not shows and (kind in SIGNS if one.page is None else kind != "attr")
        if shows or turns or self._belongs_to_this_visit(kind, at):
            self._learn(page, kind, at, newest and (shows or turns), **told)
        self.views += kind == "page"
        if turns:
            one.page = page
        if newest and (turns or (shows and kind != "attr")):
            self._move(one, kind, at, turns)
        self.look()

    def _is_first_of_a_visit(self, kind: str, at: float) -> bool:
        if self.visits and at - self.ended < GAP:
            return False
        return kind == "page" or max(at, self.resumed) + SILENCE > self.now

    def _belongs_to_this_visit(self, kind: str, at: float) -> bool:
        return bool(self.visits) and kind != "attr" and (kind == "page" or at >= self.started)

    def _learn(self, page: str, kind: str, at: float, newest: bool, **told: object) -> None:
        known = self.pages.setdefault(page, OraclePage())
        url, title, engaged, idle = (told.get(name) for name in ("url", "title", "engaged", "idle"))
        known.url = str(url or known.url) if newest else known.url or str(url or "")
        if newest and title is not None:
            known.title = str(title)
        known.title = known.title or str(title or "")
        grew = int(engaged or 0) > known.engaged  # type: ignore[call-overload]
        known.engaged = max(known.engaged, int(engaged or 0))  # type: ignore[call-overload]
        if idle is not None:
            self.input = max(self.input, at - float(idle))  # type: ignore[arg-type]
        elif grew or kind in {"page", "show"}:
            self.input = max(self.input, at)

    def _move(self, one: OracleTab, kind: str, at: float, turns: bool) -> None:
        one.heard = max(one.heard, at)
        if kind == "leave":
            one.left, one.detached = at, False
            return
        if kind in {"page", "show"} or turns:
            one.focused, one.hidden = max(one.focused, at), kind == "hide"
        elif kind == "hide":
            one.hidden = True
        if kind in SIGNS or turns or one.detached:
            one.left, one.detached = None, False

    def attach(self, tab: str, channel: str, collector: str) -> None:
        one = self.tabs.setdefault(tab, OracleTab())
        if channel in one.over or channel in one.open:
            return
        one.open[channel], one.heard = collector, max(one.heard, self.now)
        if one.detached:
            one.left, one.detached = None, False
        self.look()

    def detach(self, tab: str, channel: str) -> None:
        one = self.tabs.setdefault(tab, OracleTab())
        was_open = one.open.pop(channel, None) is not None
        one.over.add(channel)
        if was_open and not one.open:
            one.heard = max(one.heard, self.now)
            if one.page is not None and not one.hidden and one.left is None:
                one.left, one.detached = self.now, True
        self.look()

    def pass_time(self, seconds: int) -> None:
        for _ in range(seconds):
            self.now += 1
            self.look()

    def outage(self, seconds: int) -> None:
        self.now += seconds
        self.resumed = self.now
        self.look()

    # --- what follows ---

    def look(self) -> None:
        """Who is there now?"""
        for tab in self.tabs.values():
            if tab.page is not None and self._until(tab) <= self.now:
                self.ended = max(self.ended, self._sign(tab))
                tab.page, tab.hidden, tab.focused, tab.left, tab.detached = None, False, 0, None, False
        present = [tab for tab in self.tabs.values() if tab.page is not None]
        self.live = bool(present)
        here = [tab for tab in present if tab.left is None]
        if not self.live:
            self.active = "active"
        elif here and all(tab.hidden for tab in here):
            self.active = "away"
        elif here:
            heard = max(self.input, self.resumed) if self.active == "active" else self.input
            self.active = "active" if heard + IDLE > self.now else "idle"

    def _sign(self, tab: OracleTab) -> float:
        if tab.left is not None:
            return tab.left
        return max([tab.heard, *(self.collectors.get(name, 0) for name in tab.open.values())])

    def _until(self, tab: OracleTab) -> float:
        patience = GRACE if tab.left is not None else HIDDEN_SILENCE if tab.hidden else SILENCE
        return max(self._sign(tab), self.resumed) + patience

    @property
    def row(self) -> tuple[object, ...] | None:
        """Page address and title, page views, activity, visits, attributes; None if there is nobody."""
        if not self.live:
            return None
        present = [tab for tab in self.tabs.values() if tab.page is not None]
        tab = max(present, key=lambda one: (one.left is None, not one.hidden, one.focused))
        page = self.pages[tab.page or ""]
        attrs = {key: value for key, (value, _) in self.attrs.items()}
        return page.url, page.title, self.views, self.active, self.visits, attrs

    @property
    def engaged(self) -> int:
        """The visit's engaged time."""
        return sum(page.engaged for page in self.pages.values())
