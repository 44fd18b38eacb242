"""One site's chats within one step: from stored values to a floor, and from the floor back to writes.

Nothing is decided here. :class:`SiteWork` gives the domain what it needs to know (operators with their memberships, the
visitor's row and skill), keeps what it tells, and works out at the end what differs from what was loaded.
Read :meth:`SiteWork.command`, then :meth:`SiteWork.finish`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import msgspec
from msgspec.structs import replace as with_fields

from services.chat_routing.domain.agents import Agent
from services.chat_routing.domain.deadlines import next_due_ms
from services.chat_routing.domain.engagement import (
    Engagement,
    concerned,
    holders,
    is_engaged,
    is_queued,
    is_shown,
    offers,
    row,
    summary,
)
from services.chat_routing.domain.floor import (
    Floor,
    Moment,
    Result,
    agent_changed,
    agent_missing,
    elapse,
    erase,
    invite_by_trigger,
    look_again,
    perform,
)
from services.chat_routing.domain.machine import RulesChanged
from services.chat_routing.domain.operators import OperatorPresence
from services.chat_routing.domain.turn import Refusal, VisitorFacts, offer_made
from services.chat_routing.kept import Engaged, KeptSite
from services.chat_routing.older_answers import Aside, older_answer_writes
from services.chat_routing.records import record_writes
from services.chat_routing.timers import engagement_timer
from services.chat_routing.trigger_work import TriggerInputs, TriggerWork
from shared.contracts.chat import (
    ChatCommand,
    ChatOutcome,
    ChatSaid,
    CommandDone,
    ForwardChat,
    InboxChanged,
    InviteOperator,
    MarkChat,
    RequestChat,
    SendMessage,
    TranscriptWanted,
    VisitorBack,
    VisitorGone,
    address_of,
)
from shared.contracts.chat_records import DoneMessage
from shared.contracts.rows import EngagementRow, PresenceRow
from shared.contracts.sites import Membership, Operator, Site, Trigger
from shared.contracts.streams import CloseMessage, RowChanged, RowGone, SendTranscript
from shared.domain.partitions import Partition
from shared.domain.skills import facts_of, resolve
from shared.domain.visitor_packing import decode_row
from shared.storage.engagements import (
    Messages,
    StoredSite,
    add_lines,
    erase_chats,
    erase_messages,
    finish_message,
    put_engagements,
    put_pickups,
    put_rows,
    put_summary,
)
from shared.storage.writes import Write

_encode = msgspec.msgpack.Encoder().encode
unpack_engagement = msgspec.msgpack.Decoder(Engagement).decode
unpack_pickups = msgspec.msgpack.Decoder(dict[str, tuple[int, ...]]).decode
# The version stands beside the fields, not among them.
ROW_FIELDS = tuple(name for name in EngagementRow.__struct_fields__ if name != "version")


class Sites(Protocol):
    """The directory, as far as chat-routing asks it."""

    def site(self, site: str, /) -> Site | None:
        """The site of this key."""
        ...

    def operator(self, operator: str, /) -> Operator | None:
        """The operator of this id."""
        ...

    @property
    def version(self) -> int:
        """Another number after every change."""
        ...

    async def catch_up(self) -> bool:
        """Wait until the replica has seen what Redis has now."""
        ...


@dataclass(frozen=True, slots=True)
class Loaded:
    """A site as of the start of the batch: its settings, the visitors that it touches, and all that is known of it.

    `aside`: by visitor, the older answers to commands of the batch.
    """

    site: Site
    stored: StoredSite
    known: KeptSite
    triggers: TriggerInputs = field(default_factory=TriggerInputs)
    aside: Mapping[str, Aside] = field(default_factory=dict)


@dataclass(slots=True)
class Finished:
    """What one site adds to the commit. `load`: the operators whose slots, misses or state have changed."""

    writes: list[Write] = field(default_factory=list)
    timers: dict[bytes, int | None] = field(default_factory=dict)
    changes: list[RowChanged | RowGone] = field(default_factory=list)
    load: dict[str, Agent] = field(default_factory=dict)


class SiteWork:
    """The site `site` during one batch. `tell` gets every outcome in order; `set_away` the operators to take out."""

    def __init__(
        self,
        partition: Partition,
        loaded: Loaded,
        sites: Sites,
        *,
        now_ms: int,
        resumed_at_ms: int,
        mails: bool,
        tell: Callable[[ChatOutcome], None],
        set_away: Callable[[str], None],
    ) -> None:
        self._partition = partition
        site, stored = loaded.site, loaded.stored
        self._site = site
        self._sites = sites
        self._tell = tell
        self._set_away = set_away
        self._moment = Moment(now_ms, site.settings, resumed_at_ms, mails)
        rows = {visitor: decode_row(value) for visitor, value in stored.visitors.items()}
        self._rows = {visitor: shown for visitor, shown in rows.items() if shown is not None}
        self._seq = loaded.known.seq
        self._lines: dict[str, list[tuple[int, bytes]]] = defaultdict(list)
        self._looked_at: set[str] = set()
        self._inbox: list[Write] = []
        self._erased: dict[str, list[str]] = {}
        unengaged = {visitor: unpack_engagement(value) for visitor, value in stored.touched.items()}
        self._unengaged = frozenset(unengaged.keys() - loaded.known.engaged.keys())
        self._stored: Engaged = {**unengaged, **loaded.known.engaged} if unengaged else loaded.known.engaged
        self._pickups = loaded.known.pickups
        self._version = sites.version
        self._agents: Mapping[str, Agent] = {}
        floor = loaded.known.floor
        if floor is not None and loaded.known.version == self._version:
            self._floor = replace(floor, engagements=self._stored, touched=frozenset())
            self._agents = floor.agents
        else:
            self._floor = self._opened(loaded.known.operators)
            self._close_accounts()
        self._floor = replace(self._floor, aside=loaded.aside)
        self._triggers = TriggerWork(partition, site, stored.visitors, loaded.triggers)
        self._free = self._triggers.free(self._floor.agents)

    def _opened(self, operators: Mapping[str, OperatorPresence]) -> Floor:
        held: dict[str, set[str]] = defaultdict(set)
        for visitor, engagement in self._stored.items():
            for operator in holders(engagement.phase):
                held[operator].add(visitor)
        agents = {
            operator: with_fields(agent, held=frozenset(held[operator]))
            for operator, presence in operators.items()
            if (agent := self._agent(operator, presence)) is not None
        }
        return Floor(
            site=self._site.site,
            skills=frozenset(skill.skill for skill in self._site.skills),
            agents=agents,
            engagements=self._stored,
            queued=frozenset(v for v, e in self._stored.items() if is_queued(e.phase)),
            pickups=self._pickups,
        )

    def _close_accounts(self) -> None:
        """Operators who are no longer on the site (removed, disabled, forgotten) count as offline: their chats go on
        with somebody else."""
        named = {name for engagement in self._stored.values() for name in concerned(engagement.phase)}
        for operator in sorted(named - self._floor.agents.keys()):
            self._take(agent_changed(self._floor, Agent(operator=operator, name=operator), self._moment))

    def _agent(self, operator: str, presence: OperatorPresence) -> Agent | None:
        membership = self._membership(operator)
        if membership is None:
            return None
        return Agent(
            operator=operator,
            name=presence.name,
            role=membership.role,
            primary=membership.primary_skill,
            secondary=membership.secondary_skills,
            limit=membership.max_chats,
            state=presence.state,
            connected=bool(presence.connections),
            idle_since_ms=presence.idle_since_ms,
            misses=presence.misses,
        )

    def _membership(self, operator: str) -> Membership | None:
        account = self._sites.operator(operator)
        return None if account is None or account.disabled else account.membership(self._site.site)

    def command(self, command: ChatCommand) -> None:
        """Carry out a command of a visitor or an operator."""
        choice = command.skill if isinstance(command, RequestChat) else ""
        self._meet(command.by.id if command.by.kind == "operator" else "")
        if isinstance(command, ForwardChat | InviteOperator):
            self._meet(command.to_operator if isinstance(command, ForwardChat) else command.operator)
        if not isinstance(command, SendMessage | MarkChat) or command.visitor in self._rows:
            self._see(command.visitor, choice)
        self._take(perform(self._floor, command.visitor, command, self._moment))

    def _meet(self, operator: str) -> None:
        """A member of the site who never connected is offline, and not unknown."""
        account = self._sites.operator(operator) if operator else None
        if account is not None and operator not in self._floor.agents:
            agent = self._agent(operator, OperatorPresence(name=account.name))
            if agent is not None:
                self._floor = replace(self._floor, agents={**self._floor.agents, operator: agent})

    def presence(self, fact: VisitorGone | VisitorBack) -> None:
        """A visitor's row left or came."""
        if fact.visitor in self._floor.engagements:
            self._see(fact.visitor)
            self._take(perform(self._floor, fact.visitor, fact, self._moment))

    def consider(self, visitor: str) -> None:
        """The visitor came or went on, or time has passed: a trigger may fit."""
        self._triggers.consider(visitor, self._moment.now_ms, self._invite)

    def consider_waiting(self) -> None:
        """An operator is free: for some visitors a trigger was only waiting for that."""
        self._triggers.consider_waiting(self._moment.now_ms, self._invite)
        self._free = self._triggers.free(self._floor.agents)

    def _invite(self, visitor: str, trigger: Trigger) -> Result | Refusal:
        self._see(visitor)
        result = invite_by_trigger(self._floor, visitor, trigger, self._moment)
        if not isinstance(result, Refusal):
            self._take(result)
        return result

    def elapse(self, visitor: str) -> None:
        """Deadlines of this visitor's engagement."""
        self._see(visitor)
        self._looked_at.add(visitor)
        known = self._floor.engagements.get(visitor)
        if known is not None and known.gone_since_ms is not None and visitor in self._rows:
            # The row is there, so the visitor is: a fact that crossed with our own commit does not end a chat.
            back = VisitorBack(self._site.site, visitor, self._moment.now_ms)
            self._take(perform(self._floor, visitor, back, self._moment))
        self._take(elapse(self._floor, visitor, self._moment))

    def operator_changed(self, operator: str, presence: OperatorPresence) -> None:
        """State, connection or name of an operator is another one."""
        agent = self._agent(operator, presence)
        if agent is not None:
            self._take(agent_changed(self._floor, agent, self._moment))

    def tell_offers(self, operator: str) -> None:
        """A console that has just connected is told what waits for its operator; who knows it already knows the id."""
        for visitor in sorted(self._floor.agents[operator].held if operator in self._floor.agents else ()):
            engagement = self._floor.engagements[visitor]
            for offer in offers(engagement.phase):
                if offer.operator == operator:
                    self._tell(offer_made(offer, engagement, self._moment.settings))

    def operator_missing(self, operator: str) -> None:
        """An operator has been without connection for a while."""
        self._take(agent_missing(self._floor, operator, self._moment))

    def erase(self, visitor: str, chats: list[str], messages: Messages) -> None:
        """Forget the visitor, and these chats and messages of it, which are all that are stored."""
        self._inbox += erase_messages(self._partition, self._site.site, messages)
        if messages.waiting:
            self._tell(InboxChanged(site=self._site.site, done=messages.waiting[-1]))
        known = self._floor.engagements.get(visitor)
        self._see(visitor)
        self._take(erase(self._floor, visitor, self._moment))
        fresh = [chat for chat in self._lines if address_of(chat) == (self._site.site, visitor)]
        present = [known.chat] if known is not None and known.chat else []
        self._erased[visitor] = sorted({*chats, *fresh, *present})
        self._triggers.forget(visitor)

    def close_message(self, closed: CloseMessage) -> None:
        """An operator has dealt with a message of the inbox. Told again even if it was done before."""
        by_now = DoneMessage(id=closed.id, message=closed.message, by=closed.by, at=self._moment.now_ms)
        self._inbox += finish_message(self._partition, self._site, closed.id, _encode(by_now))
        self._tell(InboxChanged(site=self._site.site, done=closed.id))

    def send_transcript(self, wanted: SendTranscript) -> None:
        """An operator wants a transcript to be mailed."""
        mail = TranscriptWanted(
            site=wanted.site,
            visitor=wanted.visitor,
            chat=wanted.chat,
            email=wanted.email,
            status="chat_end",
            reason="",
            at=self._moment.now_ms,
        )
        self._tell(mail)

    def look_again(self) -> None:
        """The directory says something else than before: what those who wait need, and who is asked."""
        for visitor in sorted(self._floor.queued):
            self._see(visitor)
            self._take(perform(self._floor, visitor, RulesChanged(), self._moment))
        self._take(look_again(self._floor, self._moment))
        self._triggers.look_at_waiting(self._moment.now_ms)

    def _see(self, visitor: str, choice: str = "") -> None:
        facts = self._facts(self._rows.get(visitor), choice)
        self._floor = replace(self._floor, visitors={**self._floor.visitors, visitor: facts})

    def _facts(self, shown: PresenceRow | None, choice: str) -> VisitorFacts:
        site = self._site
        chosen = resolve(site.rules, site.default_skill, self._floor.skills, facts_of(shown, choice))
        if shown is None:
            return VisitorFacts(skill=chosen.skill, why=chosen.why)
        return VisitorFacts(
            present=True,
            nickname=shown.nickname,
            visit_ms=shown.visit_started_at,
            skill=chosen.skill,
            why=chosen.why,
        )

    def _take(self, result: Result) -> None:
        self._floor = result.floor
        for event in result.events:
            if isinstance(event, ChatSaid):
                self._lines[event.event.chat].append((event.event.seq, _encode(event.event)))
            self._tell(event)
        for operator in result.set_away:
            self._set_away(operator)

    def finish(self) -> Finished:
        """What differs from what was loaded."""
        after = self._floor.engagements
        done = Finished(load=self._load())
        changed = [v for v in self._floor.touched if self._stored.get(v) is not after.get(v)]
        for visitor in sorted({*changed, *self._looked_at}):
            engagement = after.get(visitor)
            due = next_due_ms(engagement, self._moment.settings, self._moment.resumed_at_ms) if engagement else None
            done.timers[engagement_timer((self._site.site, visitor))] = due
        self._finish_rows(done, sorted(changed))
        older, shortened = older_answer_writes(
            self._partition, self._site.site, self._stored, self._floor.engagements, changed
        )
        done.writes += older
        self._floor = replace(self._floor, engagements={**self._floor.engagements, **shortened})
        self._finish_states(done, changed)
        for chat, lines in self._lines.items():
            done.writes += add_lines(self._partition, chat, lines, self._site.settings.retention_ms)
        done.writes += record_writes(self._partition, self._site, self._stored, after, sorted(changed))
        done.writes += self._inbox
        self._triggers.note_free(self._free, self._floor.agents, self._moment.now_ms)
        done.writes += self._triggers.writes()
        done.timers.update(self._triggers.timers)
        self._finish_history(done, sorted(changed))
        if self._floor.pickups != self._pickups:
            done.writes += put_pickups(self._partition, self._site.site, _encode(self._floor.pickups))
        return done

    def _load(self) -> dict[str, Agent]:
        agents = self._floor.agents
        if agents is self._agents:
            return {}
        return {name: agent for name, agent in agents.items() if agent is not self._agents.get(name)}

    def kept(self, operators: Mapping[str, OperatorPresence]) -> KeptSite:
        """The site as it is once the commit is done."""
        engaged = self._floor.engagements
        over = [v for v in self._floor.touched | self._unengaged if v in engaged and not is_engaged(engaged[v].phase)]
        if over:
            left = dict(engaged)
            for visitor in over:
                del left[visitor]
            engaged = left
        floor = replace(self._floor, engagements=engaged, visitors={}, touched=frozenset(), aside={})
        return KeptSite(operators, engaged, self._seq, self._floor.pickups, floor, self._version)

    def _finish_states(self, done: Finished, changed: list[str]) -> None:
        engaged: dict[str, bytes] = {}
        unengaged: dict[str, bytes] = {}
        gone: list[str] = []
        for visitor in changed:
            engagement = self._floor.engagements.get(visitor)
            if engagement is None:
                gone.append(visitor)
            else:
                home = engaged if is_engaged(engagement.phase) else unengaged
                home[visitor] = _encode(engagement)
        done.writes += put_engagements(self._partition, self._site.site, engaged, unengaged, gone)

    def _finish_history(self, done: Finished, changed: list[str]) -> None:
        site, ttl_ms, now_ms = self._site.site, self._site.settings.retention_ms, self._moment.now_ms
        for visitor in changed:
            old, new = self._stored.get(visitor), self._floor.engagements.get(visitor)
            line = summary(new) if new is not None else None
            if line is not None and (old is None or line != summary(old)):
                began_ms, packed = line.began_at, _encode(line)
                done.writes += put_summary(
                    self._partition,
                    (site, visitor),
                    line.chat,
                    packed,
                    began_ms=began_ms,
                    now_ms=now_ms,
                    ttl_ms=ttl_ms,
                )
        for visitor, chats in self._erased.items():  # last: it takes away what was written above
            done.writes += erase_chats(self._partition, (site, visitor), chats)

    def _finish_rows(self, done: Finished, changed: list[str]) -> None:
        rows: dict[str, bytes] = {}
        numbered: dict[str, Engagement] = {}
        gone: list[str] = []
        for visitor in changed:
            before, after = _shown(self._stored.get(visitor)), _shown(self._floor.engagements.get(visitor))
            if after is None:
                if before is not None:
                    self._seq += 1
                    gone.append(visitor)
                    done.changes.append(RowGone(self._site.site, self._seq, visitor, self._seq))
                continue
            fields = {
                name: getattr(after, name)
                for name in ROW_FIELDS
                if before is None or getattr(after, name) != getattr(before, name)
            }
            if fields:
                # The sequence number is the version: it grows whatever becomes of the visitor.
                self._seq += 1
                rows[visitor] = _encode(with_fields(after, version=self._seq))
                numbered[visitor] = with_fields(self._floor.engagements[visitor], row_version=self._seq)
                done.changes.append(self._changed(visitor, fields, full=before is None))
        if numbered:
            self._floor = replace(self._floor, engagements={**self._floor.engagements, **numbered})
        if rows or gone:
            done.writes += put_rows(self._partition, self._site.site, rows, gone, self._seq)

    def _changed(self, visitor: str, fields: dict[str, Any], *, full: bool) -> RowChanged:
        return RowChanged(self._site.site, self._seq, visitor, self._seq, fields, full=full)


def _shown(engagement: Engagement | None) -> EngagementRow | None:
    return row(engagement) if engagement is not None and is_shown(engagement) else None


def refused(command: ChatCommand) -> CommandDone:
    """The answer where there is no such site."""
    return CommandDone(site=command.site, visitor=command.visitor, by=command.by, id=command.id, code="not_found")
