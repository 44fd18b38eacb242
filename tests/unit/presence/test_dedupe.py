"""Which event numbers count as seen."""

from hypothesis import given
from hypothesis import strategies as st

from services.presence.domain.dedupe import MAX_HOLES, Seen, accept

NOTHING: Seen = (-1, ())


def seen_all(numbers: list[int]) -> list[bool]:
    top, holes = NOTHING
    taken = []
    for n in numbers:
        after = accept(top, holes, n)
        taken.append(after is not None)
        if after is not None:
            top, holes = after
        assert sum(holes[i + 1] - holes[i] + 1 for i in range(0, len(holes), 2)) <= MAX_HOLES
    return taken


@given(st.lists(st.integers(0, 200), max_size=300))
def test_each_number_is_new_exactly_once_in_any_order(numbers):
    known: set[int] = set()
    for n, new in zip(numbers, seen_all(numbers), strict=True):
        assert new == (n not in known)
        known.add(n)


def test_a_jump_gives_up_the_oldest_missing_numbers_and_keeps_the_latest():
    assert seen_all([1000, 1000 - MAX_HOLES, 1000 - MAX_HOLES - 1]) == [True, True, False]


def test_the_sum_of_many_holes_stays_bounded():
    every_other = list(range(0, 2000, 2))
    top = every_other[-1]
    assert seen_all([*every_other, top - 1, 1]) == [True] * 1001 + [False]


def test_the_greatest_number_a_client_can_send_is_taken():
    assert seen_all([2**53 - 1, 2**53 - 1, 2**53 - 2]) == [True, False, True]
