"""Whose address a request came from. Read :meth:`TrustedProxies.client_address`.

The connection's peer, unless that is a trusted proxy; then one header, read from the right: the first address that is
not a trusted proxy itself. What stands further left was written by the client and proves nothing.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from functools import lru_cache

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

UNKNOWN = "unknown"  # a peer without an address, such as a Unix socket's: all of them share one budget
_IPV6_CUSTOMER_BITS = 64  # what one customer gets: addresses within it cost nothing
_IPV6_SITE_BITS = 48  # what a provider gives a customer at most


@lru_cache(maxsize=4096)
def parse_address(text: str) -> Address | None:
    """The address, unmapped (`::ffff:1.2.3.4` is 1.2.3.4), without port, brackets and zone; None if it is none."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def parse_networks(text: str) -> tuple[Network, ...]:
    """Comma-separated networks. Raises ValueError that names the wrong one."""
    return tuple(ipaddress.ip_network(part.strip(), strict=False) for part in text.split(",") if part.strip())


@lru_cache(maxsize=4096)
def limit_key(address: Address | None) -> str:
    """What an address is counted under: itself, or its /64 where a customer has billions of addresses."""
    if address is None:
        return UNKNOWN
    if isinstance(address, ipaddress.IPv6Address):
        prefix = int(address) >> (128 - _IPV6_CUSTOMER_BITS) << (128 - _IPV6_CUSTOMER_BITS)
        return f"{ipaddress.IPv6Address(prefix)}/{_IPV6_CUSTOMER_BITS}"
    return str(address)


@lru_cache(maxsize=4096)
def network_key(address: Address | None) -> str:
    """The network behind an address, as far as one party holds it: an IPv4 address, an IPv6 /48."""
    if isinstance(address, ipaddress.IPv6Address):
        prefix = int(address) >> (128 - _IPV6_SITE_BITS) << (128 - _IPV6_SITE_BITS)
        return f"{ipaddress.IPv6Address(prefix)}/{_IPV6_SITE_BITS}"
    return limit_key(address)


class TrustedProxies:
    """The proxies whose header is believed; false when there are none."""

    def __init__(self, networks: Iterable[Network]) -> None:
        self._networks = tuple(networks)

    def __bool__(self) -> bool:
        return bool(self._networks)

    def trusts(self, address: Address | None) -> bool:
        """Whether `address` is one of them."""
        return address is not None and any(
            address.version == network.version and address in network for network in self._networks
        )

    def client_address(self, peer: str, forwarded: Sequence[str]) -> Address | None:
        """The client's address. `forwarded` are the values of the one trusted header, in order."""
        address = parse_address(peer)
        if not self._networks or not forwarded or not self.trusts(address):
            return address
        for hop in reversed(",".join(forwarded).split(",")):
            named = parse_address(hop)
            if named is None:
                return address  # what stands left of something unreadable is not to be believed either
            address = named
            if not self.trusts(address):
                break
        return address
