"""Bytes of a request: the promise is that any bytes at all end in a batch or in a refusal, never in an exception."""

from __future__ import annotations

import json
import string
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.collector.domain.body import Readable, checked_text, is_nested_too_deep, read_batch
from services.collector.domain.frames import BadFrame, EventsFrame, read_frame
from services.collector.domain.refusals import PROBLEMS, Refusal
from shared.contracts.tracking import Hello
from tests.collector_rig import batch, event

ODD = st.sampled_from(['"', "\\", "[", "]", "{", "}", "a", "\\u0000", "\ud800", "\u2028", "😀", "\x7f", ":", ","])
TEXT = st.one_of(st.text(max_size=8), st.lists(ODD, max_size=8).map("".join))
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), TEXT),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXT, inner, max_size=3)),
    max_leaves=12,
)
FIELDS = ["site", "visitor", "token", "tab", "sent", "events", "x"]
EVENT_FIELDS = ["type", "page", "n", "at", "url", "title", "referrer", "engaged_ms", "attrs", "screen", "x"]


def depth(value: Any) -> int:
    """How deep a JSON value nests; a plain value is 0 deep."""
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(depth, value), default=0)
    return 0


@given(JSON)
@example({"a": {"b": "}}]]"}})
@example([[[["[["]]]])
@example([[[[[]]]]])
@example({'"': [[['\\"[']]]})
def test_nesting_is_measured_as_a_parser_would(value: Any) -> None:
    for ascii_only in (True, False):
        text = json.dumps(value, ensure_ascii=ascii_only).encode(errors="surrogatepass")
        assert is_nested_too_deep(text) == (depth(value) > 4)


@given(st.binary(max_size=200))
def test_any_bytes_end_in_a_batch_or_a_refusal(body: bytes) -> None:
    result = read_batch(body)
    assert isinstance(result, Readable) or result.code in PROBLEMS


@given(st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=4), st.dictionaries(st.sampled_from(EVENT_FIELDS), JSON))
@settings(max_examples=300)
def test_any_fields_end_in_a_batch_or_a_refusal(fields: dict[str, Any], event_fields: dict[str, Any]) -> None:
    body = json.dumps({**batch({**event(), **event_fields}, event()), **fields}).encode()
    result = read_batch(body)
    if isinstance(result, Readable):
        assert len(result.events) + len(result.rejected) >= 1
    else:
        assert result.status in (400, 422)
        assert bool(result.errors) == (result.status == 422)


@given(st.binary(max_size=30), st.integers(0, 300))
def test_a_damaged_batch_ends_in_a_batch_or_a_refusal(noise: bytes, at: int) -> None:
    good = json.dumps(batch()).encode()
    at = min(at, len(good))
    for damaged in (good[:at] + noise + good[at:], good[:at] + noise + good[at + len(noise) :]):
        result = read_batch(damaged)
        assert isinstance(result, Readable) or result.status in (400, 422)


@given(st.dictionaries(st.sampled_from(["type", "id", "sent", "events", "site", "tab", "token"]), JSON))
def test_any_frame_ends_in_a_message_or_an_error(fields: dict[str, Any]) -> None:
    frames = [fields, {**fields, "type": "events"}, {**fields, "type": "hello"}]
    for frame in frames:
        assert isinstance(read_frame(json.dumps(frame).encode(), "s_1234", "t"), Hello | EventsFrame | BadFrame)


@given(st.lists(st.one_of(st.just(event()), JSON), min_size=1, max_size=5), st.booleans())
def test_events_are_judged_alike_alone_and_together(events: list[Any], good_only: bool) -> None:
    """The typed decode of a whole batch and the look at single events must never disagree."""
    if good_only:
        events = [event(n=n) for n in range(len(events))]
    body = json.dumps(batch(events=events)).encode()
    result = read_batch(body)
    if not isinstance(result, Readable):
        assert result.status == 400
        return
    one_by_one = []
    for item in events:
        single = read_batch(json.dumps(batch(events=[item])).encode())
        one_by_one.append(isinstance(single, Readable) and not single.rejected)
    rejected = {wrong.i for wrong in result.rejected}
    assert [i not in rejected for i in range(len(events))] == one_by_one


@given(TEXT.map(lambda text: text.replace("\0", "")))
def test_lone_surrogates_become_the_replacement_character_and_pairs_stay(text: str) -> None:
    sent = "x" + text + "😀"
    result = read_batch(json.dumps(batch(event(title=sent))).encode())
    # Two halves that happen to stand side by side are a pair in JSON.
    expected = json.loads(json.dumps(sent)).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert isinstance(result, Readable)
    assert result.events[0].title == expected


@pytest.mark.parametrize(
    ("written", "nul"), [("a\\u0000", True), ("a\\\\u0000", False), ("a\\\\\\u0000", True), ("\\ud83d\\u0000", True)]
)
def test_an_escaped_nul_is_found_and_an_escaped_backslash_is_not_one(written: str, nul: bool) -> None:
    result = checked_text(f'{{"a":"{written}"}}'.encode())
    assert isinstance(result, Refusal) == nul


def test_integers_beyond_what_json_clients_hold_are_out_of_range() -> None:
    result = read_batch(json.dumps(batch(event(n=2**53))).encode())
    assert isinstance(result, Readable)
    assert [(wrong.pointer, wrong.code) for wrong in result.rejected] == [("/n", "range")]


def test_a_number_of_five_thousand_digits_is_an_invalid_attribute() -> None:
    text = json.dumps(batch(event(attrs={"a": 1}))).replace('"a": 1', f'"a": {"9" * 5000}')
    result = read_batch(text.encode())
    assert isinstance(result, Readable)
    assert [(wrong.pointer, wrong.code) for wrong in result.rejected] == [("/attrs", "range")]


def test_every_refusal_code_has_a_status_and_a_sentence() -> None:
    for code, (status, title) in PROBLEMS.items():
        assert 400 <= status <= 503
        assert title.endswith(".")
        assert set(code) <= set(string.ascii_lowercase + "_")
