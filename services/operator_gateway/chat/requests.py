"""What operators may ask about chats: every event of the contract, as a command to chat-routing or a read.

The table has checked who may ask (a member of the site that the chat or offer names; a supervisor to join). Who owns a
chat, whose offer it is and what its state allows is decided by chat-routing alone. Read :meth:`ChatRequests.events`.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from services.operator_gateway.chat.commands import Commands
from services.operator_gateway.sockets.connections import Connection
from services.operator_gateway.sockets.events import Event, Handler, Refused, Rule
from shared.contracts import chat
from shared.contracts.chat import Actor, ChatEvent, address_of
from shared.contracts.desk import (
    REQUESTS,
    ChatCommand,
    ChatConference,
    ChatForward,
    ChatInvite,
    ChatKick,
    ChatOpen,
    ChatRead,
    ChatSend,
    ChatTyping,
    CommandAck,
    LastRead,
    OfferAnswer,
    TranscriptPart,
    VisitorCommand,
)
from shared.runtime.clock import Clock
from shared.storage.chat_records import ChatRecords
from shared.storage.transcripts import Transcripts

MAX_TEXT = 4_000  # code points of a message
MAX_REASON = 500  # of a reason or a note
MAX_OPEN_BYTES = 256 * 1024  # of lines in one answer: 100 of the longest would make the client look stuck
TALKING = frozenset({"chatting", "conference", "forwarded"})

REFUSALS: dict[str, str] = {
    "already_invited": "the visitor is invited already",
    "engaged": "this is not possible in the visitor's present state",
    "cooldown": "the visitor is left alone for a while",
    "offer_expired": "this is no longer offered",
    "taken": "somebody else was faster",
    "not_owner": "the chat is not yours",
    "missing_skill": "the needed skill is missing",
    "at_capacity": "there is no free slot",
    "target_offline": "nobody who could take it is online",
    "self_forward": "you have this chat already",
    "not_in_chat": "you are not in this chat",
    "banned": "the visitor is banned",
    "stale_version": "the visitor's state has changed meanwhile",
    "not_found": "there is no such visitor, chat or offer",
    "forbidden": "you may not do this",
    "too_long": "the text is too long",
    "too_many": "there is no room for more",
}


class ChatRequests:
    """The handlers."""

    def __init__(self, commands: Commands, transcripts: Transcripts, records: ChatRecords, clock: Clock) -> None:
        self._commands = commands
        self._transcripts = transcripts
        self._records = records
        self._clock = clock

    def events(self) -> Mapping[str, Event]:
        """The table's lines. An event without a rule cannot be written down."""
        lines: dict[str, tuple[Rule, Handler]] = {
            "chat:invite": ("member", self.invite),
            "chat:withdraw": ("member", self._on_visitor(chat.WithdrawInvite)),
            "chat:accept": ("member", self._on_visitor(chat.AcceptRequest)),
            "chat:decline": ("member", self._on_visitor(chat.DeclineRequest)),
            "chat:redirect": ("member", self._on_visitor(chat.RedirectVisitor)),
            "chat:open": ("chat", self.open),
            "chat:send": ("chat", self.send),
            "chat:typing": ("chat", self.typing),
            "chat:read": ("chat", self.read),
            "chat:forward": ("chat", self.forward),
            "chat:conference": ("chat", self.conference),
            "offer:accept": ("offer", self._on_offer(chat.AcceptOffer)),
            "offer:decline": ("offer", self._on_offer(chat.DeclineOffer)),
            "chat:withdraw_forward": ("chat", self._on_chat(chat.WithdrawForward)),
            "chat:leave": ("chat", self._on_chat(chat.LeaveChat)),
            "chat:end": ("chat", self._on_chat(chat.EndChat)),
            "chat:join": ("chat_supervisor", self._on_chat(chat.JoinChat)),
            "chat:kick": ("chat", self.kick),
        }
        return {name: Event(REQUESTS[name], rule, handler) for name, (rule, handler) in lines.items()}

    # --- commands about a visitor ---

    async def invite(self, connection: Connection, request: ChatInvite) -> CommandAck:
        """Offer the visitor a chat."""
        text = _short(request.text, MAX_TEXT)
        by = actor_of(connection)
        command = chat.InviteVisitor(site=request.site, visitor=request.visitor, by=by, id=request.id, text=text)
        return await self._do(command)

    def _on_visitor(
        self, kind: type[chat.WithdrawInvite | chat.AcceptRequest | chat.DeclineRequest | chat.RedirectVisitor]
    ) -> Handler:
        async def handle(connection: Connection, request: VisitorCommand) -> CommandAck:
            by = actor_of(connection)
            return await self._do(kind(site=request.site, visitor=request.visitor, by=by, id=request.id))

        return handle

    def _on_offer(self, kind: type[chat.AcceptOffer | chat.DeclineOffer]) -> Handler:
        async def handle(connection: Connection, request: OfferAnswer) -> CommandAck:
            site, visitor = _address(request.offer)
            by = actor_of(connection)
            return await self._do(kind(site=site, visitor=visitor, by=by, id=request.id, offer=request.offer))

        return handle

    # --- commands about a chat ---

    def _on_chat(self, kind: type[chat.WithdrawForward | chat.LeaveChat | chat.EndChat | chat.JoinChat]) -> Handler:
        async def handle(connection: Connection, request: ChatCommand) -> CommandAck:
            site, visitor = _address(request.chat)
            by = actor_of(connection)
            return await self._do(kind(site=site, visitor=visitor, by=by, id=request.id, chat=request.chat))

        return handle

    async def send(self, connection: Connection, request: ChatSend) -> CommandAck:
        """One message; the ack's `seq` is its place in the transcript."""
        site, visitor = _address(request.chat)
        command = chat.SendMessage(
            site=site,
            visitor=visitor,
            by=actor_of(connection),
            id=request.id,
            chat=request.chat,
            text=_short(request.text, MAX_TEXT),
        )
        return await self._do(command)

    async def forward(self, connection: Connection, request: ChatForward) -> CommandAck:
        """Hand the chat to one operator or to a skill."""
        operator, skill = request.to.operator or "", request.to.skill or ""
        if bool(operator) == bool(skill):
            raise Refused("bad_request", "forward to an operator or to a skill")
        site, visitor = _address(request.chat)
        command = chat.ForwardChat(
            site=site,
            visitor=visitor,
            by=actor_of(connection),
            id=request.id,
            chat=request.chat,
            to_operator=operator,
            to_skill=skill,
            note=_short(request.note, MAX_REASON),
        )
        return await self._do(command)

    async def conference(self, connection: Connection, request: ChatConference) -> CommandAck:
        """Ask a colleague into the chat."""
        site, visitor = _address(request.chat)
        command = chat.InviteOperator(
            site=site,
            visitor=visitor,
            by=actor_of(connection),
            id=request.id,
            chat=request.chat,
            operator=request.operator,
        )
        return await self._do(command)

    async def kick(self, connection: Connection, request: ChatKick) -> CommandAck:
        """Throw the visitor out, and perhaps ban it."""
        site, visitor = _address(request.chat)
        command = chat.KickVisitor(
            site=site,
            visitor=visitor,
            by=actor_of(connection),
            id=request.id,
            chat=request.chat,
            reason=_short(request.reason, MAX_REASON),
            ban_s=request.ban_s,
        )
        return await self._do(command)

    async def _do(self, command: chat.ChatCommand) -> CommandAck:
        done = await self._commands.perform(command)
        if done.code is not None:
            text = f"{done.taken_by} was faster" if done.taken_by else REFUSALS[done.code]
            raise Refused(done.code, text, done.current, done.taken_by)
        return CommandAck(ok=True, status=done.current, chat=done.chat, seq=done.seq)

    # --- marks ---

    async def typing(self, connection: Connection, request: ChatTyping) -> None:
        """Tell the others that the operator is typing, or no longer."""
        await self._mark(connection, request.chat, typing=request.on)

    async def read(self, connection: Connection, request: ChatRead) -> None:
        """Tell the others how far the operator has read."""
        await self._mark(connection, request.chat, read=request.seq)

    async def _mark(
        self, connection: Connection, chat_id: str, *, typing: bool | None = None, read: int | None = None
    ) -> None:
        site, visitor = _address(chat_id)
        line = await self._records.desk_line(site, connection.operator.operator, visitor)
        if line is None or line.chat != chat_id or line.status not in TALKING:
            raise Refused("not_in_chat", REFUSALS["not_in_chat"])
        mark = chat.MarkChat(
            site=site, visitor=visitor, by=actor_of(connection), id="mark", chat=chat_id, typing=typing, read=read
        )
        await self._commands.tell(site, mark)

    # --- transcripts ---

    async def open(self, connection: Connection, request: ChatOpen) -> TranscriptPart:
        """Lines of a transcript. Nothing is subscribed by it: who is in a chat is told anyway."""
        del connection
        if request.after is not None and request.before is not None:
            raise Refused("bad_request", "either `after` or `before`")
        site, visitor = _address(request.chat)
        if request.after is not None:
            lines, more = await self._after(request.chat, request.after, request.limit)
        else:
            lines = _within(await self._transcripts.before(request.chat, request.before, request.limit), newest=True)
            more = bool(lines) and lines[0].seq > 1
        if not lines and not await self._transcripts.before(request.chat, limit=1):
            raise Refused("not_found", "there is no such chat")
        return TranscriptPart(
            chat=request.chat,
            site=site,
            visitor=visitor,
            events=tuple(lines),
            more=more,
            server_time=self._clock.now_ms(),
            reads=tuple(LastRead(by, seq) for by, seq in await self._transcripts.reads(request.chat)),
        )

    async def _after(self, chat_id: str, seq: int, limit: int) -> tuple[list[ChatEvent], bool]:
        found = await self._transcripts.after(chat_id, seq, limit)
        lines = _within(found, newest=False)
        if len(lines) < len(found):
            return lines, True
        return lines, len(found) == limit and bool(await self._transcripts.after(chat_id, found[-1].seq, 1))


def actor_of(connection: Connection) -> Actor:
    """The operator of a connection as the one who does something."""
    return Actor("operator", connection.operator.operator, connection.operator.name)


def _address(identifier: str) -> tuple[str, str]:
    """Site and visitor of a chat or offer; the table has checked that there are such."""
    address = address_of(identifier)
    if address is None:
        raise Refused("not_found", "there is no such chat or offer")
    return address


def _short(text: str, limit: int) -> str:
    if len(text) > limit:
        raise Refused("too_long", f"at most {limit} characters")
    return text


def _within(lines: list[ChatEvent], *, newest: bool) -> list[ChatEvent]:
    """As many lines as one answer may hold, from the end if `newest`; never none of several."""
    kept: list[ChatEvent] = []
    size = 0
    for line in reversed(lines) if newest else lines:
        size += len(msgspec.json.encode(line))
        if kept and size > MAX_OPEN_BYTES:
            break
        kept.append(line)
    return kept[::-1] if newest else kept
