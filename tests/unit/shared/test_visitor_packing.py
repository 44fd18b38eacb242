"""How a visitor is stored: whole, small, and in a format that does not change by accident."""

from __future__ import annotations

from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.rows import Activity, DeviceKind, SourceKind
from shared.domain.visitor import Tab, View, Visitor, pack_id, short_id
from shared.domain.visitor_packing import decode_row, pack_visitor, unpack_visitor

WORDS = st.text(max_size=8)
TIMES = st.sampled_from([0, 1, 1_700_000_000_000, 1_700_000_000_001]) | st.integers(0, 2**52)
COUNTS = st.integers(0, 2**40)
IDS = st.binary(min_size=1, max_size=20)
VIEWS = st.builds(View, IDS, WORDS, WORDS, TIMES, COUNTS, st.integers(-1, 199))
TABS = st.builds(
    Tab,
    tab=IDS,
    top=st.integers(-1, 10**9),
    holes=st.lists(COUNTS, max_size=4).map(tuple),
    view=st.none() | VIEWS,
    hidden=st.booleans(),
    focused_at=TIMES,
    seen_at=TIMES,
    left_at=TIMES,
    detached=st.booleans(),
    channels=st.lists(st.tuples(WORDS, IDS), max_size=2).map(tuple),
    past_channels=st.lists(IDS, max_size=2).map(tuple),
)
VISITORS = st.builds(
    Visitor,
    number=COUNTS,
    version=COUNTS,
    live=st.booleans(),
    anonymous=st.booleans(),
    visits=COUNTS,
    visit_started_at=TIMES,
    ended_at=TIMES,
    activity=st.sampled_from(get_args(Activity)),
    input_at=TIMES,
    due=TIMES,
    pages=COUNTS,
    engaged_ms=COUNTS,
    flushed=COUNTS,
    country=WORDS,
    lang=WORDS,
    browser=WORDS,
    os=WORDS,
    kind=st.sampled_from(get_args(DeviceKind)),
    referrer=WORDS,
    campaign=WORDS,
    attrs=st.dictionaries(WORDS, st.tuples(WORDS, TIMES), max_size=3),
    tabs=st.lists(TABS, max_size=3).map(tuple),
    source_kind=st.sampled_from(get_args(SourceKind)),
    source_name=WORDS,
)
AT_MS = 1_800_000_000_000
UUID = "00849299-8c42-450e-a6c7-fd4c5803861e"


def usual() -> Visitor:
    """Somebody on the second page of a visit."""
    page = View(b"p" * 16, "https://www.shop.example/shoes?color=blue", "Blue shoes | Shop", AT_MS + 9_000)
    tab = Tab(b"t" * 16, 3, (), page, False, AT_MS + 9_000, AT_MS + 9_000)
    return Visitor(
        201, 5_012, True, False, 1, AT_MS, AT_MS, "active", AT_MS + 9_000, AT_MS + 44_000, 2, 8_100, 1, "DE", "de-DE",
        "Chrome", "Windows", "desktop", "https://www.google.com/", "", {}, (tab,), "search", "Google",
    )  # fmt: skip


@given(VISITORS)
def test_whatever_is_stored_is_read_back(visitor: Visitor) -> None:
    assert unpack_visitor(pack_visitor(visitor)) == visitor


def test_a_usual_visitor_is_small_and_stored_as_ever() -> None:
    """Whoever changes these bytes makes what is stored unreadable: then `keys.FORMAT` has to change as well."""
    packed = pack_visitor(usual())
    assert len(packed) <= 206
    assert packed.hex() == STORED
    assert unpack_visitor(bytes.fromhex(STORED)) == usual()


@given(st.binary(max_size=60))
def test_what_is_no_visitor_is_an_error_that_readers_expect(packed: bytes) -> None:
    try:
        decode_row(packed)
    except msgspec.DecodeError:
        return


@pytest.mark.parametrize("field", [7, 17, 22])
def test_a_word_that_is_not_known_is_such_an_error(field: int) -> None:
    values = msgspec.msgpack.decode(pack_visitor(usual()))
    values[field] = 99
    with pytest.raises(msgspec.DecodeError):
        unpack_visitor(msgspec.msgpack.encode(values))


def test_what_a_newer_version_added_at_the_end_is_passed_over() -> None:
    values = msgspec.msgpack.decode(pack_visitor(usual()))
    values[21][0].append("new")
    assert unpack_visitor(msgspec.msgpack.encode([*values, "new"])) == usual()


def test_an_id_in_a_key_is_short_and_no_other_has_the_same() -> None:
    assert len(short_id(UUID)) == 22
    assert short_id(UUID) == short_id(UUID.upper()) != short_id(UUID.replace("0", "1"))
    assert short_id("somebody") == "somebody"


@given(st.uuids(), st.uuids())
def test_two_ids_are_two_keys(one: object, other: object) -> None:
    assert (short_id(str(one)) == short_id(str(other))) == (pack_id(str(one)) == pack_id(str(other)))


STORED = (
    "dc0018ccc9cd1394c3c201cf000001a3185c50000000cd2328cdabe002cd1fa401a24445a564652d4445a64368726f6d65a7"
    "57696e646f777300b768747470733a2f2f7777772e676f6f676c652e636f6d2fa080919bc410747474747474747474747474"
    "747474740390cd232896c41070707070707070707070707070707070d92968747470733a2f2f7777772e73686f702e657861"
    "6d706c652f73686f65733f636f6c6f723d626c7565b1426c75652073686f6573207c2053686f700000ffc200c0c2909002a6"
    "476f6f676c65"
)
