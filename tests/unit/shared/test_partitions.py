"""Sites spread evenly, tags lie in their share of the slots, and an instance that goes moves only its own share."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.partitions import CLUSTER_SLOTS, Partition, Partitions, cluster_slot, jump_hash, rendezvous_owner


@pytest.mark.parametrize("count", [1, 3, 16, 128])
def test_every_tag_lies_in_its_own_share_of_the_slots(count):
    for partition in Partitions(count).all():
        share = range(partition.index * CLUSTER_SLOTS // count, (partition.index + 1) * CLUSTER_SLOTS // count)
        assert cluster_slot(partition.tag) in share


def test_slot_of_a_known_tag():
    assert cluster_slot("123456789") == 0x31C3 % CLUSTER_SLOTS  # the check value of CRC-16/XMODEM


def test_tags_and_assignments_never_change():
    """They are stored in key names: another table would lose everything that is there."""
    assert [p.tag for p in Partitions(4).all()] == GOLDEN_TAGS
    assert [Partitions(16).of(f"s_{i:08x}").index for i in range(8)] == GOLDEN_PARTITIONS


GOLDEN_TAGS = ["p0.1", "p1.3", "p2.1", "p3.3"]
GOLDEN_PARTITIONS = [2, 1, 5, 13, 5, 4, 1, 5]


def test_sites_spread_evenly():
    spread = Counter(Partitions(16).of(f"s_{i:08x}").index for i in range(16_000))
    assert len(spread) == 16
    assert max(spread.values()) < 1_200


@given(st.integers(0, 2**64 - 1), st.integers(1, 500))
def test_one_more_bucket_moves_keys_only_into_it(key, buckets):
    before, after = jump_hash(key, buckets), jump_hash(key, buckets + 1)
    assert 0 <= before < buckets
    assert after in (before, buckets)


@given(st.sets(st.text(min_size=1, max_size=8), min_size=2, max_size=8), st.integers(0, 127))
def test_an_instance_that_goes_moves_only_its_own_partitions(instances, index):
    partition = Partition(index, "x")
    owner = rendezvous_owner(partition, instances)
    for gone in instances - {owner}:
        assert rendezvous_owner(partition, instances - {gone}) == owner


def test_no_instance_no_owner():
    assert rendezvous_owner(Partition(0, "x"), []) is None


@pytest.mark.parametrize("count", [0, -1, 1025])
def test_a_senseless_count_is_refused(count):
    with pytest.raises(ValueError, match="partitions must be"):
        Partitions(count)
