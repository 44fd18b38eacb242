"""When a trigger fits a visitor: a time from which it does, or that something other than time is in the way.

Pure matching; who invites, and whether that may be, is the router's and the state machine's business. Read
:func:`fits_from_ms`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct

from shared.contracts.sites import Trigger
from shared.domain.skills import RuleFacts, facts_of, fits
from shared.domain.visitor import Visitor, current_tab, presence_row


class Past(Struct, frozen=True, array_like=True):
    """How often one trigger has invited the visitor, and when last (ms)."""

    times: int
    last_ms: int


History = Mapping[str, Past]  # by trigger


class Seen(Struct, frozen=True, kw_only=True):
    """What triggers look at. `away`: no page is in sight."""

    facts: RuleFacts
    page_since_ms: int
    site_since_ms: int
    input_ms: int
    pages: int
    returning: bool
    away: bool


def seen(visitor: Visitor) -> Seen | None:
    """The visitor as triggers see it; None unless a page is shown."""
    row, tab = presence_row(visitor), current_tab(visitor.tabs)
    if row is None or tab is None or tab.view is None:
        return None
    return Seen(
        facts=facts_of(row),
        page_since_ms=tab.view.started_at,
        site_since_ms=visitor.visit_started_at,
        input_ms=max(visitor.input_at, tab.view.started_at),
        pages=visitor.pages,
        returning=row.returning,
        away=row.activity == "away",
    )


def fits_from_ms(trigger: Trigger, visitor: Seen, history: History) -> int | None:
    """From when on the trigger fits if nothing but time changes; None: not by time alone."""
    past = history.get(trigger.trigger)
    if not trigger.enabled or (past is not None and past.times >= trigger.cap):
        return None
    if trigger.pages is not None and visitor.pages < trigger.pages:
        return None
    if trigger.returning is not None and visitor.returning is not trigger.returning:
        return None
    if not all(fits(condition, visitor.facts) for condition in trigger.conditions):
        return None
    if trigger.idle_ms is not None and visitor.away:
        return None
    return max(
        visitor.page_since_ms + (trigger.on_page_ms or 0),
        visitor.site_since_ms + (trigger.on_site_ms or 0),
        0 if trigger.idle_ms is None else visitor.input_ms + trigger.idle_ms,
        0 if past is None else past.last_ms + trigger.cooldown_ms,
    )


def ready(triggers: Iterable[Trigger], visitor: Seen, history: History, now_ms: int) -> list[Trigger]:
    """The triggers that fit now, in the site's order."""
    times = ((trigger, fits_from_ms(trigger, visitor, history)) for trigger in triggers)
    return [trigger for trigger, at_ms in times if at_ms is not None and at_ms <= now_ms]


def next_look_ms(triggers: Iterable[Trigger], visitor: Seen, history: History, now_ms: int) -> int | None:
    """When the next one may fit by time alone."""
    times = (fits_from_ms(trigger, visitor, history) for trigger in triggers)
    return min((at_ms for at_ms in times if at_ms is not None and at_ms > now_ms), default=None)


def invited(history: History, trigger: Trigger, now_ms: int) -> History:
    """The history after this trigger has invited the visitor."""
    past = history.get(trigger.trigger, Past(0, 0))
    return {**history, trigger.trigger: Past(past.times + 1, now_ms)}
