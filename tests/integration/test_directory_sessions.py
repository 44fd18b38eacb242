"""Logins: they expire, rotate and end, and another gateway's replica hears of it."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from services.operator_gateway import accounts
from shared.contracts.sites import Operator
from shared.embedded import EmbeddedValkey
from shared.embedded.server import free_port
from shared.runtime.clock import Clock, ManualClock, SystemClock
from shared.storage import keys
from shared.storage.clients import Clients, RedisSettings
from shared.storage.directory import Directory
from shared.storage.directory_store import DirectoryStore, Written
from shared.storage.lockout import Backoff, Lockout, LockoutRules
from shared.storage.sessions import SessionRules, Sessions
from tests.eventually import eventually

HOUR = 3_600_000
ANN = Operator(operator="o_000001", email="ann@shop.example", name="Ann")


class Gateway:
    """What one gateway process has, on connections of its own."""

    def __init__(self, url: str, clock: Clock, rules: SessionRules | None = None) -> None:
        self.clients = Clients(RedisSettings(url))
        self.directory = Directory(self.clients)
        self.sessions = Sessions(self.clients, self.directory, clock, rules)
        self.revoked: list[tuple[str, str]] = []
        self.sessions.on_revoked(lambda session, reason: self.revoked.append((session, reason)))

    async def start(self) -> Gateway:
        await self.directory.start()
        await self.sessions.start()
        return self

    async def stop(self) -> None:
        await self.sessions.stop()
        await self.directory.stop()
        await self.clients.close()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def gateways(redis_url: str, clock: ManualClock) -> AsyncIterator[tuple[Gateway, Gateway]]:
    """Two gateways and Ann."""
    pair = (await Gateway(redis_url, clock).start(), await Gateway(redis_url, clock).start())
    await DirectoryStore(pair[0].clients).create_operator(ANN, "secret")
    for gateway in pair:
        await gateway.directory.catch_up()
    yield pair
    for gateway in pair:
        await gateway.stop()


def ann(gateway: Gateway) -> Operator:
    found = gateway.directory.operator("o_000001")
    assert found is not None
    return found


async def test_a_login_made_here_holds_there(gateways: tuple[Gateway, Gateway]) -> None:
    here, there = gateways
    login = await here.sessions.create(ann(here))
    signed_in = await there.sessions.verify(login.token)
    assert signed_in is not None
    assert signed_in.session == login.session
    assert signed_in.operator == ann(there)


async def test_the_token_is_nowhere_in_redis(gateways: tuple[Gateway, Gateway]) -> None:
    here, _ = gateways
    login = await here.sessions.create(ann(here))
    ticket = await here.sessions.ticket(login.session.session)
    for key in await here.clients.call("KEYS", "*"):
        dump = await here.clients.call("DUMP", key)
        for secret in (login.token, ticket):
            assert secret[3:].encode() not in key + dump


@pytest.mark.parametrize("word", ["", "fs_", "fs_" + "x" * 43, "ft_" + "x" * 43, "\ud800", "x" * 10_000])
async def test_a_word_that_is_no_token_is_nobody(gateways: tuple[Gateway, Gateway], word: str) -> None:
    here, _ = gateways
    assert await here.sessions.verify(word) is None
    assert await here.sessions.redeem(word) is None


async def test_an_ended_login_is_over_on_both_gateways(gateways: tuple[Gateway, Gateway]) -> None:
    here, there = gateways
    login = await here.sessions.create(ann(here))
    signed_in = await there.sessions.verify(login.token)
    assert signed_in is not None
    assert there.sessions.watch(signed_in)
    await here.sessions.end(login.session.session, "o_000001")
    assert await here.sessions.verify(login.token) is None
    await eventually(lambda: there.revoked == [(login.session.session, "ended")])
    assert await there.sessions.verify(login.token) is None
    assert not there.sessions.watch(signed_in)  # verified before, too late to open a socket


OTHER_PROCESS = """
import asyncio, sys
from shared.embedded import EmbeddedValkey
from shared.runtime.clock import SystemClock
from shared.storage.clients import Clients, RedisSettings
from shared.storage.directory import Directory
from shared.storage.sessions import Sessions

async def main():
    clients = Clients(RedisSettings(sys.argv[1]))
    directory, over = Directory(clients), asyncio.Event()
    sessions = Sessions(clients, directory, SystemClock())
    sessions.on_revoked(lambda session, reason: (print(session, reason, flush=True), over.set()))
    await directory.start()
    await sessions.start()
    signed_in = await sessions.verify(sys.stdin.readline().strip())
    print("watching", sessions.watch(signed_in), flush=True)
    await over.wait()
    print("verified", await sessions.verify(sys.argv[2]) is not None, flush=True)
    await sessions.stop()
    await directory.stop()
    await clients.close()

asyncio.run(main())
"""


async def test_another_process_hears_of_an_ended_login(redis_url: str) -> None:
    here = await Gateway(redis_url, SystemClock()).start()
    await DirectoryStore(here.clients).create_operator(ANN, "secret")
    login = await here.sessions.create(ANN)
    there = await asyncio.create_subprocess_exec(
        sys.executable, "-c", OTHER_PROCESS, redis_url, login.token, stdin=PIPE, stdout=PIPE, stderr=DEVNULL
    )
    assert there.stdin is not None
    assert there.stdout is not None
    try:
        there.stdin.write(login.token.encode() + b"\n")
        while (line := await there.stdout.readline()).split() != [b"watching", b"True"]:
            assert line
        async with asyncio.timeout(5):  # the promise
            await here.sessions.end(login.session.session, ANN.operator)
            assert (await there.stdout.readline()).split() == [login.session.session.encode(), b"ended"]
        assert (await there.stdout.readline()).split() == [b"verified", b"False"]
        assert await there.wait() == 0
    finally:
        if there.returncode is None:
            there.kill()
            await there.wait()
        await here.stop()


async def test_password_change_and_disabling_end_all_logins_everywhere(gateways: tuple[Gateway, Gateway]) -> None:
    here, there = gateways
    store = DirectoryStore(here.clients)
    for change in (accounts.logged_out, lambda o: accounts.set_disabled(o, True)):
        logins = [await here.sessions.create(ann(here)) for _ in range(2)]
        for login in logins:
            signed_in = await there.sessions.verify(login.token)
            assert signed_in is not None
            assert there.sessions.watch(signed_in)
        there.revoked.clear()
        written = await store.update_operator("o_000001", change)
        assert isinstance(written, Written)
        await eventually(lambda: len(there.revoked) == 2)
        assert {session for session, _ in there.revoked} == {login.session.session for login in logins}
        await here.directory.wait_until_seen(written.seq)
        for gateway in gateways:
            assert [await gateway.sessions.verify(login.token) for login in logins] == [None, None]


async def test_a_change_of_role_ends_no_login_but_is_seen_at_once(gateways: tuple[Gateway, Gateway]) -> None:
    here, there = gateways
    login = await here.sessions.create(ann(here))
    signed_in = await there.sessions.verify(login.token)
    assert signed_in is not None
    assert there.sessions.watch(signed_in)
    await DirectoryStore(here.clients).update_operator("o_000001", lambda o: replace(o, name="Anna"))
    await there.directory.catch_up()
    again = await there.sessions.verify(login.token)
    assert again is not None
    assert again.operator.name == "Anna"
    assert there.revoked == []


async def test_use_moves_idle_expiry_on_but_never_past_the_absolute_one(
    gateways: tuple[Gateway, Gateway], clock: ManualClock
) -> None:
    here, _ = gateways
    login = await here.sessions.create(ann(here))
    start = clock.now_ms()
    key = keys.session(login.session.session)
    assert 0 < await here.clients.call("PTTL", key) <= 8 * HOUR
    clock.advance(13 * 24 * HOUR)
    await here.clients.call("PEXPIRE", key, HOUR)  # as if 7 h had passed unused
    signed_in = await here.sessions.verify(login.token)
    assert signed_in is not None
    assert signed_in.session.expires_at == clock.now_ms() + 8 * HOUR
    assert await here.clients.call("PTTL", key) > 7 * HOUR
    clock.advance(20 * HOUR)
    signed_in = await here.sessions.verify(login.token)
    assert signed_in is not None
    assert signed_in.session.expires_at == signed_in.session.absolute_expires_at == start + 14 * 24 * HOUR
    clock.advance(4 * HOUR)
    assert await here.sessions.verify(login.token) is None
    assert await here.clients.call("EXISTS", key) == 0


async def test_an_unused_login_expires_and_its_socket_is_told(redis_url: str, clock: ManualClock) -> None:
    here = await Gateway(redis_url, clock, SessionRules(sweep_ms=20, cache_ms=0)).start()
    try:
        await DirectoryStore(here.clients).create_operator(ANN, "secret")
        login = await here.sessions.create(ANN)
        signed_in = await here.sessions.verify(login.token)
        assert signed_in is not None
        assert here.sessions.watch(signed_in)
        await here.clients.call("DEL", keys.session(login.session.session))  # Redis's own expiry
        await eventually(lambda: here.revoked == [(login.session.session, "expired")])
        assert await here.sessions.verify(login.token) is None
    finally:
        await here.stop()


async def test_a_flush_ends_watched_logins(gateways: tuple[Gateway, Gateway]) -> None:
    here, there = gateways
    login = await here.sessions.create(ann(here))
    signed_in = await there.sessions.verify(login.token)
    assert signed_in is not None
    assert there.sessions.watch(signed_in)
    await here.clients.call("FLUSHALL")
    await eventually(lambda: [s for s, _ in there.revoked] == [login.session.session])


async def test_a_login_that_ended_unheard_is_found_after_a_reload(gateways: tuple[Gateway, Gateway]) -> None:
    here, there = gateways
    login, kept = await here.sessions.create(ann(here)), await here.sessions.create(ann(here))
    for token in (login.token, kept.token):
        signed_in = await there.sessions.verify(token)
        assert signed_in is not None
        assert there.sessions.watch(signed_in)
    await here.clients.pipeline(  # ended, and the entry that told so was trimmed
        [("DEL", keys.session(login.session.session)), ("HSET", keys.DIRECTORY_HEAD, "seq", 99, "mark", "missed")]
    )
    await eventually(lambda: there.revoked == [(login.session.session, "expired")])


async def test_logins_work_on_a_cluster(tmp_path: Path, clock: ManualClock) -> None:
    # the default port of the cluster bus, ours + 10,000, does not exist for the upper free ports
    cluster = {"cluster-enabled": "yes", "cluster-port": str(free_port())}
    with EmbeddedValkey(tmp_path, settings=cluster) as server:
        raw = Clients(RedisSettings(server.url))
        await raw.call("CLUSTER", "ADDSLOTSRANGE", "0", "16383")

        async def whole() -> bool:
            return "cluster_state:ok" in str(await raw.call("CLUSTER", "INFO"))

        await eventually(whole)
        await raw.close()
        here = await Gateway(server.url.replace("redis://", "redis+cluster://").removesuffix("/0"), clock).start()
        try:
            store, lockout = DirectoryStore(here.clients), Lockout(here.clients, clock)
            assert isinstance(await store.create_operator(ANN, "secret"), Written)
            assert await here.directory.catch_up()
            assert await store.credentials("ANN@shop.example") == (ann(here), "secret")
            assert await lockout.attempt("ann@shop.example", "192.0.2.1") == 0
            await lockout.succeeded("ann@shop.example", "192.0.2.1")
            login = await here.sessions.create(ann(here))
            signed_in = await here.sessions.redeem(await here.sessions.ticket(login.session.session))
            assert signed_in is not None
            assert here.sessions.watch(signed_in)
            await here.sessions.end(login.session.session, ANN.operator)
            await eventually(lambda: here.revoked == [(login.session.session, "ended")])
        finally:
            await here.stop()


async def test_new_login_replaces_the_one_it_came_with(gateways: tuple[Gateway, Gateway]) -> None:
    here, there = gateways
    first = await here.sessions.create(ann(here))
    second = await here.sessions.create(ann(here), replaces=first.session.session)
    assert await there.sessions.verify(first.token) is None
    assert await there.sessions.verify(second.token) is not None


async def test_an_operator_has_at_most_twenty_logins(gateways: tuple[Gateway, Gateway], clock: ManualClock) -> None:
    here, there = gateways
    logins = []
    for _ in range(22):
        clock.advance(1)
        logins.append(await here.sessions.create(ann(here)))
    holds = [await there.sessions.verify(login.token) is not None for login in logins]
    assert holds == [False, False] + [True] * 20
    assert await here.clients.call("ZCARD", keys.operator_sessions("o_000001")) == 20


async def test_a_ticket_opens_one_socket(gateways: tuple[Gateway, Gateway]) -> None:
    here, there = gateways
    login = await here.sessions.create(ann(here))
    ticket = await here.sessions.ticket(login.session.session)
    signed_in = await there.sessions.redeem(ticket)
    assert signed_in is not None
    assert signed_in.session.session == login.session.session
    assert await here.sessions.redeem(ticket) is None
    assert await here.sessions.verify(await here.sessions.ticket(login.session.session)) is None  # no token for HTTP
    assert await here.sessions.redeem(login.token) is not None
    unspent = await here.sessions.ticket(login.session.session)
    await here.sessions.end(login.session.session, "o_000001")
    assert await there.sessions.redeem(unspent) is None


async def test_two_sockets_of_one_login_are_told_once(gateways: tuple[Gateway, Gateway]) -> None:
    here, _ = gateways
    login = await here.sessions.create(ann(here))
    signed_in = await here.sessions.verify(login.token)
    assert signed_in is not None
    assert here.sessions.watch(signed_in)
    assert here.sessions.watch(signed_in)
    here.sessions.unwatch(login.session.session)
    await here.sessions.end(login.session.session, "o_000001")
    await eventually(lambda: len(here.revoked) == 1)


RULES = LockoutRules(pair=Backoff(3, 1_000, 8_000), account=Backoff(6, 1_000, 8_000), address=Backoff(8, 1_000, 8_000))


async def test_guesses_are_slowed_down_and_waiting_is_not_extended(clients: Clients, clock: ManualClock) -> None:
    lockout = Lockout(clients, clock, RULES)
    assert [await lockout.attempt("ann@x.example", "192.0.2.1") for _ in range(3)] == [0, 0, 0]
    assert await lockout.attempt("ANN@x.example", "192.0.2.1") == 1_000
    assert await lockout.attempt("ann@x.example", "::ffff:192.0.2.1") == 1_000
    assert await lockout.attempt("ann@x.example", "192.0.2.2") == 0  # she herself, elsewhere
    waits = []
    for _ in range(6):
        clock.advance(await lockout.attempt("ann@x.example", "192.0.2.1"))
        assert await lockout.attempt("ann@x.example", "192.0.2.1") == 0
        waits.append(await lockout.attempt("ann@x.example", "192.0.2.1"))
    assert waits == [2_000, 4_000, 8_000, 8_000, 8_000, 8_000]


async def test_success_clears_the_account_but_not_the_address(clients: Clients, clock: ManualClock) -> None:
    lockout = Lockout(clients, clock, RULES)
    for number in range(7):
        assert await lockout.attempt(f"nobody{number}@x.example", "2001:db8::1") == 0
    assert await lockout.attempt("ann@x.example", "2001:db8::2") == 0  # the same /64
    await lockout.succeeded("ann@x.example", "2001:db8::2")
    assert await lockout.attempt("ann@x.example", "2001:db8::3") == 0
    assert await lockout.attempt("bob@x.example", "2001:db8::4") == 1_000
    assert await lockout.attempt("ann@x.example", "2001:db8:0:1::4") == 0


async def test_parallel_guesses_do_not_overtake_the_count(clients: Clients, clock: ManualClock) -> None:
    lockout = Lockout(clients, clock, RULES)
    waits = await asyncio.gather(*(lockout.attempt("ann@x.example", "192.0.2.1") for _ in range(30)))
    assert sum(wait == 0 for wait in waits) == 3


async def test_counters_expire(clients: Clients, clock: ManualClock) -> None:
    await Lockout(clients, clock, RULES).attempt("ann@x.example", "192.0.2.1")
    names = await clients.call("KEYS", keys.login_failures("*", 0).replace("0", "*"))
    assert len(names) == 3
    assert all([await clients.call("PTTL", name) > 0 for name in names])
