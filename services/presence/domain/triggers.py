"""Which changes of a visitor are worth telling chat-routing, so that it can invite by the site's triggers.

Only what some trigger looks at counts; where a site has none, nothing is told. That time passes is not told:
chat-routing keeps timers of its own. Read :func:`worth_telling`.
"""

from __future__ import annotations

from collections.abc import Iterable

from shared.contracts.sites import Trigger
from shared.domain.visitor import Visitor, current_tab


def worth_telling(triggers: Iterable[Trigger], before: Visitor, after: Visitor) -> bool:
    """Whether a trigger may fit `after` that did not fit `before`."""
    used = [trigger for trigger in triggers if trigger.enabled]
    if not used or not after.live:
        return False
    if not before.live or before.visits != after.visits:
        return True
    if before.pages != after.pages or _shown(before) != _shown(after):
        return True
    if before.activity != after.activity and any(trigger.idle_ms is not None for trigger in used):
        return True
    return before.attrs != after.attrs and any(c.subject == "attribute" for one in used for c in one.conditions)


def _shown(visitor: Visitor) -> tuple[str, int]:
    """The page in sight, and since when."""
    tab = current_tab(visitor.tabs)
    return (tab.view.url, tab.view.started_at) if tab is not None and tab.view is not None else ("", 0)
