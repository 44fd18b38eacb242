"""Sites, skills, operators and sessions as the directory keeps them; every number of the behaviour is a setting."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from shared.contracts.ids import ClientId, Email, Name, OperatorId, SiteKey, SkillId

Role = Literal["operator", "supervisor", "admin"]
ROLE_RANK: dict[Role, int] = {"operator": 0, "supervisor": 1, "admin": 2}
Origin = Annotated[str, Meta(min_length=8, max_length=255, pattern=r"^https?://[^/\s?#@]+$(?!\n)")]
Ms = Annotated[int, Meta(ge=10, le=90 * 24 * 3_600_000)]
TriggerMs = Annotated[int, Meta(ge=500, le=24 * 3_600_000)]  # less is as good as at once


# pick: operators take visitors from the list; assign: the router asks one operator at a time
Intake = Literal["pick", "assign"]


TextKey = Annotated[str, Meta(min_length=1, max_length=40, pattern=r"^[a-z][a-zA-Z0-9_.]*$(?!\n)")]
Asked = Literal["required", "optional", "off"]


class WidgetSettings(Struct, frozen=True, kw_only=True):
    """How the chat widget looks and what it asks before a chat. `texts` replace the widget's own, by key."""

    launcher: bool = False  # the bubble on every page; without it the page itself calls `foyer.open()`
    color: Annotated[str, Meta(min_length=7, max_length=7, pattern=r"^#[0-9a-fA-F]{6}$(?!\n)")] = "#1f6feb"
    mode: Literal["auto", "light", "dark"] = "auto"
    side: Literal["end", "start"] = "end"
    language: Annotated[str, Meta(max_length=35, pattern=r"^([A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3})?$(?!\n)")] = ""
    texts: Annotated[dict[TextKey, Annotated[str, Meta(max_length=500)]], Meta(max_length=60)] = {}
    name: Asked = "required"
    email: Asked = "off"
    question: Asked = "optional"
    choose_skill: bool = False  # the form offers the site's skills
    preview: bool = False  # operators see what is being typed; the visitor is told
    sound: bool = True
    rating: bool = True


class SiteSettings(Struct, frozen=True, kw_only=True):
    """Numbers of the behaviour, per site; the defaults are the product's. Times are milliseconds."""

    leave_grace_ms: Ms = 15_000  # after the last tab's leave: a reload or a click away is back within it
    silence_ms: Ms = 45_000  # no sign of life from a visible tab
    hidden_silence_ms: Ms = 75_000  # browsers slow timers of hidden tabs down to one a minute
    idle_ms: Ms = 60_000
    visit_gap_ms: Ms = 30 * 60_000
    retention_ms: Annotated[int, Meta(ge=60_000, le=3650 * 24 * 3_600_000)] = 90 * 24 * 3_600_000
    operator_grace_ms: Ms = 45_000  # an operator whose last connection is lost keeps state and chats this long
    operator_missing_ms: Ms = 15_000  # then the visitor is told, and invitations of that operator end
    intake: Intake = "pick"
    invite_ms: Ms = 60_000  # an invitation lives this long
    join_ms: Ms = 20_000  # the inviting operator joins within it, or the visitor goes to the queue
    invite_cooldown_ms: Ms = 10 * 60_000  # after a visitor declined
    max_denials: Annotated[int, Meta(ge=0, le=100)] = 2  # in one visit; then no more invitations
    offer_ms: Ms = 25_000  # an operator answers within it
    misses_until_away: Annotated[int, Meta(ge=1, le=100)] = 2  # unanswered offers in a row
    queue_ms: Ms = 120_000  # then the offline form
    queue_limit: Annotated[int, Meta(ge=0, le=10_000)] = 200  # waiting visitors of one skill; more get the form
    request_gone_ms: Ms = 30_000  # place kept for a waiting visitor who is away
    forward_ms: Ms = 30_000
    max_seats: Annotated[int, Meta(ge=2, le=20)] = 5  # operators in one chat
    chat_away_ms: Ms = 20_000  # the operator is told that the visitor is away
    chat_gone_ms: Ms = 120_000  # the chat ends
    chat_silence_ms: Ms = 15 * 60_000  # neither side wrote
    kick_cooldown_ms: Ms = 10 * 60_000
    outcome_shown_ms: Ms = 30_000  # how long the status shows how it ended
    form_ms: Ms = 10 * 60_000  # the offline form waits this long
    visitor_transcript: Literal["off", "ask", "end"] = "off"  # by mail: never, when asked for, at the end of each chat
    consent_required: bool = False
    track_attributes: bool = True
    widget: WidgetSettings = WidgetSettings()


class Skill(Struct, frozen=True):
    """What a visitor needs."""

    skill: SkillId
    name: Name


RuleSubject = Literal["address", "referrer", "country", "language", "campaign", "attribute", "choice"]


class Condition(Struct, frozen=True):
    """What is looked at, and the pattern that it must fit (see shared.domain.skills). `attribute`: which of them."""

    subject: RuleSubject
    pattern: Annotated[str, Meta(min_length=1, max_length=256)]
    attribute: Annotated[str, Meta(max_length=64)] = ""


class SkillRule(Struct, frozen=True):
    """A visitor for whom all conditions hold needs `skill`. The first rule that fits decides."""

    rule: ClientId
    skill: SkillId
    conditions: Annotated[tuple[Condition, ...], Meta(min_length=1, max_length=10)]


class Trigger(Struct, frozen=True, kw_only=True):
    """An invitation that is made by itself when all that is set here holds, and an operator with the skill is free.

    `on_page_ms`, `on_site_ms`: since the page now shown, or the visit, began. `pages`: seen in this visit. `idle_ms`:
    no input, with a page in sight. `skill` empty: the one that the site's rules give. `cap`: invitations of one visitor
    by this trigger, within the site's retention; `cooldown_ms`: between two of them.
    """

    trigger: ClientId
    name: Name
    text: Annotated[str, Meta(min_length=1, max_length=1000)]
    skill: Annotated[str, Meta(max_length=64, pattern=r"^([a-z0-9][a-z0-9_-]*)?$(?!\n)")] = ""
    enabled: bool = True
    on_page_ms: TriggerMs | None = None
    on_site_ms: TriggerMs | None = None
    pages: Annotated[int, Meta(ge=1, le=10_000)] | None = None
    idle_ms: TriggerMs | None = None
    returning: bool | None = None
    conditions: Annotated[tuple[Condition, ...], Meta(max_length=10)] = ()
    cap: Annotated[int, Meta(ge=1, le=100)] = 1
    cooldown_ms: Annotated[int, Meta(ge=0, le=90 * 24 * 3_600_000)] = 10 * 60_000


class Webhook(Struct, frozen=True):
    """Where events are posted. `secret` signs them; only chat-routing uses it, and only its maker is ever shown it."""

    url: Annotated[str, Meta(min_length=10, max_length=500, pattern=r"^https?://[^\s]+$(?!\n)")]
    secret: Annotated[str, Meta(min_length=16, max_length=128)]


class Notifications(Struct, frozen=True, kw_only=True):
    """Who outside the console hears of offline messages (mail and webhooks) and chats that are over (transcripts)."""

    message_emails: Annotated[tuple[Email, ...], Meta(max_length=10)] = ()
    transcript_emails: Annotated[tuple[Email, ...], Meta(max_length=10)] = ()
    webhooks: Annotated[tuple[Webhook, ...], Meta(max_length=5)] = ()


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
    rules: Annotated[tuple[SkillRule, ...], Meta(max_length=200)] = ()
    triggers: Annotated[tuple[Trigger, ...], Meta(max_length=50)] = ()
    notifications: Notifications = Notifications()
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
