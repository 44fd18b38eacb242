"""A visit: when one begins, what ends it, and what the history keeps of it.

Read :func:`settle`: it closes the tabs that are gone, decides whether the visitor is still there, what the visitor does
and when to look again.
"""

from __future__ import annotations

from msgspec.structs import replace

from services.presence.domain.draft import Draft, Moment, all_views, store_view
from services.presence.domain.tabs import KEPT_TABS, SIGNS_OF_A_LIVE_TAB, closed, deadline, last_sign
from shared.contracts.rows import Activity, Visit
from shared.contracts.sites import SiteSettings
from shared.contracts.tracking import EventType
from shared.domain.visitor import StoredView, Tab, Visitor, navigation

BACKLOG_PAUSE_MS = 250  # a deadline that cannot be judged yet is looked at again after it
MAX_VISITS = 100  # kept of one visitor; the oldest goes


def begins_visit(visitor: Visitor, event_type: EventType, at_ms: int, moment: Moment) -> bool:
    """Whether this event, seen for the first time, is the first one of a visit."""
    if visitor.live or event_type not in SIGNS_OF_A_LIVE_TAB:
        return False
    if visitor.visits and at_ms - visitor.ended_at < moment.settings.visit_gap_ms:
        return False
    # A page view is counted however late it comes; a beat of long ago tells of nobody who is here.
    return event_type == "page" or max(at_ms, moment.resumed_at_ms) + moment.settings.silence_ms > moment.heard_until_ms


def begin_visit(draft: Draft, at_ms: int) -> Draft:
    """A new visit at `at_ms`: what belonged to the one before is cleared, what belongs to the visitor stays."""
    visitor = replace(
        draft.visitor,
        visits=draft.visitor.visits + 1,
        visit_started_at=at_ms,
        ended_at=at_ms,
        input_at=0,
        pages=0,
        engaged_ms=0,
        flushed=0,
        referrer="",
        campaign="",
        source_kind="direct",
        source_name="",
    )
    restarted = draft.restarted or draft.visitor.flushed > 0
    return replace(draft, visitor=visitor, stored={}, restarted=restarted, new_visits=draft.new_visits + 1)


def close_tab(draft: Draft, tab: Tab) -> tuple[Draft, Tab]:
    """The tab is gone: its page view goes into the navigation."""
    view = tab.view
    if view is None:
        return draft, tab
    line = StoredView(tab.tab, view.page, view.url, view.title, view.started_at, view.engaged_ms)
    return store_view(draft, line, view.slot), closed(tab)


def kept_ms(visitor: Visitor, settings: SiteSettings) -> int:
    """How long profile and visit of a visitor who left are kept: the site's retention.

    One page view and never again a sign of life is no visit that anybody looks up, but it is what invented visitors
    look like: it is kept for the visit gap. Any later event or live channel, even the goodbye, makes it a visit.
    """
    alone = visitor.visits == 1 and visitor.pages <= 1 and not visitor.engaged_ms
    fleeting = alone and visitor.ended_at <= visitor.visit_started_at
    return min(settings.retention_ms, settings.visit_gap_ms) if fleeting else settings.retention_ms


def settle(draft: Draft, moment: Moment) -> Draft:
    """The draft after time has passed up to now. Raises ViewsNeeded."""
    draft, next_deadline = _close_silent_tabs(draft, moment)
    visitor = draft.visitor
    if next_deadline == 0:
        if visitor.live or draft.revised:
            draft = _finish(draft)
        elif visitor.due:
            draft = replace(draft, visitor=replace(visitor, due=0))
        return draft
    activity, idle_at = _activity(visitor, moment)
    wanted = min(next_deadline, idle_at) if idle_at else next_deadline
    if wanted <= moment.now_ms:
        wanted = moment.now_ms + BACKLOG_PAUSE_MS
    # A timer that is too early is cheaper to let fire than to move with every sign of life.
    due = visitor.due if moment.now_ms < visitor.due <= wanted else wanted
    if not visitor.live or activity != visitor.activity or due != visitor.due:
        draft = replace(draft, visitor=replace(visitor, live=True, activity=activity, due=due))
    return draft


def _close_silent_tabs(draft: Draft, moment: Moment) -> tuple[Draft, int]:
    """Closes the tabs whose time is over; also the first deadline of the others, 0 if there are none."""
    first = 0
    for index, tab in enumerate(draft.visitor.tabs):
        if tab.view is None:
            continue
        until = deadline(tab, moment)
        if until > moment.heard_until_ms:
            first = min(first, until) if first else until
            continue
        ended_at = max(draft.visitor.ended_at, last_sign(tab, moment))
        draft, gone = close_tab(draft, tab)
        tabs = draft.visitor.tabs
        tabs = (*tabs[:index], gone, *tabs[index + 1 :])
        draft = replace(draft, visitor=replace(draft.visitor, tabs=tabs, ended_at=ended_at), revised=True)
    return draft, first


def _activity(visitor: Visitor, moment: Moment) -> tuple[Activity, int]:
    """What the visitor does, and when that turns into idleness by itself (0: never)."""
    present = [tab for tab in visitor.tabs if tab.view is not None and not tab.left_at]
    if not present:
        return visitor.activity, 0
    if all(tab.hidden for tab in present):
        return "away", 0
    # While nobody listened there may have been input: an active visitor is not called idle for that time.
    heard_at = max(visitor.input_at, moment.resumed_at_ms) if visitor.activity == "active" else visitor.input_at
    idle_at = min(heard_at, moment.now_ms) + moment.settings.idle_ms
    return ("active", idle_at) if idle_at > moment.heard_until_ms else ("idle", 0)


def _finish(draft: Draft) -> Draft:
    """The visitor is gone: the visit as the history keeps it, and what of the visitor stays in the profile."""
    visitor = draft.visitor
    if visitor.visits and not visitor.anonymous:
        stored = all_views(draft)
        visit = Visit(
            visit=str(visitor.visits),
            started_at=visitor.visit_started_at,
            ended_at=max(visitor.ended_at, visitor.visit_started_at),
            country=visitor.country,
            pages=visitor.pages,
            engaged_ms=visitor.engaged_ms,
            page_views=navigation(visitor, stored),
            device=visitor.device,
            referrer=visitor.referrer,
            campaign=visitor.campaign,
            source=visitor.source,
        )
        draft = replace(draft, visit=visit)
    remembered = tuple(sorted(visitor.tabs, key=lambda tab: tab.seen_at)[-KEPT_TABS:])
    visitor = replace(visitor, live=False, activity="active", due=0, tabs=remembered)
    if visitor.anonymous:
        visitor = replace(visitor, attrs={}, referrer="", campaign="", source_name="")
    return replace(draft, visitor=visitor, revised=False)
