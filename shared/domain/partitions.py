"""Which partition a site belongs to, which hash tag a partition's keys carry, and which instance works on it.

Sites are spread by jump hash (Lamping and Veach, 2014: moves only 1/n of the keys when a partition is added). Each
partition's tag is chosen so that its Redis Cluster slot lies in the partition's own share of the 16,384 slots:
numbering the tags naively puts 15 to 27 of 128 partitions on each of 6 nodes. Live instances share partitions by
rendezvous hashing, so one that comes or goes moves only its own share.
"""

from __future__ import annotations

import binascii
import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache

CLUSTER_SLOTS = 16_384
MAX_PARTITIONS = 1_024


@dataclass(frozen=True, slots=True)
class Partition:
    """One share of the sites. All its keys carry `tag`, so they live in one slot and can be changed in one step."""

    index: int
    tag: str

    def __hash__(self) -> int:
        """One number instead of that of all fields: partitions are looked up for each event."""
        return self.index


def cluster_slot(tag: str) -> int:
    """The Redis Cluster slot of a key whose hash tag is `tag` (CRC-16/XMODEM modulo 16,384)."""
    return binascii.crc_hqx(tag.encode(), 0) % CLUSTER_SLOTS


def _hash64(*parts: str) -> int:
    return int.from_bytes(hashlib.blake2b("\0".join(parts).encode(), digest_size=8).digest(), "big")


def jump_hash(key: int, buckets: int) -> int:
    """The bucket, 0 <= b < `buckets`, of a 64-bit `key`."""
    bucket, candidate = -1, 0
    while candidate < buckets:
        bucket = candidate
        key = (key * 2862933555777941757 + 1) & 0xFFFF_FFFF_FFFF_FFFF
        candidate = int((bucket + 1) * (1 << 31) / ((key >> 33) + 1))
    return bucket


def _balanced_tag(index: int, count: int) -> str:
    first, last = index * CLUSTER_SLOTS // count, (index + 1) * CLUSTER_SLOTS // count
    attempt = 0
    while not first <= cluster_slot(tag := f"p{index}.{attempt}") < last:
        attempt += 1
    return tag


@lru_cache(maxsize=8)
def _table(count: int) -> tuple[Partition, ...]:
    return tuple(Partition(i, _balanced_tag(i, count)) for i in range(count))


class Partitions:
    """The installation's partitions. `count` is fixed when the first service starts (16 on one node, 128 on a cluster).

    Raises ValueError unless 1 <= count <= 1024.
    """

    def __init__(self, count: int) -> None:
        if not 1 <= count <= MAX_PARTITIONS:
            raise ValueError(f"partitions must be 1 to {MAX_PARTITIONS}, not {count}")
        self.count = count
        self._table = _table(count)
        self._of_site = lru_cache(maxsize=65_536)(self._compute)

    def _compute(self, site: str) -> Partition:
        return self._table[jump_hash(_hash64(site), self.count)]

    def of(self, site: str) -> Partition:
        """The partition that `site` belongs to."""
        return self._of_site(site)

    def all(self) -> tuple[Partition, ...]:
        """Every partition, by index."""
        return self._table


def rendezvous_owner(partition: Partition, instances: Collection[str]) -> str | None:
    """Which of the live `instances` should work on `partition`; None if there is none."""
    return max(instances, key=lambda name: (_hash64(name, str(partition.index)), name), default=None)
