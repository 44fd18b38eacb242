"""The visitor row that the list shows, and its two parts.

The presence part is written by presence alone, the engagement part by chat-routing alone; a gateway lays one over the
other. Each part has its own growing version; the row's version is made of both, so it is the same on every gateway.

`gc=False`: a gateway holds 100,000 of these, they cannot form cycles, and looking through them stopped the event loop
for a tenth of a second each time.
"""

from __future__ import annotations

from typing import Literal, get_args

import msgspec
from msgspec import Struct

Status = Literal[
    "navigating",
    "invited",
    "accepted",
    "chat_denied",
    "requested",
    "chatting",
    "conference",
    "forwarded",
    "kicked",
    "chat_end",
    "redirected",
]
STATUSES: tuple[Status, ...] = get_args(Status)
Activity = Literal["active", "idle", "away"]
DeviceKind = Literal["desktop", "mobile", "tablet", "other"]
SourceKind = Literal["direct", "internal", "search", "social", "ai", "campaign", "referral"]


class Page(Struct, frozen=True, gc=False):
    """The page in the tab last focused."""

    url: str
    title: str


class Device(Struct, frozen=True, gc=False):
    """What the user agent says of itself, already reduced to names."""

    browser: str = ""
    os: str = ""
    kind: DeviceKind = "other"


class Source(Struct, frozen=True, gc=False):
    """Where a visit came from; `name` is the engine, network, assistant, campaign or host."""

    kind: SourceKind = "direct"
    name: str = ""


class OperatorRef(Struct, frozen=True, gc=False):
    """An operator as shown beside a visitor."""

    id: str
    name: str


class PresenceRow(Struct, frozen=True, kw_only=True, gc=False):
    """Presence's part of a row. `country` is an ISO 3166 code or empty (unknown); times are ms since the epoch."""

    version: int
    number: int
    nickname: str
    named: bool
    returning: bool
    visits: int
    country: str
    activity: Activity
    visit_started_at: int
    page: Page
    pages: int
    device: Device
    referrer: str = ""
    lang: str = ""
    campaign: str = ""
    attrs: dict[str, str] = {}
    source: Source = Source()


class EngagementRow(Struct, frozen=True, kw_only=True, gc=False):
    """Chat-routing's part of a row; absent while the visitor just navigates and never had an engagement."""

    version: int
    status: Status
    reason: str = ""
    skill: str = ""
    operators: tuple[OperatorRef, ...] = ()
    chat: str = ""
    name: str = ""
    requested_at: int = 0
    engaged_at: int = 0
    ended_at: int = 0


class Row(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One visitor as operators receive it."""

    visitor: str
    version: int
    number: int
    nickname: str
    named: bool
    returning: bool
    visits: int
    country: str
    skill: str
    status: Status
    reason: str
    operators: tuple[OperatorRef, ...]
    activity: Activity
    visit_started_at: int
    page: Page
    pages: int
    device: Device
    chat: str | None = None
    requested_at: int | None = None
    engaged_at: int | None = None
    ended_at: int | None = None
    referrer: str | None = None
    lang: str | None = None
    source: Source | None = None


class PageView(Struct, frozen=True):
    """One page shown in one tab: the navigation panel's line. `n` orders page views of one tab."""

    page: str
    url: str
    title: str
    started_at: int
    engaged_ms: int = 0
    tab: str = ""
    current: bool = False


class Visit(Struct, frozen=True, kw_only=True):
    """One stay on the site, as kept in the history."""

    visit: str
    started_at: int
    ended_at: int
    country: str
    pages: int
    engaged_ms: int
    page_views: tuple[PageView, ...]
    device: Device
    referrer: str = ""
    campaign: str = ""
    source: Source = Source()


# Field of the hash `m:{T}:<site>` that holds the part's sequence number (`RowChanged.seq`) as of the rows stored beside
# it. Presence writes it in the commit that writes the rows; chat-routing does the same in `mg:{T}:<site>` for the
# engagement rows of `g:{T}:<site>` (plain EngagementRow values), so that each key has one writer.
SEQ_FIELD = b"seq"

decode_engagement_row = msgspec.msgpack.Decoder(EngagementRow).decode
