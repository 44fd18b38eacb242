"""What can go wrong with Redis, in the words that the services act on.

redis-py has dozens of exceptions; a caller needs to know only whether to come back later (:class:`Unavailable`,
:class:`Lagging`) or whether it has a fault of its own (anything else).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from redis import exceptions


class Unavailable(Exception):
    """Redis did not take the command, or its answer was lost: acknowledge nothing, repeat only what is idempotent."""


class Lagging(Exception):
    """The stream's reader is too far behind; nothing was appended."""

    def __init__(self, retry_after_s: int = 2) -> None:
        super().__init__(f"readers are behind, try again in {retry_after_s} s")
        self.retry_after_s = retry_after_s


class InstallationMismatch(Exception):
    """What Redis holds was made with other settings, or by another version."""


class PartitionMismatch(InstallationMismatch):
    """The installation was made with another number of partitions."""


class FormatMismatch(InstallationMismatch):
    """What is stored was written in another format."""


# Answers by which a server says "not now": memory, disk, start-up, failover.
_NOT_NOW = ("OOM", "MISCONF", "LOADING", "CLUSTERDOWN", "MASTERDOWN", "NOREPLICAS", "READONLY", "TRYAGAIN", "BUSY ")
_AWAY = (
    exceptions.ConnectionError,
    exceptions.TimeoutError,
    exceptions.OutOfMemoryError,
    exceptions.ReadOnlyError,
    exceptions.ClusterError,
    exceptions.RedisClusterException,
    exceptions.MovedError,
    exceptions.TryAgainError,
    OSError,
)


@contextmanager
def redis_faults() -> Iterator[None]:
    """Turn redis-py's exceptions into :class:`Unavailable` where waiting may help; let the others through."""
    try:
        yield
    except _AWAY as error:
        raise Unavailable(type(error).__name__) from error
    except exceptions.ResponseError as error:
        if str(error).startswith(_NOT_NOW):
            raise Unavailable(str(error).split(maxsplit=1)[0]) from error
        raise
