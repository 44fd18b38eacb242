"""Which answers an engagement carries, which are put aside, and what becomes of a repeat."""

from __future__ import annotations

from services.chat_routing.domain.answers import (
    ANSWERS_KEPT,
    LEFT,
    MAX_ASIDE,
    aside_field,
    is_to_be_sought,
    known_answer,
    put_aside,
    remember,
)
from services.chat_routing.domain.engagement import Answer, Engagement

NOBODY = Engagement(site="s_shop", visitor="v1")


def answered(count: int, engagement: Engagement = NOBODY, every: int = 1) -> Engagement:
    """Commands k1, k2 ...; of `every` so many one is done, the others are refused."""
    for n in range(1, count + 1):
        refused = None if n % every == 0 else "engaged"
        engagement = remember(engagement, Answer("visitor:v1", f"k{n}", refused, n))  # type: ignore[arg-type]
    return engagement


def test_few_answers_stay_where_they_are() -> None:
    full = answered(ANSWERS_KEPT)
    assert put_aside(full) == (full, ())
    assert not is_to_be_sought(full, ("visitor:v1", "unheard of"))


def test_older_half_is_put_aside_and_is_still_known() -> None:
    before = answered(ANSWERS_KEPT + 1)
    after, older = put_aside(before)
    assert after.answers == before.answers[-LEFT:]
    assert older + after.answers == before.answers
    assert after.aside == len(older)
    key = ("visitor:v1", "k1")
    assert is_to_be_sought(after, key)
    assert known_answer(after, key, {}) is None
    assert known_answer(after, key, {key: older[0]}) == before.answers[0]
    assert not is_to_be_sought(after, ("visitor:v1", f"k{ANSWERS_KEPT}"))


def test_refusals_are_not_put_aside() -> None:
    after, older = put_aside(answered(ANSWERS_KEPT + 2, every=2))
    assert [one.id for one in older] == [f"k{n}" for n in range(2, ANSWERS_KEPT + 3 - LEFT, 2)]
    assert after.aside == len(older)


def test_what_is_put_aside_is_bounded() -> None:
    engagement, most = NOBODY, 0
    for _ in range(MAX_ASIDE // ANSWERS_KEPT + 100):
        engagement, _older = put_aside(answered(ANSWERS_KEPT + 1, engagement))
        most = max(most, engagement.aside)
    assert MAX_ASIDE - 2 * ANSWERS_KEPT < most <= MAX_ASIDE


def test_senders_and_ids_are_not_mixed_up() -> None:
    keys = [("visitor:a", "b"), ("visitor:a\0b", ""), ("visitor:", "a\0b"), ("operator:a", "b"), ("visitor:ab", "")]
    assert len({aside_field(key) for key in keys}) == len(keys)
