"""Writes of the directory: sites and operators, their e-mail index and password hashes.

Every change is one script that refuses when the record was changed since it was read (so no update is ever lost),
keeps e-mail addresses unique and appends to the change stream that every replica follows. Refusals are values; read
:meth:`DirectoryStore.update_site` first.
"""

from __future__ import annotations

import secrets
import unicodedata
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

import msgspec

from shared.contracts.sites import Operator, Site
from shared.storage import keys
from shared.storage.clients import Clients

MAX_SITES = 5_000
MAX_OPERATORS = 20_000  # with the sites about 25 MB in each replica
KEPT_CHANGES = 1_000  # a replica further behind loads everything again
WRITE_TRIES = 16  # writers that collide read again; more than this many at once is a storm

RefusalCode = Literal["not_found", "stale_version", "email_taken", "too_many"]
Record = TypeVar("Record", Site, Operator)
Own = TypeVar("Own")

_encode = msgspec.msgpack.Encoder().encode
decode_site = msgspec.msgpack.Decoder(Site).decode
decode_operator = msgspec.msgpack.Decoder(Operator).decode


@dataclass(frozen=True)
class Refused:
    """The directory does not take the change; nothing was written."""

    code: RefusalCode


@dataclass(frozen=True)
class Written(Generic[Record]):
    """The record as stored; a replica that has seen `seq` has it."""

    record: Record
    seq: int


def fold_email(email: str) -> str:
    """The form under which an address is unique."""
    return unicodedata.normalize("NFKC", email.strip()).casefold()


def new_mark() -> str:
    """A name for one change, so that a replica can tell a rewritten history from its own."""
    return secrets.token_hex(8)


def split_record(stored: bytes) -> bytes:
    """The packed record behind its version."""
    return stored.partition(b"\n")[2]


class DirectoryStore:
    """Reads (always Redis's own word) and writes of sites and operators. Everything here may raise Unavailable."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    async def seq(self) -> int:
        """How many changes there have been."""
        return int(await self._clients.call("HGET", keys.DIRECTORY_HEAD, "seq") or 0)

    async def site(self, site: str) -> Site | None:
        """The site as stored now."""
        stored = await self._clients.call("HGET", keys.DIRECTORY_SITES, site)
        return decode_site(split_record(stored)) if stored else None

    async def operator(self, operator: str) -> Operator | None:
        """The operator as stored now."""
        stored = await self._clients.call("HGET", keys.DIRECTORY_OPERATORS, operator)
        return decode_operator(split_record(stored)) if stored else None

    async def operator_by_email(self, email: str) -> Operator | None:
        """The operator who logs in with this address, in whatever case it is written."""
        operator = await self._clients.call("HGET", keys.DIRECTORY_EMAILS, fold_email(email))
        return await self.operator(operator.decode()) if operator else None

    async def secret(self, operator: str) -> str:
        """The operator's password hash, or an empty string."""
        stored = await self._clients.call("HGET", keys.DIRECTORY_SECRETS, operator)
        return stored.decode() if stored else ""

    async def credentials(self, email: str) -> tuple[Operator | None, str]:
        """Who logs in with this address, and the password hash. One round trip, known or unknown."""
        record, secret = await self._clients.script(
            "directory_credentials",
            [keys.DIRECTORY_EMAILS, keys.DIRECTORY_OPERATORS, keys.DIRECTORY_SECRETS],
            [fold_email(email)],
        )
        return (decode_operator(split_record(record)) if record else None), secret.decode()

    async def create_site(self, site: Site) -> Written[Site] | Refused:
        """Store a new site; `stale_version` if the key is taken."""
        return await self._put(site, None)

    async def update_site(
        self, site: str, change: Callable[[Site], Site | Own], expected: int | None = None
    ) -> Written[Site] | Refused | Own:
        """Store what `change` makes of the site, or hand back its refusal.

        Without `expected` a collision is resolved by applying `change` to the newer record. With it the version must
        be that one, else `stale_version`.
        """
        return await self._update(lambda: self.site(site), change, expected)

    async def create_operator(self, operator: Operator, secret: str) -> Written[Operator] | Refused:
        """Store a new account with its password hash."""
        return await self._put(operator, None, secret=secret)

    async def update_operator(
        self,
        operator: str,
        change: Callable[[Operator], Operator | Own],
        expected: int | None = None,
        secret: str = "",
    ) -> Written[Operator] | Refused | Own:
        """As :meth:`update_site`; `secret` replaces the password hash in the same step."""
        return await self._update(lambda: self.operator(operator), change, expected, secret)

    async def _update(
        self,
        read: Callable[[], Awaitable[Record | None]],
        change: Callable[[Record], Record | Own],
        expected: int | None,
        secret: str = "",
    ) -> Written[Record] | Refused | Own:
        for _ in range(WRITE_TRIES):
            old = await read()
            if old is None:
                return Refused("not_found")
            if expected is not None and old.version != expected:
                return Refused("stale_version")
            new = change(old)
            if not isinstance(new, type(old)):
                return new  # type: ignore[return-value]  # the other half of the union: change's own refusal
            if new == old and not secret:
                return Written(old, 0)  # nothing to write, nothing to wait for
            written = await self._put(new, old, secret=secret)
            if not (isinstance(written, Refused) and written.code == "stale_version" and expected is None):
                return written
        return Refused("stale_version")

    async def _put(self, new: Record, old: Record | None, *, secret: str = "") -> Written[Record] | Refused:
        read_version = old.version if old else 0
        record = msgspec.structs.replace(new, version=read_version + 1)
        kind, ident, records, limit = _place(record)
        guard: list[str | bytes | int] = [kind, ident, read_version, record.version, _encode(record), limit]
        answer: list[Any] = await self._clients.script(
            "directory_put",
            [records, keys.DIRECTORY_EMAILS, keys.DIRECTORY_SECRETS, keys.DIRECTORY_HEAD, keys.DIRECTORY_CHANGES],
            [*guard, _indexed(old), _indexed(record), secret, new_mark(), KEPT_CHANGES],
        )
        outcome = answer[0].decode()
        return Written(record, int(answer[1])) if outcome == "ok" else Refused(outcome)


def _place(record: Site | Operator) -> tuple[str, str, str, int]:
    """Kind of change, id, key of the records and how many there may be."""
    if isinstance(record, Site):
        return "site", record.site, keys.DIRECTORY_SITES, MAX_SITES
    return "operator", record.operator, keys.DIRECTORY_OPERATORS, MAX_OPERATORS


def _indexed(record: Site | Operator | None) -> str:
    """The e-mail address under which the index has the record."""
    return fold_email(record.email) if isinstance(record, Operator) else ""
