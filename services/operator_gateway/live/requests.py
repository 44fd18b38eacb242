"""What operators may ask of the live list: views, and one visitor's row, pages and earlier visits.

A view belongs to one connection under the name its client gave it. Read :meth:`LiveRequests.open`; every other view
request ends in the same answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from services.operator_gateway.chat.timeline import timeline
from services.operator_gateway.live.sites import LiveSite, LiveSites
from services.operator_gateway.live.viewers import Member
from services.operator_gateway.sockets.connections import Connection
from services.operator_gateway.sockets.events import Event, Refused
from services.operator_gateway.views.engine import Group, SiteViews, ViewSpec, spec_of
from services.operator_gateway.views.visitors import SiteFacts, Visitor
from shared.contracts.operators import (
    REQUESTS,
    Have,
    HistoryState,
    NavigationState,
    ViewAck,
    ViewClose,
    ViewOpen,
    ViewState,
    ViewSync,
    VisitorGet,
    VisitorHistory,
    VisitorNavigation,
    VisitorState,
)
from shared.contracts.sites import Site
from shared.runtime.clock import Clock
from shared.storage.history import History
from shared.storage.snapshots import Snapshots
from shared.storage.transcripts import Transcripts

MAX_VIEWS = 32  # of one connection: a list, panels, and two queues for each of several sites
MAX_GROUPS = 2_000  # different views of one site
MAX_ENTRIES = 4_000_000  # index entries of one site: 40 different orders of 100,000 visitors, about 600 MB
LOAD_WAIT_S = 1.2  # then the client gets what there is, and the rest as deltas


class Sites(Protocol):
    """Where the configuration of sites is looked up."""

    def site(self, site: str) -> Site | None:
        """The site of this key."""
        ...


def facts_of(site: Site) -> SiteFacts:
    """What the list needs of a site's configuration."""
    return SiteFacts(site.default_skill, {skill.skill: skill.name for skill in site.skills}, site.rules)


class OpenView:
    """A view of a connection."""

    __slots__ = ("live", "member")

    def __init__(self, live: LiveSite, member: Member) -> None:
        self.live = live
        self.member = member


class LiveRequests:
    """The handlers of the live list's events."""

    def __init__(
        self,
        sites: Sites,
        live: LiveSites,
        snapshots: Snapshots,
        *,
        history: History,
        transcripts: Transcripts,
        clock: Clock,
    ) -> None:
        self._sites = sites
        self._live = live
        self._snapshots = snapshots
        self._history = history
        self._transcripts = transcripts
        self._clock = clock
        self._views: dict[str, dict[str, OpenView]] = {}

    def events(self) -> Mapping[str, Event]:
        """The table's lines."""
        return {
            "view:open": Event(REQUESTS["view:open"], "member", self.open),
            "view:move": Event(REQUESTS["view:move"], "member", self.open),
            "view:close": Event(REQUESTS["view:close"], "self", self.close),
            "view:sync": Event(REQUESTS["view:sync"], "self", self.sync),
            "view:ack": Event(REQUESTS["view:ack"], "self", self.ack),
            "visitor:get": Event(REQUESTS["visitor:get"], "member", self.visitor),
            "visitor:navigation": Event(REQUESTS["visitor:navigation"], "member", self.navigation),
            "visitor:history": Event(REQUESTS["visitor:history"], "member", self.history),
        }

    # --- views ---

    async def open(self, connection: Connection, request: ViewOpen) -> ViewState:
        """A window on a site's list; a view of that name that was open before is replaced."""
        site = self._sites.site(request.site)
        if site is None or site.disabled:
            raise Refused("not_found", "there is no such site")
        live = self._live.watch(request.site, facts_of(site))
        if live is None:
            raise Refused("too_many", "too many sites are watched here")
        views = live.views
        group = self._join(live, views, connection, request)
        joined = False
        try:
            complete = await live.open(group, LOAD_WAIT_S)
            if views is not live.views or not views.epoch:
                raise Refused("unavailable", "the site is being read; try again in a moment")
            if not connection.open or connection.membership(request.site) is None:
                raise Refused("forbidden", "not one of your sites")
            self._forget(connection, request.view)
            member = self._enter(live, views, connection, request.view, group)
            joined = True
        finally:
            if not joined:
                views.leave(group)
        return self._state(live, member, request.have, request.epoch, loading=not complete)

    def _join(self, live: LiveSite, views: SiteViews, connection: Connection, request: ViewOpen) -> Group:
        open_views = self._views.get(connection.sid, {})
        if len(open_views) >= MAX_VIEWS and request.view not in open_views:
            raise Refused("too_many", f"a connection has at most {MAX_VIEWS} views")
        spec: ViewSpec = spec_of(request)
        if not views.has(spec) and (views.groups >= MAX_GROUPS or views.entries >= MAX_ENTRIES):
            raise Refused("too_many", "too many different views of this site are open")
        return views.join(spec)

    def _enter(self, live: LiveSite, views: SiteViews, connection: Connection, view: str, group: Group) -> Member:
        if not group.seq:
            group.advance(views.replica, views.facts)
        member = Member(connection, view, group)
        live.audience.join(member)
        self._views.setdefault(connection.sid, {})[view] = OpenView(live, member)
        return member

    def _state(
        self, live: LiveSite, member: Member, have: Have | None, epoch: str | None, loading: bool = False
    ) -> ViewState:
        window = member.window
        if epoch is not None and epoch != live.views.epoch:
            have = None
        return ViewState(
            ok=True,
            view=member.view,
            epoch=live.views.epoch,
            seq=member.seq,
            total=window.total,
            counts=window.counts,
            rows=window.rows if have is None else window.lacking(have),
            order=None if have is None else window.ids,
            server_time=self._clock.now_ms(),
            loading=loading,
        )

    async def close(self, connection: Connection, request: ViewClose) -> None:
        """The view is not needed any more; closing one that is not open is the same."""
        self._forget(connection, request.view)

    async def sync(self, connection: Connection, request: ViewSync) -> ViewState:
        """The window as it is now, for a client that lost track."""
        view = self._view(connection, request.view)
        complete = await view.live.open(view.member.group, LOAD_WAIT_S)
        view = self._view(connection, request.view)  # it may have been closed meanwhile
        member = view.member
        member.told()
        member.acked = None if member.acked is None else member.seq
        return self._state(view.live, member, request.have, request.epoch, loading=not complete)

    async def ack(self, connection: Connection, request: ViewAck) -> None:
        """The client has applied everything up to `seq`."""
        member = self._view(connection, request.view).member
        member.acked = min(request.seq, member.seq)

    def _view(self, connection: Connection, name: str) -> OpenView:
        view = self._views.get(connection.sid, {}).get(name)
        if view is None or view.member.closed:
            raise Refused("unknown_view", "open the view first")
        if connection.membership(view.live.site) is None:
            raise Refused("forbidden", "not one of your sites")
        return view

    def _forget(self, connection: Connection, name: str) -> None:
        views = self._views.get(connection.sid)
        view = views.pop(name, None) if views else None
        if view is not None:
            view.live.close(view.member)
        if views is not None and not views:
            self._views.pop(connection.sid, None)

    def closed(self, connection: Connection) -> None:
        """The connection is over, and its views with it."""
        for view in self._views.pop(connection.sid, {}).values():
            view.live.close(view.member)

    def lost_rights(self, connection: Connection) -> None:
        """Close the views on sites that are not the operator's any more, and say so."""
        for name, view in tuple(self._views.get(connection.sid, {}).items()):
            if connection.membership(view.live.site) is None:
                self._forget(connection, name)
                view.live.audience.reset(view.member, "forbidden")

    # --- one visitor ---

    async def visitor(self, connection: Connection, request: VisitorGet) -> VisitorState:
        """The row, as the list shows it, and what happened to the visitor in this visit."""
        del connection
        site = self._sites.site(request.site)
        if site is None:
            raise Refused("not_found", "there is no such site")
        live = self._live.get(request.site)
        found = live.views.replica.get(request.visitor) if live is not None and live.loaded else None
        if found is None:
            found = await self._stored(request.site, request.visitor)
        row = found.row(facts_of(site))
        chats, happened = await timeline(self._transcripts, request.site, request.visitor)
        return VisitorState(row=row, chats=chats, timeline=happened, server_time=self._clock.now_ms())

    async def _stored(self, site: str, visitor: str) -> Visitor:
        presence, engagement = await self._snapshots.visitor(site, visitor)
        if presence is None:
            raise Refused("not_found", "the visitor is not on the site")
        return Visitor(visitor, presence, engagement)

    async def navigation(self, connection: Connection, request: VisitorNavigation) -> NavigationState:
        """The page views of the present visit."""
        del connection
        pages = await self._history.navigation(request.site, request.visitor)
        return NavigationState(pages=pages, server_time=self._clock.now_ms())

    async def history(self, connection: Connection, request: VisitorHistory) -> HistoryState:
        """Earlier visits, newest first."""
        del connection
        visits = await self._history.visits(request.site, request.visitor, request.before, request.limit)
        return HistoryState(visits=visits, next=int(visits[-1].visit) if len(visits) == request.limit else None)
