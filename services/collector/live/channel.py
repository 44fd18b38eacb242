"""One visitor's live channel, from upgrade to close. Read :meth:`Channel.run`.

One message at a time, each answered before the next is read: so a client's messages take effect in its order, and one
that floods is slowed down by TCP itself. Whatever ends the channel, presence hears of it.
"""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass
from typing import Final

import msgspec
import structlog
from aiohttp import WSMsgType, web

from services.collector.chat.desk import ChatDesk
from services.collector.chat.listener import Sink, Sources
from services.collector.contact import Contact
from services.collector.domain.frames import BadFrame, EventsFrame, read_frame, read_usual_events
from services.collector.domain.rates import Rate, RateLimit
from services.collector.domain.refusals import Refusal
from services.collector.domain.tracked import Browser, Sender
from services.collector.intake import Answered, Identity, Intake
from services.collector.limits import too_fast
from services.collector.live.attachments import Departures, Liveness
from services.collector.live.socket import LiveSocket
from services.collector.live.talk import Talk
from services.collector.outcomes import Outcomes
from shared.contracts.sites import Site
from shared.contracts.streams import TabAttached, TabDetached
from shared.contracts.tracking import Hello, LiveClose, LiveError, LiveOk
from shared.contracts.visitor_chat import MAX_MESSAGE_BYTES
from shared.domain.websocket import TEXT, websocket_frame
from shared.storage.visitor_sides import Side

log = structlog.get_logger()

CLOSE_S = 2.0  # how long the other end may take to say good-bye
MAX_BAD_FRAMES = 5
MAX_UNREAD = 256 * 1024  # written to a channel and not read by the other end: some minutes of a lively chat
MAX_AT_ONCE = 64 * 1024  # the same, before events are carried out at once: their answers go out without waiting
MAX_TOO_FAST = 50  # refused for speed and still sending: it does not read our answers

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Ending:
    """Why a channel is closed. WebSocket codes 4000-4499 mean come back, 4500-4999 do not."""

    ws_code: int
    code: str

    @property
    def reconnect(self) -> bool:
        """Whether the browser should come back."""
        return self.ws_code < 4500


DRAINING = Ending(4000, "draining")
FAULT = Ending(4001, "internal")  # ours: what the other end did not cause must not keep it away
HELLO_TIMEOUT = Ending(4408, "hello_timeout")
TOO_FAST = Ending(4429, "too_fast")
SLOW = Ending(4413, "slow")
BAD_FRAMES = Ending(4500, "bad_frames")
# Refusals that no other hello on this page can mend.
FINAL: Final[dict[str, Ending]] = {
    "forbidden": Ending(4503, "forbidden"),
    "unknown_site": Ending(4504, "unknown_site"),
    "gone": Ending(4510, "gone"),
    "bot": Ending(4511, "bot"),
}


@dataclass(frozen=True, slots=True)
class Desk:
    """What all channels of this process share."""

    intake: Intake
    liveness: Liveness
    departures: Departures
    outcomes: Outcomes
    frames: Rate
    hello_s: float
    heartbeat_s: float
    chat: ChatDesk
    sources: Sources


class Channel:
    """One connection. `contact` is forgotten once the hello has been answered."""

    def __init__(self, desk: Desk, contact: Contact, request: web.BaseRequest) -> None:
        self.id = uuid.uuid4().hex[:16]
        self.socket = LiveSocket(
            self._take, timeout_s=CLOSE_S, heartbeat_s=desk.heartbeat_s, max_size=MAX_MESSAGE_BYTES
        )
        self._desk = desk
        self._request = request
        self._talk = Talk(desk.chat, desk.sources, desk.intake, Sink(self._push, self._room), self._answer_later)
        self._closing: asyncio.Task[None] | None = None
        self._contact: Contact | None = contact
        self._sender: Sender | None = None
        self._attempted: TabAttached | None = None  # the arrival that may be stored
        self._in_doubt = False
        self._greeted = False  # hello was taken, and is about to be answered
        self._speed = RateLimit(desk.frames, max_keys=1)
        self._bad_frames = 0
        self._too_fast = 0
        self._ending: Ending | None = None
        self._storing = ""  # id of the events that were taken at once and are not answered yet
        self._stored: asyncio.Future[None] | None = None  # somebody waits for that answer

    async def run(self) -> None:
        """Serve the socket, which is prepared, until it closes; then report the departure."""
        try:
            if await self._greet():
                while self._ending is None and await self._turn():
                    pass
            if self._ending is not None:
                await self._say_close(self._ending)
        finally:
            self._depart()
            await self._talk.close()
            if self._closing is not None:
                await asyncio.gather(self._closing, return_exceptions=True)

    async def _greet(self) -> bool:
        """Read frames until a hello was taken; False if the channel is over before."""
        try:
            async with asyncio.timeout(self._desk.hello_s):
                while self._sender is None and self._ending is None:
                    if not await self._turn():
                        return False
        except TimeoutError:
            self._desk.outcomes.input("live", "hello_timeout")
            self._ending = HELLO_TIMEOUT
        return self._ending is None

    async def _turn(self) -> bool:
        """Read and answer one frame; False if there is none any more."""
        message = await self.socket.receive()
        if self._storing:
            self._stored = asyncio.get_running_loop().create_future()
            await self._stored
        match message.type:
            case WSMsgType.TEXT:
                answer = await self._answer(message.data)
            case WSMsgType.BINARY:
                answer = self._refuse(BadFrame("", Refusal("bad_frame")))
            case _:
                return False
        if answer is not None:
            await self.socket.send_frame(_encode(answer), WSMsgType.TEXT)
        if self._greeted and isinstance(answer, LiveOk):
            self._greeted = False
            self._talk.begin()
        return True

    def _take(self, frame: bytes) -> bool:
        """Carry out a usual batch of events at once; False: the frame waits for its turn (:meth:`_turn`)."""
        sender = self._sender
        if sender is None or self._storing or self._ending is not None or self.socket.backlog() > MAX_AT_ONCE:
            return False
        now_ms = self._desk.intake.now_ms()
        message = read_usual_events(frame, sender.site, sender.tab)
        if message is None or self._speed.wait_ms("", now_ms):
            return False
        self._storing = message.id
        try:
            self._desk.intake.store_then(message.readable, sender, now_ms, self._say_stored)
        except Exception:  # the caller is compiled code
            log.exception("events_failed")
            self._say_stored(Refusal("internal"))
        return True

    def _say_stored(self, result: Answered | Refusal) -> None:
        """Answer the batch that was taken at once."""
        answer = self._events_answer(self._storing, result)
        self._storing = ""
        self.socket.write_text(_encode(answer))
        if self._stored is not None and not self._stored.done():
            self._stored.set_result(None)

    async def _answer(self, frame: bytes) -> LiveOk | LiveError | None:
        """The answer to a frame; None if it comes later."""
        wait_ms = self._speed.wait_ms("", self._desk.intake.now_ms())
        if wait_ms:
            self._too_fast += 1
            if self._too_fast > MAX_TOO_FAST:
                self._ending = TOO_FAST
        sender = self._sender
        site, tab = (sender.site, sender.tab) if sender else ("", "")
        message = read_frame(frame, site, tab)
        if wait_ms and not isinstance(message, BadFrame):
            return self._error(message.id, too_fast(wait_ms))
        if isinstance(message, BadFrame):
            return self._refuse(message)
        if isinstance(message, Hello) and sender is None:
            return await self._hello(message)
        if isinstance(message, Hello) or sender is None:
            code = "hello_twice" if sender is not None else "hello_first"
            return self._refuse(BadFrame(message.id, Refusal(code)))
        if isinstance(message, EventsFrame):
            return await self._events(message, sender)
        await self._talk.say(message)
        return None

    def _error(self, ident: str, refusal: Refusal) -> LiveError:
        self._desk.outcomes.input("live", refusal.code)
        pointer = refusal.errors[0].pointer if refusal.errors else ""
        text = f"{refusal.title} ({pointer})" if pointer else refusal.title
        return LiveError(ident, refusal.code, text, refusal.retry_after_s, refusal.current)

    async def _answer_later(self, ident: str, result: LiveOk | Refusal) -> None:
        """Send the answer to a message about chats."""
        if isinstance(result, Refusal):
            answer: LiveOk | LiveError = self._error(ident, result)
        else:
            self._bad_frames = 0
            self._desk.outcomes.input("live", "chat")
            answer = result
        await self.socket.send_frame(_encode(answer), WSMsgType.TEXT)

    def _push(self, message: bytes) -> None:
        """Write a message straight to the transport. Who does not read what we write is closed: it comes back."""
        transport = self._request.transport
        if transport is None or transport.is_closing() or self._closing is not None or self.socket.closed:
            return
        if transport.get_write_buffer_size() > MAX_UNREAD:
            self._closing = asyncio.create_task(self._cut(transport))
            return
        transport.write(websocket_frame(message, TEXT))

    async def _room(self) -> None:
        """Return when the other end has read most of what was written; for ever, if it does not."""
        await self._request.writer.drain()

    async def _cut(self, transport: asyncio.BaseTransport) -> None:
        await self.close(SLOW)
        if isinstance(transport, asyncio.WriteTransport):
            transport.abort()

    def _refuse(self, bad: BadFrame) -> LiveError:
        """The answer to a frame that makes no sense; a few of them in a row are enough."""
        self._bad_frames += bad.nonsense
        if self._bad_frames >= MAX_BAD_FRAMES:
            self._ending = BAD_FRAMES
        return self._error(bad.id, bad.refusal)

    async def _hello(self, hello: Hello) -> LiveOk | LiveError:
        contact, intake = self._contact, self._desk.intake
        if contact is None:
            return self._refuse(BadFrame(hello.id, Refusal("hello_twice")))
        site = intake.site_for(hello.site, contact.origin)
        if isinstance(site, Site) and intake.is_bot(site, contact):
            site = Refusal("bot")
        identity = await intake.identify(hello, contact) if isinstance(site, Site) else site
        if isinstance(identity, Refusal):
            self._ending = FINAL.get(identity.code)
            return self._error(hello.id, identity)
        attaching = asyncio.create_task(self._attach(hello, identity))
        side = await self._join(hello, identity)
        refused = await attaching
        if refused is not None or isinstance(side, Refusal):
            await self._talk.close()
            return self._error(hello.id, refused or side)  # type: ignore[arg-type]  # one of them is a refusal
        self._settle(hello, identity, intake.browser(contact))
        token = hello.token if isinstance(hello.token, str) else identity.token
        status = side.status if side is not None else None
        shown = status is not None and (status.status != "navigating" or hello.after is not None)
        return LiveOk(
            hello.id,
            visitor=identity.visitor,
            token=token,
            status=status.status if status is not None else "navigating",
            chat=(status.chat or None) if status is not None and shown else None,
            launcher=isinstance(site, Site) and site.settings.widget.launcher,
        )

    def _settle(self, hello: Hello, identity: Identity, browser: Browser) -> None:
        """Presence knows of this channel: it counts from now on, and the address is no longer needed."""
        collector = self._desk.intake.collector
        self._sender = Sender(hello.site, identity.visitor, hello.tab.lower(), identity.anonymous, browser, collector)
        self._contact = None
        self._greeted = True
        self._desk.liveness.attach(hello.site)
        self._desk.outcomes.input("live", "hello")

    async def _join(self, hello: Hello, identity: Identity) -> Side | Refusal | None:
        """Where the visitor's chat stands; None for whoever only knows the visitor's id."""
        return await self._talk.open((hello.site, identity.visitor), hello) if identity.may_chat else None

    async def _attach(self, hello: Hello, identity: Identity) -> Refusal | None:
        """Tell presence; None once Redis has it. A refused one may be stored all the same, so it is remembered."""
        intake = self._desk.intake
        arrival = TabAttached(
            hello.site, identity.visitor, hello.tab.lower(), intake.now_ms(), intake.collector, self.id
        )
        self._take_back(arrival)
        self._attempted, self._in_doubt = arrival, True
        refused = await intake.append(hello.site, arrival)
        self._in_doubt = refused is not None
        return refused

    def _take_back(self, arrival: TabAttached) -> None:
        """A second hello for another tab after a doubtful first one: the first tab is not here."""
        earlier = self._attempted
        if earlier and (earlier.site, earlier.visitor, earlier.tab) != (arrival.site, arrival.visitor, arrival.tab):
            self._report(earlier)

    async def _events(self, message: EventsFrame, sender: Sender) -> LiveOk | LiveError:
        intake = self._desk.intake
        return self._events_answer(message.id, await intake.store(message.readable, sender, intake.now_ms()))

    def _events_answer(self, ident: str, result: Answered | Refusal) -> LiveOk | LiveError:
        if isinstance(result, Refusal):
            return self._error(ident, result)
        self._bad_frames = 0
        self._desk.outcomes.input("live", result.outcome)
        rejected = result.answer.rejected if result.answer else ()
        return LiveOk(ident, accepted=result.accepted, rejected=rejected)

    async def close(self, ending: Ending) -> None:
        """Say why and close: from outside, when the process drains."""
        self._ending = ending
        await self._say_close(ending)

    async def _say_close(self, ending: Ending) -> None:
        if self.socket.closed:
            return
        try:
            async with asyncio.timeout(CLOSE_S):
                await self.socket.send_frame(_encode(LiveClose(ending.code, ending.reconnect)), WSMsgType.TEXT)
                await self.socket.close(code=ending.ws_code, message=ending.code.encode())
        except (TimeoutError, ConnectionError):
            return  # it does not read any more: the connection is cut when the handler ends

    def _depart(self) -> None:
        if self._sender is not None:
            self._desk.liveness.detach(self._sender.site)
        if self._attempted is not None:
            self._report(self._attempted)

    def _report(self, arrival: TabAttached) -> None:
        departure = TabDetached(
            arrival.site,
            arrival.visitor,
            arrival.tab,
            self._desk.intake.now_ms(),
            arrival.collector,
            arrival.channel,
        )
        self._desk.departures.add(departure, in_doubt=self._in_doubt)
