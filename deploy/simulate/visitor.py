"""One simulated visit: a plan carried out tab by tab, with the heartbeats that a tracker sends in between.

Read `Visitor.visit`. Invitations and messages that come in over a live channel are answered as `talk.py` decides.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from dataclasses import dataclass

import aiohttp

from deploy.demo.catalogue import all_pages
from deploy.simulate.channel import HttpChannel, Identity, LiveChannel, Message, Sender
from deploy.simulate.journey import Action, plan_visit
from deploy.simulate.people import Person
from deploy.simulate.tab import Event, Tab, new_uuid
from deploy.simulate.talk import Say, Talk

LIVE_BEAT_S, HTTP_BEAT_S, HIDDEN_BEAT_S = 15.0, 20.0, 55.0  # the tracker's cadence
INPUT_CHANCE = 0.7  # that a visible page was touched since the last beat
ASKS_FOR_A_CHAT = 0.03  # of the visits
CHAT_PATIENCE_S = 300.0  # nobody stays for a chat longer than this
TITLES = dict(all_pages())


@dataclass(frozen=True)
class Place:
    """The website that is visited and the collector that hears of it."""

    collector: str
    site: str
    origin: str


class OpenTab:
    """A tab with its way to the collector."""

    def __init__(self, visitor: Visitor, tab: Tab) -> None:
        self._visitor = visitor
        self._started = time.monotonic()
        self._live: LiveChannel | None = None
        self.tab = tab
        self.sender = Sender(self._post, visitor.outcomes)
        self.spoke_at = self._started

    def now_ms(self) -> int:
        """The tab's monotonic clock."""
        return int((time.monotonic() - self._started) * 1000)

    async def say(self, event: Event) -> None:
        self.spoke_at = time.monotonic()
        await self.sender.deliver(event)

    def beat_due_at(self) -> float:
        """When the tracker would speak next if nothing happens."""
        if self._live is not None and not self._live.closed:
            return self.spoke_at + (LIVE_BEAT_S if self.tab.visible else float("inf"))
        return self.spoke_at + (HTTP_BEAT_S if self.tab.visible else HIDDEN_BEAT_S)

    async def send(self, say: Say) -> None:
        """Something for the operator; only a live channel carries it."""
        if self._live is not None:
            await self._live.ask(say.kind, **say.fields)

    async def close(self) -> None:
        if self._live is not None:
            await self._live.close()

    async def _post(self, events: list[Message]) -> bool:
        visitor = self._visitor
        if visitor.person.live and (self._live is None or self._live.closed):
            self._live = await visitor.connect(self.tab.tab)
        if self._live is None:
            batch = {"site": visitor.place.site, "tab": self.tab.tab, "sent": self.now_ms(), "events": events}
            return await visitor.http.post(batch, visitor.identity)
        answer = await self._live.ask("events", sent=self.now_ms(), events=events)
        outcome = "lost" if answer is None else "ok" if answer["type"] == "ok" else str(answer.get("code"))
        visitor.outcomes[f"live_{outcome}"] += 1
        return outcome == "ok"


class Visitor:
    """A person on the website, once."""

    def __init__(
        self,
        place: Place,
        *,
        person: Person,
        identity: Identity,
        session: aiohttp.ClientSession,
        rng: random.Random,
        outcomes: Counter[str],
    ) -> None:
        self.place = place
        self.person = person
        self.identity = identity
        self.outcomes = outcomes
        self._session = session
        self._rng = rng
        self._headers = {
            "User-Agent": person.user_agent,
            "Accept-Language": person.language,
            "Origin": place.origin,
            "Referer": place.origin + "/",
            "X-Forwarded-For": person.address,
        }
        self.http = HttpChannel(session, f"{place.collector}/v1/e", self._headers, outcomes)
        self._talk = Talk(rng, person.name)
        self._tabs: dict[int, OpenTab] = {}
        self._answers: set[asyncio.Task[None]] = set()

    async def visit(self) -> None:
        """From the first page to the last tab's end."""
        plan = plan_visit(self._rng)
        asks_at = self._rng.randrange(len(plan)) if self._rng.random() < ASKS_FOR_A_CHAT else -1
        try:
            for number, action in enumerate(plan):
                if action.kind in ("close", "vanish"):
                    await self._finish_talk()
                await self._pause(action.after_s)
                await self._act(action)
                if number == asks_at and self.person.live:
                    self._answer(self._talk.ask())
        finally:
            for task in self._answers:
                task.cancel()
            await asyncio.gather(*self._answers, return_exceptions=True)
            for tab in self._tabs.values():
                await tab.close()

    async def connect(self, tab: str) -> LiveChannel | None:
        """A greeted live channel, or None: then requests do."""
        url = f"{self.place.collector.replace('http', 'ws', 1)}/v1/live"
        channel = await LiveChannel.open(self._session, url, self._headers, self._hear)
        if channel is None:
            self.outcomes["live_unreachable"] += 1
            return None
        answer = await channel.ask("hello", site=self.place.site, tab=tab, **self.identity.fields())
        if answer is None or answer["type"] != "ok":
            self.outcomes[f"hello_{answer.get('code') if answer else 'lost'}"] += 1
            await channel.close()
            return None
        self.identity.adopt(answer)
        return channel

    async def _act(self, action: Action) -> None:
        match action.kind:
            case "page":
                await self._open_page(action)
            case "hide":
                tab = self._tabs[action.tab]
                await tab.say(tab.tab.hide(tab.now_ms()))
            case "show":
                tab = self._tabs[action.tab]
                await tab.say(tab.tab.show(tab.now_ms()))
            case "close":
                tab = self._tabs.pop(action.tab)
                await tab.say(tab.tab.leave(tab.now_ms()))
                await tab.close()
            case "vanish":
                await self._tabs.pop(action.tab).close()

    async def _open_page(self, action: Action) -> None:
        first = not self._tabs
        tab = self._tabs.get(action.tab)
        here = self.place.origin + next((t.tab.path for t in self._tabs.values() if t.tab.path), "/")
        if tab is None:
            person = self.person
            about = {"lang": person.language, "screen": list(person.screen), "tz": person.time_zone}
            tab = self._tabs[action.tab] = OpenTab(self, Tab(new_uuid(self._rng), self._rng, about))
        url = self.place.origin + action.path + (self.person.campaign if first else "")
        referrer = self.person.referrer if first else here
        tab.tab.path = action.path
        await tab.say(tab.tab.open_page(tab.now_ms(), url, TITLES[action.path], referrer))

    async def _pause(self, seconds: float) -> None:
        """Waits, and lets every tab's heart beat meanwhile."""
        until = time.monotonic() + seconds
        while (now := time.monotonic()) < until:
            due = min([until, *(tab.beat_due_at() for tab in self._tabs.values())])
            if due > now:
                await asyncio.sleep(due - now)
                continue
            for tab in [tab for tab in self._tabs.values() if tab.beat_due_at() <= now]:
                if tab.tab.visible and self._rng.random() < INPUT_CHANCE:
                    tab.tab.touch(tab.now_ms())
                await tab.say(tab.tab.beat(tab.now_ms()))

    async def _finish_talk(self) -> None:
        """Nobody leaves in the middle of a conversation, but nobody waits for ever either."""
        patience = time.monotonic() + CHAT_PATIENCE_S
        while self._talk.talking and time.monotonic() < patience:
            await self._pause(2.0)

    def _hear(self, message: Message) -> None:
        self.outcomes[f"heard_{message.get('type')}"] += 1
        answer = self._talk.hear(message)
        if answer is not None and len(self._answers) < 4:
            self._answer(answer)

    def _answer(self, say: Say) -> None:
        task = asyncio.create_task(self._say_later(say))
        self._answers.add(task)
        task.add_done_callback(self._answers.discard)

    async def _say_later(self, say: Say) -> None:
        await asyncio.sleep(say.after_s)
        for tab in list(self._tabs.values()):
            await tab.send(say)
            break  # one tab speaks for the person
