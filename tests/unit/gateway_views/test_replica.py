"""Reading a site while it changes: however rows read and changes made interleave, the replica ends up right."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from services.operator_gateway.views.replica import SiteReplica
from shared.contracts.rows import EngagementRow, PresenceRow
from shared.contracts.streams import Part, RowChanged, RowGone
from tests.unit.gateway_views.rows import SITE, engagement, full, presence, visitor_id

Entry = tuple[Part, RowChanged | RowGone]


class Redis:
    """What is stored now, and the log of how it came about; versions are the site's sequence, as presence has them."""

    def __init__(self) -> None:
        self.presence: dict[str, PresenceRow] = {}
        self.engagement: dict[str, EngagementRow] = {}
        self.seq: dict[Part, int] = {"presence": 0, "engagement": 0}
        self.log: list[Entry] = []

    def happen(self, what: str, number: int, pages: int) -> None:
        visitor = visitor_id(number)
        if what == "engaged":
            seq = self._next("engagement")
            self.engagement[visitor] = engagement(version=seq, chat=f"c{pages}")
            self.log.append(("engagement", full(visitor, seq, self.engagement[visitor])))
        elif what == "leaves" and visitor in self.presence:
            del self.presence[visitor]
            seq = self._next("presence")
            self.log.append(("presence", RowGone(SITE, seq, visitor, seq)))
        elif what == "forgotten" and visitor in self.engagement:
            del self.engagement[visitor]
            seq = self._next("engagement")
            self.log.append(("engagement", RowGone(SITE, seq, visitor, seq)))
        elif what in ("seen", "patched"):
            seq = self._next("presence")
            known = self.presence.get(visitor)
            if known is None or what == "seen":
                self.presence[visitor] = presence(number, version=seq, pages=pages)
                self.log.append(("presence", full(visitor, seq, self.presence[visitor])))
            else:
                self.presence[visitor] = msgspec.structs.replace(known, version=seq, pages=pages)
                self.log.append(("presence", RowChanged(SITE, seq, visitor, seq, {"pages": pages})))

    def _next(self, part: Part) -> int:
        self.seq[part] += 1
        return self.seq[part]


happenings = st.tuples(
    st.sampled_from(["seen", "patched", "patched", "leaves", "engaged", "forgotten"]),
    st.integers(1, 6),
    st.integers(1, 9),
)


def shown(replica: SiteReplica) -> dict[str, tuple[Any, Any]]:
    return {visitor.id: (visitor.presence, visitor.engagement) for visitor in replica}


@settings(max_examples=300)
@given(
    before=st.lists(happenings, max_size=20),
    during=st.lists(st.lists(happenings, max_size=4), min_size=6, max_size=6),
    stale=st.booleans(),
    order=st.permutations(range(1, 7)),
)
def test_a_load_in_slices_while_the_log_moves_on_is_the_truth(
    before: list[Any], during: list[list[Any]], stale: bool, order: list[int]
) -> None:
    redis, replica = Redis(), SiteReplica(lambda *_: None)
    for happening in before:
        redis.happen(*happening)
    if stale:  # a reload: what was known before is laid over
        for part, entry in redis.log[: len(redis.log) // 2]:
            replica.apply(part, entry)
    read_from = len(redis.log)
    replica.begin_load(redis.seq["presence"], redis.seq["engagement"])
    present, talking = set(), set()
    for number, meanwhile in zip(order, during, strict=True):
        for happening in meanwhile:
            redis.happen(*happening)
        visitor = visitor_id(number)
        if visitor in redis.engagement:
            replica.load((), [(visitor, redis.engagement[visitor])])
            talking.add(visitor)
        if visitor in redis.presence:
            replica.load([(visitor, redis.presence[visitor])], ())
            present.add(visitor)
    replica.retain(present, talking)
    for part, entry in redis.log[max(0, read_from - 3) :]:  # the tail stood a little before the marks were read
        assert replica.catch_up(part, entry) in ("applied", "old")
    expected = {visitor: (row, redis.engagement.get(visitor)) for visitor, row in redis.presence.items()}
    assert shown(replica) == expected
    assert replica.seq("presence") == redis.seq["presence"]


def test_a_number_that_is_missing_is_a_gap_and_changes_nothing() -> None:
    told: list[Any] = []
    replica = SiteReplica(lambda old, new, _: told.append((old, new)))
    assert replica.apply("presence", full(visitor_id(1), 1, presence(1))) == "applied"
    assert replica.apply("presence", full(visitor_id(2), 3, presence(2))) == "gap"
    assert replica.apply("engagement", full(visitor_id(1), 2, engagement())) == "gap"
    assert len(replica) == 1
    assert len(told) == 1


def test_a_change_that_does_not_fit_the_row_is_as_bad_as_a_gap() -> None:
    replica = SiteReplica(lambda *_: None)
    assert replica.apply("presence", RowChanged(SITE, 1, visitor_id(1), 1, {"pages": 2})) == "gap"
    assert replica.apply("presence", full(visitor_id(1), 1, presence(1))) == "applied"
    assert replica.apply("presence", RowChanged(SITE, 2, visitor_id(1), 2, {"pages": "many"})) == "gap"
    unknown = RowChanged(SITE, 2, visitor_id(1), 2, {"pages": 3, "from_a_newer_version": True})
    assert replica.apply("presence", unknown) == "applied"
    visitor = replica.get(visitor_id(1))
    assert visitor is not None
    assert visitor.presence.pages == 3


def test_an_engagement_waits_for_its_visitor() -> None:
    replica = SiteReplica(lambda *_: None)
    replica.apply("engagement", full(visitor_id(1), 1, engagement(version=5, name="Ada")))
    assert len(replica) == 0
    replica.apply("presence", full(visitor_id(1), 1, presence(1, version=2)))
    visitor = replica.get(visitor_id(1))
    assert visitor is not None
    assert (visitor.nickname, visitor.version) == ("Ada", 15)


@given(st.lists(st.tuples(st.sampled_from(["seen", "patched", "leaves", "engaged", "forgotten"]), st.integers(1, 2))))
def test_no_version_of_a_row_ever_stands_for_two_contents(happened: list[tuple[str, int]]) -> None:
    """A visitor whose engagement part is taken away: the row goes on with numbers that it never had."""
    redis, replica = Redis(), SiteReplica(lambda *_: None)
    known: dict[tuple[str, int], tuple[PresenceRow, EngagementRow | None]] = {}
    for pages, (what, number) in enumerate(happened):
        before = len(redis.log)
        redis.happen(what, number, pages)
        for part, change in redis.log[before:]:
            replica.apply(part, change)
        for visitor in replica:
            content = (visitor.presence, visitor.engagement)
            assert known.setdefault((visitor.id, visitor.version), content) == content
