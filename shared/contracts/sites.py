"""Sites, skills, operators and sessions as the directory keeps them; every number of the behaviour is a setting."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from shared.contracts.ids import Email, Name, OperatorId, SiteKey, SkillId

Role = Literal["operator", "supervisor", "admin"]
ROLE_RANK: dict[Role, int] = {"operator": 0, "supervisor": 1, "admin": 2}
Origin = Annotated[str, Meta(min_length=8, max_length=255, pattern=r"^https?://[^/\s?#@]+$")]
Ms = Annotated[int, Meta(ge=10, le=90 * 24 * 3_600_000)]


class SiteSettings(Struct, frozen=True, kw_only=True):
    """Numbers of the behaviour, per site; the defaults are the product's. Times are milliseconds."""

    leave_grace_ms: Ms = 15_000  # after the last tab's leave: a reload or a click away is back within it
    silence_ms: Ms = 45_000  # no sign of life from a visible tab
    hidden_silence_ms: Ms = 75_000  # browsers slow timers of hidden tabs down to one a minute
    idle_ms: Ms = 60_000
    visit_gap_ms: Ms = 30 * 60_000
    retention_ms: Annotated[int, Meta(ge=60_000, le=3650 * 24 * 3_600_000)] = 90 * 24 * 3_600_000
    operator_grace_ms: Ms = 45_000  # an operator whose last connection is lost keeps state and chats this long
    consent_required: bool = False
    track_attributes: bool = True


class Skill(Struct, frozen=True):
    """What a visitor needs."""

    skill: SkillId
    name: Name


class Site(Struct, frozen=True, kw_only=True):
    """One customer website."""

    site: SiteKey
    name: Name
    origins: Annotated[tuple[Origin, ...], Meta(max_length=50)] = ()
    skills: Annotated[tuple[Skill, ...], Meta(min_length=1, max_length=200)] = (Skill("general", "General"),)
    default_skill: SkillId = "general"
    settings: SiteSettings = SiteSettings()
    disabled: bool = False
    created_at: int = 0
    version: int = 0  # grows by one with every change: who writes says which one it has seen


class Membership(Struct, frozen=True, kw_only=True):
    """What one operator may do on one site."""

    site: SiteKey
    role: Role = "operator"
    primary_skill: SkillId = "general"
    secondary_skills: Annotated[tuple[SkillId, ...], Meta(max_length=50)] = ()
    max_chats: Annotated[int, Meta(ge=0, le=50)] = 3


class Operator(Struct, frozen=True, kw_only=True):
    """A person who answers visitors: an account, with a membership for each of its sites.

    `owner`: may create sites and repair any account. `generation` grows whenever every login made so far must end
    (password changed, account disabled). The password's hash is kept elsewhere: not every service may see it.
    """

    operator: OperatorId
    email: Email
    name: Name
    memberships: Annotated[tuple[Membership, ...], Meta(max_length=500)] = ()
    owner: bool = False
    disabled: bool = False
    created_at: int = 0
    generation: int = 0
    version: int = 0

    def membership(self, site: str) -> Membership | None:
        """The operator's rights on `site`, or None if there are none."""
        return next((m for m in self.memberships if m.site == site), None)


class Session(Struct, frozen=True, kw_only=True):
    """A login, known by the hash of its token; the token itself is never stored. Times are ms since the epoch."""

    session: str
    operator: OperatorId
    generation: int
    csrf: str
    created_at: int
    expires_at: int  # idle expiry, moved on by use, never beyond the absolute one
    absolute_expires_at: int
