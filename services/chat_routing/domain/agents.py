"""Operators as the router sees them: may this one take this visitor, and who of all is asked first.

Order (SPEC, section 4): primary skill before secondary, then fewest chats, then longest idle.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from msgspec import Struct

from shared.contracts.chat import (
    Actor,
)
from shared.contracts.chat_words import RefusalCode
from shared.contracts.sites import ROLE_RANK, Role
from shared.contracts.streams import OperatorState


class Agent(Struct, frozen=True, kw_only=True):
    """One operator of a site. `held`: the visitors that take one of its slots each. `connected`: a socket is open now.

    `idle_since_ms`: when it last took or lost a visitor. `misses`: offers in a row that were left unanswered.
    """

    operator: str
    name: str
    role: Role = "operator"
    primary: str = ""
    secondary: tuple[str, ...] = ()
    limit: int = 0
    state: OperatorState = "offline"
    connected: bool = False
    idle_since_ms: int = 0
    misses: int = 0
    held: frozenset[str] = frozenset()

    @property
    def free(self) -> int:
        """Slots left; never below zero, even when the limit was lowered under the present load."""
        return max(0, self.limit - len(self.held))

    def has_skill(self, skill: str) -> bool:
        """Whether this operator can handle the skill."""
        return skill == self.primary or skill in self.secondary

    def is_supervisor(self) -> bool:
        """Whether this operator may act on other operators' chats."""
        return ROLE_RANK[self.role] >= ROLE_RANK["supervisor"]

    def actor(self) -> Actor:
        """This operator as the one who did something."""
        return Actor("operator", self.operator, self.name)


def why_not(agent: Agent | None, skill: str | None, *, reserved: bool = False) -> RefusalCode | None:
    """What keeps `agent` from taking a visitor who needs `skill` (None: any); None if nothing does.

    `reserved`: the slot is already held for this very visitor.
    """
    if agent is None:
        return "not_found"
    if agent.state != "online":
        return "target_offline"
    if skill is not None and not agent.has_skill(skill):
        return "missing_skill"
    if agent.free == 0 and not reserved:
        return "at_capacity"
    return None


def serving(agents: Iterable[Agent], skill: str, excluded: Collection[str] = ()) -> list[Agent]:
    """The online operators with the skill, busy or not, without the excluded ones."""
    return [a for a in agents if a.state == "online" and a.has_skill(skill) and a.operator not in excluded]


def choose(agents: Iterable[Agent], skill: str, excluded: Collection[str]) -> Agent | None:
    """Who is asked next; None if nobody can be asked now."""
    able = [agent for agent in serving(agents, skill, excluded) if agent.connected and agent.free > 0]
    return min(able, key=lambda agent: _rank(agent, skill), default=None)


def why_chosen(agent: Agent, skill: str) -> str:
    """The reason shown in the console."""
    return "primary_skill" if agent.primary == skill else "secondary_skill"


def _rank(agent: Agent, skill: str) -> tuple[bool, int, int, str]:
    return agent.primary != skill, len(agent.held), agent.idle_since_ms, agent.operator
