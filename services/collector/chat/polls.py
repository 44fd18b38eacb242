"""The chat without WebSocket: what is new for a visitor, waiting for it if need be. Read :meth:`ChatPolls.news`.

Nothing is kept between two requests: `after` says which lines the browser has, the cursor which status, place and
invitation. Marks (typing, read) are heard only while a request waits.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter

import msgspec

from services.collector.chat.feed import Order, Who
from services.collector.chat.listener import Sources
from services.collector.domain.chat_place import ChatPlace
from services.collector.domain.refusals import Refusal
from services.collector.outcomes import Outcomes
from shared.contracts.chat import Actor, ChatMarked, ChatOutcome
from shared.contracts.visitor_chat import ChatEventSaid, ChatNews, ReadMark, VisitorFrame
from shared.storage.visitor_sides import Side

MAX_WAITING = 5_000  # requests that wait at the same time in this process: some 10 KB each with their connection
MAX_WAITING_OF_VISITOR = 6  # tabs of one visitor without WebSocket; a further one is answered at once

After = tuple[str, int] | None  # chat ("": the present one) and the last line that the browser has


class ChatPolls:
    """Answers `GET /v1/chat`."""

    def __init__(self, sources: Sources, outcomes: Outcomes) -> None:
        self._sources = sources
        self._outcomes = outcomes
        self._waiting: set[_Ear] = set()
        self._of_visitor: Counter[Who] = Counter()
        self._draining = False

    def drain(self) -> None:
        """Answer everybody who waits: the browsers come back elsewhere."""
        self._draining = True
        for ear in self._waiting:
            ear.heard.set()

    async def news(self, who: Who, after: After, cursor: str, wait_s: float) -> ChatNews | Refusal:
        """What is newer than `after` (chat, last line) and `cursor`; an empty answer when `wait_s` are over.

        Raises Unavailable.
        """
        ear = _Ear()
        await self._sources.feed.ready(who[0])
        self._sources.feed.listen(who, ear)
        try:
            found = await self._look(who, after, cursor, ear)
            if found.messages or not wait_s or self._draining or self._of_visitor[who] >= MAX_WAITING_OF_VISITOR:
                return found
            if len(self._waiting) >= MAX_WAITING:
                return Refusal("full", retry_after_s=5)
            return await self._wait(who, after, found, wait_s, ear)
        finally:
            self._sources.feed.leave(who, ear)

    async def _wait(self, who: Who, after: After, found: ChatNews, wait_s: float, ear: _Ear) -> ChatNews:
        self._waiting.add(ear)
        self._outcomes.chat_waiting = len(self._waiting)
        self._of_visitor[who] += 1
        try:
            async with asyncio.timeout(wait_s):
                while not found.messages and not self._draining:
                    await ear.heard.wait()
                    found = await self._look(who, after, found.cursor, ear)
        except TimeoutError:
            pass  # nothing new: the answer is empty
        finally:
            self._waiting.discard(ear)
            self._outcomes.chat_waiting = len(self._waiting)
            self._of_visitor[who] -= 1
            if not self._of_visitor[who]:
                del self._of_visitor[who]
        return found

    async def _look(self, who: Who, after: After, cursor: str, ear: _Ear) -> ChatNews:
        marks = ear.take()
        side = await self._sources.sides.of(*who)
        place = ChatPlace()
        frames: list[VisitorFrame] = place.opening(side.status, side.place, side.invite)
        reads = await self._sources.transcripts.reads(place.chat) if place.chat else []
        mark = _cursor(side, reads)
        if cursor == mark:
            frames = []
        if place.chat:
            frames += await self._lines(place, after)
        if cursor != mark:
            frames += [ReadMark(chat=place.chat, by=by, seq=seq) for by, seq in reads]
        frames += [frame for marked in marks for frame in place.take(marked)]
        shown = place.chat if after is not None or place.status != "navigating" else ""
        return ChatNews(status=place.status, messages=tuple(frames), cursor=mark, chat=shown)

    async def _lines(self, place: ChatPlace, after: After) -> list[VisitorFrame]:
        """One page at most: the browser asks again with the last seq, and is answered at once."""
        read = self._sources.transcripts
        if after is None:
            lines = await read.before(place.chat) if place.status != "navigating" else []
            return [ChatEventSaid(event=line) for line in lines]
        chat, seq = after
        wanted = seq if chat in ("", place.chat) else 0
        lines = await read.after(place.chat, max(0, wanted - 1))
        if wanted and (not lines or lines[0].seq != wanted):
            lines = await read.after(place.chat, 0)  # the number belongs to another chat
        elif wanted:
            lines = lines[1:]
        return [ChatEventSaid(event=line) for line in lines]


class _Ear:
    """Hears that there is something new, and the marks, which are read nowhere."""

    def __init__(self) -> None:
        self.heard = asyncio.Event()
        self._marks: list[ChatMarked] = []

    def told(self, _at: Order, outcome: ChatOutcome) -> None:
        """Note it."""
        if isinstance(outcome, ChatMarked) and len(self._marks) < 20:
            self._marks.append(outcome)
        self.heard.set()

    def start_over(self) -> None:
        """Look again."""
        self.heard.set()

    def take(self) -> list[ChatMarked]:
        """What was heard so far; what comes later is news again."""
        self.heard.clear()
        marks, self._marks = self._marks, []
        return marks


def _cursor(side: Side, reads: list[tuple[Actor, int]]) -> str:
    """Another one whenever something changes that is not a line: status, place, invitation, who has read what."""
    read = msgspec.msgpack.encode(reads)
    return hashlib.blake2s(side.mark + (read if reads else b""), digest_size=8).hexdigest()
