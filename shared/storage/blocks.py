"""Stream entries as they are stored: one payload in field `d`, or several, packed and compressed, in field `z`.

Events of many visitors who are on the same pages have nearly everything in common but their ids, so 32 of them together
take a quarter of the room that they take one by one, in memory and in the append-only file, and one XADD. Packing 32
costs 3 µs each; packing a few gains little and costs 10, so few are left as they are. Read :func:`fields_of`, then
:func:`payloads_in`.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence

import msgspec

BLOCK = 32  # payloads in one entry; more save hardly anything
WORTH_PACKING = 4  # payloads
WORTH_COMPRESSING = 1_000  # bytes of a single payload
MAX_BLOCK_BYTES = 16 * 1024 * 1024  # unpacked; what is larger was not written by us
_LEVEL = 1  # the higher ones save 2 % and take longer

Field = tuple[str, bytes]
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[bytes, ...]).decode


def _packed(payloads: Sequence[bytes]) -> Field:
    return "z", zlib.compress(_encode(payloads), _LEVEL)


def fields_of(payloads: Sequence[bytes]) -> list[Field]:
    """The entries that carry `payloads` in order, each as field and value."""
    fields: list[Field] = []
    for start in range(0, len(payloads), BLOCK):
        block = payloads[start : start + BLOCK]
        fields += [_packed(block)] if len(block) >= WORTH_PACKING else [("d", payload) for payload in block]
    return fields


def field_of(payload: bytes) -> Field:
    """The entry that carries this one payload."""
    return _packed((payload,)) if len(payload) >= WORTH_COMPRESSING else ("d", payload)


def payloads_in(fields: Mapping[bytes, bytes]) -> tuple[bytes, ...]:
    """What an entry carries. One that cannot be unpacked is given as it is: its reader then parks it."""
    plain = fields.get(b"d")
    if plain is not None:
        return (plain,)
    block = fields.get(b"z", b"")
    try:
        unpacking = zlib.decompressobj()
        text = unpacking.decompress(block, MAX_BLOCK_BYTES)
        return _decode(text) or (block,) if unpacking.eof else (block,)
    except (zlib.error, msgspec.MsgspecError):
        return (block,)
