"""What chat-routing reads from Redis and the writes that it puts into a commit. One writer: the partition's owner."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from shared.domain.partitions import Partition
from shared.storage import keys
from shared.storage.clients import Clients
from shared.storage.writes import Argument, Write, delete, hdel, hset

OperatorKey = tuple[str, str]  # site, operator


class EngagementStore:
    """Reads for one step, each in one round trip. Every method raises Unavailable."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    async def operators(self, partition: Partition, wanted: Collection[OperatorKey]) -> dict[OperatorKey, bytes]:
        """The stored values of those operators that have one."""
        pairs = list(wanted)
        answers = await self._clients.pipeline([("HGET", keys.operators(partition, s), o) for s, o in pairs])
        return {pair: value for pair, value in zip(pairs, answers, strict=True) if value is not None}

    async def gateway_signs(self, partition: Partition, gateways: Collection[str]) -> dict[str, int]:
        """When each known one of `gateways` last gave a sign of life (ms)."""
        if not gateways:
            return {}
        names = list(gateways)
        answers = await self._clients.call("HMGET", keys.gateways(partition), *names)
        return {name: int(value) for name, value in zip(names, answers, strict=True) if value is not None}

    async def connected_through(self, partition: Partition, gateway: str) -> list[OperatorKey]:
        """The operators who may have a connection on `gateway`."""
        fields = await self._clients.call("HKEYS", keys.gateway_operators(partition, gateway))
        return [(site, operator) for site, _, operator in (field.decode().partition(" ") for field in fields)]


def put_operators(partition: Partition, site: str, values: dict[str, bytes]) -> list[Write]:
    """Store operators' values."""
    fields: dict[str | bytes, Argument] = {}
    fields.update(values)
    return hset(keys.operators(partition, site), fields)


def drop_operators(partition: Partition, site: str, operators: Iterable[str]) -> list[Write]:
    """Forget operators."""
    return hdel(keys.operators(partition, site), operators)


def put_gateway(partition: Partition, gateway: str, sign_ms: int) -> list[Write]:
    """Store a gateway's last sign of life."""
    return hset(keys.gateways(partition), {gateway: sign_ms})


def drop_gateway(partition: Partition, gateway: str) -> list[Write]:
    """Forget a gateway and who was connected through it."""
    return [*hdel(keys.gateways(partition), [gateway]), delete(keys.gateway_operators(partition, gateway))]


def link(partition: Partition, gateway: str, operators: Iterable[OperatorKey]) -> list[Write]:
    """Note that these operators have connections on `gateway`."""
    return hset(keys.gateway_operators(partition, gateway), {f"{s} {o}": 1 for s, o in operators})


def unlink(partition: Partition, gateway: str, operators: Iterable[OperatorKey]) -> list[Write]:
    """Note that these operators have none there any more."""
    return hdel(keys.gateway_operators(partition, gateway), [f"{s} {o}" for s, o in operators])
