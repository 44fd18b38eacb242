"""The order of the list: one sort key per column, computed from what the column shows.

Text sorts as people read it: case-folded, without accents, digit runs by their value ("Visitor 9" before "Visitor
10"). Equal visitors stand in the order of their numbers, which no two have in common, in both directions; the id is
there so that a key names its visitor. A column's key is one
string or one integer, so that comparing two rows is one C-level comparison. Read :func:`position_key` first.

Times that tick cannot be sorted by their momentary value, since the order would change by itself. `chat_time` and
`wait_time` therefore sort as: none, then the stopped ones by duration, then the running ones by duration (which all
grow alike).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache
from typing import Literal

from services.operator_gateway.views.countries import country_name
from services.operator_gateway.views.visitors import SiteFacts, Visitor
from shared.contracts.operators import Sort, SortBy
from shared.contracts.rows import Status

ColumnKey = str | int
PositionKey = tuple[ColumnKey, int, str]

STATUS_LABELS: dict[Status, str] = {
    "navigating": "navigating",
    "invited": "invited",
    "accepted": "accepted",
    "chat_denied": "chat denied",
    "requested": "requested",
    "chatting": "chatting",
    "conference": "conference",
    "forwarded": "forwarded",
    "kicked": "kicked",
    "chat_end": "chat end",
    "redirected": "redirected",
}
WAITING: frozenset[Status] = frozenset(("requested",))
TALKING: frozenset[Status] = frozenset(("chatting", "conference", "forwarded"))

RUNNING_BASE = 2**60  # above every possible duration: running times sort behind the stopped ones
KEPT_KEYS = 20_000  # texts whose keys are kept: a row's old place is looked up with the text of a moment ago
_DIGITS = re.compile(r"\d+")


@lru_cache(maxsize=KEPT_KEYS)
def natural_key(text: str) -> str:
    """`text` folded so that plain string comparison gives the natural order.

    A digit run becomes "0", a character that grows with its length, and its digits without leading zeros: longer
    numbers come later, equally long ones compare digit by digit, and numbers stay where digits sort.
    """
    folded = text.casefold()
    if not folded.isascii():
        decomposed = unicodedata.normalize("NFKD", folded)
        folded = "".join(char for char in decomposed if not unicodedata.combining(char))
    return _DIGITS.sub(_number_key, folded)


def _number_key(match: re.Match[str]) -> str:
    digits = match.group().lstrip("0")
    return f"0{chr(32 + len(digits))}{digits}"


def _time_key(started_at: int, stopped_at: int, running: bool) -> int:
    if not started_at:
        return 0
    if running:
        return RUNNING_BASE - started_at
    return 1 + max(0, stopped_at - started_at)


def _chat_time(visitor: Visitor, _facts: SiteFacts) -> int:
    part = visitor.engagement
    if part is None:
        return 0
    return _time_key(part.engaged_at, part.ended_at, part.status in TALKING and not part.ended_at)


def _wait_time(visitor: Visitor, _facts: SiteFacts) -> int:
    part = visitor.engagement
    if part is None:
        return 0
    running = part.status in WAITING and part.engaged_at < part.requested_at
    return _time_key(part.requested_at, part.engaged_at or part.ended_at, running)


def _operators(visitor: Visitor, _facts: SiteFacts) -> str:
    part = visitor.engagement
    if part is None or not part.operators:
        return ""
    return natural_key(", ".join(operator.name for operator in part.operators))


def _device(visitor: Visitor, _facts: SiteFacts) -> str:
    device = visitor.presence.device
    return natural_key(f"{device.kind} {device.browser} {device.os}")


_COLUMNS: dict[SortBy, Callable[[Visitor, SiteFacts], ColumnKey]] = {
    "returning": lambda visitor, _: int(visitor.presence.returning),
    "nickname": lambda visitor, _: natural_key(visitor.nickname),
    "country": lambda visitor, _: natural_key(country_name(visitor.presence.country)),
    "skill": lambda visitor, facts: natural_key(facts.skill_name(visitor.skill(facts))),
    "status": lambda visitor, _: STATUS_LABELS[visitor.status],
    "operator": _operators,
    "visit_started_at": lambda visitor, _: visitor.presence.visit_started_at,
    "chat_time": _chat_time,
    "wait_time": _wait_time,
    "page": lambda visitor, _: natural_key(visitor.presence.page.title or visitor.presence.page.url),
    "pages": lambda visitor, _: visitor.presence.pages,
    "number": lambda visitor, _: visitor.presence.number,
    "visits": lambda visitor, _: visitor.presence.visits,
    "total_time": lambda visitor, _: -visitor.presence.visit_started_at,
    "requested_at": lambda visitor, _: visitor.engagement.requested_at if visitor.engagement else 0,
    "engaged_at": lambda visitor, _: visitor.engagement.engaged_at if visitor.engagement else 0,
    "activity": lambda visitor, _: visitor.presence.activity,
    "device": _device,
    "referrer": lambda visitor, _: natural_key(visitor.presence.referrer),
    "lang": lambda visitor, _: natural_key(visitor.presence.lang),
}
# Other names for the same column: equal wishes share an index, so they are put into one form first.
ALIASES: dict[SortBy, SortBy] = {"history": "returning", "operators": "operator", "current_page": "page"}


def normalized_sort(sort: Sort) -> Sort:
    """The same order by the column's own name."""
    return Sort(ALIASES.get(sort.by, sort.by), sort.dir)


def position_key(sort: Sort, facts: SiteFacts) -> Callable[[Visitor], PositionKey]:
    """The key of `sort`. A descending list is read from the end, so its tie-break is turned round to read rightly."""
    column = _COLUMNS[sort.by]
    direction: Literal["asc", "desc"] = sort.dir
    if direction == "asc":
        return lambda visitor: (column(visitor, facts), visitor.presence.number, visitor.id)
    return lambda visitor: (column(visitor, facts), -visitor.presence.number, visitor.id)
