"""Who may not ask for a chat, by whose word and until when. A kick bars for a while, too, but is no ban."""

from __future__ import annotations

from typing import Any

from services.chat_routing.domain.engagement import Engagement
from services.chat_routing.domain.turn import Decision, Desk, Refusal, Turn, refuse
from shared.contracts.chat import Actor, BarVisitor, LiftBar
from shared.contracts.chat_records import Ban


def barred(desk: Desk, by: Actor, reason: str, for_ms: int, *, ban: bool) -> dict[str, Any]:
    """The fields of an engagement whose visitor may not ask for `for_ms` from now."""
    return {
        "barred_until_ms": desk.now_ms + for_ms,
        "banned": ban,
        "barred_at_ms": desk.now_ms,
        "barred_by": by,
        "barred_reason": reason,
    }


def bar(turn: Turn, command: BarVisitor) -> Decision | Refusal:
    """No new request of this visitor; a chat that is going on goes on."""
    if not command.reason.strip() or command.ban_s <= 0:
        return refuse("forbidden", turn.before)
    return turn.set(**barred(turn.desk, turn.by, command.reason, command.ban_s * 1000, ban=True)).done()


def lift(turn: Turn, _command: LiftBar) -> Decision | Refusal:
    """The visitor may ask again; so may one who was never barred."""
    if not turn.before.barred_until_ms:
        return turn.done()
    fields = {"barred_until_ms": 0, "banned": False, "barred_at_ms": 0, "barred_by": None, "barred_reason": ""}
    return turn.set(**fields).done()


def ban_of(engagement: Engagement | None) -> Ban | None:
    """The ban that others see."""
    if engagement is None or not engagement.banned or engagement.barred_by is None:
        return None
    return Ban(
        until=engagement.barred_until_ms,
        at=engagement.barred_at_ms,
        by=engagement.barred_by,
        reason=engagement.barred_reason,
        name=engagement.name,
    )
