"""The order of the list: one sort key per column, computed from what the column shows.

Text sorts as people read it: case-folded, without accents, digit runs by their value ("Visitor 9" before "Visitor
10"). Equal visitors stand in the order of their numbers, which no two have in common, in both directions; the id is
there so that a key names its visitor. A key is one string, so that comparing two rows is one comparison of memory that
lies together: with 100,000 rows it is what misses the processor's cache that costs. Read :func:`position_key` first.

Times that tick cannot be sorted by their momentary value, since the order would change by itself. `chat_time` and
`wait_time` therefore sort as: none, then the stopped ones by duration, then the running ones by duration (which all
grow alike).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from services.operator_gateway.views.countries import country_name
from services.operator_gateway.views.visitors import RULES_READ, SiteFacts, Visitor
from shared.contracts.operators import Sort, SortBy
from shared.contracts.rows import EngagementRow, Status

PositionKey = str  # the column's key, NUL (which no column's key contains), the number, the visitor's id

ID_LENGTH = 36  # a visitor is a uuid
# Added to integers, so that all have as many digits and sort as text; an addition costs a third of padding with zeros.
NUMBER_BASE = 10**12  # above every visitor number
INTEGER_BASE = 10**18
TAIL_LENGTH = 1 + len(str(NUMBER_BASE)) + ID_LENGTH

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
    return _DIGITS.sub(_number_key, folded.replace("\0", ""))


def _number_key(match: re.Match[str]) -> str:
    return _number_text(match.group().lstrip("0"))


def _number_text(digits: str) -> str:
    return f"0{chr(32 + len(digits))}{digits}"


def _integer(value: int) -> str:
    """Integers from 0 on, as texts in the same order."""
    return str(INTEGER_BASE + value)


_ZERO = _integer(0)


def _time_key(started_at: int, stopped_at: int, running: bool) -> str:
    if not started_at:
        return _ZERO
    if running:
        return _integer(RUNNING_BASE - started_at)
    return _integer(1 + max(0, stopped_at - started_at))


def _total_time(visitor: Visitor, _facts: SiteFacts) -> str:
    return _integer(RUNNING_BASE - visitor.presence.visit_started_at)


def _chat_time(visitor: Visitor, _facts: SiteFacts) -> str:
    part = visitor.engagement
    if part is None:
        return _ZERO
    return _time_key(part.engaged_at, part.ended_at, part.status in TALKING and not part.ended_at)


def _wait_time(visitor: Visitor, _facts: SiteFacts) -> str:
    part = visitor.engagement
    if part is None:
        return _ZERO
    running = part.status in WAITING and part.engaged_at < part.requested_at
    return _time_key(part.requested_at, part.engaged_at or part.ended_at, running)


def _nickname(visitor: Visitor, _facts: SiteFacts) -> str:
    """Most are called by their number, and no two alike: their key is made without taking the text apart."""
    text, number = visitor.nickname, visitor.presence.number
    if number > 0 and text == f"Visitor {number}":
        return f"visitor {_number_text(str(number))}"
    return natural_key(text)


def _operators(visitor: Visitor, _facts: SiteFacts) -> str:
    part = visitor.engagement
    if part is None or not part.operators:
        return ""
    return natural_key(", ".join(operator.name for operator in part.operators))


def _device(visitor: Visitor, _facts: SiteFacts) -> str:
    device = visitor.presence.device
    return natural_key(f"{device.kind} {device.browser} {device.os}")


def _since(field: Callable[[EngagementRow], int]) -> Callable[[Visitor, SiteFacts], str]:
    def key(visitor: Visitor, _facts: SiteFacts) -> str:
        part = visitor.engagement
        return _ZERO if part is None else _integer(field(part))

    return key


class Column(NamedTuple):
    """How a column sorts, and which fields of presence's part it looks at: other changes leave a row in place."""

    key: Callable[[Visitor, SiteFacts], str]
    reads: frozenset[str] = frozenset()


def _column(key: Callable[[Visitor, SiteFacts], str], *reads: str) -> Column:
    return Column(key, frozenset(reads))


_COLUMNS: dict[SortBy, Column] = {
    "returning": _column(lambda visitor, _: "1" if visitor.presence.returning else "0", "returning"),
    "nickname": _column(_nickname, "nickname"),
    "country": _column(lambda visitor, _: natural_key(country_name(visitor.presence.country)), "country"),
    "skill": _column(lambda visitor, facts: natural_key(facts.skill_name(visitor.skill(facts))), *RULES_READ),
    "status": _column(lambda visitor, _: STATUS_LABELS[visitor.status]),
    "operator": _column(_operators),
    "visit_started_at": _column(lambda visitor, _: _integer(visitor.presence.visit_started_at), "visit_started_at"),
    "chat_time": _column(_chat_time),
    "wait_time": _column(_wait_time),
    "page": _column(lambda visitor, _: natural_key(visitor.presence.page.title or visitor.presence.page.url), "page"),
    "pages": _column(lambda visitor, _: _integer(visitor.presence.pages), "pages"),
    "number": _column(lambda visitor, _: _integer(visitor.presence.number), "number"),
    "visits": _column(lambda visitor, _: _integer(visitor.presence.visits), "visits"),
    "total_time": _column(
        lambda visitor, _: _integer(RUNNING_BASE - visitor.presence.visit_started_at), "visit_started_at"
    ),
    "requested_at": _column(_since(lambda part: part.requested_at)),
    "engaged_at": _column(_since(lambda part: part.engaged_at)),
    "activity": _column(lambda visitor, _: visitor.presence.activity, "activity"),
    "device": _column(_device, "device"),
    "referrer": _column(lambda visitor, _: natural_key(visitor.presence.referrer), "referrer"),
    "lang": _column(lambda visitor, _: natural_key(visitor.presence.lang), "lang"),
}
# Other names for the same column: equal wishes share an index, so they are put into one form first.
ALIASES: dict[SortBy, SortBy] = {"history": "returning", "operators": "operator", "current_page": "page"}


def normalized_sort(sort: Sort) -> Sort:
    """The same order by the column's own name. Who has been here the longest came first."""
    if sort.by == "total_time":
        return Sort("visit_started_at", "desc" if sort.dir == "asc" else "asc")
    return Sort(ALIASES.get(sort.by, sort.by), sort.dir)


def position_key(by: SortBy, facts: SiteFacts) -> Callable[[Visitor], PositionKey]:
    """The ascending order of a column. A descending list is the same keys, read by :func:`column_of` from the end."""
    column = _COLUMNS[by].key

    def key(visitor: Visitor) -> PositionKey:
        number = visitor.presence.number % NUMBER_BASE
        return f"{column(visitor, facts)}\0{NUMBER_BASE + number}{visitor.id}"

    return key


def reads(by: SortBy) -> frozenset[str]:
    """The fields of presence's part without which a change moves nobody in this order."""
    return _COLUMNS[by].reads | {"number"}


def visitor_of(key: PositionKey) -> str:
    """Whose key it is."""
    return key[-ID_LENGTH:]


def column_of(key: PositionKey) -> str:
    """What rows that the column does not tell apart have in common."""
    return key[:-TAIL_LENGTH]


def bounds(column: str) -> tuple[PositionKey, PositionKey]:
    """The keys of `column` are from the first on and below the second."""
    return f"{column}\0", f"{column}\1"
