"""A small site to play scenes on: operators and visitors by short names, a clock, and what was told."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from services.chat_routing.domain.agents import Agent
from services.chat_routing.domain.deadlines import timers
from services.chat_routing.domain.engagement import Engagement, seats, status
from services.chat_routing.domain.floor import Floor, Moment, Result, agent_changed, agent_missing, elapse, perform
from services.chat_routing.domain.turn import VisitorFacts
from shared.contracts import chat
from shared.contracts.chat import Actor, ChatCommand, ChatOutcome, ChatSaid, CommandDone, OfferMade
from shared.contracts.sites import SiteSettings

SITE = "s_shop"
SKILLS = frozenset({"sales", "billing"})
DEFAULTS = SiteSettings()
EMPTY = Floor(SITE, SKILLS)


def agent(name: str, **fields: Any) -> Agent:
    values: dict[str, Any] = {"primary": "sales", "limit": 2, "state": "online", "connected": True} | fields
    return Agent(operator=f"o_{name}", name=name.title(), **values)


@dataclass
class Shop:
    """`told` grows; `clear()` forgets what was told so far."""

    settings: SiteSettings = DEFAULTS
    now: int = 1_000_000
    floor: Floor = EMPTY
    told: list[ChatOutcome] = field(default_factory=list)
    set_away: list[str] = field(default_factory=list)
    resumed: int = 0
    commands: int = 0

    def moment(self) -> Moment:
        return Moment(self.now, self.settings, self.resumed)

    def take(self, result: Result) -> None:
        self.floor = result.floor
        self.told += result.events
        self.set_away += result.set_away

    def operator(self, name: str, **fields: Any) -> None:
        """The operator is there, or changed."""
        self.take(agent_changed(self.floor, agent(name, **fields), self.moment()))

    def offline(self, name: str) -> None:
        self.operator(name, state="offline", connected=False)

    def missing(self, name: str, **fields: Any) -> None:
        self.operator(name, connected=False, **fields)
        self.take(agent_missing(self.floor, f"o_{name}", self.moment()))

    def arrive(self, visitor: str, skill: str = "sales", visit_ms: int = 1) -> None:
        nickname = f"Visitor {visitor}"
        facts = VisitorFacts(present=True, nickname=nickname, visit_ms=visit_ms, skill=skill, why="default")
        self.put_facts(visitor, facts)

    def put_facts(self, visitor: str, facts: VisitorFacts) -> None:
        self.floor = dataclasses.replace(self.floor, visitors={**self.floor.visitors, visitor: facts})

    def wait(self, ms: int) -> None:
        """Let time pass; every deadline fires when it is due, in order."""
        end = self.now + ms
        while True:
            moment = Moment(end, self.settings, self.resumed)
            due = [
                (timer.due_ms, visitor)
                for visitor, engagement in self.floor.engagements.items()
                for timer in self.timers(engagement)
                if timer.due_ms <= moment.now_ms
            ]
            if not due:
                break
            self.now = max(self.now, min(due)[0])
            self.take(elapse(self.floor, min(due)[1], self.moment()))
        self.now = end

    def timers(self, engagement: Engagement) -> Any:
        return timers(engagement, self.settings, self.resumed)

    def do(self, command: ChatCommand) -> str:
        """Carry it out; 'ok' or the code of the refusal."""
        if command.visitor not in self.floor.visitors:
            self.put_facts(command.visitor, VisitorFacts())
        self.take(perform(self.floor, command.visitor, command, self.moment()))
        answers = [event for event in self.told if isinstance(event, CommandDone) and event.id == command.id]
        return answers[-1].code or "ok" if answers else "none"

    def _common(self, visitor: str, by: Actor, fields: dict[str, Any]) -> dict[str, Any]:
        self.commands += 1
        return {"site": SITE, "visitor": visitor, "by": by, "id": f"k{self.commands}"} | fields

    def v(self, command: str, visitor: str, **fields: Any) -> str:
        """A visitor's command by its class name. A choice in the form decides the skill, as with no rules."""
        if fields.get("skill") in SKILLS:
            self.arrive(visitor, fields["skill"])
        return self.do(getattr(chat, command)(**self._common(visitor, Actor("visitor", visitor), fields)))

    def o(self, command: str, name: str, visitor: str, **fields: Any) -> str:
        """An operator's command by its class name."""
        return self.do(getattr(chat, command)(**self._common(visitor, Actor("operator", f"o_{name}"), fields)))

    def gone(self, visitor: str) -> None:
        self.take(perform(self.floor, visitor, chat.VisitorGone(SITE, visitor, self.now), self.moment()))

    def back(self, visitor: str) -> None:
        self.take(perform(self.floor, visitor, chat.VisitorBack(SITE, visitor, self.now), self.moment()))

    def of(self, visitor: str) -> Engagement:
        return self.floor.engagements[visitor]

    def status(self, visitor: str) -> str:
        return status(self.of(visitor).phase)

    def reason(self, visitor: str) -> str:
        return self.of(visitor).reason

    def owner(self, visitor: str) -> str:
        return seats(self.of(visitor).phase)[0].operator.removeprefix("o_")

    def load(self, name: str) -> int:
        return len(self.floor.agents[f"o_{name}"].held)

    def offers(self, kind: str = "") -> list[OfferMade]:
        return [e for e in self.told if isinstance(e, OfferMade) and kind in ("", e.offered)]

    def last_offer(self) -> OfferMade:
        return self.offers()[-1]

    def lines(self, visitor: str) -> list[str]:
        """The transcript of the present chat: types in order."""
        chat_now = self.of(visitor).chat
        return [e.event.type for e in self.told if isinstance(e, ChatSaid) and e.event.chat == chat_now]

    def chatting(self, visitor: str = "v1", name: str = "ada") -> None:
        """Straight into a chat."""
        self.arrive(visitor)
        assert self.v("RequestChat", visitor, name="Vera") == "ok"
        assert self.o("AcceptRequest", name, visitor) == "ok"
