"""A name given before a chat is the nickname, as if the page had told it."""

from __future__ import annotations

from services.presence.domain.draft import Draft, Moment
from services.presence.domain.fold import fold
from shared.contracts.sites import SiteSettings
from shared.contracts.streams import VisitorNamed
from shared.domain.visitor import Visitor, nickname

MOMENT = Moment(10_000, 0, SiteSettings(), {}, 10_000)


def named(visitor: Visitor, *given: tuple[str, int]) -> Visitor:
    """The visitor after these names, each given at its ms."""
    draft = Draft(visitor)
    for name, at_ms in given:
        draft = fold(draft, VisitorNamed("s_shop", "v", name, at_ms), MOMENT)
    return draft.visitor


def test_the_latest_name_counts_in_whatever_order_they_arrive():
    seven = Visitor(number=7)
    assert nickname(seven) == "Visitor 7"
    assert nickname(named(seven, ("Ann", 5), ("Bea", 9))) == "Bea"
    assert nickname(named(seven, ("Bea", 9), ("Ann", 5))) == "Bea"


def test_an_empty_name_says_nothing_and_a_repeat_changes_nothing():
    once = named(Visitor(number=7), ("Ann", 5))
    assert named(once, ("  ", 6)) == once
    assert named(once, ("Ann", 5)) == once
