"""One site's chats together: who has how many, who waits, and who is asked next.

A :class:`Floor` is a value. :func:`perform` lets one command or occurrence act on one visitor's engagement and carries
the consequences: slots are the difference of the holders before and after, so each is taken and given back just once;
then free operators are offered to whoever waits (:func:`_route`). Read :func:`perform`, then :func:`agent_changed`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import assert_never

from msgspec.structs import replace as with_fields

from services.chat_routing.domain.agents import Agent, choose, serving
from services.chat_routing.domain.answers import Sent, known_answer, remember, sent
from services.chat_routing.domain.deadlines import timers
from services.chat_routing.domain.engagement import (
    Answer,
    Engagement,
    Forwarded,
    Phase,
    Requested,
    concerned,
    holders,
    is_queued,
    status,
)
from services.chat_routing.domain.machine import (
    Elapsed,
    Erased,
    MakeOffer,
    NobodyServes,
    Occurrence,
    OperatorMissing,
    OperatorOffline,
    OperatorReturned,
    TriggerFits,
    decide_one,
)
from services.chat_routing.domain.queue import note_pickup, ordered, outlook
from services.chat_routing.domain.turn import Decision, Desk, Refusal, VisitorFacts
from shared.contracts.chat import (
    ChatCommand,
    ChatOutcome,
    Command,
    CommandDone,
    MarkChat,
    QueuePlace,
    RequestChat,
    SendMessage,
)
from shared.contracts.sites import Intake, SiteSettings, Trigger

PLACES_TOLD = 50  # visitors behind that place hear only where they began
MAX_FIRINGS = 20  # deadlines of one visitor in one go: each moves on, so more is a fault of ours

# Visitors whom the command at hand is not about are not looked up: they count as present until presence says otherwise.
_UNSEEN = VisitorFacts(present=True)


@dataclass(frozen=True, slots=True)
class Floor:
    """The site as of now. `engagements`: all that are live, and those that are being acted upon.

    `queued`: visitors with a request or a forward to a skill, the ones that the router may have to find somebody for.
    `pickups`: when visitors of a skill were lately engaged. `aside`: by visitor, older answers to commands at hand.
    `touched`: whose engagement has been replaced.
    """

    site: str
    skills: frozenset[str] = frozenset()
    agents: Mapping[str, Agent] = field(default_factory=dict)
    engagements: Mapping[str, Engagement] = field(default_factory=dict)
    visitors: Mapping[str, VisitorFacts] = field(default_factory=dict)
    queued: frozenset[str] = frozenset()
    pickups: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    aside: Mapping[str, Mapping[Sent, Answer]] = field(default_factory=dict)
    touched: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Moment:
    """When, and by which numbers. `mails`: some can be sent."""

    now_ms: int
    settings: SiteSettings
    resumed_at_ms: int = 0
    mails: bool = True


@dataclass(frozen=True, slots=True)
class Result:
    """The floor after, what to tell in order, and operators whom missed offers took out of the rotation."""

    floor: Floor
    events: tuple[ChatOutcome, ...] = ()
    set_away: tuple[str, ...] = ()

    def then(self, other: Result) -> Result:
        """This, and what followed from it."""
        return Result(other.floor, self.events + other.events, self.set_away + other.set_away)


def perform(floor: Floor, visitor: str, command: ChatCommand | Occurrence, moment: Moment) -> Result:
    """One command or occurrence, and everything that follows from it."""
    if isinstance(command, Command):
        result = _answered(floor, command, moment)
    else:
        result = _apply(floor, visitor, command, moment)
    return _follow_up(floor, result, moment)


def elapse(floor: Floor, visitor: str, moment: Moment) -> Result:
    """All deadlines of this visitor that have passed, the earliest first. One that is to be forgotten is dropped."""
    result = Result(floor)
    for _ in range(MAX_FIRINGS):
        engagement = result.floor.engagements.get(visitor)
        if engagement is None:
            break
        due = [t for t in timers(engagement, moment.settings, moment.resumed_at_ms) if t.due_ms <= moment.now_ms]
        if not due:
            break
        first = min(due, key=lambda timer: timer.due_ms)
        if first.kind == "forget":
            return _dropped(result, visitor)
        result = result.then(perform(result.floor, visitor, Elapsed(first), moment))
    return result


def erase(floor: Floor, visitor: str, moment: Moment) -> Result:
    """End whatever goes on with the visitor and forget it."""
    if visitor not in floor.engagements:
        return Result(floor)
    return _dropped(perform(floor, visitor, Erased(), moment), visitor)


def _dropped(result: Result, visitor: str) -> Result:
    left = {key: value for key, value in result.floor.engagements.items() if key != visitor}
    return result.then(Result(replace(result.floor, engagements=left, touched=result.floor.touched | {visitor})))


def invite_by_trigger(floor: Floor, visitor: str, trigger: Trigger, moment: Moment) -> Result | Refusal:
    """The visitor invited in the name of an operator who has the skill and is free, or why not."""
    engagement = floor.engagements.get(visitor) or Engagement(site=floor.site, visitor=visitor)
    fits = TriggerFits(trigger)
    outcome = decide_one(engagement, fits, _desk(floor, visitor, fits, moment))
    if isinstance(outcome, Refusal):
        return outcome
    return _follow_up(floor, _take(floor, engagement, outcome, moment), moment)


def agent_changed(floor: Floor, agent: Agent, moment: Moment) -> Result:
    """An operator's state, connection, skills or limit is now `agent`'s; load and misses are the floor's own."""
    before = floor.agents.get(agent.operator)
    held = before.held if before else _held_by(floor, agent.operator)
    after = with_fields(
        agent,
        held=held,
        misses=0 if agent.state != "online" else (before.misses if before else agent.misses),
        idle_since_ms=before.idle_since_ms if before else agent.idle_since_ms,
    )
    result = Result(replace(floor, agents={**floor.agents, agent.operator: after}))
    occurrence: OperatorOffline | OperatorReturned | None = None
    if agent.state == "offline":
        occurrence = OperatorOffline(agent.operator)
    elif agent.connected:
        occurrence = OperatorReturned(agent.operator)
    if occurrence is not None:
        result = _for_each_concerned(result, agent.operator, occurrence, moment)
    if agent.state != "online" and (before is None or before.state == "online"):
        result = result.then(_nobody_left(result.floor, after, moment))
    return _follow_up(floor, result, moment)


def agent_missing(floor: Floor, operator: str, moment: Moment) -> Result:
    """An operator has been without a connection for `operator_missing_ms`."""
    result = _for_each_concerned(Result(floor), operator, OperatorMissing(operator), moment)
    return _follow_up(floor, result, moment)


def look_again(floor: Floor, moment: Moment) -> Result:
    """Skills, limits or rights have changed: whoever waits may have somebody now, or nobody any more."""
    result = Result(floor)
    for engagement in ordered(floor.engagements[visitor] for visitor in floor.queued):
        if not serving(floor.agents.values(), engagement.skill):
            result = result.then(_apply(result.floor, engagement.visitor, NobodyServes(), moment))
    result = result.then(_route(result.floor, moment))
    return result.then(Result(result.floor, _places(floor, result.floor, moment)))


def _held_by(floor: Floor, operator: str) -> frozenset[str]:
    return frozenset(v for v, e in floor.engagements.items() if operator in holders(e.phase))


def _for_each_concerned(
    result: Result, operator: str, occurrence: OperatorOffline | OperatorReturned | OperatorMissing, moment: Moment
) -> Result:
    visitors = sorted(v for v, e in result.floor.engagements.items() if operator in concerned(e.phase))
    for visitor in visitors:
        result = result.then(_apply(result.floor, visitor, occurrence, moment))
    return result


def _nobody_left(floor: Floor, agent: Agent, moment: Moment) -> Result:
    """Waiting visitors whose skill nobody online has any more get the form at once (11)."""
    result = Result(floor)
    for skill in sorted({agent.primary, *agent.secondary} - {""}):
        if serving(result.floor.agents.values(), skill):
            continue
        for visitor in sorted(result.floor.queued):
            engagement = result.floor.engagements[visitor]
            if engagement.skill == skill and isinstance(engagement.phase, Requested):
                result = result.then(_apply(result.floor, visitor, NobodyServes(), moment))
    return result


def _answered(floor: Floor, command: ChatCommand, moment: Moment) -> Result:
    """A command is done once: a repeat gets the answer that it got before."""
    known = floor.engagements.get(command.visitor)
    key = sent(command)
    if known is not None and not isinstance(command, MarkChat):
        old = known_answer(known, key, floor.aside.get(command.visitor, {}))
        if old is not None:
            return Result(floor, (_done(command, known, old),))
    engagement = known or Engagement(site=floor.site, visitor=command.visitor)
    outcome = decide_one(engagement, command, _desk(floor, command.visitor, command, moment))
    if isinstance(command, MarkChat):
        return Result(floor) if isinstance(outcome, Refusal) else Result(floor, outcome.events)
    if isinstance(outcome, Refusal):
        answer = Answer(*key, outcome.code, 0, engagement.chat, outcome.taken_by)
        # A refusal makes no record of a visitor of whom there is none: asking again finds out anew.
        kept = floor if known is None else _with(floor, known, remember(known, answer))
        return Result(kept, (_done(command, engagement, answer),))
    seq = outcome.state.seq if isinstance(command, SendMessage) else 0
    answer = Answer(*key, None, seq, outcome.state.chat)
    result = _take(floor, engagement, with_fields(outcome, state=remember(outcome.state, answer)), moment)
    return result.then(Result(result.floor, (_done(command, outcome.state, answer),)))


def _done(command: ChatCommand, engagement: Engagement, answer: Answer) -> CommandDone:
    return CommandDone(
        site=command.site,
        visitor=command.visitor,
        by=command.by,
        id=command.id,
        code=answer.code,
        current=status(engagement.phase),
        chat=answer.chat,
        seq=answer.seq,
        taken_by=answer.taken_by,
    )


def _apply(floor: Floor, visitor: str, occurrence: Occurrence, moment: Moment) -> Result:
    """An occurrence cannot be refused; about a visitor without an engagement it says nothing."""
    engagement = floor.engagements.get(visitor)
    if engagement is None:
        return Result(floor)
    outcome = decide_one(engagement, occurrence, _desk(floor, visitor, occurrence, moment))
    match outcome:
        case Decision():
            return _take(floor, engagement, outcome, moment)
        case Refusal():
            return Result(floor)
        case _:
            assert_never(outcome)


def _desk(floor: Floor, visitor: str, command: ChatCommand | Occurrence, moment: Moment) -> Desk:
    waiting: dict[str, int] = {}
    if isinstance(command, RequestChat):
        for other in floor.queued - {visitor}:
            skill = floor.engagements[other].skill
            waiting[skill] = waiting.get(skill, 0) + 1
    facts = floor.visitors.get(visitor, _UNSEEN)
    return Desk(
        moment.now_ms,
        moment.resumed_at_ms,
        moment.settings,
        floor.agents,
        facts,
        floor.skills,
        waiting,
        moment.mails,
    )


def _take(floor: Floor, before: Engagement, decision: Decision, moment: Moment) -> Result:
    """Put the decision into the floor: engagement, slots, misses, pick-ups."""
    after = decision.state
    floor = _with(floor, before, after)
    if (
        after.phase is before.phase
        and after.engaged_ms == before.engaged_ms
        and not decision.missed + decision.answered
    ):
        return Result(floor, decision.events)  # nothing but a line of the chat: slots and queues are as they were
    agents = dict(floor.agents)
    old, new = holders(before.phase), holders(after.phase)
    for operator in old ^ new:
        if operator in agents:
            agent = agents[operator]
            held = agent.held | {after.visitor} if operator in new else agent.held - {after.visitor}
            agents[operator] = with_fields(agent, held=held, idle_since_ms=moment.now_ms)
    set_away: tuple[str, ...] = ()
    if decision.answered in agents:
        agents[decision.answered] = with_fields(agents[decision.answered], misses=0)
    if decision.missed in agents:
        agent = with_fields(agents[decision.missed], misses=agents[decision.missed].misses + 1)
        if agent.misses >= moment.settings.misses_until_away and agent.state == "online":
            agent, set_away = with_fields(agent, misses=0, state="away"), (agent.operator,)
        agents[agent.operator] = agent
    pickups = dict(floor.pickups)
    if after.engaged_ms and after.engaged_ms != before.engaged_ms and before.requested_ms:
        pickups[after.skill] = note_pickup(pickups.get(after.skill, ()), moment.now_ms)
    taken = Result(replace(floor, agents=agents, pickups=pickups), decision.events, set_away)
    for operator in set_away:
        taken = taken.then(_nobody_left(taken.floor, taken.floor.agents[operator], moment))
    return taken


def _with(floor: Floor, before: Engagement, after: Engagement) -> Floor:
    queued = floor.queued
    if before.phase != after.phase:
        queued = queued | {after.visitor} if is_queued(after.phase) else queued - {after.visitor}
    return replace(
        floor,
        engagements={**floor.engagements, after.visitor: after},
        queued=queued,
        touched=floor.touched | {after.visitor},
    )


def _follow_up(before: Floor, result: Result, moment: Moment) -> Result:
    """Offer free operators to those who wait, and tell the waiting their places, if anything about either changed."""
    if result.floor.queued and (result.floor.agents != before.agents or result.floor.queued != before.queued):
        result = result.then(_route(result.floor, moment))
    if result.floor.queued or before.queued:
        result = result.then(Result(result.floor, _places(before, result.floor, moment)))
    return result


def _route(floor: Floor, moment: Moment) -> Result:
    """Ask operators on behalf of those who wait: forwards to a skill first, then the queue in its order."""
    result = Result(floor)
    waiting = [floor.engagements[visitor] for visitor in floor.queued]
    open_ones = [engagement for engagement in waiting if _wants_offer(engagement.phase, moment.settings)]
    if not open_ones:
        return result
    forwards = sorted(
        (e for e in open_ones if isinstance(e.phase, Forwarded)), key=lambda e: (e.phase_at_ms, e.visitor)
    )
    for engagement in [*forwards, *ordered(open_ones)]:
        if not any(agent.connected and agent.free for agent in result.floor.agents.values()):
            break
        agent = _candidate(result.floor, engagement, moment.settings.intake)
        if agent is not None:
            result = result.then(_apply(result.floor, engagement.visitor, MakeOffer(agent.operator), moment))
    return result


def _wants_offer(phase: Phase, settings: SiteSettings) -> bool:
    """Where operators pick by themselves, only who belongs to somebody, or was handed to a skill, is offered."""
    match phase:
        case Forwarded(to_skill=skill, offer=None):
            return bool(skill)
        case Requested(sticky=sticky, offer=None):
            return settings.intake == "assign" or bool(sticky)
        case _:
            return False


def _candidate(floor: Floor, engagement: Engagement, intake: Intake) -> Agent | None:
    match engagement.phase:
        case Forwarded(to_skill=skill, excluded=excluded):
            return choose(floor.agents.values(), skill, excluded)
        case Requested(sticky=sticky, excluded=excluded):
            former = floor.agents.get(sticky)
            if former is not None and former.state == "online" and former.connected and former.free:
                return former
            return None if intake == "pick" else choose(floor.agents.values(), engagement.skill, excluded)
        case _:
            return None


def _places(before: Floor, after: Floor, moment: Moment) -> tuple[ChatOutcome, ...]:
    """What the waiting are told when the queues of their skills have changed."""
    skills: set[str] = set()
    for visitor in before.queued | after.queued:
        was, now = before.engagements.get(visitor), after.engagements.get(visitor)
        if was is not now and _line(was) != _line(now):
            skills |= {one.skill for one in (was, now) if one is not None}
    told: list[ChatOutcome] = []
    for skill in sorted(skills):
        old, new = _positions(before, skill), _positions(after, skill)
        seen = outlook(after.agents.values(), skill, after.pickups.get(skill, ()), moment.now_ms)
        for visitor, place in new.items():
            if old.get(visitor) != place and (place <= PLACES_TOLD or visitor not in old):
                wait_s = None if seen is None else seen.wait_s(place)
                told.append(QueuePlace(site=after.site, visitor=visitor, position=place, wait_s=wait_s))
    return tuple(told)


def _line(engagement: Engagement | None) -> tuple[bool, str, int] | None:
    """What decides about the visitor's place; None if it has none."""
    if engagement is None or not isinstance(engagement.phase, Requested):
        return None
    return engagement.phase.head, engagement.skill, engagement.requested_ms


def _positions(floor: Floor, skill: str) -> dict[str, int]:
    engagements = (floor.engagements[visitor] for visitor in floor.queued)
    line = ordered(engagement for engagement in engagements if engagement.skill == skill)
    return {engagement.visitor: place for place, engagement in enumerate(line, 1)}
