"""Stream entries that carry several payloads: nothing is lost or reordered, and one bad payload is only one."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from shared.storage import keys
from shared.storage.blocks import BLOCK, field_of, fields_of, payloads_in
from shared.storage.log import PartitionLog
from shared.storage.owner import BATCH, Changes, Inputs, in_batches
from tests.eventually import eventually
from tests.integration.test_owner import PARTITIONS, count, counts, owner, start

__all__ = ["start"]  # a fixture
HERE = PARTITIONS.all()[0]


def as_read(fields: list[tuple[str, bytes]]) -> list[bytes]:
    return [payload for name, value in fields for payload in payloads_in({name.encode(): value})]


@given(st.lists(st.binary(max_size=50), max_size=3 * BLOCK))
def test_what_goes_in_comes_out_in_order(payloads):
    assert as_read(fields_of(payloads)) == payloads


@given(st.binary(max_size=3_000))
def test_a_single_payload_comes_out_as_it_went_in(payload):
    assert as_read([field_of(payload)]) == [payload]


@given(st.binary(max_size=200))
def test_a_block_that_nobody_can_unpack_is_handed_on_as_it_is(rubbish):
    assert payloads_in({b"z": rubbish}) == (rubbish,)


def test_a_block_that_grows_without_end_is_not_unpacked():
    name, value = field_of(bytes(100_000_000))
    assert payloads_in({name.encode(): value}) == (value,)


@given(st.lists(st.integers(1, BLOCK), max_size=200))
def test_batches_end_where_stream_entries_end(sizes):
    entries = [(f"{number}-0", b"") for number, size in enumerate(sizes) for _ in range(size)]
    batches = in_batches(entries)
    ends = [batch[-1][0] for batch in batches]
    assert all(after[0][0] != end for end, after in zip(ends, batches[1:], strict=False))
    assert all(BATCH <= len(batch) < BATCH + BLOCK for batch in batches[:-1])
    assert [entry for batch in batches for entry in batch] == entries


def test_after_a_full_read_a_short_rest_waits_for_the_next_one():
    entries = [(f"{number}-0", b"") for number in range(BATCH - 1)] + [(f"{BATCH}-0", b"")] * 2
    batches = in_batches(entries)
    assert [len(batch) for batch in batches] == [BATCH + 1]
    entries = [(f"{number // 2}-0", b"") for number in range(2 * BATCH - 1)]
    assert [len(batch) for batch in in_batches(entries)] == [BATCH]


async def test_each_payload_of_a_block_is_processed_once(clients, start):
    payloads = [str(n).encode() for n in range(BATCH + 3 * BLOCK)]
    await PartitionLog(clients).append("in", HERE, payloads)
    assert await clients.call("XLEN", keys.stream("in", HERE)) == len(payloads) // BLOCK + 1
    start(owner(clients, "a"))
    expected = {payload.decode(): 1 for payload in payloads}
    await eventually(lambda: is_counted(clients, expected))
    assert await clients.call("XLEN", keys.stream("in", HERE)) == 0


async def is_counted(clients, expected):
    return await counts(clients, HERE) == expected


async def test_a_poisoned_payload_does_not_take_its_block_along(clients, start):
    async def step(partition, inputs: Inputs) -> Changes:
        if any(payload == b"poison" for _, payload in inputs.entries):
            raise ValueError("poison")
        return await count(partition, inputs)

    log = PartitionLog(clients)
    await log.append("in", HERE, [b"a", b"b", b"poison", b"c"])
    await log.append("in", HERE, [b"d", b"e", b"f", b"g"])
    one = owner(clients, "a", step)
    start(one)
    await eventually(lambda: is_empty(clients))
    # Once each; again only if the lease was lost in between, as it may be on a busy machine.
    assert set(await counts(clients, HERE)) == set("abcdefg")
    parked = await clients.call("XRANGE", keys.parked("presence", HERE), "-", "+")
    assert {fields[b"d"] for _, fields in parked} == {b"poison"}
    assert one.stats.parked == len(parked)


async def is_empty(clients):
    return await clients.call("XLEN", keys.stream("in", HERE)) == 0


async def test_a_block_is_done_only_with_its_last_payload(clients, start):
    """An owner that dies between the payloads of a block leaves all of it to the next one."""
    reached = asyncio.Event()

    async def step(partition, inputs: Inputs) -> Changes:
        if len(inputs.entries) > 1:
            raise ValueError("one by one, please")
        if inputs.entries and inputs.entries[0][1] == b"c":
            reached.set()
            await asyncio.Event().wait()
        return await count(partition, inputs)

    await PartitionLog(clients).append("in", HERE, [b"a", b"b", b"c", b"d"])
    first = start(owner(clients, "a", step))
    await reached.wait()
    assert await clients.call("XLEN", keys.stream("in", HERE)) == 1
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    start(owner(clients, "b"))
    await eventually(lambda: is_empty(clients))
    counted = await counts(clients, HERE)
    assert set(counted) == set("abcd")
    assert counted["a"] >= 2, "the first owner's work is repeated, not lost"
