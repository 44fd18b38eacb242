"""Whose address a request has: the peer's, or what a trusted proxy says, read from the right."""

from __future__ import annotations

import pytest

from shared.domain.peers import TrustedProxies, limit_key, parse_address, parse_networks

PROXIES = TrustedProxies(parse_networks("10.0.0.0/8, 2001:db8:1::/48"))


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("203.0.113.1", [], "203.0.113.1"),
        ("203.0.113.1", ["198.51.100.1"], "203.0.113.1"),  # no proxy of ours: the header is the client's own
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["1.1.1.1, 198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["1.1.1.1", "198.51.100.1, 10.9.9.9"], "198.51.100.1"),
        ("10.0.0.1", ["198.51.100.1, nonsense"], "10.0.0.1"),
        ("10.0.0.1", ["nonsense, 198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["10.0.0.2, 10.0.0.3"], "10.0.0.2"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("::ffff:10.0.0.1", ["198.51.100.1:5555"], "198.51.100.1"),
        ("2001:db8:1::5", ['"[2001:db8:2::7]:443"'], "2001:db8:2::7"),
        ("10.0.0.1", ["::ffff:198.51.100.1"], "198.51.100.1"),
        ("", ["198.51.100.1"], None),
    ],
)
def test_client_address(peer: str, forwarded: list[str], client: str | None) -> None:
    address = PROXIES.client_address(peer, forwarded)
    assert (str(address) if address else None) == client


def test_nobody_is_trusted_by_default() -> None:
    assert str(TrustedProxies(()).client_address("127.0.0.1", ["1.1.1.1"])) == "127.0.0.1"


def test_an_ipv6_customer_has_one_budget() -> None:
    assert limit_key(parse_address("2001:db8::1")) == limit_key(parse_address("2001:db8::ffff:1")) == "2001:db8::/64"
    assert limit_key(parse_address("2001:db8:0:1::1")) != limit_key(parse_address("2001:db8::1"))
    assert limit_key(parse_address("::ffff:1.2.3.4")) == "1.2.3.4"
    assert limit_key(None) == "unknown"
