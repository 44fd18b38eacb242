"""What an entry of the input stream changes of one visitor. Pure: the same entries give the same visitor.

Every entry may come twice and late; an event is recognised by its tab and number, a live channel by its name. Read
:func:`fold`, then :func:`_apply`: what the newest event of a tab does, and what a late one may still do (count its page
view, add engaged time), are two different things.
"""

from __future__ import annotations

from msgspec.structs import replace

from services.presence.domain.dedupe import accept
from services.presence.domain.draft import Draft, Moment, find_view, is_sealed, store_view
from services.presence.domain.tabs import (
    MAX_TABS,
    SIGNS_OF_A_LIVE_TAB,
    attached,
    completed,
    detached,
    engaged,
    moved_by,
    opened,
    retold,
)
from services.presence.domain.visits import begin_visit, begins_visit, close_tab
from shared.contracts.streams import Client, ForgetVisitor, TabAttached, TabDetached, TabEvents, Tracked, VisitorNamed
from shared.contracts.tracking import MAX_ATTRIBUTES
from shared.domain.referrers import source_of
from shared.domain.visitor import NAME, Id, StoredView, Tab, View, Visitor, pack_id

MAX_NAME = 120
VisitorEntry = TabEvents | TabAttached | TabDetached | VisitorNamed | ForgetVisitor


def fold(draft: Draft, entry: VisitorEntry, moment: Moment) -> Draft:
    """The draft after `entry`. Raises ViewsNeeded."""
    if isinstance(entry, TabEvents):
        if entry.anonymous and not draft.visitor.anonymous:
            draft = replace(draft, visitor=replace(draft.visitor, anonymous=True))
        tab = pack_id(entry.tab)
        for event in entry.events:
            draft = _event(draft, tab, event, entry.client, moment)
        return draft
    if isinstance(entry, ForgetVisitor):
        return _forget(draft)
    if isinstance(entry, VisitorNamed):
        return _named(draft, entry, moment)
    return _channel(draft, entry, moment)


def _event(draft: Draft, tab_id: Id, event: Tracked, client: Client | None, moment: Moment) -> Draft:
    index, tab = _tab(draft.visitor, tab_id)
    seen = accept(tab.top, tab.holes, event.n)
    if seen is None:
        return replace(draft, duplicates=draft.duplicates + 1)
    newest = event.n > tab.top
    at_ms = max(0, min(event.at_ms, moment.now_ms))
    draft = replace(draft, accepted=draft.accepted + 1)
    if begins_visit(draft.visitor, event.type, at_ms, moment):
        draft = begin_visit(draft, at_ms)
    tab = replace(tab, top=seen[0], holes=seen[1])
    draft, tab = _apply(draft, tab, event, at_ms, newest)
    visitor = _with_tab(draft.visitor, index, tab)
    visitor = _said(visitor, event, client, at_ms, moment)
    draft = replace(draft, visitor=visitor)
    if event.type == "page":
        visitor = replace(visitor, pages=visitor.pages + 1)
        draft = replace(draft, visitor=visitor, page_views=draft.page_views + 1)
    return _make_room(draft)


def _apply(draft: Draft, tab: Tab, event: Tracked, at_ms: int, newest: bool) -> tuple[Draft, Tab]:
    """The page view and the tab after `event`."""
    page, view = pack_id(event.page), tab.view
    if view is not None and view.page == page:
        told = retold(view, event) if newest else completed(view, event, at_ms)
        draft = _engaged(draft, told.engaged_ms - view.engaged_ms, event, at_ms)
        tab = replace(tab, view=told)
        return draft, moved_by(tab, event.type, at_ms, turned=False) if newest and event.type != "attr" else tab
    if newest and _turns(tab, event):
        draft, _ = close_tab(draft, tab)
        draft, view = _view_of(draft, tab, page, event, at_ms)
        return draft, moved_by(replace(tab, view=view), event.type, at_ms, turned=True)
    return _late(draft, tab, page, event, at_ms), tab


def _turns(tab: Tab, event: Tracked) -> bool:
    """Whether the tab shows the event's page from now on. A closed tab is opened only by a sign that it is there."""
    if tab.view is None:
        return event.type in SIGNS_OF_A_LIVE_TAB
    return event.type != "attr"


def _view_of(draft: Draft, tab: Tab, page: Id, event: Tracked, at_ms: int) -> tuple[Draft, View]:
    """The view that a tab turned to: a new one, or one that was put away while the tab was silent."""
    new = event.type == "page" and (tab.view is not None or not tab.seen_at)
    found = None if new else find_view(draft, page)
    if found is None:
        view = opened(page, event, at_ms)
        return _engaged(draft, view.engaged_ms, event, at_ms), view
    slot, line = found
    old = View(page, line.url, line.title, line.started_at, line.engaged_ms, slot)
    view = retold(old, event)
    return _engaged(draft, view.engaged_ms - old.engaged_ms, event, at_ms), view


def _late(draft: Draft, tab: Tab, page: Id, event: Tracked, at_ms: int) -> Draft:
    """An event of a page that its tab shows no longer: only the page view learns from it."""
    visitor = draft.visitor
    if not visitor.visits or event.type == "attr" or (event.type != "page" and at_ms < visitor.visit_started_at):
        return draft
    if is_sealed(draft):
        return draft
    found = find_view(draft, page)
    slot, line = found or (-1, StoredView(tab.tab, page, event.url, event.title or "", at_ms))
    told = max(line.engaged_ms, engaged(event))
    draft = _engaged(draft, told - line.engaged_ms, event, at_ms)
    line = replace(line, engaged_ms=told, url=line.url or event.url, title=line.title or event.title or "")
    if event.type == "page":
        line = replace(line, started_at=min(line.started_at, at_ms))
    return replace(store_view(draft, line, slot), revised=True)


def _engaged(draft: Draft, growth_ms: int, event: Tracked, at_ms: int) -> Draft:
    """Adds to the visit's engaged time, and notes the last input that the event tells of."""
    visitor = draft.visitor
    if event.idle_ms is not None:
        input_at = max(0, at_ms - max(0, event.idle_ms))
    else:
        input_at = at_ms if growth_ms > 0 or event.type in {"page", "show"} else 0
    if growth_ms <= 0 and input_at <= visitor.input_at:
        return draft
    visitor = replace(
        visitor, engaged_ms=visitor.engaged_ms + max(0, growth_ms), input_at=max(visitor.input_at, input_at)
    )
    return replace(draft, visitor=visitor)


def _said(visitor: Visitor, event: Tracked, client: Client | None, at_ms: int, moment: Moment) -> Visitor:
    """What the event tells of the visitor: the browser, where the visit came from, attributes."""
    if event.type == "page":
        if client is not None:
            visitor = replace(
                visitor,
                country=client.country,
                lang=client.lang or visitor.lang,
                browser=client.device.browser,
                os=client.device.os,
                kind=client.device.kind,
                campaign=visitor.campaign or client.campaign,
            )
        if not visitor.pages:
            source = source_of(event.url, event.referrer, visitor.campaign)
            referrer = event.referrer or visitor.referrer
            visitor = replace(visitor, referrer=referrer, source_kind=source.kind, source_name=source.name)
    if event.attrs:
        visitor = replace(visitor, attrs=_attributes(visitor, event.attrs, at_ms, moment))
    return visitor


def _attributes(visitor: Visitor, said: dict[str, str], at_ms: int, moment: Moment) -> dict[str, tuple[str, int]]:
    """The latest word on each attribute counts, whichever tab said it; full, it takes no new names."""
    attrs = dict(visitor.attrs)
    for key, value in said.items():
        if key == NAME:
            value = value.strip()[:MAX_NAME]  # noqa: PLW2901 - the cleaned value replaces the raw one
            if not value:
                continue
        elif not moment.settings.track_attributes:
            continue
        known = attrs.get(key)
        if known is None and key != NAME and len(attrs) - (NAME in attrs) >= MAX_ATTRIBUTES:
            continue
        if known is None or known[1] <= at_ms:
            attrs[key] = (value, at_ms)
    return attrs


def _named(draft: Draft, entry: VisitorNamed, moment: Moment) -> Draft:
    """The name given before a chat is the nickname, like one that the page told; the latest word counts."""
    attrs = _attributes(draft.visitor, {NAME: entry.name}, max(0, min(entry.at_ms, moment.now_ms)), moment)
    if attrs == draft.visitor.attrs:
        return replace(draft, duplicates=draft.duplicates + 1)
    return replace(draft, visitor=replace(draft.visitor, attrs=attrs), accepted=draft.accepted + 1)


def _channel(draft: Draft, entry: TabAttached | TabDetached, moment: Moment) -> Draft:
    index, tab = _tab(draft.visitor, pack_id(entry.tab))
    at_ms, channel = max(0, min(entry.at_ms, moment.now_ms)), pack_id(entry.channel)
    if isinstance(entry, TabAttached):
        after = attached(tab, entry.collector, channel, at_ms)
    else:
        after = detached(tab, channel, at_ms)
    if after == tab:
        return replace(draft, duplicates=draft.duplicates + 1)
    draft = replace(draft, visitor=_with_tab(draft.visitor, index, after), accepted=draft.accepted + 1)
    return _make_room(draft)


def _forget(draft: Draft) -> Draft:
    """Nothing stays, neither what is stored nor what this batch told before."""
    return Draft(
        Visitor(),
        loaded={},
        restarted=True,
        page_views=draft.page_views,
        new_visits=draft.new_visits,
        duplicates=draft.duplicates,
        accepted=draft.accepted + 1,
        forgotten=max(draft.forgotten, draft.visitor.visits),
    )


def _tab(visitor: Visitor, tab_id: Id) -> tuple[int, Tab]:
    for index, tab in enumerate(visitor.tabs):
        if tab.tab == tab_id:
            return index, tab
    return len(visitor.tabs), Tab(tab_id)


def _with_tab(visitor: Visitor, index: int, tab: Tab) -> Visitor:
    return replace(visitor, tabs=(*visitor.tabs[:index], tab, *visitor.tabs[index + 1 :]))


def _make_room(draft: Draft) -> Draft:
    """Too many tabs: a closed one is forgotten, else the one heard of longest ago."""
    tabs = draft.visitor.tabs
    if len(tabs) <= MAX_TABS:
        return draft
    victim = min(tabs[:-1], key=lambda tab: (tab.view is not None, tab.seen_at))
    draft, _ = close_tab(draft, victim)
    kept = tuple(tab for tab in draft.visitor.tabs if tab.tab != victim.tab)
    return replace(draft, visitor=replace(draft.visitor, tabs=kept))
