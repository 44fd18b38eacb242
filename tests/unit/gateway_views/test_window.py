"""Differences of windows: whatever happened between two windows, applying the delta gives the second one."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from services.operator_gateway.views.visitors import SiteFacts, Visitor
from services.operator_gateway.views.window import Window, checksum, difference, moves
from tests.unit.gateway_views.rows import Client, as_wire, delta_of, engagement, presence, visitor_id

FACTS = SiteFacts()
COUNTS = {"navigating": 1}


def window(picks: list[tuple[int, int]]) -> Window:
    rows = []
    for number, version in picks:
        talk = engagement(version=version, status="chatting", chat="c1") if version % 2 else None
        rows.append(
            Visitor(visitor_id(number), presence(number, version=version, pages=version), talk).row(FACTS),
        )
    return Window(tuple(rows), len(rows), COUNTS)  # type: ignore[arg-type]


windows = st.lists(st.tuples(st.integers(1, 40), st.integers(1, 4)), max_size=30, unique_by=lambda pick: pick[0]).map(
    window
)


@given(old=windows, new=windows)
def test_applying_the_difference_gives_the_new_window(old: Window, new: Window) -> None:
    client = Client()
    client.take_state({**as_state(old), "epoch": "e", "seq": 1})
    parts = difference(old, new)
    assert client.take_delta(as_wire(delta_of("e", 1, 2, parts)))
    assert client.rows == as_state(new)["rows"]
    assert client.total == new.total
    assert checksum([(row["visitor"], row["version"]) for row in client.rows]) == new.checksum


def as_state(shown: Window) -> dict[str, object]:
    return {"rows": msgspec.json.decode(msgspec.json.encode(shown.rows)), "total": shown.total, "counts": {}}


@given(st.permutations(range(12)))
def test_moves_reach_every_permutation(order: list[int]) -> None:
    wanted = [str(number) for number in order]
    current = [str(number) for number in range(12)]
    shown = list(current)
    for visitor, position in moves(current, wanted):
        shown.remove(visitor)
        shown.insert(position, visitor)
    assert shown == wanted


def test_one_row_that_moved_is_one_move() -> None:
    shown = [str(number) for number in range(200)]
    down = [*shown[:10], *shown[11:151], shown[10], *shown[151:]]
    assert moves(list(shown), down) == [("10", 150)]
    assert moves(list(down), shown) == [("10", 10)]


def test_two_rows_that_changed_places_far_apart_are_two_moves() -> None:
    shown = [str(number) for number in range(200)]
    swapped = list(shown)
    swapped[5], swapped[150] = swapped[150], swapped[5]
    assert len(moves(list(shown), swapped)) == 2


def test_nothing_changed_is_an_empty_difference() -> None:
    shown = window([(1, 1), (2, 2)])
    assert not difference(shown, Window(shown.rows, 2, COUNTS))  # type: ignore[arg-type]


def test_a_field_that_went_away_is_sent_as_null() -> None:
    with_chat, without = window([(1, 1)]), window([(1, 2)])
    [(_, _, fields)] = difference(with_chat, without).update
    assert fields["chat"] is None
    assert fields["status"] == "navigating"


def test_rows_that_the_client_has_in_this_version_are_not_sent_again() -> None:
    shown = window([(1, 2), (2, 4), (3, 2)])
    have = [(visitor_id(1), shown.rows[0].version), (visitor_id(2), shown.rows[0].version)]
    assert [row.number for row in shown.lacking(have)] == [2, 3]
