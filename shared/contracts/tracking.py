"""What a website's browser sends to the collector, and what it gets back (`POST /v1/e`, `GET /v1/live`).

Unknown fields are ignored on purpose: a page must not be able to claim its own country, address or time, and an older
collector must take a newer tracker's batch. Read :class:`Batch` first.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Raw, Struct

from shared.contracts.ids import ClientId, Counter, DurationMs, SiteKey, TokenText, Uuid, VisitorId
from shared.contracts.visitor_chat import Invite

MAX_BODY_BYTES = 16 * 1024
MAX_EVENTS = 50
MAX_NESTING = 4
MAX_ATTRIBUTES = 20
GIF_BYTES = 43

EventType = Literal["page", "beat", "hide", "show", "leave", "attr"]
AttributeName = Annotated[str, Meta(min_length=1, max_length=64)]
AttributeValue = Annotated[str, Meta(max_length=256)] | int | float | bool | None
Pixels = Annotated[int, Meta(ge=0, le=100_000)]


class Event(Struct, frozen=True):
    """One thing that happened in one tab; (`tab`, `n`) makes repeats harmless.

    `at` is the tab's monotonic milliseconds. `engaged_ms` is cumulative per page view. `idle_ms` is the time since the
    last input as of `at`.
    """

    type: EventType
    page: Uuid
    n: Counter
    at: DurationMs
    url: Annotated[str, Meta(max_length=2048)] | None = None
    title: Annotated[str, Meta(max_length=256)] | None = None
    referrer: Annotated[str, Meta(max_length=2048)] | None = None
    engaged_ms: DurationMs = 0
    idle_ms: DurationMs | None = None
    lang: Annotated[str, Meta(max_length=35)] | None = None
    screen: tuple[Pixels, Pixels] | None = None
    tz: Annotated[str, Meta(max_length=64)] | None = None
    attrs: Annotated[dict[AttributeName, AttributeValue], Meta(max_length=MAX_ATTRIBUTES)] | None = None


class Batch(Struct, frozen=True):
    """The body of `POST /v1/e`. `sent` is the tab's monotonic milliseconds at sending."""

    site: SiteKey
    tab: Uuid
    sent: DurationMs
    events: Annotated[tuple[Event, ...], Meta(min_length=1, max_length=MAX_EVENTS)]
    visitor: VisitorId | None = None
    token: TokenText = UNSET


class Envelope(Struct, frozen=True):
    """A batch whose events are not yet looked at: read when some of them are invalid, to tell which."""

    site: SiteKey
    tab: Uuid
    sent: DurationMs
    events: Annotated[tuple[Raw, ...], Meta(min_length=1, max_length=MAX_EVENTS)]
    visitor: VisitorId | None = None
    token: TokenText = UNSET


class Rejected(Struct, frozen=True):
    """Why event number `i` of a batch was not taken; `pointer` is relative to that event."""

    i: int
    pointer: str
    code: str


class BatchAnswer(Struct, frozen=True, omit_defaults=True):
    """200 of `POST /v1/e`, when there is something to say."""

    accepted: int | None = None
    rejected: tuple[Rejected, ...] = ()
    token: str | None = None
    visitor: str | None = None
    commands: tuple[Invite, ...] = ()


class Hello(Struct, frozen=True, tag="hello"):
    """First message on the live channel: which site, browser and tab this is.

    `after`: the last line seen of a chat, `chat` of which one; without it that of the present chat.
    """

    id: ClientId
    site: SiteKey
    tab: Uuid
    visitor: VisitorId | None = None
    token: TokenText = UNSET
    after: Counter | None = None
    chat: Annotated[str, Meta(max_length=128)] = ""


class LiveEvents(Struct, frozen=True, tag="events"):
    """Events over the live channel, answered like a batch."""

    id: ClientId
    sent: DurationMs
    events: Annotated[tuple[Raw, ...], Meta(min_length=1, max_length=MAX_EVENTS)]


LiveMessage = Hello | LiveEvents


class LiveOk(Struct, frozen=True, tag="ok", omit_defaults=True):
    """Yes: Redis has it. `accepted` and `rejected` answer `events`; `status` and `chat` answer `hello` and what is said
    about chats (`seq`: the line that a message became); the rest answers `hello`. `launcher`: the site shows
    the chat's launcher on every page."""

    id: str
    accepted: int | None = None
    rejected: tuple[Rejected, ...] = ()
    visitor: str | None = None
    token: str | None = None
    status: str | None = None
    chat: str | None = None
    seq: int | None = None
    launcher: bool = False


class LiveError(Struct, frozen=True, tag="error", omit_defaults=True):
    """No, and why. After `unavailable` and `try_again` it may have been done all the same: repeat it with the same id.

    `current`: the visitor's status, where that is what stands in the way.
    """

    id: str
    code: str
    message: str
    retry_after_s: int | None = None
    current: str | None = None


class LiveClose(Struct, frozen=True, tag="close"):
    """The collector is about to close this channel; `reconnect` says whether to come back."""

    code: str
    reconnect: bool
