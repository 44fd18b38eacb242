"""How much one address, visitor or site may send. Read :class:`Limits`; the numbers are settings."""

from __future__ import annotations

from services.collector.domain.rates import Rate, RateLimit
from services.collector.domain.refusals import Refusal

MAX_ADDRESSES = 100_000  # remembered at once, in each of two generations: some 10 MB
MAX_VISITORS = 100_000
MAX_SITES = 10_000


def too_fast(wait_ms: int) -> Refusal:
    """429, with whole seconds to wait."""
    return Refusal("too_fast", retry_after_s=-(-wait_ms // 1000))


class Limits:
    """Rate limits over all requests of this process."""

    def __init__(
        self, *, address: Rate, newcomers: Rate, remembered: Rate, visitor: Rate, site: Rate, chat: Rate
    ) -> None:
        self._address = RateLimit(address, MAX_ADDRESSES)
        self._newcomers = RateLimit(newcomers, MAX_ADDRESSES)
        self._remembered = RateLimit(remembered, MAX_ADDRESSES)
        self._visitor = RateLimit(visitor, MAX_VISITORS)
        self._site = RateLimit(site, MAX_SITES)
        self._chat = RateLimit(chat, MAX_VISITORS)

    def address(self, key: str, now_ms: int) -> Refusal | None:
        """Every request counts here, whatever it holds."""
        wait_ms = self._address.wait_ms(key, now_ms)
        return too_fast(wait_ms) if wait_ms else None

    def sender(self, site: str, visitor: str, now_ms: int) -> Refusal | None:
        """A request that is otherwise good."""
        wait_ms = self._visitor.wait_ms(f"{site} {visitor}", now_ms) or self._site.wait_ms(site, now_ms)
        return too_fast(wait_ms) if wait_ms else None

    def newcomer(self, address_key: str, now_ms: int) -> Refusal | None:
        """A visitor without a token: what an address could invent without end."""
        wait_ms = self._newcomers.wait_ms(address_key, now_ms)
        return too_fast(wait_ms) if wait_ms else None

    def chat(self, site: str, visitor: str, now_ms: int) -> Refusal | None:
        """What a visitor says about chats: each is work for the one owner of the site's chats."""
        wait_ms = self._chat.wait_ms(f"{site} {visitor}", now_ms)
        return too_fast(wait_ms) if wait_ms else None

    def remembers(self, network: str, now_ms: int) -> bool:
        """Whether one more new visitor of this network gets an identity: what bounds Redis against invented ones."""
        return self._remembered.wait_ms(network, now_ms) == 0
