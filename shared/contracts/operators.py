"""Socket.IO events between operators and the gateway: what a client may send, what it is answered, what it is told.

Strict at this edge: a request with a field nobody knows is refused, so a misspelt filter is an error and not an
unfiltered list. Read :class:`ViewOpen` and :class:`ViewDelta` first; :data:`REQUESTS` names every client event.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from shared.contracts import desk
from shared.contracts.chat import ChatEvent, ChatSummary
from shared.contracts.ids import ClientId, Counter, OperatorId, SiteKey, SkillId, VisitorId
from shared.contracts.rows import PageView, Row, Status, Visit
from shared.contracts.sites import Role
from shared.contracts.streams import OperatorState

MAX_WINDOW = 200
MAX_HAVE = 2 * MAX_WINDOW  # a console may still hold the window it scrolled away from
MAX_TOKEN = 512

SortBy = Literal[
    "returning",
    "nickname",
    "country",
    "skill",
    "status",
    "operator",
    "visit_started_at",
    "chat_time",
    "wait_time",
    "page",
    "pages",
    # The same by other names that a client may know: of the columns, or of the row's fields.
    "history",
    "number",
    "visits",
    "total_time",
    "requested_at",
    "engaged_at",
    "activity",
    "operators",
    "current_page",
    "device",
    "referrer",
    "lang",
]
PutOff = Literal["pages", "idle"]
ResetReason = Literal["epoch", "forbidden", "site_gone"]
CountryFilter = Annotated[str, Meta(max_length=2, pattern=r"^([A-Z]{2})?$(?!\n)")]  # empty: unknown
Have = Annotated[tuple[tuple[VisitorId, Counter], ...], Meta(max_length=MAX_HAVE)]


# --- what a client sends ------------------------------------------------------------------------------------------


class Auth(Struct, frozen=True):
    """`auth` of the Socket.IO connect; unknown fields are left alone because client libraries add their own."""

    token: Annotated[str, Meta(min_length=1, max_length=MAX_TOKEN)]


class Sort(Struct, frozen=True, forbid_unknown_fields=True):
    """One column and a direction; visitors that are equal in it stand in the order of their numbers.

    `history` is `returning`, `operators` is `operator`, `current_page` is `page`; `total_time` is the length of the
    visit, so the reverse of `visit_started_at`.
    """

    by: SortBy = "visit_started_at"
    dir: Literal["asc", "desc"] = "asc"


class Filter(Struct, frozen=True, forbid_unknown_fields=True):
    """Every part that is given must hold; within a list one hit is enough, an empty list does not filter."""

    status: Annotated[tuple[Status, ...], Meta(max_length=11)] = ()
    skill: Annotated[tuple[SkillId, ...], Meta(max_length=50)] = ()
    country: Annotated[tuple[CountryFilter, ...], Meta(max_length=260)] = ()
    operator: OperatorId | None = None
    returning: bool | None = None
    text: Annotated[str, Meta(max_length=200)] | None = None


class ViewOpen(Struct, frozen=True, forbid_unknown_fields=True):
    """Open (or, as `view:move`, change) a window on a site's sorted, filtered list.

    `have`: visitor and version of the rows that the client still shows; those are not sent again. `epoch` is the one
    they came from: if it is over, `have` is ignored.
    """

    view: ClientId
    site: SiteKey
    sort: Sort = Sort()
    filter: Filter = Filter()
    offset: Annotated[int, Meta(ge=0, le=10_000_000)] = 0
    limit: Annotated[int, Meta(ge=1, le=MAX_WINDOW)] = 50
    have: Have | None = None
    epoch: Annotated[str, Meta(max_length=64)] | None = None


class ViewClose(Struct, frozen=True, forbid_unknown_fields=True):
    """The window is not needed any more."""

    view: ClientId


class ViewSync(Struct, frozen=True, forbid_unknown_fields=True):
    """A delta was missed or a checksum differs: the window again, less the rows in `have`."""

    view: ClientId
    have: Have | None = None
    epoch: Annotated[str, Meta(max_length=64)] | None = None


class ViewAck(Struct, frozen=True, forbid_unknown_fields=True):
    """Everything up to `seq` is applied. Optional; a client that sends it is never sent far ahead of it."""

    view: ClientId
    seq: Counter


class VisitorGet(Struct, frozen=True, forbid_unknown_fields=True):
    """One visitor: row and timeline."""

    site: SiteKey
    visitor: VisitorId


class VisitorNavigation(Struct, frozen=True, forbid_unknown_fields=True):
    """The page views of the present visit."""

    site: SiteKey
    visitor: VisitorId


class VisitorHistory(Struct, frozen=True, forbid_unknown_fields=True):
    """Earlier visits, newest first; `before` is `next` of the answer before."""

    site: SiteKey
    visitor: VisitorId
    before: Counter | None = None
    limit: Annotated[int, Meta(ge=1, le=50)] = 20


class OperatorSetState(Struct, frozen=True, forbid_unknown_fields=True):
    """The operator's own choice; offline is having no connection."""

    state: Literal["online", "away"]
    id: ClientId | None = None


# --- what a client is answered ------------------------------------------------------------------------------------


class ErrorBody(Struct, frozen=True, omit_defaults=True):
    """`code` is for programs and stable, `message` for people; `current` is the state that made it impossible.

    `taken_by`: who was faster.
    """

    code: str
    message: str
    current: Any = None
    taken_by: str = ""


class Failed(Struct, frozen=True):
    """A request that changed nothing."""

    error: ErrorBody
    ok: Literal[False] = False


class Done(Struct, frozen=True):
    """A request that needs no other answer."""

    ok: Literal[True] = True


class ViewState(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Ack of `view:open`, `view:move` and `view:sync`: the window as of `seq`.

    With `have`, `rows` holds only what the client lacks and `order` names the whole window. `counts` has all statuses
    and counts the rows that pass every part of the filter but `status`. `loading`: the site is still being read; rows
    follow as deltas.
    """

    ok: Literal[True]
    view: str
    epoch: str
    seq: int
    total: int
    counts: dict[Status, int]
    rows: tuple[Row, ...]
    server_time: int
    order: tuple[str, ...] | None = None
    loading: bool = False


class VisitorState(Struct, frozen=True, kw_only=True):
    """Ack of `visitor:get`. `timeline`: what happened about the visitor's latest chats, newest first, without texts.

    `chats`: these chats, newest first, with why this skill was needed and who was asked.
    """

    ok: Literal[True] = True
    row: Row
    chats: tuple[ChatSummary, ...] = ()
    timeline: tuple[ChatEvent, ...] = ()
    server_time: int


class NavigationState(Struct, frozen=True, kw_only=True):
    """Ack of `visitor:navigation`, in order of time."""

    ok: Literal[True] = True
    pages: tuple[PageView, ...]
    server_time: int


class HistoryState(Struct, frozen=True, kw_only=True):
    """Ack of `visitor:history`; `next` is None when there is nothing older."""

    ok: Literal[True] = True
    visits: tuple[Visit, ...]
    next: int | None = None


# --- what the server says by itself -------------------------------------------------------------------------------


class OperatorCard(Struct, frozen=True):
    """The operator whose connection this is."""

    id: str
    name: str
    email: str


class SkillCard(Struct, frozen=True):
    """A skill's id (as rows carry it) and the name to show."""

    skill: str
    name: str


class SiteCard(Struct, frozen=True):
    """A site that the operator may watch."""

    site: str
    name: str
    role: Role
    skills: tuple[SkillCard, ...]
    primary_skill: str
    max_chats: int
    secondary_skills: tuple[str, ...] = ()


class Ready(Struct, frozen=True):
    """First event on every connection; again when the operator's sites or rights change."""

    operator: OperatorCard
    sites: tuple[SiteCard, ...]
    server_time: int


class ViewDelta(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What changed in a window between `prev` and `seq`; apply `remove`, `insert`, `update`, `move` in this order.

    `insert` puts a row at a position of the list as it is at that moment, `move` takes a visitor out and puts it back
    at a position. In `update`, a field that is null is absent from now on. Only if `prev` is the last seq applied and
    `epoch` the same; else `view:sync`. `view` is put in when the frame is made, since each client names its own.
    `slowed`: updates come only every so many ms, because there is too much to do; absent while all is well. `put_off`:
    what is shown later still: next pages (every 3 s) and rows of visitors who do nothing (every 10 s); never what a
    chat changes, and never who comes or goes.
    """

    epoch: str
    prev: int
    seq: int
    total: int | None = None
    counts: dict[Status, int] | None = None
    remove: tuple[str, ...] = ()
    insert: tuple[tuple[int, Row], ...] = ()
    update: tuple[tuple[str, int, dict[str, Any]], ...] = ()
    move: tuple[tuple[str, int], ...] = ()
    slowed: int = 0
    put_off: tuple[PutOff, ...] = ()
    view: str = ""


class ViewCheck(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """CRC-32 over `visitor:version` of the window's rows, joined by newlines, in order, as of `seq`.

    `slowed` and `put_off` as in :class:`ViewDelta`.
    """

    epoch: str
    seq: int
    checksum: int
    slowed: int = 0
    put_off: tuple[PutOff, ...] = ()
    view: str = ""


class ViewReset(Struct, frozen=True):
    """The window is void: open it again (`epoch`), or not (`forbidden`, `site_gone`)."""

    view: str
    reason: ResetReason


class OperatorStateChanged(Struct, frozen=True):
    """An operator's state or load, as seen by the colleagues on `sites`."""

    operator: str
    name: str
    state: OperatorState
    chats: int
    sites: tuple[str, ...]


REQUESTS: dict[str, type[Struct]] = {
    "view:open": ViewOpen,
    "view:move": ViewOpen,
    "view:close": ViewClose,
    "view:sync": ViewSync,
    "view:ack": ViewAck,
    "visitor:get": VisitorGet,
    "visitor:navigation": VisitorNavigation,
    "visitor:history": VisitorHistory,
    "operator:set": OperatorSetState,
    **desk.REQUESTS,
}

SERVER_EVENTS: dict[str, type[Struct]] = {
    "ready": Ready,
    "view:delta": ViewDelta,
    "view:check": ViewCheck,
    "view:reset": ViewReset,
    "operator:changed": OperatorStateChanged,
    **desk.SERVER_EVENTS,
}

# What each request is acked with; a refusal is always :class:`Failed`.
ANSWERS: dict[str, type[Struct]] = {
    "view:open": ViewState,
    "view:move": ViewState,
    "view:close": Done,
    "view:sync": ViewState,
    "view:ack": Done,
    "visitor:get": VisitorState,
    "visitor:navigation": NavigationState,
    "visitor:history": HistoryState,
    "operator:set": Done,
    **desk.ANSWERS,
}
