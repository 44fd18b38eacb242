"""Slows down the guessing of passwords, per account, per address and per pair of them.

The pair is strict, so one guesser is stopped soon; the account alone is lenient, so that nobody can lock its owner out
cheaply. An attempt counts as failed before the password is looked at; success takes it back. Accounts and addresses
fall into a fixed number of buckets and counters expire, so invented ones cannot fill Redis: 3 * 65,536 counters of
about 100 bytes at most. Read :meth:`Lockout.attempt` first.
"""

from __future__ import annotations

import hashlib
import ipaddress
from dataclasses import dataclass

from shared.runtime.clock import Clock
from shared.storage import keys
from shared.storage.clients import Clients
from shared.storage.directory_store import fold_email

BUCKETS = 65_536
KEPT_MS = 3_600_000  # longer than the longest wait, so a counter outlives its lock


@dataclass(frozen=True)
class Backoff:
    """After `free` failures each further one doubles the wait, from `first_ms` up to `longest_ms`."""

    free: int
    first_ms: int
    longest_ms: int


@dataclass(frozen=True)
class LockoutRules:
    """The limits of all three counters."""

    pair: Backoff = Backoff(5, 2_000, 900_000)
    account: Backoff = Backoff(20, 2_000, 300_000)
    address: Backoff = Backoff(30, 2_000, 900_000)  # an office behind one address mistypes more often


class Lockout:
    """Failure counters in Redis, the same for every gateway. Everything here may raise Unavailable."""

    def __init__(self, clients: Clients, clock: Clock, rules: LockoutRules | None = None) -> None:
        self._clients = clients
        self._clock = clock
        self._rules = rules or LockoutRules()

    async def attempt(self, email: str, address: str) -> int:
        """Note an attempt to log in. 0: go on; else how many ms to wait, and nothing was noted."""
        rules = self._rules
        limits = [
            number for rule in (rules.pair, rules.account, rules.address)
            for number in (rule.free, rule.first_ms, rule.longest_ms)
        ]  # fmt: skip
        return int(
            await self._clients.script(
                "login_attempt", _counters(email, address), [self._clock.now_ms(), KEPT_MS, *limits]
            )
        )

    async def succeeded(self, email: str, address: str) -> None:
        """Forget what was noted against the account; the address gets this attempt back only."""
        pair, account, at = _counters(email, address)
        await self._clients.pipeline([("DEL", pair), ("DEL", account), ("HINCRBY", at, "n", -1), ("HDEL", at, "until")])

    async def withdraw(self, email: str, address: str) -> None:
        """Take an attempt back that was not looked at."""
        counters = _counters(email, address)
        await self._clients.pipeline(
            [command for key in counters for command in (("HINCRBY", key, "n", -1), ("HDEL", key, "until"))]
        )


def _counters(email: str, address: str) -> list[str]:
    account, network = fold_email(email), _network(address)
    return [
        keys.login_failures("pair", _bucket(f"{account}\0{network}")),
        keys.login_failures("account", _bucket(account)),
        keys.login_failures("address", _bucket(network)),
    ]


def _bucket(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode(errors="replace")).digest()[:8]) % BUCKETS


def _network(address: str) -> str:
    """IPv4 address, or the IPv6 /64 that one customer has to himself."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)
