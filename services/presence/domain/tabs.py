"""One tab: what its events mean for whether it is there, hidden or gone, and until when it is believed.

A tab's number decides what is newest: an event with a lower number than the highest one seen came late and never turns
the tab back. Read :func:`moved_by`, then :func:`deadline`.
"""

from __future__ import annotations

from msgspec.structs import replace

from services.presence.domain.draft import Moment
from shared.contracts.streams import Tracked
from shared.contracts.tracking import EventType
from shared.domain.visitor import Id, Tab, View

MAX_TABS = 32  # of one visitor, closed ones included; the one heard of longest ago makes room
KEPT_TABS = 8  # whose event numbers are remembered when the visitor has left
MAX_CHANNELS = 4  # live channels of one tab at a time: reconnects overlap by one
MAX_ENGAGED_MS = 24 * 3_600_000  # of one page view; more is not believed

# A tab that says this is open; `hide` and `leave` may come late, from a page that is gone.
SIGNS_OF_A_LIVE_TAB: frozenset[EventType] = frozenset(("page", "show", "beat"))


def opened(page: Id, event: Tracked, at_ms: int) -> View:
    """The view that `event` tells of first."""
    return View(page, event.url, event.title or "", at_ms, engaged(event))


def engaged(event: Tracked) -> int:
    """The event's engaged time, as far as it is believed."""
    return min(max(0, event.engaged_ms), MAX_ENGAGED_MS)


def retold(view: View, event: Tracked) -> View:
    """`view` after its newest event: address and title may change while the page stays."""
    return replace(
        view,
        url=event.url or view.url,
        title=view.title if event.title is None else event.title,
        engaged_ms=max(view.engaged_ms, engaged(event)),
    )


def completed(view: View, event: Tracked, at_ms: int) -> View:
    """`view` after an event that came late: it fills in what is not known yet. The `page` event says when it began."""
    return replace(
        view,
        url=view.url or event.url,
        title=view.title or event.title or "",
        started_at=min(view.started_at, at_ms) if event.type == "page" else view.started_at,
        engaged_ms=max(view.engaged_ms, engaged(event)),
    )


def moved_by(tab: Tab, event_type: EventType, at_ms: int, turned: bool) -> Tab:
    """`tab` after its newest event; `turned`: the event is the first one of another page."""
    if event_type == "leave":
        return replace(tab, left_at=max(1, at_ms), detached=False, seen_at=max(tab.seen_at, at_ms))
    hidden, focused_at = tab.hidden, tab.focused_at
    left_at, detached = tab.left_at, tab.detached
    if event_type in {"page", "show"} or turned:
        hidden, focused_at = event_type == "hide", max(focused_at, at_ms)
    elif event_type == "hide":
        hidden = True
    # A page that is being closed is hidden too: only a page that goes on takes a goodbye back.
    if turned or detached or event_type in SIGNS_OF_A_LIVE_TAB:
        left_at, detached = 0, False
    seen_at = max(tab.seen_at, at_ms)
    return replace(tab, hidden=hidden, focused_at=focused_at, seen_at=seen_at, left_at=left_at, detached=detached)


def attached(tab: Tab, collector: str, channel: Id, at_ms: int) -> Tab:
    """`tab` with one more live channel; one that was closed already, or is known, changes nothing."""
    if channel in tab.past_channels or any(known == channel for _, known in tab.channels):
        return tab
    channels = (*tab.channels, (collector, channel))[-MAX_CHANNELS:]
    left_at = 0 if tab.detached else tab.left_at
    return replace(tab, channels=channels, left_at=left_at, detached=False, seen_at=max(tab.seen_at, at_ms))


def detached(tab: Tab, channel: Id, at_ms: int) -> Tab:
    """`tab` without that channel. The end of the last one is a sign of leaving, unless it is hidden or has left."""
    if channel in tab.past_channels:
        return tab
    channels = tuple(pair for pair in tab.channels if pair[1] != channel)
    past = (*tab.past_channels, channel)[-MAX_CHANNELS:]
    if channels == tab.channels or channels:
        return replace(tab, channels=channels, past_channels=past)
    leaves = tab.view is not None and not tab.hidden and not tab.left_at
    return replace(
        tab,
        channels=channels,
        past_channels=past,
        seen_at=max(tab.seen_at, at_ms),
        left_at=max(1, at_ms) if leaves else tab.left_at,
        detached=leaves,
    )


def last_sign(tab: Tab, moment: Moment) -> int:
    """When the tab was last known to be there: by itself, or by a collector that holds its live channel."""
    sign = tab.left_at or tab.seen_at
    if tab.channels and not tab.left_at:
        for collector, _ in tab.channels:
            sign = max(sign, moment.collectors.get(collector, 0))
    return min(sign, moment.now_ms)


def deadline(tab: Tab, moment: Moment) -> int:
    """Until when the tab is believed to be there if nothing more is heard of it."""
    settings = moment.settings
    if tab.left_at:
        patience = settings.leave_grace_ms
    elif tab.hidden:
        patience = settings.hidden_silence_ms
    else:
        patience = settings.silence_ms
    return max(last_sign(tab, moment), moment.resumed_at_ms) + patience


def closed(tab: Tab) -> Tab:
    """`tab` when it is gone: only what recognises repeats stays."""
    return Tab(tab.tab, tab.top, tab.holes, seen_at=tab.seen_at, channels=tab.channels, past_channels=tab.past_channels)
