"""What the list is told: exactly the fields that differ, and nothing when nothing does."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from services.presence.domain.draft import Draft
from services.presence.domain.publish import publish
from shared.contracts.streams import RowChanged
from shared.domain.visitor import Tab, View, Visitor, pack_id, presence_row, unpack_id
from tests.unit.presence.story import SITE, START, VISITOR

HERE = Tab(b"t" * 16, 3, view=View(b"p" * 16, "https://shop.example/", "Shop", START))
VISITOR_HERE = Visitor(number=7, version=9, live=True, visits=1, visit_started_at=START, tabs=(HERE,))
SHOWN: dict[str, tuple[dict[str, Any], set[str]]] = {
    "number": ({"number": 8}, {"number", "nickname"}),
    "visits": ({"visits": 2}, {"visits", "returning"}),
    "started": ({"visit_started_at": START + 1}, {"visit_started_at"}),
    "activity": ({"activity": "idle"}, {"activity"}),
    "pages": ({"pages": 4}, {"pages"}),
    "country": ({"country": "DE"}, {"country"}),
    "lang": ({"lang": "de"}, {"lang"}),
    "browser": ({"browser": "Firefox"}, {"device"}),
    "os": ({"os": "Linux"}, {"device"}),
    "kind": ({"kind": "mobile"}, {"device"}),
    "referrer": ({"referrer": "https://search.example/"}, {"referrer"}),
    "source": ({"source_kind": "search", "source_name": "Example"}, {"source"}),
    "campaign": ({"campaign": "spring"}, {"campaign"}),
    "attribute": ({"attrs": {"plan": ("pro", START)}}, {"attrs"}),
    "name": ({"attrs": {"name": ("Ada", START)}}, {"nickname", "named"}),
    "page": ({"tabs": (replace(HERE, view=View(b"q" * 16, "https://shop.example/b", "Shop", START)),)}, {"page"}),
    "title": ({"tabs": (replace(HERE, view=View(b"p" * 16, "https://shop.example/", "Basket", START)),)}, {"page"}),
}
UNSEEN: dict[str, dict[str, Any]] = {
    "engaged": {"engaged_ms": 5},
    "input": {"input_at": START + 5},
    "timer": {"due": START + 5},
    "navigation": {"flushed": 5},
    "tab number": {"tabs": (replace(HERE, top=4),)},
    "sign of life": {"tabs": (replace(HERE, seen_at=START + 5),)},
}


def told(after: Visitor) -> RowChanged | None:
    _, change = publish((SITE, VISITOR), VISITOR_HERE, Draft(after), 10, 11)
    assert change is None or isinstance(change, RowChanged)
    return change


@pytest.mark.parametrize(("changes", "fields"), SHOWN.values(), ids=SHOWN.keys())
def test_a_change_of_what_is_shown_tells_its_fields_and_no_others(changes, fields):
    change = told(replace(VISITOR_HERE, **changes))
    assert change is not None
    assert set(change.fields) == fields
    assert not change.full


@pytest.mark.parametrize("changes", UNSEEN.values(), ids=UNSEEN.keys())
def test_a_change_of_what_is_not_shown_tells_nothing(changes):
    assert told(replace(VISITOR_HERE, **changes)) is None


def test_every_field_of_the_row_is_tested_here():
    row = presence_row(VISITOR_HERE)
    assert row is not None
    tested = set().union(*(fields for _, fields in SHOWN.values()))
    assert tested == set(row.__struct_fields__) - {"version"}


@pytest.mark.parametrize("text", ["", "a", "x" * 15, "x" * 16, "x" * 36, "11111111-2222-4333-8444-55555555aBcD"])
def test_an_id_is_kept_as_it_came(text):
    assert unpack_id(pack_id(text)) == text.lower()
