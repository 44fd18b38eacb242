"""Which visitors a view shows. A filter is put into one form first, so that equal wishes share one index."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from services.operator_gateway.views.visitors import RULES_READ, SiteFacts, Visitor
from shared.contracts.operators import Filter

Matches = Callable[[Visitor], bool]


def normalized(wish: Filter) -> Filter:
    """The same filter with sorted lists without repeats, folded text, and nothing where nothing is filtered."""
    text = wish.text.strip().casefold() if wish.text else ""
    return Filter(
        status=tuple(sorted(set(wish.status))),
        skill=tuple(sorted(set(wish.skill))),
        country=tuple(sorted(set(wish.country))),
        operator=wish.operator,
        returning=wish.returning,
        text=text or None,
    )


def without_status(wish: Filter) -> Filter:
    """What the counters count: everything of the filter but the status they break down."""
    return msgspec.structs.replace(wish, status=())


def predicate(wish: Filter, facts: SiteFacts) -> Matches | None:
    """The test of a normalized filter; None if everything passes. Cheap tests run before the text search."""
    tests: list[Matches] = []
    if wish.status:
        statuses = frozenset(wish.status)
        tests.append(lambda visitor: visitor.status in statuses)
    if wish.returning is not None:
        returning = wish.returning
        tests.append(lambda visitor: visitor.presence.returning is returning)
    if wish.country:
        countries = frozenset(wish.country)
        tests.append(lambda visitor: visitor.presence.country in countries)
    if wish.skill:
        skills = frozenset(wish.skill)
        tests.append(lambda visitor: visitor.skill(facts) in skills)
    if wish.operator is not None:
        operator = wish.operator
        tests.append(lambda visitor: _has_operator(visitor, operator))
    if wish.text:
        text = wish.text
        tests.append(lambda visitor: _contains(visitor, text))
    if not tests:
        return None
    if len(tests) == 1:
        return tests[0]
    return lambda visitor: all(test(visitor) for test in tests)


def reads(wish: Filter) -> frozenset[str]:
    """The fields of presence's part without which a change lets nobody in or out."""
    fields: list[str] = []
    if wish.returning is not None:
        fields.append("returning")
    if wish.country:
        fields.append("country")
    if wish.skill:
        fields.extend(RULES_READ)
    if wish.text:
        fields.extend(("nickname", "page"))
    return frozenset(fields)


def _has_operator(visitor: Visitor, operator: str) -> bool:
    part = visitor.engagement
    return part is not None and any(ref.id == operator for ref in part.operators)


def _contains(visitor: Visitor, text: str) -> bool:
    page = visitor.presence.page
    return text in visitor.nickname.casefold() or text in page.title.casefold() or text in page.url.casefold()
