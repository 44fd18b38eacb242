"""How an operator gets a visitor: inviting, picking from the list, answering offers; and the router's offers."""

from __future__ import annotations

from services.chat_routing.domain.agents import Agent, choose, why_chosen, why_not
from services.chat_routing.domain.asked import unasked
from services.chat_routing.domain.engagement import (
    Accepted,
    Chatting,
    Conference,
    Engagement,
    Forwarded,
    Invited,
    Navigating,
    Offer,
    Redirected,
    Requested,
    Seat,
    is_live,
    offers,
    seats,
)
from services.chat_routing.domain.moves import (
    engage,
    exclude,
    new_chat,
    redirect,
    seat_of,
    swap,
    take_back,
    without_offer,
)
from services.chat_routing.domain.turn import Decision, Desk, Refusal, Turn, refuse
from services.chat_routing.domain.visitor_side import fresh_visit
from shared.contracts.chat import (
    AcceptOffer,
    AcceptRequest,
    Actor,
    DeclineOffer,
    DeclineRequest,
    InviteVisitor,
    RedirectVisitor,
    WithdrawInvite,
)
from shared.contracts.chat_words import RefusalCode
from shared.contracts.rows import OperatorRef
from shared.contracts.sites import Trigger
from shared.domain.skills import SkillChoice


def invite(turn: Turn, command: InviteVisitor, agent: Agent) -> Decision | Refusal:
    """Transition 2."""
    before, desk = turn.before, turn.desk
    obstacle = _invite_obstacle(before, desk) or why_not(agent, desk.visitor.skill)
    if obstacle is not None:
        return refuse(obstacle, before)
    return _invited(turn, agent, command.text, SkillChoice(desk.visitor.skill, desk.visitor.why))


def _invited(turn: Turn, agent: Agent, text: str, needs: SkillChoice, reason: str = "") -> Decision:
    before, desk = turn.before, turn.desk
    fields = new_chat(before, desk) | {
        "skill": needs.skill,
        "why": needs.why,
        "visit_ms": desk.visitor.visit_ms,
        "denials": 0 if fresh_visit(before, desk) else before.denials,
    }
    # The invitation goes by the chat's id: whoever knows the row and the transcript can tell it again.
    phase = Invited(fields["chat"], agent.operator, agent.name, text)
    who = OperatorRef(agent.operator, agent.name) if reason else None
    return turn.to(phase, reason, **fields).say("invited", text=text, reason=reason, operator=who).done()


def invite_by_trigger(turn: Turn, trigger: Trigger) -> Decision | Refusal:
    """Transition 2 by itself, in the name of the operator whom the router would ask; `at_capacity`: nobody is free.

    Stricter than an invitation by hand: not while the outcome of another chat is shown, and not after a kick.
    """
    before, desk = turn.before, turn.desk
    obstacle = _invite_obstacle(before, desk)
    if obstacle is None and not isinstance(before.phase, Navigating):
        obstacle = "engaged"
    if obstacle is None and desk.now_ms < before.barred_until_ms:
        obstacle = "banned" if before.banned else "cooldown"
    if obstacle is not None:
        return refuse(obstacle, before)
    needs = SkillChoice(desk.visitor.skill, desk.visitor.why)
    if trigger.skill in desk.skills:
        needs = SkillChoice(trigger.skill, f"trigger:{trigger.trigger}")
    agent = choose(desk.agents.values(), needs.skill, ())
    if agent is None:
        return refuse("at_capacity", before)
    return _invited(turn, agent, trigger.text, needs, f"trigger:{trigger.name}")


def _invite_obstacle(before: Engagement, desk: Desk) -> RefusalCode | None:
    if isinstance(before.phase, Invited):
        return "already_invited"
    if is_live(before.phase):
        return "engaged"
    if not desk.visitor.present:
        return "not_found"
    if before.banned and desk.now_ms < before.barred_until_ms:
        return "banned"
    if before.denied_ms and desk.now_ms < before.denied_ms + desk.settings.invite_cooldown_ms:
        return "cooldown"
    if before.denials >= desk.settings.max_denials and not fresh_visit(before, desk):
        return "cooldown"
    return None


def withdraw_invite(turn: Turn, _command: WithdrawInvite, agent: Agent) -> Decision | Refusal:
    """Transition 7, by the operator."""
    phase = turn.before.phase
    if not isinstance(phase, Invited):
        return refuse("engaged" if is_live(phase) else "offer_expired", turn.before)
    if phase.operator != agent.operator and not agent.is_supervisor():
        return refuse("not_owner", turn.before)
    return drop_invitation(turn, "withdrawn").done()


def drop_invitation(turn: Turn, reason: str) -> Turn:
    """The invitation ends without an answer; ignored is not denied, so the reason stays (7)."""
    return turn.because(reason).to(Navigating(), reason, ended_ms=turn.desk.now_ms).say("ended", reason=reason)


def accept_request(turn: Turn, _command: AcceptRequest, agent: Agent) -> Decision | Refusal:
    """Transitions 4, 9 and 15 from the list. The first wins; the others are told who took it."""
    before = turn.before
    match before.phase:
        case Accepted(operator=operator, name=name):
            if operator != agent.operator:
                return refuse("taken", before, name)
            return engage(turn, agent).done(answered=agent.operator)
        case Requested(offer=offer):
            obstacle = why_not(agent, before.skill, reserved=_is_mine(offer, agent))
            if obstacle is not None:
                return refuse(obstacle, before)
            if not _is_mine(offer, agent):
                turn = turn.set(asked=unasked(turn.state, agent, turn.desk.now_ms, "accepted"))
            return engage(turn, agent).done(answered=agent.operator)
        case Forwarded() as phase:
            return _take_forward(turn, phase, agent)
        case Chatting() | Conference():
            return _taken(turn, agent)
        case Invited():
            return refuse("already_invited", before)
        case _:
            return refuse("not_found", before)


def _take_forward(turn: Turn, phase: Forwarded, agent: Agent) -> Decision | Refusal:
    if phase.owner.operator == agent.operator:
        return turn.done()
    if phase.to_operator not in ("", agent.operator):
        return refuse("taken", turn.before, phase.owner.name)
    obstacle = why_not(agent, phase.to_skill or turn.before.skill, reserved=_is_mine(phase.offer, agent))
    if obstacle is not None:
        return refuse(obstacle, turn.before)
    return swap(turn, phase, agent).done(answered=agent.operator)


def _is_mine(offer: Offer | None, agent: Agent) -> bool:
    return offer is not None and offer.operator == agent.operator


def _taken(turn: Turn, agent: Agent) -> Decision | Refusal:
    """Somebody has the chat: fine if it is the one who asks."""
    if seat_of(turn.before.phase, agent.operator):
        return turn.done()
    owner = next(iter(seats(turn.before.phase)), None)
    return refuse("taken", turn.before, owner.name) if owner else refuse("offer_expired", turn.before)


def decline_request(turn: Turn, _command: DeclineRequest, agent: Agent) -> Decision | Refusal:
    """Transition 10 from the list: this operator is not asked again for this request."""
    phase = turn.before.phase
    if not isinstance(phase, Requested):
        return refuse("offer_expired", turn.before)
    if not _is_mine(phase.offer, agent):
        turn = turn.set(asked=unasked(turn.state, agent, turn.desk.now_ms, "declined"))
    return exclude(turn, phase, agent.operator, "declined").done(answered=agent.operator)


def redirect_visitor(turn: Turn, _command: RedirectVisitor, agent: Agent) -> Decision | Refusal:
    """Transition 11 by hand."""
    phase = turn.before.phase
    if isinstance(phase, Redirected):
        return turn.done()
    if not isinstance(phase, Requested):
        return refuse("engaged" if is_live(phase) else "not_in_chat", turn.before)
    if not agent.has_skill(turn.before.skill) and not agent.is_supervisor():
        return refuse("missing_skill", turn.before)
    return redirect(turn.because("redirected"), "by_operator", agent.actor()).done()


def accept_offer(turn: Turn, command: AcceptOffer, agent: Agent) -> Decision | Refusal:
    """Transitions 9, 15 and 18, by the operator who was asked."""
    offer = _offer_to(turn.before, command.offer, agent)
    if offer is None:
        return _taken(turn, agent)
    match turn.before.phase:
        case Requested():
            return engage(turn, agent).done(answered=agent.operator)
        case Forwarded() as phase:
            return swap(turn, phase, agent).done(answered=agent.operator)
        case Chatting(owner=owner, joining=joining):
            guests: tuple[Seat, ...] = ()
        case Conference(owner=owner, guests=guests, joining=joining):
            pass
        case _:
            return refuse("offer_expired", turn.before)
    guest = Seat(agent.operator, agent.name, turn.desk.now_ms)
    together = Conference(owner, (*guests, guest), without_offer(joining, offer.offer))
    turn = turn.because("taken", agent.actor())
    turn = turn.stay(together) if guests else turn.to(together)
    return turn.say("joined", agent.actor()).done(answered=agent.operator)


def decline_offer(turn: Turn, command: DeclineOffer, agent: Agent) -> Decision | Refusal:
    """Transitions 10 and 16; an invitation to a conference just ends."""
    offer = _offer_to(turn.before, command.offer, agent)
    if offer is None:
        return refuse("offer_expired", turn.before)
    return end_offer(turn, offer, "declined").done(answered=agent.operator)


def end_offer(turn: Turn, offer: Offer, reason: str) -> Turn:
    """The operator who was asked will not: on to what follows in this phase."""
    by = Actor("operator", offer.operator, offer.name)
    match turn.state.phase:
        case Requested() as phase:
            return exclude(turn, phase, offer.operator, reason)
        case Forwarded(to_skill="") as phase:
            return take_back(turn, phase, reason, by)
        case Forwarded(owner=owner, sender=sender, to_skill=skill, note=note, excluded=excluded):
            # Handed to a skill: the next of its operators is asked until the forward's own time is over.
            waiting = Forwarded(owner, sender, "", skill, note, None, (*excluded, offer.operator))
            return turn.because(reason).stay(waiting)
        case Chatting(owner=owner, joining=joining):
            return turn.because(reason).stay(Chatting(owner, without_offer(joining, offer.offer)))
        case Conference(owner=owner, guests=guests, joining=joining):
            return turn.because(reason).stay(Conference(owner, guests, without_offer(joining, offer.offer)))
        case _:
            return turn


def make_offer(turn: Turn, agent: Agent) -> Decision:
    """The router asks `agent` (9, 15): the slot is held from now on."""
    before = turn.before
    match before.phase:
        case Requested(head=head, excluded=excluded, sticky=sticky):
            why = "returned" if sticky == agent.operator else why_chosen(agent, before.skill)
            offer = turn.new_offer(agent, "request", why=why)
            return turn.stay(Requested(head, excluded, offer, sticky)).done()
        case Forwarded(owner=owner, sender=sender, to_skill=skill, note=note, excluded=excluded):
            offer = turn.new_offer(agent, "forward", sender=sender, note=note, why=why_chosen(agent, skill))
            return turn.stay(Forwarded(owner, sender, "", skill, note, offer, excluded)).done()
        case _:
            return turn.done()


def _offer_to(before: Engagement, offer: str, agent: Agent) -> Offer | None:
    return next((o for o in offers(before.phase) if o.offer == offer and o.operator == agent.operator), None)
