"""Passwords as argon2id hashes, computed beside the event loop.

A hash costs about 50 ms and 64 MiB on purpose, so a few threads do them and a bounded number of callers waits; beyond
it :class:`PasswordsBusy` says to come back. Where there is no account a hash is computed all the same: unknown and
wrong take the same time.
"""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import argon2
from argon2 import Parameters
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.profiles import RFC_9106_LOW_MEMORY

PARALLEL = 2  # hashes at once: 128 MiB
MAX_WAITING = 32  # about 1 s of work; more callers than that are told to come back


class PasswordsBusy(Exception):
    """Too many passwords wait to be hashed."""


class Passwords:
    """Hashes and verifies; close it when the process drains."""

    def __init__(
        self, parameters: Parameters = RFC_9106_LOW_MEMORY, parallel: int = PARALLEL, max_waiting: int = MAX_WAITING
    ) -> None:
        self._hasher = argon2.PasswordHasher.from_parameters(parameters)
        self._threads = ThreadPoolExecutor(parallel, thread_name_prefix="argon2")
        self._room = parallel + max_waiting
        self._nobodys = self._hasher.hash("nobody has this password")

    async def hash(self, password: str) -> str:
        """The text to store. Raises PasswordsBusy."""
        return await self._run(self._hash, password)

    async def verify(self, secret: str, password: str) -> bool:
        """Whether `password` made `secret`; an empty `secret` (no such account) takes as long. Raises PasswordsBusy."""
        return await self._run(self._verify, secret or self._nobodys, password) == "yes" and bool(secret)

    def is_outdated(self, secret: str) -> bool:
        """Whether `secret` was made with weaker parameters and should be made again."""
        try:
            return self._hasher.check_needs_rehash(secret)
        except InvalidHashError:
            return True

    def close(self) -> None:
        """End the threads once they are idle."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _hash(self, password: str) -> str:
        return self._hasher.hash(_normal(password))

    def _verify(self, secret: str, password: str) -> str:
        try:
            self._hasher.verify(secret, _normal(password))
        except (VerificationError, InvalidHashError):
            return "no"
        return "yes"

    async def _run(self, work: Callable[..., str], *arguments: str) -> str:
        if self._room <= 0:
            raise PasswordsBusy
        self._room -= 1
        job = asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)
        job.add_done_callback(self._done)  # not when the caller leaves: the thread is still at it
        return await asyncio.shield(job)

    def _done(self, job: asyncio.Future[str]) -> None:
        self._room += 1
        if not job.cancelled():
            job.exception()  # looked at: the caller may have left


def _normal(password: str) -> bytes:
    """One form for what keyboards write differently; a lone surrogate cannot be encoded and becomes U+FFFD."""
    return unicodedata.normalize("NFKC", password).encode("utf-8", "replace")
