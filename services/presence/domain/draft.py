"""What one step is about to write of one visitor, and the moment it is judged at.

A draft is a value: each event of the batch turns it into the next one, and what stands at the end is committed at once.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from shared.contracts.rows import Visit
from shared.contracts.sites import SiteSettings
from shared.domain.visitor import Id, StoredView, Visitor

# Lines of navigation kept of one visit: a ring, the oldest is overwritten. The page count goes on.
MAX_VIEWS = 200


class ViewsNeeded(Exception):
    """The visitor's stored navigation decides, and it was not loaded: load it and fold again."""


class Moment(Struct, frozen=True):
    """Now, the site's numbers, and when each collector was last heard of; deadlines count from `resumed_at_ms`.

    Absence is judged as of `heard_until_ms`: while a backlog is worked off, what was said since then is still unread.
    """

    now_ms: int
    resumed_at_ms: int
    settings: SiteSettings
    collectors: Mapping[str, int]
    heard_until_ms: int


class Draft(Struct, frozen=True):
    """`loaded`: the stored navigation, None if it was not read. The rest is to be written.

    `stored`: lines of navigation by slot. `restarted`: a new visit, the older lines go. `page_views` and `new_visits`
    count what happened. `forgotten`: how many visits are to be erased with everything else, -1 if none.
    `revised`: the finished visit changed, so the history has to be told. `visit`: the finished visit for the history.
    """

    visitor: Visitor
    loaded: Mapping[int, StoredView] | None = None
    stored: Mapping[int, StoredView] = {}
    restarted: bool = False
    page_views: int = 0
    new_visits: int = 0
    duplicates: int = 0
    accepted: int = 0
    forgotten: int = -1
    revised: bool = False
    visit: Visit | None = None


def all_views(draft: Draft) -> dict[int, StoredView]:
    """The stored navigation as it will be. Raises ViewsNeeded."""
    if draft.restarted or draft.visitor.flushed == len(draft.stored):
        return dict(draft.stored)
    if draft.loaded is None:
        raise ViewsNeeded
    return {**draft.loaded, **draft.stored}


def find_view(draft: Draft, page: Id) -> tuple[int, StoredView] | None:
    """The stored line of `page`. Raises ViewsNeeded."""
    if not draft.visitor.flushed:
        return None
    for slot, view in draft.stored.items():
        if view.page == page:
            return slot, view
    return next(((slot, view) for slot, view in all_views(draft).items() if view.page == page), None)


def is_sealed(draft: Draft) -> bool:
    """Whether the visit is over for good: its navigation has expired, so the history could only be made poorer.

    Raises ViewsNeeded.
    """
    visitor = draft.visitor
    return not visitor.live and len(all_views(draft)) < min(visitor.flushed, MAX_VIEWS)


def store_view(draft: Draft, view: StoredView, slot: int = -1) -> Draft:
    """Put `view` into the navigation: on its own line, or on the next one."""
    visitor = draft.visitor
    if slot < 0:
        slot = visitor.flushed % MAX_VIEWS
        visitor = replace(visitor, flushed=visitor.flushed + 1)
    return replace(draft, visitor=visitor, stored={**draft.stored, slot: view})
