"""The directory's replica: fresh through the stream, mended after every kind of loss."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace
from prometheus_client import CollectorRegistry

from shared.contracts.sites import Membership, Operator, Site
from shared.embedded import EmbeddedValkey
from shared.storage import directory_metrics, keys
from shared.storage.clients import Clients, RedisSettings
from shared.storage.directory import Directory, DirectoryChange, OperatorChanged, Reloaded, SiteChanged
from shared.storage.directory_store import KEPT_CHANGES, DirectoryStore, Refused, Written
from shared.storage.faults import Unavailable
from tests.eventually import eventually


def site(key: str = "s_00000001", name: str = "Shop") -> Site:
    return Site(site=key, name=name, origins=("https://shop.example",))


def operator(ident: str = "o_000001", email: str = "Ann@shop.example") -> Operator:
    return Operator(operator=ident, email=email, name="Ann", memberships=(Membership(site="s_00000001"),))


@pytest.fixture
def store(clients: Clients) -> DirectoryStore:
    return DirectoryStore(clients)


@pytest.fixture
async def directory(clients: Clients) -> AsyncIterator[Directory]:
    replica = Directory(clients)
    await replica.start()
    yield replica
    await replica.stop()


def renamed(name: str):
    return lambda record: replace(record, name=name)


async def test_replica_sees_what_is_written_before_and_after_its_start(clients: Clients, store: DirectoryStore) -> None:
    await store.create_site(site())
    replica = Directory(clients)
    await replica.start()
    try:
        assert replica.site("s_00000001") == replace(site(), version=1)
        written = await store.create_operator(operator(), "secret")
        assert isinstance(written, Written)
        assert await replica.wait_until_seen(written.seq)
        assert replica.operator("o_000001") == written.record
        assert replica.operator_by_email("ANN@SHOP.EXAMPLE") == written.record
        assert replica.stale_ms is not None
        assert replica.reloads == 0
    finally:
        await replica.stop()


async def test_changes_are_told_in_order_with_the_record_before(directory: Directory, store: DirectoryStore) -> None:
    told: list[DirectoryChange] = []
    directory.on_change(told.append)
    directory.on_change(lambda change: 1 / 0)  # another's fault hides nothing
    await store.create_site(site())
    for name in ("A", "B"):
        last = await store.update_site("s_00000001", renamed(name))
    assert isinstance(last, Written)
    assert await directory.wait_until_seen(last.seq)
    names = [(c.old and c.old.name, c.new and c.new.name) for c in told if isinstance(c, SiteChanged)]
    assert names == [(None, "Shop"), ("Shop", "A"), ("A", "B")]


async def test_writing_the_same_again_writes_nothing(directory: Directory, store: DirectoryStore) -> None:
    await store.create_site(site())
    before = await store.seq()
    written = await store.update_site("s_00000001", lambda s: s)
    assert isinstance(written, Written)
    assert (written.record.version, await store.seq()) == (1, before)


async def test_one_of_twenty_parallel_accounts_gets_the_address(store: DirectoryStore) -> None:
    emails = ["ann@shop.example", "ANN@shop.example", "Ann@Shop.Example"]
    answers = await asyncio.gather(
        *(store.create_operator(operator(f"o_{i:06}", emails[i % 3]), f"secret {i}") for i in range(20))
    )
    winners = [a.record for a in answers if isinstance(a, Written)]
    assert len(winners) == 1
    assert [a for a in answers if isinstance(a, Refused)] == [Refused("email_taken")] * 19
    assert await store.operator_by_email("ann@SHOP.example") == winners[0]
    assert await store.operator(f"o_{(int(winners[0].operator[2:]) + 1) % 20:06}") is None


async def test_a_changed_address_frees_the_old_one(directory: Directory, store: DirectoryStore) -> None:
    await store.create_operator(operator(), "secret")
    await store.update_operator("o_000001", lambda o: replace(o, email="new@shop.example"))
    assert isinstance(await store.create_operator(operator("o_000002"), "secret"), Written)
    taken = await store.update_operator("o_000002", lambda o: replace(o, email="NEW@shop.example"))
    assert taken == Refused("email_taken")
    await directory.catch_up()
    found = directory.operator_by_email("ann@shop.example")
    assert found is not None
    assert found.operator == "o_000002"
    assert directory.operator_by_email("new@shop.example") == directory.operator("o_000001")


async def test_an_update_of_an_older_version_is_refused(store: DirectoryStore) -> None:
    await store.create_site(site())
    assert isinstance(await store.update_site("s_00000001", renamed("A"), expected=1), Written)
    assert await store.update_site("s_00000001", renamed("B"), expected=1) == Refused("stale_version")
    stored = await store.site("s_00000001")
    assert stored is not None
    assert stored.name == "A"


async def test_no_parallel_update_is_lost(store: DirectoryStore) -> None:
    await store.create_site(site())

    def one_more(old: Site) -> Site:
        return replace(old, origins=(*old.origins, f"https://shop{len(old.origins)}.example"))

    answers = await asyncio.gather(*(store.update_site("s_00000001", one_more) for _ in range(10)))
    done = sum(isinstance(answer, Written) for answer in answers)
    stored = await store.site("s_00000001")
    assert stored is not None
    assert len(stored.origins) == 1 + done
    assert stored.version == 1 + done
    assert done >= 5


async def test_a_change_that_is_refused_by_its_own_rule_writes_nothing(store: DirectoryStore) -> None:
    await store.create_site(site())
    assert await store.update_site("s_00000001", lambda s: "no") == "no"
    assert await store.update_site("s_00000002", lambda s: s) == Refused("not_found")
    assert await store.seq() == 1


async def test_the_password_hash_is_not_in_what_replicas_read(clients: Clients, store: DirectoryStore) -> None:
    await store.create_operator(operator(), "$argon2id$hash")
    assert await store.secret("o_000001") == "$argon2id$hash"
    for entry in await clients.call("XRANGE", keys.DIRECTORY_CHANGES, "-", "+"):
        assert b"argon2" not in repr(entry).encode()
    assert b"argon2" not in repr(await clients.call("HGETALL", keys.DIRECTORY_OPERATORS)).encode()


async def test_the_stream_is_bounded_and_a_replica_left_behind_loads_again(
    clients: Clients, store: DirectoryStore
) -> None:
    await store.create_site(site())
    replica = Directory(clients)
    await replica.start()
    await replica.stop()  # as if paused
    for number in range(KEPT_CHANGES + 5):
        await store.update_site("s_00000001", renamed(f"{number}"))
    assert await clients.call("XLEN", keys.DIRECTORY_CHANGES) == KEPT_CHANGES
    follow = asyncio.create_task(replica._follow())
    try:
        assert await replica.catch_up()
        found = replica.site("s_00000001")
        assert found is not None
        assert found.name == str(KEPT_CHANGES + 4)
        assert replica.reloads == 1
    finally:
        follow.cancel()
        await asyncio.gather(follow, return_exceptions=True)


async def test_a_flushed_redis_empties_the_replica_and_says_what_went(
    clients: Clients, directory: Directory, store: DirectoryStore
) -> None:
    await store.create_site(site())
    await store.create_operator(operator(), "secret")
    await directory.catch_up()
    told: list[DirectoryChange] = []
    directory.on_change(told.append)
    await clients.call("FLUSHALL")
    await eventually(lambda: directory.site("s_00000001") is None and directory.version == 0)
    assert [type(change) for change in told] == [SiteChanged, OperatorChanged, Reloaded]
    await store.create_site(site(name="New"))
    assert await directory.catch_up()
    found = directory.site("s_00000001")
    assert found is not None
    assert found.name == "New"


async def test_a_rewritten_history_of_the_same_length_is_noticed(
    clients: Clients, directory: Directory, store: DirectoryStore
) -> None:
    """A failover lost the last change and another one took its number."""
    await store.create_site(site(name="Kept"))
    before = [await clients.call("DUMP", key) for key in _all_keys()]
    await store.update_site("s_00000001", renamed("Lost"))
    await directory.catch_up()
    pipe = [("DEL", key) for key in _all_keys()]
    pipe += [("RESTORE", key, 0, dump) for key, dump in zip(_all_keys(), before, strict=True) if dump]  # type: ignore[misc]
    await clients.pipeline(pipe)
    await store.update_site("s_00000001", renamed("Other"))
    assert await store.seq() == directory.version == 2

    def name() -> str | None:
        found = directory.site("s_00000001")
        return found.name if found else None

    await eventually(lambda: name() == "Other")
    assert directory.reloads == 1


async def test_a_change_that_follows_another_history_is_not_taken(directory: Directory, store: DirectoryStore) -> None:
    await store.create_site(site())
    await directory.catch_up()
    payload = b"2 %s 0123456789abcdef site s_00000001\n" + msgspec.msgpack.encode(site(name="Other"))
    assert not directory._apply("9-9", payload.replace(b"%s", b"another"))
    assert directory._apply("9-9", payload.replace(b"%s", directory._state.mark.encode()))


def _all_keys() -> list[str]:
    return [keys.DIRECTORY_HEAD, keys.DIRECTORY_CHANGES, keys.DIRECTORY_SITES, keys.DIRECTORY_OPERATORS]


async def test_a_record_that_cannot_be_read_hides_no_other(clients: Clients, store: DirectoryStore) -> None:
    await store.create_site(site())
    await clients.call("HSET", keys.DIRECTORY_SITES, "s_broken0", b"1\n\xc1")
    replica = Directory(clients)
    await replica.start()
    try:
        assert set(replica.sites()) == {"s_00000001"}
        assert replica.skipped == 1
    finally:
        await replica.stop()


async def test_figures_and_readiness_follow_the_replica(clients: Clients, store: DirectoryStore) -> None:
    await store.create_site(site())
    now_ms = 0
    replica, registry = Directory(clients, lambda: now_ms), CollectorRegistry()
    directory_metrics.export(replica, registry)
    assert directory_metrics.not_fresh(replica) == "not loaded yet"
    assert registry.get_sample_value("foyer_directory_stale_seconds") == -1
    await replica.start()
    await replica.stop()
    assert directory_metrics.not_fresh(replica) is None
    assert registry.get_sample_value("foyer_directory_sites") == 1
    now_ms = 20_000
    assert directory_metrics.not_fresh(replica) == "not confirmed by Redis for 20 s"
    assert registry.get_sample_value("foyer_directory_stale_seconds") == 20


async def test_waiting_for_a_version_that_never_comes_ends(directory: Directory) -> None:
    assert not await directory.wait_until_seen(10, timeout_s=0.05)


async def test_replica_starts_before_redis_and_outlives_its_restart(tmp_path: Path) -> None:
    server = EmbeddedValkey(tmp_path, fsync="always").start()
    server.stop()
    clients = Clients(RedisSettings(server.url))
    replica = Directory(clients)
    starting = asyncio.create_task(replica.start())
    with pytest.raises(Unavailable):  # it has had the time of a whole attempt
        await clients.call("PING")
    assert not starting.done()
    try:
        server.start()
        await starting
        store = DirectoryStore(clients)
        await store.create_site(site())
        await replica.catch_up()
        server.kill()
        assert replica.site("s_00000001") is not None  # the last known state stays readable
        server.start()
        await eventually(lambda: _written(store))
        await eventually(lambda: replica.site("s_00000002") is not None)
        assert replica.site("s_00000001") is not None
        assert replica.reloads == 0  # nothing was lost, so nothing had to be loaded again
    finally:
        await replica.stop()
        await clients.close()
        server.stop()


async def _written(store: DirectoryStore) -> bool:
    try:
        return isinstance(await store.create_site(site("s_00000002")), Written)
    except Exception:
        return False
