"""One tab that hears of its visitor's chat: first the state and what it missed, then everything as it happens.

Between the two nothing is lost and nothing doubled: the state is read as of one entry of the chat stream, what comes
later is held back until the state has been told, and lines are counted. Read :meth:`Listener.open`, then
:meth:`Listener._join`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import msgspec

from services.collector.chat.feed import ChatFeed, Order, Who
from services.collector.domain.chat_place import ChatPlace, Missing
from shared.contracts.chat import ChatOutcome
from shared.contracts.visitor_chat import ChatEventSaid, ReadMark, VisitorFrame
from shared.storage.faults import Unavailable
from shared.storage.log import entry_order
from shared.storage.transcripts import PAGE, Transcripts
from shared.storage.visitor_sides import Side, VisitorSides

MAX_HELD = 500  # outcomes that arrive while a tab catches up; beyond it the state is read anew
RETRY_S = 1.0

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Sources:
    """Where listeners hear and read."""

    feed: ChatFeed
    sides: VisitorSides
    transcripts: Transcripts


@dataclass(frozen=True, slots=True)
class Sink:
    """Where a tab's frames go. `write` never waits; `room` waits until more can be written."""

    write: Callable[[bytes], None]
    room: Callable[[], Awaitable[None]]


class Listener:
    """One tab. After :meth:`open` has been answered to the browser, :meth:`begin`; at the end :meth:`close`."""

    def __init__(self, sources: Sources, who: Who, sink: Sink) -> None:
        self._sources = sources
        self._who = who
        self._sink = sink
        self._place = ChatPlace()
        self._after: tuple[str, int] | None = None
        self._held: list[tuple[Order, ChatOutcome]] | None = []  # None: nothing is held back
        self._stale = False  # what is being told is no longer the state
        self._joining: asyncio.Task[None] | None = None
        self._opened: Side | None = None
        self._closed = False

    async def open(self, after: tuple[str, int] | None) -> Side:
        """Read the state; from now on nothing is missed. `after`: chat ("" for the present one) and the last line seen.

        Raises Unavailable.
        """
        await self._sources.feed.ready(self._who[0])
        self._sources.feed.listen(self._who, self)
        self._after = after
        try:
            self._opened = await self._sources.sides.of(*self._who)
        except BaseException:
            self._sources.feed.leave(self._who, self)
            raise
        return self._opened

    def begin(self) -> None:
        """Tell the state, what was missed, and from then on everything."""
        side, self._opened = self._opened, None
        if side is None or self._closed:
            return
        if side.status is None and side.invite is None and not self._stale:
            self._go_on(side)  # nothing to tell: the usual visitor, who just navigates
        else:
            self._joining = asyncio.create_task(self._join(side))

    async def close(self) -> None:
        """Hear no more."""
        self._closed = True
        self._sources.feed.leave(self._who, self)
        if self._joining is not None:
            self._joining.cancel()
            await asyncio.gather(self._joining, return_exceptions=True)

    def told(self, at: Order, outcome: ChatOutcome) -> None:
        """An outcome from the feed."""
        if self._held is None:
            self._tell(outcome)
        elif len(self._held) < MAX_HELD:
            self._held.append((at, outcome))
        else:
            self._stale = True

    def start_over(self) -> None:
        """Read the state again and go on from the last line told."""
        if self._held is not None:
            self._stale = True  # it is being told: once more
        elif not self._closed:
            self._held = []
            self._joining = asyncio.create_task(self._join(None))

    def _tell(self, outcome: ChatOutcome) -> None:
        try:
            frames = self._place.take(outcome)
        except Missing:
            self.start_over()
            return
        self._write(frames)

    def _write(self, frames: list[VisitorFrame]) -> None:
        for frame in frames:
            self._sink.write(_encode(frame))

    async def _join(self, side: Side | None) -> None:
        while True:
            try:
                if side is None:
                    self._held, self._stale = [], False
                    side = await self._sources.sides.of(*self._who)
                await self._tell_state(side)
            except Unavailable:
                side = None
                await asyncio.sleep(RETRY_S)
                continue
            if not self._stale:
                break
            side = None
        self._go_on(side)

    def _go_on(self, side: Side) -> None:
        """The state was told: what was held back comes now, and everything else as it happens."""
        held, self._held = self._held or [], None
        top = entry_order(side.top)
        for at, outcome in held:
            if at > top:
                self.told(at, outcome)

    async def _tell_state(self, side: Side) -> None:
        place = self._place
        frames = place.opening(side.status, side.place, side.invite)
        self._write(frames)
        if place.chat:
            await self._tell_lines(place)

    async def _tell_lines(self, place: ChatPlace) -> None:
        read = self._sources.transcripts
        wanted = self._wanted(place)
        if wanted is None:
            lines = await read.before(place.chat) if place.status != "navigating" else []
            place.seq = lines[0].seq - 1 if lines else place.seq
        else:
            # The line itself comes along: if it is not there, the number belongs to another chat.
            lines = await read.after(place.chat, max(0, wanted - 1))
            known = wanted == 0 or (bool(lines) and lines[0].seq == wanted)
            place.seq = wanted if known else 0
            if not known:
                lines = await read.after(place.chat, 0)
        self._after = (place.chat, place.seq)
        while True:
            for line in lines:
                frame = place.line(line)
                if frame is not None:
                    self._sink.write(_encode(ChatEventSaid(event=line)))
            self._after = (place.chat, place.seq)
            if len(lines) < PAGE:
                break
            await self._sink.room()
            lines = await read.after(place.chat, place.seq)
        if wanted is None and place.status == "navigating":
            return  # it is over, and nobody here shows it
        self._write([ReadMark(chat=place.chat, by=by, seq=seq) for by, seq in await read.reads(place.chat)])

    def _wanted(self, place: ChatPlace) -> int | None:
        """The last line of the present chat that the tab has; None if it never said."""
        if place.seq:
            return place.seq
        if self._after is None:
            return None
        chat, seq = self._after
        return seq if chat in ("", place.chat) else 0
