"""Where one browser tab stands in its visitor's chat: what it has been told, so that each thing is told once.

Pure. :meth:`ChatPlace.opening` gives what a (re)joining tab must see at once, :meth:`ChatPlace.take` what an outcome
adds. Lines of a chat are counted by `seq`: what was told is left out, and what is missing is noticed.
"""

from __future__ import annotations

from shared.contracts.chat import (
    ChatEvent,
    ChatMarked,
    ChatOutcome,
    ChatSaid,
    InviteGone,
    InviteMade,
    QueuePlace,
    StatusChanged,
)
from shared.contracts.rows import Status
from shared.contracts.visitor_chat import (
    ChatEventSaid,
    Invite,
    InviteIsGone,
    ReadMark,
    StatusIs,
    TypingMark,
    VisitorFrame,
)


class Missing(Exception):  # not an error: the tab has to catch up from the transcript
    """A line before this one was not seen."""


def invite_frame(made: InviteMade) -> Invite:
    """An invitation as the visitor gets it."""
    return Invite(invitation=made.invitation, operator=made.operator, text=made.text, expires_at=made.expires_at)


class ChatPlace:
    """One tab's place. `chat` and `seq`: the last line that it was told."""

    __slots__ = ("_status", "chat", "seq")

    def __init__(self) -> None:
        self._status: StatusChanged | None = None
        self.chat = ""
        self.seq = 0

    @property
    def status(self) -> Status:
        """The visitor's status, as far as told."""
        return self._status.status if self._status is not None else "navigating"

    def opening(
        self, status: StatusChanged | None, place: QueuePlace | None, invite: InviteMade | None
    ) -> list[VisitorFrame]:
        """What a tab must see at once; its lines are to be counted from zero if the chat is another one."""
        self._status = status
        chat = status.chat if status is not None else ""
        if chat != self.chat:
            self.chat, self.seq = chat, 0
        frames: list[VisitorFrame] = []
        if invite is not None:
            frames.append(invite_frame(invite))
        if status is not None:
            frames.append(self._status_frame(place))
        return frames

    def line(self, event: ChatEvent) -> ChatEventSaid | None:
        """The frame of a line, unless it was told. Raises Missing if one before it was not."""
        if event.chat != self.chat:
            if event.seq != 1:
                raise Missing
            self.chat, self.seq = event.chat, 0
        if event.seq <= self.seq:
            return None
        if event.seq != self.seq + 1:
            raise Missing
        self.seq = event.seq
        return ChatEventSaid(event=event)

    def take(self, outcome: ChatOutcome) -> list[VisitorFrame]:
        """What the visitor hears of an outcome about itself. Raises Missing."""
        match outcome:
            case ChatSaid(event=event):
                frame = self.line(event)
                return [] if frame is None else [frame]
            case StatusChanged():
                self._status = outcome
                return [self._status_frame(None)]
            case QueuePlace():
                return [self._status_frame(outcome)]
            case InviteMade():
                return [invite_frame(outcome)]
            case InviteGone(reason=reason, invitation=invitation):
                return [InviteIsGone(reason=reason, invitation=invitation)]
            case ChatMarked():
                return self._marks(outcome)
            case _:
                return []

    def _status_frame(self, place: QueuePlace | None) -> StatusIs:
        known = self._status
        return StatusIs(
            # Only who waits has a place.
            status=known.status if known is not None else "requested",
            operators=known.operators if known is not None else (),
            position=place.position if place is not None else None,
            wait_s=place.wait_s if place is not None else None,
            chat=known.chat if known is not None else "",
            reason=known.reason if known is not None else "",
        )

    @staticmethod
    def _marks(marked: ChatMarked) -> list[VisitorFrame]:
        frames: list[VisitorFrame] = []
        if marked.typing is not None and marked.by.kind != "visitor":
            frames.append(TypingMark(chat=marked.chat, by=marked.by, on=marked.typing))
        if marked.read is not None:  # the visitor's own too: its other tabs have read as much
            frames.append(ReadMark(chat=marked.chat, by=marked.by, seq=marked.read))
        return frames
