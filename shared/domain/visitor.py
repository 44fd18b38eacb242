"""What is stored of a visitor, and the row that the list shows of it.

Presence alone writes these values; gateways read them, so they live here. How they become bytes:
:mod:`shared.domain.visitor_packing`. Read :class:`Visitor`, then :func:`presence_row`.
"""

from __future__ import annotations

import binascii

import msgspec
from msgspec import Struct

from shared.contracts.rows import Activity, Device, DeviceKind, Page, PageView, PresenceRow, Source, SourceKind

Id = bytes  # a uuid as its 16 bytes; another text behind NULs, in any other length
NAME = "name"  # the attribute by which a visitor is called


def pack_id(text: str) -> Id:
    """A uuid in 16 bytes instead of 36; another text (without NUL) as it is."""
    if len(text) == 36:
        try:
            packed = bytes.fromhex(text.replace("-", ""))
        except ValueError:
            packed = b""
        if len(packed) == 16:
            return packed
    packed = b"\0" + text.encode()
    return b"\0" + packed if len(packed) == 16 else packed


def unpack_id(packed: Id) -> str:
    """The text that :func:`pack_id` was given (a uuid in lower case)."""
    if len(packed) != 16:
        return packed.lstrip(b"\0").decode()
    text = packed.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def short_id(text: str) -> str:
    """A uuid as it stands in keys, in 22 characters instead of 36; another text as it is."""
    packed = pack_id(text)
    return binascii.b2a_base64(packed, newline=False)[:22].decode() if len(packed) == 16 else text


class View(Struct, frozen=True):
    """The page view that a tab shows. `slot`: its line in the stored navigation, -1 while it has none."""

    page: Id
    url: str
    title: str
    started_at: int
    engaged_ms: int = 0
    slot: int = -1


class StoredView(Struct, frozen=True, array_like=True):
    """One line of the stored navigation: a page view that its tab shows no longer. Fields are only added at the end."""

    tab: Id
    page: Id
    url: str
    title: str
    started_at: int
    engaged_ms: int = 0


class Tab(Struct, frozen=True):
    """One tab. Without `view` it is closed and kept only to recognise repeats of its events.

    `top` and `holes`: the highest event number seen and the numbers below it not seen yet, as pairs (first, last).
    `left_at`: when it said goodbye or, if `detached`, lost its live channel; 0 while it is there. `channels`: live
    channels open now as (collector, channel). `past_channels`: those that were closed lately.
    """

    tab: Id
    top: int = -1
    holes: tuple[int, ...] = ()
    view: View | None = None
    hidden: bool = False
    focused_at: int = 0
    seen_at: int = 0
    left_at: int = 0
    detached: bool = False
    channels: tuple[tuple[str, Id], ...] = ()
    past_channels: tuple[Id, ...] = ()


class Visitor(Struct, frozen=True):
    """A visitor over all tabs. `live`: a row is shown. `number` is 0 until the first visit.

    `version` is the site's sequence number of the row's last change, so it grows whatever becomes of the visitor.
    `flushed` counts the lines of the stored navigation. `ended_at` is the last sign of life of a tab that closed.
    `due`: when the stored timer fires, 0 if there is none. `attrs`: name -> (value, when it was said).
    """

    number: int = 0
    version: int = 0
    live: bool = False
    anonymous: bool = False
    visits: int = 0
    visit_started_at: int = 0
    ended_at: int = 0
    activity: Activity = "active"
    input_at: int = 0
    due: int = 0
    pages: int = 0
    engaged_ms: int = 0
    flushed: int = 0
    country: str = ""
    lang: str = ""
    browser: str = ""
    os: str = ""
    kind: DeviceKind = "other"
    referrer: str = ""
    campaign: str = ""
    attrs: dict[str, tuple[str, int]] = {}
    tabs: tuple[Tab, ...] = ()
    source_kind: SourceKind = "direct"
    source_name: str = ""

    @property
    def source(self) -> Source:
        """Where the visit came from."""
        return Source(self.source_kind, self.source_name)

    @property
    def device(self) -> Device:
        """What the browser said of itself."""
        return Device(self.browser, self.os, self.kind)


pack_view = msgspec.msgpack.Encoder().encode
unpack_view = msgspec.msgpack.Decoder(StoredView).decode


def current_tab(tabs: tuple[Tab, ...]) -> Tab | None:
    """The tab last focused: one that is still there before one that left, a visible one before a hidden one."""
    best: Tab | None = None
    for tab in tabs:
        if tab.view is not None and (best is None or _focus(tab) > _focus(best)):
            best = tab
    return best


def _focus(tab: Tab) -> tuple[bool, bool, int]:
    return (tab.left_at == 0, not tab.hidden, tab.focused_at)


def nickname(visitor: Visitor) -> str:
    """The name that the visitor gave, else the number."""
    given = visitor.attrs.get(NAME)
    return given[0] if given else f"Visitor {visitor.number}"


def presence_row(visitor: Visitor) -> PresenceRow | None:
    """The row's presence part; None unless the visitor is on the site."""
    if not visitor.live:
        return None
    tab = current_tab(visitor.tabs)
    view = tab.view if tab is not None else None
    attrs = visitor.attrs
    return PresenceRow(
        version=visitor.version,
        number=visitor.number,
        nickname=nickname(visitor),
        named=NAME in attrs,
        returning=visitor.visits > 1,
        visits=visitor.visits,
        country=visitor.country,
        activity=visitor.activity,
        visit_started_at=visitor.visit_started_at,
        page=Page(view.url, view.title) if view is not None else Page("", ""),
        pages=visitor.pages,
        device=visitor.device,
        referrer=visitor.referrer,
        lang=visitor.lang,
        campaign=visitor.campaign,
        source=visitor.source,
        attrs={key: value for key, (value, _) in attrs.items() if key != NAME} if attrs else {},
    )


def navigation(visitor: Visitor, stored: dict[int, StoredView]) -> tuple[PageView, ...]:
    """The visit's page views in order: the stored ones and those shown in tabs now."""
    shown = current_tab(visitor.tabs)
    open_slots = {tab.view.slot for tab in visitor.tabs if tab.view is not None}
    lines = [
        PageView(unpack_id(v.page), v.url, v.title, v.started_at, v.engaged_ms, unpack_id(v.tab))
        for slot, v in stored.items()
        if slot not in open_slots
    ]
    for tab in visitor.tabs:
        v = tab.view
        if v is not None:
            page, where = unpack_id(v.page), unpack_id(tab.tab)
            lines.append(PageView(page, v.url, v.title, v.started_at, v.engaged_ms, where, tab is shown))
    return tuple(sorted(lines, key=lambda line: (line.started_at, line.page)))
