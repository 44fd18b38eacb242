"""What is kept between steps belongs to the mark of our own last known commit, which the next commit compares."""

from services.chat_routing import kept as kept_module
from services.chat_routing.domain.engagement import Engagement
from services.chat_routing.kept import Kept, KeptSite
from shared.domain.partitions import Partitions

FIRST, SECOND = Partitions(4).all()[:2]
ONE = KeptSite(engaged={"v1": Engagement(site="s_shop", visitor="v1")})


def test_kept_until_forgotten():
    kept = Kept()
    mark = kept.next_mark()
    kept.promise(FIRST, mark, {"s_shop": ONE})()
    assert kept.of(FIRST) == (mark, {"s_shop": ONE})
    kept.forget(FIRST)
    assert kept.of(FIRST) == ("", {})


def test_commit_whose_reply_was_lost_leaves_the_mark_before():
    kept = Kept()
    mark, lost = kept.next_mark(), kept.next_mark()
    kept.promise(FIRST, mark, {"s_shop": ONE})()
    kept.promise(FIRST, lost, {"s_shop": KeptSite()})
    assert kept.of(FIRST) == (mark, {"s_shop": ONE})


def test_nothing_is_kept_at_first():
    assert Kept().of(FIRST) == ("", {})


def test_other_sites_of_the_partition_stay():
    kept = Kept()
    first, second = kept.next_mark(), kept.next_mark()
    kept.promise(FIRST, first, {"s_shop": ONE})()
    kept.promise(FIRST, second, {"s_other": ONE})()
    assert kept.of(FIRST) == (second, {"s_shop": ONE, "s_other": ONE})


def test_memory_is_bounded_by_dropping_the_partition_used_longest_ago(monkeypatch):
    monkeypatch.setattr(kept_module, "MAX_RECORDS", 1)
    kept = Kept()
    first, second = kept.next_mark(), kept.next_mark()
    kept.promise(FIRST, first, {"s_shop": ONE})()
    kept.promise(SECOND, second, {"s_shop": ONE})()
    assert kept.of(FIRST) == ("", {})
    assert kept.of(SECOND) == (second, {"s_shop": ONE})
