"""The owner loop against a real Valkey: exactly once across crashes, takeovers, lost leases and poisoned entries."""

from __future__ import annotations

import asyncio
import secrets

import pytest

from shared.domain.partitions import Partition, Partitions
from shared.embedded import EmbeddedValkey
from shared.runtime.clock import ManualClock, SystemClock
from shared.storage import keys
from shared.storage.blocks import payloads_in
from shared.storage.clients import Clients, RedisSettings
from shared.storage.faults import Lagging, Unavailable
from shared.storage.log import GroupAppender, PartitionLog, Tail
from shared.storage.owner import GAP_MS, Changes, Guess, Inputs, PartitionOwner, Step
from shared.storage.writes import hincrby, hset
from tests.eventually import eventually

PARTITIONS = Partitions(4)


def counter_key(partition: Partition) -> str:
    return keys.visitors(partition, "s_count")


async def count(partition: Partition, inputs: Inputs) -> Changes:
    """Counts every entry by its payload; a stand-in for a fold."""
    key = counter_key(partition)
    return Changes(writes=[hincrby(key, payload.decode(), 1) for _, payload in inputs.entries])


def owner(clients: Clients, instance: str, step: Step = count, **options: object) -> PartitionOwner:
    arguments: dict[str, object] = {"service": "presence", "stream": "in", "clock": SystemClock()}
    arguments |= {"lease_ms": 600} | options
    return PartitionOwner(clients, PARTITIONS, instance=instance, step=step, **arguments)  # type: ignore[arg-type]


async def counts(clients: Clients, partition: Partition) -> dict[str, int]:
    flat = await clients.call("HGETALL", counter_key(partition))
    return {name.decode(): int(value) for name, value in flat.items()}


class Started:
    """Owners run as tasks that end with the test."""

    def __init__(self) -> None:
        self.tasks: list[asyncio.Task[None]] = []

    def __call__(self, one: PartitionOwner) -> asyncio.Task[None]:
        self.tasks.append(asyncio.create_task(one.run()))
        return self.tasks[-1]


@pytest.fixture
async def start():
    started = Started()
    yield started
    for task in started.tasks:
        task.cancel()
    await asyncio.gather(*started.tasks, return_exceptions=True)


async def all_counted(clients: Clients, partition: Partition, names: list[str]) -> bool:
    return await counts(clients, partition) == dict.fromkeys(names, 1)


async def test_every_entry_is_counted_once_and_the_stream_is_trimmed(clients, start):
    start(owner(clients, "a"))
    log, partition = PartitionLog(clients), PARTITIONS.all()[1]
    names = [f"e{i}" for i in range(1200)]
    for i in range(0, 1200, 100):
        await log.append("in", partition, [name.encode() for name in names[i : i + 100]])
    await eventually(lambda: all_counted(clients, partition, names))
    assert await clients.call("XLEN", keys.stream("in", partition)) == 0


async def test_an_owner_that_dies_mid_batch_has_changed_nothing_and_another_goes_on(clients, start):
    partition, log = PARTITIONS.all()[0], PartitionLog(clients)
    reached = asyncio.Event()

    async def hangs(_partition: Partition, _inputs: Inputs) -> Changes:
        reached.set()
        await asyncio.Event().wait()
        raise AssertionError

    dying = asyncio.create_task(owner(clients, "a", hangs).run())
    await log.append("in", partition, [b"one", b"two"])
    await reached.wait()
    dying.cancel()  # takes the lease with it only after giving up: the other owner waits for it
    start(owner(clients, "b"))
    await eventually(lambda: all_counted(clients, partition, ["one", "two"]))
    await asyncio.gather(dying, return_exceptions=True)


async def test_a_worker_paused_beyond_its_lease_cannot_write(clients, start):
    partition, log = PARTITIONS.all()[0], PartitionLog(clients)
    paused, go_on = asyncio.Event(), asyncio.Event()

    async def slow(which: Partition, inputs: Inputs) -> Changes:
        paused.set()
        await go_on.wait()
        return await count(which, inputs)

    first = owner(clients, "a", slow)
    start(first)
    await log.append("in", partition, [b"one"])
    await paused.wait()
    await clients.call("SET", keys.lease("presence", partition), "b:99")  # as if another owner had it by now
    go_on.set()
    await eventually(lambda: first.stats.fenced > 0)
    assert await counts(clients, partition) == {}
    await clients.call("DEL", keys.lease("presence", partition))
    await eventually(lambda: all_counted(clients, partition, ["one"]))


async def test_two_instances_share_the_partitions_and_one_takes_over_all(clients, start):
    # Longer than the distance of two heartbeats: else one is now and then taken for dead, and its share is not stable.
    one, other = owner(clients, "a", lease_ms=4_000), owner(clients, "c", lease_ms=4_000)
    start(one)
    await eventually(lambda: one.stats.owned == 4)
    second = start(other)
    await eventually(lambda: 0 < one.stats.owned < 4 and one.stats.owned + other.stats.owned == 4)
    second.cancel()
    await eventually(lambda: one.stats.owned == 4)


async def test_a_poisoned_entry_is_parked_and_the_rest_goes_on(clients, start):
    async def step(partition: Partition, inputs: Inputs) -> Changes:
        if any(payload == b"poison" for _, payload in inputs.entries):
            raise ValueError("cannot read this")
        return await count(partition, inputs)

    partition = PARTITIONS.all()[2]
    await PartitionLog(clients).append("in", partition, [b"one", b"poison", b"two"])
    poisoned = owner(clients, "a", step)
    start(poisoned)
    await eventually(lambda: all_counted(clients, partition, ["one", "two"]))
    assert await clients.call("XLEN", keys.parked("presence", partition)) == 1
    assert poisoned.stats.parked == 1


async def test_timers_fire_when_due_and_are_gone_afterwards(clients, start):
    clock = ManualClock()
    fired: list[bytes] = []

    async def step(partition: Partition, inputs: Inputs) -> Changes:
        fired.extend(inputs.due)
        if inputs.entries:
            return Changes(timers={b"later": clock.now_ms() + 5_000, b"never": clock.now_ms() + 60_000})
        return Changes()

    partition = PARTITIONS.all()[0]
    start(owner(clients, "a", step, clock=clock))
    await PartitionLog(clients).append("in", partition, [b"one"])
    await eventually(lambda: _scored(clients, partition, 2))
    assert fired == []
    clock.advance(5_000)
    await eventually(lambda: fired == [b"later"])
    await eventually(lambda: _scored(clients, partition, 1))


async def _scored(clients: Clients, partition: Partition, number: int) -> bool:
    return int(await clients.call("ZCARD", keys.timers("presence", partition))) == number


async def test_deadlines_start_again_after_nobody_looked_after_the_partition(clients, start):
    clock, partition, seen = ManualClock(), PARTITIONS.all()[0], []

    async def step(_partition: Partition, inputs: Inputs) -> Changes:
        seen.append(inputs.resumed_at_ms)
        return Changes()

    log = PartitionLog(clients)
    first = start(owner(clients, "a", step, clock=clock))
    await log.append("in", partition, [b"one"])
    await eventually(lambda: len(seen) == 1)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    clock.advance(GAP_MS + 1)
    start(owner(clients, "b", step, clock=clock))
    await log.append("in", partition, [b"two"])
    await eventually(lambda: len(seen) == 2)
    assert seen[1] == clock.now_ms()


async def test_the_partition_clock_does_not_go_back_when_the_wall_does(clients, start):
    partition, seen = PARTITIONS.all()[0], []

    async def step(_partition: Partition, inputs: Inputs) -> Changes:
        seen.append(inputs.now_ms)
        return Changes()

    first = start(owner(clients, "a", step, clock=ManualClock(1_800_000_000_000)))
    await PartitionLog(clients).append("in", partition, [b"one"])
    await eventually(lambda: len(seen) == 1)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    start(owner(clients, "b", step, clock=ManualClock(1_800_000_000_000 - 3_600_000)))
    await PartitionLog(clients).append("in", partition, [b"two"])
    await eventually(lambda: len(seen) == 2)
    assert seen[1] >= seen[0]


async def test_a_reader_that_lags_makes_producers_wait(clients):
    """What waits counts by its size: an entry may carry one event or 32."""
    log, partition = PartitionLog(clients, lag_limit_bytes=64 * 1024), PARTITIONS.all()[0]
    name = keys.stream("in", partition)

    async def taken(*group: bytes) -> int:
        for number in range(2_000):
            try:
                await log.append("in", partition, group)
            except Lagging:
                return number
        raise AssertionError("never refused")

    alone = await taken(secrets.token_bytes(500))
    assert 50 < alone < 140
    assert await clients.call("XLEN", name) == alone
    with pytest.raises(Lagging):
        await log.append("in", partition, [b"1"])
    await clients.call("XTRIM", name, "MAXLEN", 0)  # the reader has caught up
    together = await taken(*(secrets.token_bytes(500) for _ in range(32)))
    assert 2 <= together <= 6


async def test_group_commit_keeps_order_and_answers_each_caller(clients):
    group, partition = GroupAppender(PartitionLog(clients)), PARTITIONS.all()[0]
    await asyncio.gather(*(group.submit("in", partition, str(i).encode()) for i in range(1_500)))
    entries = await clients.call("XRANGE", keys.stream("in", partition), "-", "+")
    assert [int(payload) for _, fields in entries for payload in payloads_in(fields)] == list(range(1_500))


async def test_nothing_is_lost_or_doubled_when_the_server_is_killed_under_way(tmp_path, start):
    partition = PARTITIONS.all()[3]
    with EmbeddedValkey(tmp_path, fsync="always") as server:
        clients = Clients(RedisSettings(server.url))
        start(owner(clients, "a"))
        group, acknowledged = GroupAppender(PartitionLog(clients)), []

        async def produce(name: str) -> None:
            try:
                await group.submit("in", partition, name.encode())
            except Unavailable:
                return
            acknowledged.append(name)

        for round_ in range(3):
            producers = [asyncio.create_task(produce(f"{round_}.{i}")) for i in range(200)]
            await asyncio.sleep(0)
            server.kill()
            await asyncio.gather(*producers)
            server.start()
            await clients.ready()
            await asyncio.gather(*(produce(f"{round_}.after.{i}") for i in range(50)))

        async def complete() -> bool:
            counted = await counts(clients, partition)
            assert set(acknowledged) <= set(counted), "an acknowledged entry is missing"
            assert set(counted.values()) == {1}, "an entry was counted twice"
            return len(acknowledged) >= 150

        await eventually(complete, within_s=20)
        for task in start.tasks:
            task.cancel()
        await asyncio.gather(*start.tasks, return_exceptions=True)
        await clients.close()


class Follower:
    """What a tail told."""

    def __init__(self, clients: Clients, partition: Partition) -> None:
        self.resets: list[str] = []
        self.entries: list[bytes] = []
        self.tail = Tail(clients, partition, self.on_entries, self.on_reset)

    async def on_entries(self, _stream: str, entries: list[tuple[str, bytes]]) -> None:
        self.entries += [payload for _, payload in entries]

    async def on_reset(self, reason: str) -> None:
        self.resets.append(reason)


async def test_a_tail_gets_what_comes_after_its_start_and_notices_a_flush(clients, start):
    async def echo(_partition: Partition, inputs: Inputs) -> Changes:
        return Changes(log=[payload for _, payload in inputs.entries])

    partition, log = PARTITIONS.all()[0], PartitionLog(clients)
    start(owner(clients, "a", echo))
    await log.append("in", partition, [b"before"])
    await eventually(lambda: _length(clients, keys.stream("log", partition), 1))
    follower = Follower(clients, partition)
    following = asyncio.create_task(follower.tail.run())
    await eventually(lambda: follower.resets == ["start"])
    await log.append("in", partition, [b"after"])
    await eventually(lambda: follower.entries == [b"after"])
    await clients.call("FLUSHALL")
    await eventually(lambda: len(follower.resets) == 2)
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)


async def _length(clients: Clients, key: str, number: int) -> bool:
    return int(await clients.call("XLEN", key)) == number


async def test_a_large_commit_is_one_step(clients, start):
    async def step(partition: Partition, _inputs: Inputs) -> Changes:
        fields: dict[str | bytes, str | bytes | int] = {f"f{i}": "v" * 300 for i in range(10_000)}
        return Changes(writes=hset(counter_key(partition), fields))

    partition = PARTITIONS.all()[0]
    start(owner(clients, "a", step))
    await PartitionLog(clients).append("in", partition, [b"go"])
    await eventually(lambda: _fields(clients, partition, 10_000))


async def _fields(clients: Clients, partition: Partition, number: int) -> bool:
    return int(await clients.call("HLEN", counter_key(partition))) == number


async def test_what_comes_shortly_after_a_step_waits_and_is_done_together(clients, start):
    partition, log = PARTITIONS.all()[0], PartitionLog(clients)
    patient = owner(clients, "a", gather_s=3_600.0)
    running = start(patient)
    await log.append("in", partition, [b"alone"])
    await eventually(lambda: all_counted(clients, partition, ["alone"]))  # what comes alone is done at once
    for name in (b"one", b"two", b"three"):
        await log.append("in", partition, [name])
    running.cancel()  # does not wait for the hour to be over
    await asyncio.gather(running, return_exceptions=True)
    assert await counts(clients, partition) == {"alone": 1}
    heir = owner(clients, "b", gather_s=3_600.0)
    start(heir)
    await eventually(lambda: all_counted(clients, partition, ["alone", "one", "two", "three"]))
    assert (heir.stats.batches, heir.stats.entries) == (1, 3)


async def test_a_backlog_is_worked_off_without_waiting(clients, start):
    partition, log = PARTITIONS.all()[0], PartitionLog(clients)
    names = [f"e{i}" for i in range(1200)]
    for i in range(0, 1200, 100):
        await log.append("in", partition, [name.encode() for name in names[i : i + 100]])
    start(owner(clients, "a", gather_s=3_600.0))
    await eventually(lambda: all_counted(clients, partition, names))


async def test_a_wrong_guess_writes_nothing_and_the_step_is_made_again(clients, start):
    partition = PARTITIONS.all()[0]
    marked = keys.commit_mark("presence", partition)
    known, made = {"mark": "old"}, []

    async def step(where: Partition, inputs: Inputs) -> Changes:
        made.append(dict(known))
        guess = Guess(marked, known["mark"], known.clear) if known else None
        return Changes(writes=(await count(where, inputs)).writes, guess=guess)

    await clients.call("SET", marked, "new")
    await PartitionLog(clients).append("in", partition, [b"one"])
    start(owner(clients, "a", step))
    await eventually(lambda: all_counted(clients, partition, ["one"]))
    assert made == [{"mark": "old"}, {}]


async def test_a_right_guess_is_committed_at_once(clients, start):
    partition = PARTITIONS.all()[0]
    marked = keys.commit_mark("presence", partition)
    wrong: list[str] = []

    async def step(where: Partition, inputs: Inputs) -> Changes:
        guess = Guess(marked, "mine", lambda: wrong.append("wrong"))
        return Changes(writes=(await count(where, inputs)).writes, guess=guess)

    await clients.call("SET", marked, "mine")
    await PartitionLog(clients).append("in", partition, [b"one"])
    start(owner(clients, "a", step))
    await eventually(lambda: all_counted(clients, partition, ["one"]))
    assert wrong == []
