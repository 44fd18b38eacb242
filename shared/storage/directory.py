"""The directory in memory: every site and operator, kept fresh by the change stream.

A change carries the mark of the one before it. A chain that breaks (Redis was emptied, a failover lost writes, or this
replica fell behind the bounded stream) makes the replica load everything again and tell its callbacks what differs.
While Redis is away the last known state stays readable; :attr:`Directory.stale_ms` says how old it is.
Read :meth:`Directory._follow` first.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeVar

import msgspec
import structlog

from shared.contracts.sites import Operator, Site
from shared.storage import keys
from shared.storage.clients import Clients
from shared.storage.directory_store import decode_operator, decode_site, fold_email, split_record
from shared.storage.faults import Unavailable

log = structlog.get_logger()
R = TypeVar("R", Site, Operator)

BATCH = 500
BLOCK_MS = 1_000  # also how soon a rewritten history is noticed
RETRY_S = 0.5
DECODE_BATCH = 200
LOG_EVERY = 20  # while waiting for Redis: a line every 10 s


@dataclass(frozen=True)
class SiteChanged:
    """A site was made or changed; `new` is None if it is no longer there."""

    site: str
    old: Site | None
    new: Site | None


@dataclass(frozen=True)
class OperatorChanged:
    """An operator was made or changed; `new` is None if it is no longer there."""

    operator: str
    old: Operator | None
    new: Operator | None


@dataclass(frozen=True)
class SessionEnded:
    """A login was ended on purpose."""

    session: str


@dataclass(frozen=True)
class Reloaded:
    """Everything was loaded again (the differences were told before this): ended logins may have been missed."""


DirectoryChange = SiteChanged | OperatorChanged | SessionEnded | Reloaded
Callback = Callable[[DirectoryChange], object]


@dataclass
class _State:
    seq: int = -1
    mark: str = ""
    position: str = "0-0"
    sites: dict[str, Site] = field(default_factory=dict)
    operators: dict[str, Operator] = field(default_factory=dict)
    emails: dict[str, str] = field(default_factory=dict)


class Directory:
    """A replica. `start()` waits for Redis and the first load; reads before it find nothing."""

    def __init__(self, clients: Clients, monotonic_ms: Callable[[], int] | None = None) -> None:
        self._clients = clients
        self._now_ms = monotonic_ms or (lambda: time.monotonic_ns() // 1_000_000)
        self._state = _State()
        self._callbacks: list[Callback] = []
        self._task: asyncio.Task[None] | None = None
        self._moved = asyncio.Event()
        self._confirmed_ms: int | None = None
        self.reloads = 0  # loads after the first one
        self.skipped = 0  # records that could not be read

    # --- reads: of memory, never of Redis ---

    @property
    def version(self) -> int:
        """How many changes this replica has seen; -1 before the first load."""
        return self._state.seq

    @property
    def stale_ms(self) -> int | None:
        """How long ago Redis last confirmed this state; None before the first load."""
        return None if self._confirmed_ms is None else max(0, self._now_ms() - self._confirmed_ms)

    def site(self, site: str) -> Site | None:
        """The site of this key."""
        return self._state.sites.get(site)

    def sites(self) -> Mapping[str, Site]:
        """All sites by key; a view that changes with the directory."""
        return MappingProxyType(self._state.sites)

    def operator(self, operator: str) -> Operator | None:
        """The operator of this id."""
        return self._state.operators.get(operator)

    def operators(self) -> Mapping[str, Operator]:
        """All operators by id; a view that changes with the directory."""
        return MappingProxyType(self._state.operators)

    def operator_by_email(self, email: str) -> Operator | None:
        """The operator who logs in with this address, in whatever case it is written."""
        return self._state.operators.get(self._state.emails.get(fold_email(email), ""))

    def on_change(self, callback: Callback) -> Callable[[], None]:
        """Call `callback` with every change from now on, in order; gives back what unsubscribes it."""
        self._callbacks.append(callback)
        return lambda: self._callbacks.remove(callback)

    async def wait_until_seen(self, version: int, timeout_s: float = 2.0) -> bool:
        """Wait until this replica has seen `version`, so that a writer reads its own write. False: not in time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while self._state.seq < version:
                    await self._moved.wait()
                return True
        return False

    async def catch_up(self, timeout_s: float = 2.0) -> bool:
        """Wait until this replica has seen what Redis has now. Raises Unavailable. False: not in time."""
        seq = await self._clients.call("HGET", keys.DIRECTORY_HEAD, "seq")
        return await self.wait_until_seen(int(seq or 0), timeout_s)

    # --- keeping fresh ---

    async def start(self) -> None:
        """Load everything, waiting for Redis as long as it takes, and follow the changes from then on."""
        attempts = 0
        while True:
            try:
                await self._load()
                break
            except Unavailable as error:
                if attempts % LOG_EVERY == 0:
                    log.warning("directory_waits_for_redis", reason=str(error))
                attempts += 1
                await asyncio.sleep(RETRY_S)
        log.info("directory_loaded", sites=len(self._state.sites), operators=len(self._state.operators))
        self._task = asyncio.create_task(self._follow(), name="directory")

    async def stop(self) -> None:
        """Follow no longer; the state stays readable."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _follow(self) -> None:
        reader = self._clients.reader(keys.DIRECTORY_CHANGES)
        failures = 0
        try:
            while True:
                try:
                    await self._step(reader)
                    failures = 0
                except Unavailable as error:
                    if failures % LOG_EVERY == 0:
                        log.warning("directory_stale", reason=str(error), stale_ms=self.stale_ms)
                    failures += 1
                    await asyncio.sleep(RETRY_S)
                except Exception:
                    log.exception("directory_failed")
                    await asyncio.sleep(RETRY_S)
        finally:
            await reader.close()

    async def _step(self, reader: Any) -> None:
        answer = await reader.read({keys.DIRECTORY_CHANGES: self._state.position}, BATCH, BLOCK_MS)
        entries = answer[0][1] if answer else []
        if not all(self._apply(entry, payload) for entry, payload in entries):
            await self._load()
        elif not entries:
            seq, mark = await self._head()
            # A change may have come in between: then the next read brings it, in order.
            if (seq, mark) != (self._state.seq, self._state.mark) and not await self._follows(seq):
                await self._load()
        self._confirmed_ms = self._now_ms()

    async def _head(self) -> tuple[int, str]:
        seq, mark = await self._clients.call("HMGET", keys.DIRECTORY_HEAD, "seq", "mark")
        return int(seq or 0), (mark or b"-").decode()

    async def _follows(self, seq: int) -> bool:
        """Whether the stream has the change after ours (or a later one, which `_apply` judges)."""
        after = await self._clients.call("XRANGE", keys.DIRECTORY_CHANGES, f"({self._state.position}", "+", "COUNT", 1)
        return seq > self._state.seq and bool(after)

    def _apply(self, entry: str, payload: bytes) -> bool:
        """Take one entry of the stream; False if it does not continue what we have."""
        header, _, record = payload.partition(b"\n")
        try:
            seq, before, mark, kind, ident = header.decode().split(" ")
            follows = int(seq) == self._state.seq + 1 and before == self._state.mark
        except ValueError:
            return False
        if not follows:
            return False
        self._state.seq, self._state.mark, self._state.position = int(seq), mark, entry
        change = self._take(kind, ident, record)
        if change is not None:
            self._tell(change)
        self._wake()
        return True

    def _take(self, kind: str, ident: str, record: bytes) -> DirectoryChange | None:
        state = self._state
        try:
            match kind:
                case "site":
                    site, old_site = decode_site(record), state.sites.get(ident)
                    state.sites[ident] = site
                    return SiteChanged(ident, old_site, site)
                case "operator":
                    operator, old = decode_operator(record), state.operators.get(ident)
                    _index(state, operator, old)
                    return OperatorChanged(ident, old, operator)
                case "session":
                    return SessionEnded(ident)
        except msgspec.MsgspecError:
            self._skip(kind, ident)
        return None  # a kind that a newer service writes

    async def _load(self) -> None:
        seq, mark, position, sites, operators = await self._clients.script(
            "directory_load",
            [keys.DIRECTORY_HEAD, keys.DIRECTORY_CHANGES, keys.DIRECTORY_SITES, keys.DIRECTORY_OPERATORS],
            [],
        )
        old, first = self._state, self._state.seq < 0
        new = _State(int(seq), mark.decode(), position.decode())
        async for site in self._decode("site", sites, decode_site):
            new.sites[site.site] = site
        async for operator in self._decode("operator", operators, decode_operator):
            _index(new, operator, None)
        self._state = new
        self._confirmed_ms = self._now_ms()
        for change in _differences(old, new):
            self._tell(change)
        if not first:
            self.reloads += 1
            log.warning("directory_reloaded", seq=new.seq, seq_before=old.seq)
            self._tell(Reloaded())
        self._wake()

    async def _decode(self, kind: str, flat: list[bytes], decode: Callable[[bytes], R]) -> AsyncIterator[R]:
        """The records that can be read, with a breath for everybody else every few milliseconds."""
        for number, (ident, stored) in enumerate(zip(flat[::2], flat[1::2], strict=True), 1):
            try:
                record = decode(split_record(stored))
            except (msgspec.MsgspecError, UnicodeDecodeError):
                self._skip(kind, repr(ident[:64]))
            else:
                yield record
            if number % DECODE_BATCH == 0:
                await asyncio.sleep(0)

    def _skip(self, kind: str, ident: str) -> None:
        self.skipped += 1
        log.error("directory_record_unreadable", kind=kind, id=ident)

    def _tell(self, change: DirectoryChange) -> None:
        for callback in tuple(self._callbacks):
            try:
                callback(change)
            except Exception:
                log.exception("directory_callback_failed", change=type(change).__name__)

    def _wake(self) -> None:
        self._moved.set()
        self._moved = asyncio.Event()


def _index(state: _State, operator: Operator, old: Operator | None) -> None:
    state.operators[operator.operator] = operator
    if old is not None:
        state.emails.pop(fold_email(old.email), None)
    state.emails[fold_email(operator.email)] = operator.operator


def _differences(old: _State, new: _State) -> list[DirectoryChange]:
    changes: list[DirectoryChange] = [
        SiteChanged(key, old.sites.get(key), new.sites.get(key))
        for key in sorted(old.sites.keys() | new.sites.keys())
        if old.sites.get(key) != new.sites.get(key)
    ]
    changes += [
        OperatorChanged(key, old.operators.get(key), new.operators.get(key))
        for key in sorted(old.operators.keys() | new.operators.keys())
        if old.operators.get(key) != new.operators.get(key)
    ]
    return changes
