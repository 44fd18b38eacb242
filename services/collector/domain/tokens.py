"""The visitor's token: proof that a browser is the one that was here before. Needed for everything about chats.

`v1.<base64url of HMAC-SHA256(key, "foyer visitor v1" NUL site NUL visitor)>`: nothing is stored, every collector makes
and checks the same token, and one of another site or visitor does not fit. While the secret is being changed, tokens
made with the previous one are still taken.
"""

from __future__ import annotations

import base64
import hmac
from functools import lru_cache

_VERSION = "v1"
REMEMBERED = 20_000  # tokens of the visitors heard of last, some 5 MB: who is here speaks every few seconds


class VisitorTokens:
    """Makes and checks tokens. `secret` signs; `previous` are accepted until they are taken out of the settings."""

    def __init__(self, secret: str, previous: tuple[str, ...] = ()) -> None:
        self._keys = tuple(key.encode() for key in (secret, *previous))

    def mint(self, site: str, visitor: str) -> str:
        """The token of `visitor` on `site`."""
        return _signed(self._keys[0], site, visitor)

    def fits(self, token: str, site: str, visitor: str) -> bool:
        """Whether `token` was given to `visitor` on `site`. Takes the same time wherever the difference is."""
        given = token.encode(errors="replace")
        fits = False
        for key in self._keys:
            fits |= hmac.compare_digest(_signed(key, site, visitor).encode(), given)
        return fits


@lru_cache(maxsize=REMEMBERED)
def _signed(key: bytes, site: str, visitor: str) -> str:
    digest = hmac.digest(key, f"foyer visitor {_VERSION}\0{site}\0{visitor}".encode(), "sha256")
    return f"{_VERSION}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"
