"""Bodies and answers of the HTTP API about chats: rules, canned replies, bans, inbox, transcripts, visitors.

Strict like :mod:`shared.contracts.control`, whose terms it shares.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from shared.contracts.chat import Actor, ChatEvent, ChatSummary
from shared.contracts.control import Label
from shared.contracts.desk import MAX_BAN_S
from shared.contracts.ids import ClientId, OperatorId, SkillId, TimestampMs, VisitorId
from shared.contracts.operators import CountryFilter
from shared.contracts.rows import Device, PageView, Row, Status, Visit
from shared.contracts.sites import RuleSubject, SkillRule

MAX_CANNED = 500  # of a site: a palette that a person can know
MAX_BANS = 10_000  # of a site
MAX_CHATS = 100  # in one answer

CannedId = Annotated[str, Meta(min_length=1, max_length=32, pattern=r"^[0-9a-z]+$(?!\n)")]
EntryId = Annotated[str, Meta(min_length=3, max_length=39, pattern=r"^[0-9]{1,19}-[0-9]{1,19}$(?!\n)")]
ChatPath = Annotated[str, Meta(min_length=7, max_length=128, pattern=r"^[0-9A-Za-z_.-]+$(?!\n)")]
RuleId = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[0-9A-Za-z_.-]+$(?!\n)")]
ReplyText = Annotated[str, Meta(min_length=1, max_length=4000)]
Shortcut = Annotated[str, Meta(min_length=1, max_length=40, pattern=r"^[^\s\x00-\x1f\x7f]+$(?!\n)")]


# --- skill rules --------------------------------------------------------------------------------------------------


class ConditionBody(Struct, frozen=True, forbid_unknown_fields=True):
    """What is looked at, and the pattern (`*` is anything) that it must fit. `attribute` names which one."""

    subject: RuleSubject
    pattern: Annotated[str, Meta(min_length=1, max_length=256)]
    attribute: Annotated[str, Meta(max_length=64)] = ""


class RuleBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A visitor for whom all conditions hold needs `skill`. Without `rule` an id is made."""

    skill: SkillId
    conditions: Annotated[tuple[ConditionBody, ...], Meta(min_length=1, max_length=10)]
    rule: RuleId | None = None


class RulesBody(Struct, frozen=True, forbid_unknown_fields=True):
    """All rules in their order: the first one that fits decides."""

    items: Annotated[tuple[RuleBody, ...], Meta(max_length=200)]


class RuleList(Struct, frozen=True):
    """The site's rules; whom none fits needs `default_skill`. `version` is the site's."""

    items: tuple[SkillRule, ...]
    default_skill: str
    version: int


# --- canned replies -----------------------------------------------------------------------------------------------


class CannedBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A reply that operators insert by its shortcut."""

    shortcut: Shortcut
    text: ReplyText
    title: Label | None = None


class CannedPatch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A change of a canned reply: what is left out stays."""

    shortcut: Shortcut | UnsetType = UNSET
    text: ReplyText | UnsetType = UNSET
    title: Label | UnsetType | None = UNSET


class CannedReply(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A canned reply as stored and shown."""

    canned: str
    shortcut: str
    text: str
    title: str | None = None
    version: int = 0


class CannedList(Struct, frozen=True):
    """The site's canned replies, by shortcut."""

    items: tuple[CannedReply, ...]


# --- bans ---------------------------------------------------------------------------------------------------------


class BanBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bar a visitor's requests for a chat. A chat that is going on goes on."""

    visitor: VisitorId
    reason: Annotated[str, Meta(min_length=1, max_length=500, pattern=r"\S")]
    ban_s: Annotated[int, Meta(ge=1, le=MAX_BAN_S)]


class BanView(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A ban in force until `until`."""

    visitor: str
    until: int
    at: int
    by: Actor
    reason: str
    name: str = ""


class BanList(Struct, frozen=True):
    """The bans in force, the latest first."""

    items: tuple[BanView, ...]


# --- the inbox of offline messages --------------------------------------------------------------------------------


class BotQuery(Struct, frozen=True):
    """The last so many days, today among them."""

    days: Annotated[int, Meta(ge=1, le=90)] = 7


class BotCount(Struct, frozen=True):
    """A crawler by the name that it gives itself, and its requests."""

    name: str
    requests: int


class BotDay(Struct, frozen=True):
    """Crawlers of one day (UTC, `day` is 2026-01-31), the busiest first."""

    day: str
    bots: tuple[BotCount, ...]


class BotReport(Struct, frozen=True):
    """Crawlers are counted and not put on the list of visitors. The latest day first."""

    days: tuple[BotDay, ...]


class InboxQuery(Struct, frozen=True):
    """Which page, newest first. `done`: those that were dealt with instead of those that wait."""

    done: bool = False
    before: EntryId | None = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 50


class InboxItem(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A message that a visitor left. `done_by` and `done_at` once it was dealt with."""

    message: str
    at: int
    visitor: str
    name: str
    email: str
    text: str
    done: bool
    skill: str = ""
    chat: str = ""
    done_by: Actor | None = None
    done_at: int | None = None


class InboxPage(Struct, frozen=True, omit_defaults=True):
    """A page; `next` goes into `before` for the following one. `unread`: all that wait."""

    items: tuple[InboxItem, ...]
    unread: int
    next: str | None = None


class InboxPatch(Struct, frozen=True, forbid_unknown_fields=True):
    """The message has been dealt with."""

    done: Literal[True]


# --- chats --------------------------------------------------------------------------------------------------------


class ChatQuery(Struct, frozen=True, rename={"since": "from", "until": "to"}):
    """Chats that fit every part that is given, newest first. `text` is looked for in messages and names."""

    visitor: VisitorId | None = None
    operator: OperatorId | None = None
    skill: SkillId | None = None
    status: Status | None = None
    since: TimestampMs | None = None
    until: TimestampMs | None = None
    text: Annotated[str, Meta(min_length=2, max_length=200)] | None = None
    limit: Annotated[int, Meta(ge=1, le=MAX_CHATS)] = 50


class ChatPage(Struct, frozen=True, omit_defaults=True):
    """A page of chats; `next` goes into `to` for the following one. A page may be short and yet not the last."""

    items: tuple[ChatSummary, ...]
    next: int | None = None


class TranscriptQuery(Struct, frozen=True):
    """In which form."""

    format: Literal["json", "text", "csv"] = "json"


class TranscriptView(Struct, frozen=True):
    """A whole transcript, in order."""

    chat: str
    site: str
    visitor: str
    events: tuple[ChatEvent, ...]


# --- visitors -----------------------------------------------------------------------------------------------------


class HistoryQuery(Struct, frozen=True):
    """Which of the earlier visits: `before` is `next` of the answer before."""

    before: Annotated[int, Meta(ge=1)] | None = None
    limit: Annotated[int, Meta(ge=1, le=50)] = 20


class VisitorQuery(Struct, frozen=True):
    """Which of the visitors on the site. `cursor` is `next` of the answer before; a page may be shorter or somewhat
    longer than `limit`."""

    cursor: Annotated[str, Meta(min_length=1, max_length=20, pattern=r"^[0-9]+$(?!\n)")] = "0"
    limit: Annotated[int, Meta(ge=1, le=200)] = 100
    status: Status | None = None
    skill: SkillId | None = None
    country: CountryFilter | None = None


class VisitorPage(Struct, frozen=True, kw_only=True):
    """Visitors who are on the site now, in no order: whoever stays is on one page at least. No `next`: that was all."""

    items: tuple[Row, ...]
    server_time: int
    next: str | None = None


class VisitorProfile(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who the visitor is, as far as is known."""

    visitor: str
    number: int
    nickname: str
    visits: int
    present: bool


class VisitorView(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A visitor with earlier visits (newest first), pages of the present one, and chats."""

    profile: VisitorProfile
    pages: tuple[PageView, ...]
    visits: tuple[Visit, ...]
    chats: tuple[ChatSummary, ...]
    next: int | None = None


class VisitorExport(Struct, frozen=True, kw_only=True):
    """All that is held about a visitor."""

    profile: VisitorProfile
    device: Device
    country: str
    attributes: dict[str, str]
    pages: tuple[PageView, ...]
    visits: tuple[Visit, ...]
    chats: tuple[ChatSummary, ...]
    transcripts: tuple[TranscriptView, ...]
    messages: tuple[InboxItem, ...]
    ban: BanView | None


DESK_PATH_TYPES = {
    "rule": ClientId,
    "trigger": ClientId,
    "canned": CannedId,
    "message": EntryId,
    "entry": EntryId,
    "chat": ChatPath,
    "visitor": VisitorId,
}
