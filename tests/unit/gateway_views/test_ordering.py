"""The order of text as people read it."""

from __future__ import annotations

import random

import pytest

from services.operator_gateway.views.countries import COUNTRY_NAMES, country_name
from services.operator_gateway.views.filters import normalized
from services.operator_gateway.views.ordering import natural_key
from shared.contracts.operators import Filter


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
