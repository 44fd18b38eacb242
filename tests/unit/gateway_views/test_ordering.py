"""The order of text as people read it."""

from __future__ import annotations

import random
from typing import get_args

import msgspec
import pytest

from services.operator_gateway.views.countries import COUNTRY_NAMES, country_name
from services.operator_gateway.views.engine import spec_of
from services.operator_gateway.views.filters import normalized
from services.operator_gateway.views.ordering import bounds, column_of, natural_key, position_key, visitor_of
from services.operator_gateway.views.visitors import SiteFacts, Visitor
from shared.contracts.operators import Filter, Sort, SortBy, ViewOpen
from tests.unit.gateway_views.rows import presence, visitor_id


@pytest.mark.parametrize(
    "ordered",
    [
        ["", "1", "2", "10", "a", "b"],
        ["Visitor 9", "visitor 10", "Visitor 100", "visitor 1000000000000000000000"],
        ["item 7 of 9", "item 7 of 10", "item 12 of 3"],
        ["Ada", "ÄDB", "adc", "Émile", "Frank", "Øya"],
        ["v1.9", "v1.10", "v2.0"],
    ],
)
def test_natural_order(ordered: list[str]) -> None:
    mixed = random.Random(1).sample(ordered, len(ordered))
    assert sorted(mixed, key=natural_key) == ordered


def test_case_and_leading_zeros_make_no_difference() -> None:
    assert natural_key("VISITOR 007") == natural_key("visitor 7")
    assert natural_key("Straße") == natural_key("STRASSE")


def test_countries_sort_and_show_by_their_english_names() -> None:
    assert country_name("DE") == "Germany"
    assert country_name("") == "Unknown"
    assert country_name("ZZ") == "ZZ"
    assert sorted(["SE", "CI", "AX"], key=lambda code: natural_key(country_name(code))) == ["AX", "CI", "SE"]
    assert len(COUNTRY_NAMES) == 250


def test_equal_wishes_are_one() -> None:
    one = Filter(status=("invited", "navigating"), country=("DE", "AT", "DE"), text="  Cart ")
    other = Filter(status=("navigating", "invited"), country=("AT", "DE"), text="cart")
    assert normalized(one) == normalized(other)
    assert normalized(Filter(text="   ")) == Filter()


def test_every_name_that_may_be_sorted_by_is_an_order() -> None:
    for by in get_args(SortBy):
        spec = spec_of(ViewOpen("list", "s_00000001", Sort(by)))
        key = position_key(spec.sort.by, SiteFacts())(Visitor(visitor_id(1), presence(1), None))
        assert visitor_of(key) == visitor_id(1)
        lowest, beyond = bounds(column_of(key))
        assert lowest < key < beyond


@pytest.mark.parametrize("nickname", ["Visitor 0", "Visitor 7", "Visitor 1042", "visitor 7", "Visitor 07", "Ada"])
@pytest.mark.parametrize("number", [0, 7, 1042])
def test_who_is_called_by_number_stands_where_the_text_says(nickname: str, number: int) -> None:
    key = position_key("nickname", SiteFacts())(Visitor(visitor_id(1), presence(number, nickname=nickname), None))
    assert column_of(key) == natural_key(nickname)


def test_other_names_of_a_column_share_its_index() -> None:
    pairs: list[tuple[SortBy, SortBy]] = [("history", "returning"), ("operators", "operator"), ("current_page", "page")]
    for other, own in pairs:
        assert spec_of(ViewOpen("list", "s_00000001", Sort(other))) == spec_of(
            ViewOpen("list", "s_00000001", Sort(own))
        )


def test_an_unknown_column_is_an_error() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"view": "list", "site": "s_00000001", "sort": {"by": "shoe_size"}}, ViewOpen)
