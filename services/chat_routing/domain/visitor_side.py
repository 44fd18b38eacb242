"""What a visitor may do: ask, cancel, answer an invitation, rate, leave the form; and being gone or back."""

from __future__ import annotations

from services.chat_routing.domain.agents import serving
from services.chat_routing.domain.engagement import (
    OPEN_PHASES,
    Accepted,
    ChatDenied,
    Engagement,
    Invited,
    Navigating,
    Redirected,
    Requested,
    Talking,
    is_engaged,
    is_live,
)
from services.chat_routing.domain.moves import end, new_chat, redirect
from services.chat_routing.domain.turn import Decision, Desk, Refusal, Turn, refuse
from shared.contracts.chat import (
    AcceptInvite,
    CancelRequest,
    DeclineInvite,
    LeaveForm,
    MailTranscript,
    RateChat,
    RequestChat,
    VisitorBack,
    VisitorGone,
)

MAX_MAILED = 3  # transcripts of one chat that its visitor may have sent: a typing error or two in the address


def request(turn: Turn, command: RequestChat) -> Decision | Refusal:
    """Transition 8. Asking twice is one request; during an invitation it is the visitor's yes."""
    before, desk = turn.before, turn.desk
    if isinstance(before.phase, Invited):
        return _accept(turn, before.phase, command.name, command.email)
    if isinstance(before.phase, Requested | Accepted):
        return turn.done()
    if not isinstance(before.phase, OPEN_PHASES):
        return refuse("engaged", before)
    if desk.now_ms < before.barred_until_ms:
        return refuse("banned" if before.banned else "cooldown", before)
    skill = desk.visitor.skill
    fields = new_chat(before, desk) | {
        "skill": skill,
        "why": desk.visitor.why,
        "name": command.name or before.name,
        "email": command.email or before.email,
        "question": command.text,
        "requested_ms": desk.now_ms,
    }
    asked = turn.to(Requested(), **fields).say("requested", text=command.text, skill=skill)
    if not serving(desk.agents.values(), skill):
        return redirect(asked, "nobody_online").done()
    if desk.waiting.get(skill, 0) >= desk.settings.queue_limit:
        return redirect(asked, "queue_full").done()
    return asked.done()


def cancel(turn: Turn, _command: CancelRequest) -> Decision | Refusal:
    """Transition 12."""
    if not isinstance(turn.before.phase, Requested | Accepted):
        return refuse("engaged" if is_live(turn.before.phase) else "not_in_chat", turn.before)
    return leave_queue(turn, "cancelled").done()


def leave_queue(turn: Turn, reason: str) -> Turn:
    """The visitor no longer waits: the row goes on as one who navigates."""
    return turn.because(reason).to(Navigating(), reason, ended_ms=turn.desk.now_ms).say("ended", reason=reason)


def accept_invite(turn: Turn, command: AcceptInvite) -> Decision | Refusal:
    """Transition 3."""
    phase = turn.before.phase
    if isinstance(phase, Accepted):
        return turn.set(name=command.name or turn.before.name, email=command.email or turn.before.email).done()
    if not isinstance(phase, Invited):
        return refuse("engaged" if is_live(phase) else "offer_expired", turn.before)
    return _accept(turn, phase, command.name, command.email)


def _accept(turn: Turn, phase: Invited, name: str, email: str) -> Decision:
    fields = {"name": name or turn.before.name, "email": email or turn.before.email}
    return turn.because("accepted").to(Accepted(phase.operator, phase.name), **fields).say("accepted").done()


def decline_invite(turn: Turn, _command: DeclineInvite) -> Decision | Refusal:
    """Transition 6."""
    before = turn.before
    if isinstance(before.phase, ChatDenied):
        return turn.done()
    if not isinstance(before.phase, Invited):
        return refuse("engaged" if is_live(before.phase) else "offer_expired", before)
    now_ms = turn.desk.now_ms
    fields = {"denials": before.denials + 1, "denied_ms": now_ms, "ended_ms": now_ms}
    return turn.because("declined").to(ChatDenied(), "declined", **fields).say("denied").done()


def rate(turn: Turn, command: RateChat) -> Decision | Refusal:
    """A mark for the chat that is over, once."""
    before = turn.before
    if is_live(before.phase):
        return refuse("engaged", before)
    if not before.chat or not before.engaged_ms:
        return refuse("not_in_chat", before)
    if before.rated:
        return turn.done()
    return turn.set(rated=True).say("rated", text=command.comment, score=command.score).done()


def mail_transcript(turn: Turn, command: MailTranscript) -> Decision | Refusal:
    """The transcript by mail, where the site offers it. Only of a chat in which somebody answered, and a few times:
    else it would be a way to send anything to anybody."""
    before, desk = turn.before, turn.desk
    email = command.email or before.email
    if desk.settings.visitor_transcript == "off" or not desk.mails:
        return refuse("forbidden", before)
    if not before.chat or not before.engaged_ms:
        return refuse("not_in_chat", before)
    if not email:
        return refuse("not_found", before)
    if before.mailed >= MAX_MAILED:
        return refuse("too_many", before)
    return turn.set(mailed=before.mailed + 1).mail(email).done()


def leave_form(turn: Turn, command: LeaveForm) -> Decision | Refusal:
    """Transition 23 for the form. A message is taken also where the form was shown because the site is offline."""
    if command.sent and command.text and not is_live(turn.before.phase):
        turn = turn.leave_message(command)
        if not isinstance(turn.before.phase, Redirected):
            return turn.done()
    if isinstance(turn.before.phase, Navigating):
        return turn.done()
    if not isinstance(turn.before.phase, Redirected):
        return refuse("engaged" if is_live(turn.before.phase) else "not_in_chat", turn.before)
    return turn.to(Navigating(), "form_sent" if command.sent else "redirected").done()


def gone(turn: Turn, fact: VisitorGone) -> Decision:
    """The row left (24). Who waits or talks is given time; everything else ends here."""
    before, desk = turn.before, turn.desk
    if before.gone_since_ms is not None:
        return turn.done()
    turn = turn.set(gone_since_ms=min(fact.since_ms, desk.now_ms), gone_told=False)
    if isinstance(before.phase, Invited):
        return leave_queue(turn, "visitor_gone").done()
    if isinstance(before.phase, Navigating) or is_live(before.phase):
        return turn.done()
    return turn.to(Navigating(), before.reason).done()


def back(turn: Turn, _fact: VisitorBack) -> Decision:
    """On the site again."""
    before = turn.before
    if before.gone_since_ms is None:
        return turn.done()
    turn = turn.set(gone_since_ms=None, gone_told=False)
    return turn.say("back").done() if before.gone_told else turn.done()


def erased(turn: Turn) -> Decision:
    """Everything about the visitor goes: whoever waits or talks with it is told that it is over."""
    phase = turn.before.phase
    if isinstance(phase, Talking):
        return end(turn, "erased").done()
    if is_engaged(phase):
        return leave_queue(turn, "erased").done()
    return turn.done()


def fresh_visit(engagement: Engagement, desk: Desk) -> bool:
    """Whether this is another visit than the one in which invitations were declined."""
    return engagement.visit_ms != desk.visitor.visit_ms
