"""What the list has to be told of a commit: how a visitor's row differs from before. Read :func:`publish`."""

from __future__ import annotations

from msgspec.structs import replace

from services.presence.domain.draft import Draft
from shared.contracts.rows import PresenceRow
from shared.contracts.streams import RowChanged, RowGone
from shared.domain.visitor import Visitor, current_tab, presence_row

# The version stands beside the fields, not among them.
FIELDS = tuple(name for name in PresenceRow.__struct_fields__ if name != "version")


def publish(
    who: tuple[str, str], before: Visitor, draft: Draft, seq: int, number: int
) -> tuple[Draft, RowChanged | RowGone | None]:
    """The draft with its number (`number` if it needs one) and the row's version, and the change that takes `seq`."""
    visitor = draft.visitor
    if visitor.visits and not visitor.number:
        visitor = replace(visitor, number=number)
        draft = replace(draft, visitor=visitor)
    change = row_change(*who, before, draft, seq)
    if change is not None and visitor.number:
        draft = replace(draft, visitor=replace(visitor, version=change.version))
    return draft, change


def visible(visitor: Visitor) -> tuple[object, ...]:
    """Everything of `visitor` that its row is made of, apart from the version."""
    if not visitor.live:
        return ()
    tab = current_tab(visitor.tabs)
    view = tab.view if tab is not None else None
    return (
        visitor.activity,
        visitor.pages,
        view and view.url,
        view and view.title,
        visitor.attrs,
        visitor.visits,
        visitor.visit_started_at,
        visitor.number,
        visitor.country,
        visitor.lang,
        visitor.browser,
        visitor.os,
        visitor.kind,
        visitor.referrer,
        visitor.campaign,
        visitor.source_kind,
        visitor.source_name,
    )


def row_change(site: str, visitor: str, before: Visitor, draft: Draft, seq: int) -> RowChanged | RowGone | None:
    """The change that takes number `seq`, which is the row's version too; None when nothing visible changed."""
    if draft.forgotten < 0 and visible(before) == visible(draft.visitor):
        return None  # most events change nothing that is shown: do not even build the rows
    old, new = presence_row(before), presence_row(draft.visitor)
    if new is None:
        return None if old is None else RowGone(site, seq, visitor, seq)
    if old is None or draft.forgotten >= 0:
        return RowChanged(site, seq, visitor, seq, {name: getattr(new, name) for name in FIELDS}, full=True)
    fields = {name: value for name in FIELDS if (value := getattr(new, name)) != getattr(old, name)}
    return RowChanged(site, seq, visitor, seq, fields) if fields else None
