"""The chat on a live channel: what the visitor says is carried out, what concerns it is pushed. Read :meth:`Talk.say`.

Messages are handed to the desk in the order of their frames but answered each when its outcome is there: one that
waits for chat-routing must not keep the next one from being answered within 2 s.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from services.collector.chat.desk import ChatDesk
from services.collector.chat.feed import Who
from services.collector.chat.listener import Listener, Sink, Sources
from services.collector.domain.refusals import Refusal
from services.collector.intake import UNAVAILABLE_RETRY_S, Intake
from shared.contracts.sites import Site
from shared.contracts.tracking import Hello, LiveOk
from shared.contracts.visitor_chat import VisitorMessage
from shared.storage.faults import Unavailable
from shared.storage.visitor_sides import Side

OPEN_S = 1.2  # of the 2 s in which hello is answered; a first contact may have taken 0.6 before
MAX_IN_FLIGHT = 32  # messages of a channel that wait for their outcome; then no further frame is read

Answer = Callable[[str, LiveOk | Refusal], Awaitable[None]]


class Talk:
    """One channel's part in its visitor's chat. `answer` sends an answer to the browser."""

    def __init__(self, desk: ChatDesk, sources: Sources, intake: Intake, sink: Sink, answer: Answer) -> None:
        self._desk = desk
        self._sources = sources
        self._intake = intake
        self._sink = sink
        self._answer = answer
        self._who: Who | None = None
        self._listener: Listener | None = None
        self._in_flight: set[asyncio.Task[None]] = set()

    async def open(self, who: Who, hello: Hello) -> Side | Refusal:
        """Read where the visitor's chat stands; from now on nothing about it is missed."""
        listener = Listener(self._sources, who, self._sink)
        try:
            async with asyncio.timeout(OPEN_S):
                side = await listener.open(None if hello.after is None else (hello.chat, hello.after))
        except (TimeoutError, Unavailable):
            await listener.close()
            return Refusal("unavailable", retry_after_s=UNAVAILABLE_RETRY_S)
        self._who, self._listener = who, listener
        return side

    def begin(self) -> None:
        """Hello was answered: push the state and what was missed, and from now on what happens."""
        if self._listener is not None:
            self._listener.begin()

    async def say(self, message: VisitorMessage) -> None:
        """Carry out a message; its answer is sent when it is there."""
        while len(self._in_flight) >= MAX_IN_FLIGHT:
            await asyncio.wait(self._in_flight, return_when=asyncio.FIRST_COMPLETED)
        task = asyncio.create_task(self._carry_out(message))
        self._in_flight.add(task)
        task.add_done_callback(self._in_flight.discard)

    async def _carry_out(self, message: VisitorMessage) -> None:
        try:
            await self._answer(message.id, await self._result(message))
        except ConnectionError:
            return  # the browser is gone; it asks again with the same id

    async def _result(self, message: VisitorMessage) -> LiveOk | Refusal:
        if self._who is None:
            return Refusal("token_required")
        site, visitor = self._who
        known = self._intake.open_site(site)
        return await self._desk.carry_out(known, visitor, message) if isinstance(known, Site) else known

    async def close(self) -> None:
        """Nothing more is said or heard. What was handed in is carried out all the same."""
        listener, self._listener = self._listener, None
        if listener is not None:
            await listener.close()
        for task in self._in_flight:
            task.cancel()
        await asyncio.gather(*self._in_flight, return_exceptions=True)
