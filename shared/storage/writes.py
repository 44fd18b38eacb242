"""The writes that a partition's owner may put into one commit.

Values, not calls: a step returns them and the commit carries them out together with the checkpoint. Every key must
carry the partition's hash tag.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgpack  # type: ignore[import-untyped]

from shared.storage.blocks import Field

Argument = str | bytes | int
# Lua's stack holds about 8,000 values; a longer HSET is cut into several.
MAX_ARGUMENTS = 4_000


class Write(NamedTuple):
    """One command on one key."""

    command: str
    key: str
    arguments: tuple[Argument, ...] = ()


def hset(key: str, fields: Mapping[str | bytes, Argument]) -> list[Write]:
    """Set fields of a hash (cut into several commands when there are very many)."""
    flat = [part for pair in fields.items() for part in pair]
    return [Write("HSET", key, tuple(flat[i : i + MAX_ARGUMENTS])) for i in range(0, len(flat), MAX_ARGUMENTS)]


def hdel(key: str, fields: Iterable[str | bytes]) -> list[Write]:
    """Remove fields of a hash."""
    flat = tuple(fields)
    return [Write("HDEL", key, flat[i : i + MAX_ARGUMENTS]) for i in range(0, len(flat), MAX_ARGUMENTS)]


def hincrby(key: str, field: str, amount: int) -> Write:
    """Add to a number in a hash."""
    return Write("HINCRBY", key, (field, amount))


def set_value(key: str, value: bytes, ttl_ms: int | None = None) -> Write:
    """Set a string, with an expiry if `ttl_ms` is given."""
    return Write("SET", key, (value,) if ttl_ms is None else (value, "PX", ttl_ms))


def pexpire(key: str, ttl_ms: int) -> Write:
    """Let a key expire after `ttl_ms`."""
    return Write("PEXPIRE", key, (ttl_ms,))


def pexpire_once(key: str, ttl_ms: int) -> Write:
    """Let a key that has no expiry yet expire after `ttl_ms`: only the first time costs the append-only file a line."""
    return Write("PEXPIRE", key, (ttl_ms, "NX"))


def delete(key: str) -> Write:
    """Remove a key; the memory is freed in the background."""
    return Write("UNLINK", key)


def zadd(key: str, scores: Mapping[bytes, int]) -> list[Write]:
    """Put members with their scores into a sorted set."""
    flat: list[Argument] = [part for member, score in scores.items() for part in (score, member)]
    return [Write("ZADD", key, tuple(flat[i : i + MAX_ARGUMENTS])) for i in range(0, len(flat), MAX_ARGUMENTS)]


def zrem(key: str, members: Iterable[str | bytes]) -> list[Write]:
    """Remove members of a sorted set."""
    flat = tuple(members)
    return [Write("ZREM", key, flat[i : i + MAX_ARGUMENTS]) for i in range(0, len(flat), MAX_ARGUMENTS)]


def xadd(key: str, payload: bytes, max_length: int | None = None, entry_id: str = "*") -> Write:
    """Append one entry (field `d`) to a stream that is kept at about `max_length` entries."""
    return xadd_field(key, ("d", payload), max_length, entry_id)


def xadd_field(key: str, field: Field, max_length: int | None = None, entry_id: str = "*") -> Write:
    """Append an entry made by :mod:`shared.storage.blocks`."""
    bound: tuple[Argument, ...] = () if max_length is None else ("MAXLEN", "~", max_length)
    return Write("XADD", key, (*bound, entry_id, *field))


def pack(writes: Iterable[Write], first_index: int) -> tuple[list[str], bytes]:
    """The distinct keys in order, and the writes as commit.lua reads them with keys by index from `first_index`.

    Old msgpack without the bin type: Lua's cmsgpack knows no other.
    """
    index: dict[str, int] = {}
    rows: list[list[Argument]] = []
    for command, key, arguments in writes:
        position = index.setdefault(key, len(index) + first_index)
        rows.append([command, position, *(str(a) if isinstance(a, int) else a for a in arguments)])
    packed: bytes = msgpack.packb(rows, use_bin_type=False)
    return list(index), packed
