"""The state machine of one engagement: :func:`decide_one` takes every command there is.

It is pure. Who asks is checked here once: a visitor's command comes from that visitor, an operator's from a member of
the site. What a command may do is decided in `visitor_side`, `intake`, `conversation` and `events_of_time`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, assert_never

from msgspec import Struct

from services.chat_routing.domain import bans, conversation, events_of_time, intake, visitor_side
from services.chat_routing.domain.agents import Agent
from services.chat_routing.domain.deadlines import Timer
from services.chat_routing.domain.engagement import Engagement
from services.chat_routing.domain.turn import Decision, Desk, Refusal, Turn, refuse
from shared.contracts.chat import (
    SYSTEM,
    AcceptInvite,
    AcceptOffer,
    AcceptRequest,
    Actor,
    BarVisitor,
    CancelRequest,
    ChatCommand,
    DeclineInvite,
    DeclineOffer,
    DeclineRequest,
    EndChat,
    ForwardChat,
    InviteOperator,
    InviteVisitor,
    JoinChat,
    KickVisitor,
    LeaveChat,
    LeaveForm,
    LiftBar,
    MailTranscript,
    MarkChat,
    RateChat,
    RedirectVisitor,
    RequestChat,
    SendMessage,
    VisitorBack,
    VisitorGone,
    WithdrawForward,
    WithdrawInvite,
)
from shared.contracts.sites import Trigger

MAX_TEXT = 4000  # code points of a message, as the contract says
MAX_NAME = 120
MAX_REASON = 500
MAX_EMAIL = 254


class Elapsed(Struct, frozen=True):
    """A deadline has passed."""

    timer: Timer


class OperatorMissing(Struct, frozen=True):
    """An operator has had no connection for `operator_missing_ms`."""

    operator: str


class OperatorReturned(Struct, frozen=True):
    """An operator is connected again."""

    operator: str


class OperatorOffline(Struct, frozen=True):
    """An operator is offline."""

    operator: str


class MakeOffer(Struct, frozen=True):
    """The router chose an operator for a waiting or forwarded visitor."""

    operator: str


class NobodyServes(Struct, frozen=True):
    """Nobody with the skill is online any more."""


class RulesChanged(Struct, frozen=True):
    """The site's skill rules may be others than when the visitor asked."""


class TriggerFits(Struct, frozen=True):
    """A trigger of the site fits the visitor."""

    trigger: Trigger


class Erased(Struct, frozen=True):
    """Nothing about the visitor may be kept."""


Occurrence = (
    Erased
    | VisitorGone
    | VisitorBack
    | Elapsed
    | OperatorMissing
    | OperatorReturned
    | OperatorOffline
    | MakeOffer
    | NobodyServes
    | RulesChanged
    | TriggerFits
)

_VISITOR: dict[type[Any], Callable[[Turn, Any], Decision | Refusal]] = {
    RequestChat: visitor_side.request,
    CancelRequest: visitor_side.cancel,
    AcceptInvite: visitor_side.accept_invite,
    DeclineInvite: visitor_side.decline_invite,
    RateChat: visitor_side.rate,
    LeaveForm: visitor_side.leave_form,
    MailTranscript: visitor_side.mail_transcript,
}
_OPERATOR: dict[type[Any], Callable[[Turn, Any, Agent], Decision | Refusal]] = {
    InviteVisitor: intake.invite,
    WithdrawInvite: intake.withdraw_invite,
    AcceptRequest: intake.accept_request,
    DeclineRequest: intake.decline_request,
    RedirectVisitor: intake.redirect_visitor,
    AcceptOffer: intake.accept_offer,
    DeclineOffer: intake.decline_offer,
    ForwardChat: conversation.forward,
    WithdrawForward: conversation.withdraw_forward,
    InviteOperator: conversation.invite_operator,
    JoinChat: conversation.join,
    LeaveChat: conversation.leave,
    KickVisitor: conversation.kick,
}


def decide_one(engagement: Engagement, command: ChatCommand | Occurrence, desk: Desk) -> Decision | Refusal:
    """What `command` does to `engagement`: a new value and what to tell, or why not."""
    match command:
        case VisitorGone():
            return visitor_side.gone(Turn.begin(engagement, desk, SYSTEM), command)
        case VisitorBack():
            return visitor_side.back(Turn.begin(engagement, desk, _visitor(engagement, desk)), command)
        case Elapsed(timer=timer):
            return events_of_time.elapsed(Turn.begin(engagement, desk), timer)
        case OperatorMissing(operator=operator):
            return events_of_time.operator_missing(Turn.begin(engagement, desk), operator)
        case OperatorReturned(operator=operator):
            return events_of_time.operator_returned(Turn.begin(engagement, desk), operator)
        case OperatorOffline(operator=operator):
            return events_of_time.operator_offline(Turn.begin(engagement, desk), operator)
        case MakeOffer(operator=operator):
            return intake.make_offer(Turn.begin(engagement, desk), desk.agents[operator])
        case TriggerFits(trigger=trigger):
            return intake.invite_by_trigger(Turn.begin(engagement, desk), trigger)
        case Erased():
            return visitor_side.erased(Turn.begin(engagement, desk))
        case RulesChanged():
            return events_of_time.rules_changed(Turn.begin(engagement, desk))
        case NobodyServes():
            return events_of_time.nobody_serves(Turn.begin(engagement, desk))
        case _:
            return _asked(engagement, command, desk)


def _asked(engagement: Engagement, command: ChatCommand, desk: Desk) -> Decision | Refusal:
    if is_too_long(command):
        return refuse("too_long", engagement)
    if command.version is not None and command.version != engagement.row_version:
        return refuse("stale_version", engagement)
    if command.chat and command.chat != engagement.chat:
        return refuse("not_found", engagement)
    match command.by.kind:
        case "visitor":
            if command.by.id != engagement.visitor:
                return refuse("forbidden", engagement)
            return _by_visitor(Turn.begin(engagement, desk, _visitor(engagement, desk, command)), command)
        case "operator":
            if isinstance(command, BarVisitor | LiftBar):
                turn = Turn.begin(engagement, desk, command.by)
                return bans.bar(turn, command) if isinstance(command, BarVisitor) else bans.lift(turn, command)
            agent = desk.agents.get(command.by.id)
            if agent is None:
                return refuse("forbidden", engagement)
            return _by_operator(Turn.begin(engagement, desk, agent.actor()), command, agent)
        case "system":
            return refuse("forbidden", engagement)
        case _:
            assert_never(command.by.kind)


def _by_visitor(turn: Turn, command: ChatCommand) -> Decision | Refusal:
    answer = _VISITOR.get(type(command))
    return _by_either(turn, command) if answer is None else answer(turn, command)


def _by_operator(turn: Turn, command: ChatCommand, agent: Agent) -> Decision | Refusal:
    answer = _OPERATOR.get(type(command))
    return _by_either(turn, command) if answer is None else answer(turn, command, agent)


def _by_either(turn: Turn, command: ChatCommand) -> Decision | Refusal:
    match command:
        case SendMessage():
            return conversation.send(turn, command)
        case MarkChat():
            return conversation.mark(turn, command)
        case EndChat():
            return conversation.end_chat(turn, command)
        case _:
            return refuse("forbidden", turn.before)


def _visitor(engagement: Engagement, desk: Desk, command: ChatCommand | None = None) -> Actor:
    given = command.name if isinstance(command, RequestChat | AcceptInvite) else ""
    return Actor("visitor", engagement.visitor, given or engagement.name or desk.visitor.nickname)


def is_too_long(command: ChatCommand) -> bool:
    """Whether a text of the command is longer than the contract allows; the edges check it too."""
    limits = {"text": MAX_TEXT, "comment": MAX_TEXT, "preview": MAX_TEXT, "note": MAX_REASON, "reason": MAX_REASON}
    limits |= {"name": MAX_NAME, "email": MAX_EMAIL}
    return any(len(getattr(command, name, "")) > limit for name, limit in limits.items())
