"""How a visitor is stored: an array without names, with what repeats itself left out.

Each page view writes the whole visitor, so its size is most of what a page view costs the append-only file. A point in
time takes 9 bytes; as the distance to another one it takes 1 to 5: a visitor's from the beginning of the visit, a tab's
from its last sign of life. Words of fixed sets are numbers: the order of the sets below is part of the format. A field
may only ever be added at the end of a packed array, with a default; any other change needs a new number in
:data:`shared.storage.keys.FORMAT`. Read :func:`pack_visitor`.
"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from shared.contracts.rows import Activity, DeviceKind, PresenceRow, SourceKind
from shared.domain.visitor import Id, Tab, View, Visitor, presence_row

_ACTIVITIES: Final[tuple[Activity, ...]] = ("active", "idle", "away")
_KINDS: Final[tuple[DeviceKind, ...]] = ("desktop", "mobile", "tablet", "other")
_SOURCES: Final[tuple[SourceKind, ...]] = ("direct", "internal", "search", "social", "ai", "campaign", "referral")

Distance = int | None  # ms from another point in time; None: never


class _View(Struct, frozen=True, array_like=True, gc=False):
    page: Id
    url: str
    title: str
    started: Distance
    engaged_ms: int
    slot: int


class _Tab(Struct, frozen=True, array_like=True, gc=False):
    tab: Id
    top: int
    holes: tuple[int, ...]
    seen: Distance
    view: _View | None
    hidden: bool
    focused: Distance
    left: Distance
    detached: bool
    channels: tuple[tuple[str, Id], ...]
    past_channels: tuple[Id, ...]


class _Visitor(Struct, frozen=True, array_like=True, gc=False):
    number: int
    version: int
    live: bool
    anonymous: bool
    visits: int
    visit_started_at: int
    ended: Distance
    activity: Annotated[int, Meta(ge=0, lt=len(_ACTIVITIES))]
    input: Distance
    due: Distance
    pages: int
    engaged_ms: int
    flushed: int
    country: str
    lang: str
    browser: str
    os: str
    kind: Annotated[int, Meta(ge=0, lt=len(_KINDS))]
    referrer: str
    campaign: str
    attrs: dict[str, tuple[str, int]]
    tabs: tuple[_Tab, ...]
    source_kind: Annotated[int, Meta(ge=0, lt=len(_SOURCES))]
    source_name: str


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Visitor).decode


def _from(base_ms: int, at_ms: int) -> Distance:
    return at_ms - base_ms if at_ms else None


def _at(base_ms: int, distance: Distance) -> int:
    return 0 if distance is None else base_ms + distance


def _packed_tab(tab: Tab, base: int) -> _Tab:
    seen, view = tab.seen_at, tab.view
    return _Tab(
        tab.tab,
        tab.top,
        tab.holes,
        _from(base, seen),
        _View(view.page, view.url, view.title, _from(seen, view.started_at), view.engaged_ms, view.slot)
        if view is not None
        else None,
        tab.hidden,
        _from(seen, tab.focused_at),
        _from(seen, tab.left_at),
        tab.detached,
        tab.channels,
        tab.past_channels,
    )


def _tab(packed: _Tab, base: int) -> Tab:
    seen, view = _at(base, packed.seen), packed.view
    return Tab(
        packed.tab,
        packed.top,
        packed.holes,
        View(view.page, view.url, view.title, _at(seen, view.started), view.engaged_ms, view.slot)
        if view is not None
        else None,
        packed.hidden,
        _at(seen, packed.focused),
        seen,
        _at(seen, packed.left),
        packed.detached,
        packed.channels,
        packed.past_channels,
    )


def pack_visitor(visitor: Visitor) -> bytes:
    """The value of `v:{T}:<site>` and `p:{T}:<site>:<visitor>`."""
    v, base = visitor, visitor.visit_started_at
    return _encode(
        _Visitor(
            v.number,
            v.version,
            v.live,
            v.anonymous,
            v.visits,
            base,
            _from(base, v.ended_at),
            _ACTIVITIES.index(v.activity),
            _from(base, v.input_at),
            _from(base, v.due),
            v.pages,
            v.engaged_ms,
            v.flushed,
            v.country,
            v.lang,
            v.browser,
            v.os,
            _KINDS.index(v.kind),
            v.referrer,
            v.campaign,
            v.attrs,
            tuple([_packed_tab(tab, base) for tab in v.tabs]),
            _SOURCES.index(v.source_kind),
            v.source_name,
        )
    )


def unpack_visitor(packed: bytes) -> Visitor:
    """What :func:`pack_visitor` was given. Raises msgspec.DecodeError."""
    p = _decode(packed)
    base = p.visit_started_at
    return Visitor(
        p.number,
        p.version,
        p.live,
        p.anonymous,
        p.visits,
        base,
        _at(base, p.ended),
        _ACTIVITIES[p.activity],
        _at(base, p.input),
        _at(base, p.due),
        p.pages,
        p.engaged_ms,
        p.flushed,
        p.country,
        p.lang,
        p.browser,
        p.os,
        _KINDS[p.kind],
        p.referrer,
        p.campaign,
        p.attrs,
        tuple([_tab(tab, base) for tab in p.tabs]),
        _SOURCES[p.source_kind],
        p.source_name,
    )


def decode_row(packed: bytes) -> PresenceRow | None:
    """The row of a value of `v:{T}:<site>`; None if there is nothing to show. Raises msgspec.DecodeError."""
    return presence_row(unpack_visitor(packed))
