"""Inside a chat: messages and marks, handing it over, conferences, leaving, ending, throwing out."""

from __future__ import annotations

from msgspec.structs import replace

from services.chat_routing.domain.agents import Agent, serving, why_not
from services.chat_routing.domain.bans import barred
from services.chat_routing.domain.engagement import (
    Accepted,
    Chatting,
    Conference,
    Forwarded,
    Kicked,
    Requested,
    Seat,
    Talking,
    seats,
)
from services.chat_routing.domain.moves import actor_of, end, seat_of, take_back
from services.chat_routing.domain.turn import Decision, Refusal, Turn, refuse
from services.chat_routing.domain.visitor_side import leave_queue
from shared.contracts.chat import (
    ChatMarked,
    EndChat,
    ForwardChat,
    InviteOperator,
    JoinChat,
    KickVisitor,
    LeaveChat,
    MarkChat,
    SendMessage,
    WithdrawForward,
)
from shared.contracts.rows import OperatorRef

MAX_EVENTS = 10_000  # lines of one chat: a day of typing; then the chat is ended and a new one begun


def _may_speak(turn: Turn) -> bool:
    phase = turn.before.phase
    if turn.by.kind == "operator":
        return seat_of(phase, turn.by.id) is not None
    # A waiting visitor may go on writing: the operator finds it in the transcript.
    return isinstance(phase, Talking | Requested | Accepted)


def send(turn: Turn, command: SendMessage) -> Decision | Refusal:
    """One more line for everybody in the chat."""
    if not _may_speak(turn):
        return refuse("not_in_chat", turn.before)
    if turn.before.seq >= MAX_EVENTS:
        return refuse("too_many", turn.before)
    return turn.set(spoke_ms=turn.desk.now_ms).say("message", id=command.id, text=command.text).done()


def mark(turn: Turn, command: MarkChat) -> Decision | Refusal:
    """Pass typing and read marks on; what is being typed only where the site wants it."""
    if not _may_speak(turn):
        return refuse("not_in_chat", turn.before)
    before = turn.before
    shown = turn.by.kind == "visitor" and turn.desk.settings.widget.preview
    marked = ChatMarked(
        site=before.site,
        visitor=before.visitor,
        chat=before.chat,
        by=turn.by,
        typing=command.typing,
        preview=command.preview if shown else "",
        read=None if command.read is None else min(command.read, before.seq),
    )
    return turn.mark(marked).done()


def forward(turn: Turn, command: ForwardChat, agent: Agent) -> Decision | Refusal:
    """Transition 14: the owner stays until the target takes it."""
    before = turn.before
    if not isinstance(before.phase, Chatting):
        return refuse("engaged" if seats(before.phase) else "not_in_chat", before)
    if before.phase.owner.operator != agent.operator:
        return refuse("not_owner", before)
    if command.to_operator:
        return _forward_to_operator(turn, before.phase, command, agent)
    if command.to_skill not in turn.desk.skills:
        return refuse("not_found", before)
    if not serving(turn.desk.agents.values(), command.to_skill, (agent.operator,)):
        return refuse("target_offline", before)
    phase = Forwarded(before.phase.owner, agent.actor(), "", command.to_skill, command.note, None, (agent.operator,))
    return turn.to(phase).say("forwarded", skill=command.to_skill).done()


def _forward_to_operator(turn: Turn, phase: Chatting, command: ForwardChat, agent: Agent) -> Decision | Refusal:
    if command.to_operator == agent.operator:
        return refuse("self_forward", turn.before)
    target = turn.desk.agents.get(command.to_operator)
    # Asked into the conference already: the same slot serves the forward.
    reserved = any(offer.operator == command.to_operator for offer in phase.joining)
    obstacle = why_not(target, turn.before.skill, reserved=reserved)
    if target is None or obstacle is not None:
        return refuse(obstacle or "not_found", turn.before)
    offer = turn.new_offer(target, "forward", sender=agent.actor(), note=command.note)
    handed = Forwarded(phase.owner, agent.actor(), target.operator, "", command.note, offer)
    return turn.to(handed).say("forwarded", operator=_ref(target)).done()


def withdraw_forward(turn: Turn, _command: WithdrawForward, agent: Agent) -> Decision | Refusal:
    """Transition 16 by the owner."""
    phase = turn.before.phase
    if not isinstance(phase, Forwarded):
        return refuse("engaged" if seats(phase) else "not_in_chat", turn.before)
    if phase.owner.operator != agent.operator:
        return refuse("not_owner", turn.before)
    return take_back(turn, phase, "withdrawn", agent.actor()).done()


def invite_operator(turn: Turn, command: InviteOperator, agent: Agent) -> Decision | Refusal:
    """The first half of transition 18."""
    before = turn.before
    phase = before.phase
    if not isinstance(phase, Chatting | Conference):
        return refuse("engaged" if seats(phase) else "not_in_chat", before)
    if phase.owner.operator != agent.operator:
        return refuse("not_owner", before)
    if seat_of(phase, command.operator) is not None:
        return turn.done()
    if any(offer.operator == command.operator for offer in phase.joining):
        return refuse("already_invited", before)
    if len(seats(phase)) + len(phase.joining) >= turn.desk.settings.max_seats:
        return refuse("too_many", before)
    target = turn.desk.agents.get(command.operator)
    obstacle = why_not(target, None)
    if target is None or obstacle is not None:
        return refuse(obstacle or "not_found", before)
    offer = turn.new_offer(target, "conference", sender=agent.actor())
    return turn.stay(replace(phase, joining=(*phase.joining, offer))).done()


def join(turn: Turn, _command: JoinChat, agent: Agent) -> Decision | Refusal:
    """Transition 18 by a supervisor, who takes no slot."""
    before = turn.before
    phase = before.phase
    if not agent.is_supervisor():
        return refuse("forbidden", before)
    if agent.state == "offline":
        return refuse("target_offline", before)  # nobody would take the seat away again
    if seat_of(phase, agent.operator) is not None:
        return turn.done()
    if not isinstance(phase, Chatting | Conference):
        return refuse("engaged" if seats(phase) else "not_in_chat", before)
    if len(seats(phase)) >= turn.desk.settings.max_seats:
        return refuse("too_many", before)
    joining = tuple(offer for offer in phase.joining if offer.operator != agent.operator)
    guest = Seat(agent.operator, agent.name, turn.desk.now_ms, watching=True)
    turn = turn.because("joined")
    if isinstance(phase, Conference):
        turn = turn.stay(Conference(phase.owner, (*phase.guests, guest), joining))
    else:
        turn = turn.to(Conference(phase.owner, (guest,), joining))
    return turn.say("joined").done()


def leave(turn: Turn, _command: LeaveChat, agent: Agent) -> Decision | Refusal:
    """Transition 19. Who is alone with the visitor forwards or ends instead: nobody is left without an operator."""
    phase = turn.before.phase
    if seat_of(phase, agent.operator) is None:
        return refuse("not_in_chat", turn.before)
    if not isinstance(phase, Conference):
        return refuse("engaged", turn.before)
    return give_up_seat(turn, phase, agent.operator, "left").done()


def give_up_seat(turn: Turn, phase: Conference, operator: str, reason: str) -> Turn:
    """One operator fewer in the conference; if the owner left, the longest-joined owns it (19)."""
    leaver = seat_of(phase, operator)
    rest = [seat for seat in seats(phase) if seat.operator != operator]
    if leaver is None or not rest:
        return turn
    # Whoever answers for the chat takes a slot, also a supervisor who joined unasked.
    owner = replace(rest[0], watching=False)
    if len(rest) > 1:
        turn = turn.stay(Conference(owner, tuple(rest[1:]), phase.joining))
    else:
        turn = turn.to(Chatting(owner, phase.joining), reason)
    return turn.say("left", actor_of(leaver), reason=reason)


def end_chat(turn: Turn, _command: EndChat) -> Decision | Refusal:
    """Transition 20 by one of the two sides. What is over stays over: that succeeds too."""
    before = turn.before
    phase = before.phase
    if isinstance(phase, Requested | Accepted) and turn.by.kind == "visitor":
        return leave_queue(turn, "cancelled").done()
    if not isinstance(phase, Talking):
        return turn.done() if before.ended_ms else refuse("not_in_chat", before)
    if turn.by.kind == "operator" and not _answers_for(turn):
        return refuse("not_owner", before)
    return end(turn, "by_visitor" if turn.by.kind == "visitor" else "by_operator").done()


def kick(turn: Turn, command: KickVisitor, agent: Agent) -> Decision | Refusal:
    """Transition 22: a reason is required; no new request for a while, or a ban."""
    before, desk = turn.before, turn.desk
    if isinstance(before.phase, Kicked):
        return turn.done()
    if not isinstance(before.phase, Talking):
        return refuse("not_in_chat", before)
    if before.phase.owner.operator != agent.operator and not agent.is_supervisor():
        return refuse("not_owner", before)
    if not command.reason.strip():
        return refuse("forbidden", before)
    for_ms = command.ban_s * 1000 if command.ban_s > 0 else desk.settings.kick_cooldown_ms
    fields = {"ended_ms": desk.now_ms, **barred(desk, turn.by, command.reason, for_ms, ban=command.ban_s > 0)}
    return turn.because("kicked").to(Kicked(), command.reason, **fields).say("kicked", reason=command.reason).done()


def _ref(agent: Agent) -> OperatorRef:
    return OperatorRef(agent.operator, agent.name)


def _answers_for(turn: Turn) -> bool:
    """Whether the operator who asks owns the chat, or sits in it as a supervisor."""
    seat = seat_of(turn.before.phase, turn.by.id)
    agent = turn.desk.agents.get(turn.by.id)
    owner = seats(turn.before.phase)[0]
    return seat is not None and (seat.operator == owner.operator or (agent is not None and agent.is_supervisor()))
