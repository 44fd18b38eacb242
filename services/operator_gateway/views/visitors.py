"""One visitor as the gateway knows it: presence's part, perhaps chat-routing's part, and the row that both make.

Most visitors are never shown, so the merged row is built when somebody looks and kept until a part changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from zlib import crc32

import msgspec
from msgspec import Struct

from shared.contracts.rows import EngagementRow, PresenceRow, Row, Status
from shared.contracts.sites import SkillRule
from shared.domain.skills import facts_of, resolve

# The fields of presence's part that a site's rules look at.
RULES_READ = ("page", "referrer", "country", "lang", "campaign", "attrs")


class SiteFacts:
    """What of a site's configuration the list depends on. Not changed once made: a new one means new views."""

    __slots__ = ("default_skill", "name", "rules", "skill_names")

    def __init__(
        self,
        default_skill: str = "general",
        skill_names: Mapping[str, str] | None = None,
        rules: Iterable[SkillRule] = (),
    ) -> None:
        self.default_skill = default_skill
        self.skill_names = dict(skill_names or {})
        self.rules = tuple(rules)
        # Equal facts have the same name on every gateway: rows of one version are the same only under equal facts.
        told = msgspec.msgpack.encode((default_skill, sorted(self.skill_names.items()), self.rules))
        self.name = f"{crc32(told):08x}"

    def skill_name(self, skill: str) -> str:
        """The name to show and sort by; the id of a skill that is no longer there."""
        return self.skill_names.get(skill, skill)

    def needed_by(self, seen: PresenceRow) -> str:
        """The skill that the site's rules give this visitor: what chat-routing would find if it asked now."""
        if not self.rules:
            return self.default_skill
        return resolve(self.rules, self.default_skill, self.skill_names, facts_of(seen)).skill

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SiteFacts):
            return NotImplemented
        mine = (self.default_skill, self.skill_names, self.rules)
        return mine == (other.default_skill, other.skill_names, other.rules)

    __hash__ = None  # type: ignore[assignment]


class Visitor(Struct, gc=False):
    """A pair of parts that is not changed: a change makes a new one, so that an index can tell where the old one stood.

    Struct without garbage collection for the same reason as the rows. `merged` is filled in by :meth:`row`, `needed`
    (the skill by the site's rules) when somebody asks for it first.
    """

    id: str
    presence: PresenceRow
    engagement: EngagementRow | None
    merged: Row | None = None
    needed: str = ""

    def follow(self, old: Visitor | None) -> Visitor:
        """Take over what was worked out for `old`, the same visitor a change ago, as far as it still holds."""
        if old is not None and old.needed and _rules_see_the_same(old.presence, self.presence):
            self.needed = old.needed
        return self

    @property
    def version(self) -> int:
        """The parts' versions as one number, the same on every gateway; no number ever stands for two contents.

        Both parts' versions only grow, and so does this, but for the moment when chat-routing takes its part away. So
        the last bit says whether there is one: rows with it have growing odd numbers, rows without it growing even
        ones. Were it the mere sum, a row without the part would later come by a number that it had with it, and a
        client that was away meanwhile would be told that it has the row already.
        """
        talk = self.engagement
        if talk is None:
            return 2 * self.presence.version
        return 2 * (self.presence.version + talk.version) + 1

    @property
    def status(self) -> Status:
        """What the visitor is doing; navigating when there never was an engagement."""
        return self.engagement.status if self.engagement else "navigating"

    @property
    def nickname(self) -> str:
        """The name given before a chat, at once; else what presence calls the visitor."""
        return (self.engagement.name if self.engagement else "") or self.presence.nickname

    def skill(self, facts: SiteFacts) -> str:
        """The skill needed: while there is a chat, or what became of it is shown, that chat's; else by the rules."""
        talk = self.engagement
        if talk is not None and talk.skill and talk.status != "navigating":
            return talk.skill
        if not self.needed:
            self.needed = facts.needed_by(self.presence)
        return self.needed

    def row(self, facts: SiteFacts) -> Row:
        """The merged row; the same object as long as no part changes, so identity means equality."""
        if self.merged is None:
            self.merged = self._merge(facts)
        return self.merged

    def _merge(self, facts: SiteFacts) -> Row:
        seen, talk = self.presence, self.engagement
        return Row(
            visitor=self.id,
            version=self.version,
            number=seen.number,
            nickname=self.nickname,
            named=seen.named or bool(talk and talk.name),
            returning=seen.returning,
            visits=seen.visits,
            country=seen.country,
            skill=self.skill(facts),
            status=self.status,
            reason=talk.reason if talk else "",
            operators=talk.operators if talk else (),
            activity=seen.activity,
            visit_started_at=seen.visit_started_at,
            page=seen.page,
            pages=seen.pages,
            device=seen.device,
            chat=(talk.chat or None) if talk else None,
            requested_at=(talk.requested_at or None) if talk else None,
            engaged_at=(talk.engaged_at or None) if talk else None,
            ended_at=(talk.ended_at or None) if talk else None,
            referrer=seen.referrer or None,
            lang=seen.lang or None,
            source=seen.source,
        )


def _rules_see_the_same(one: PresenceRow, other: PresenceRow) -> bool:
    """Whether no rule can tell the two apart."""
    if one is other:
        return True
    mine = (one.page.url, one.referrer, one.country, one.lang, one.campaign)
    return mine == (other.page.url, other.referrer, other.country, other.lang, other.campaign) and (
        one.attrs == other.attrs
    )
