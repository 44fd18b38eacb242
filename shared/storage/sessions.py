"""Logins of operators: made, used, ended; and every gateway learns within seconds which ones ended.

A token is 256 random bits; Redis knows only its SHA-256, which is also the login's name. A login ends by itself (idle
or absolute expiry, kept by Redis), on purpose (the change stream tells), or with its operator: the operator's record
carries a generation, and a login of an earlier one is void. A socket cannot send a cookie's token, so the console asks
for a ticket: one use, one minute. Read :meth:`Sessions.verify` and :meth:`Sessions.watch` first.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

import structlog

from shared.contracts.sites import Operator, Session
from shared.runtime.clock import Clock
from shared.storage import keys
from shared.storage.clients import Clients
from shared.storage.directory import Directory, DirectoryChange, OperatorChanged, Reloaded, SessionEnded
from shared.storage.directory_store import KEPT_CHANGES, decode_operator, new_mark, split_record
from shared.storage.faults import Unavailable

log = structlog.get_logger()

TOKEN_PREFIX, TICKET_PREFIX = "fs_", "ft_"  # tell the two apart; leak scanners can look for them
TOKEN_CHARS = len(TOKEN_PREFIX) + 43
REMEMBERED_ENDS = 4_096  # ended logins that `watch` still knows: covers the moment between verify and watch

RevokedReason = Literal["ended", "expired"]
OnRevoked = Callable[[str, RevokedReason], object]


@dataclass(frozen=True)
class SessionRules:
    """How long logins live and are believed without asking Redis."""

    idle_ms: int = 8 * 3_600_000
    absolute_ms: int = 14 * 24 * 3_600_000
    ticket_ms: int = 60_000
    cache_ms: int = 4_000  # with the stream cut off a revoked login is still refused within 5 s
    cached: int = 10_000
    per_operator: int = 20  # the oldest login ends when one more is made
    sweep_ms: int = 60_000  # how often sockets count as use and are checked for expiry


@dataclass(frozen=True)
class SignedIn:
    """A login that holds, with its operator's record."""

    session: Session
    operator: Operator


@dataclass(frozen=True)
class NewLogin:
    """What the operator gets. The token is not kept anywhere."""

    token: str
    session: Session


class Sessions:
    """Logins as one gateway sees them. Methods that are async may raise Unavailable."""

    def __init__(self, clients: Clients, directory: Directory, clock: Clock, rules: SessionRules | None = None) -> None:
        self._clients = clients
        self._directory = directory
        self._clock = clock
        self._rules = rules or SessionRules()
        self._cache: OrderedDict[str, tuple[SignedIn, int]] = OrderedDict()
        self._watched: dict[str, tuple[SignedIn, int]] = {}
        self._ended: OrderedDict[str, None] = OrderedDict()
        self._callbacks: list[OnRevoked] = []
        self._recheck = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        directory.on_change(self._directory_changed)

    # --- logins ---

    async def create(self, operator: Operator, replaces: str = "") -> NewLogin:
        """A new login; `replaces` (a login's name) ends in the same breath, so a token never outlives a login."""
        rules, now = self._rules, self._clock.now_ms()
        token = TOKEN_PREFIX + secrets.token_urlsafe(32)
        session = Session(
            session=_hashed(token),
            operator=operator.operator,
            generation=operator.generation,
            csrf=secrets.token_urlsafe(32),
            created_at=now,
            expires_at=now + min(rules.idle_ms, rules.absolute_ms),
            absolute_expires_at=now + rules.absolute_ms,
        )
        fields: list[str | int] = ["operator", operator.operator, "generation", operator.generation]
        fields += ["csrf", session.csrf, "created_at", now, "absolute_expires_at", session.absolute_expires_at]
        surplus = await self._clients.script(
            "session_create",
            [keys.session(session.session), keys.operator_sessions(operator.operator)],
            [session.session, now, rules.idle_ms, rules.absolute_ms, rules.per_operator, *fields],
        )
        for old in {name.decode() for name in surplus} | ({replaces} if replaces else set()):
            await self.end(old, operator.operator)
        return NewLogin(token, session)

    async def verify(self, token: str) -> SignedIn | None:
        """The login that `token` names, if it holds. Using it moves its idle expiry on."""
        if not (token.startswith(TOKEN_PREFIX) and len(token) == TOKEN_CHARS):
            return None
        name = _hashed(token)
        cached = self._cache.get(name)
        if cached and cached[1] > self._clock.now_ms():
            return self._current(cached[0])
        return await self._use(name)

    async def end(self, session: str, operator: str) -> None:
        """End one login; every gateway hears of it. Ending twice is the same as once."""
        self._forget(session)
        await self._clients.script(
            "session_end",
            [keys.session(session), keys.operator_sessions(operator), keys.DIRECTORY_HEAD, keys.DIRECTORY_CHANGES],
            [session, new_mark(), KEPT_CHANGES],
        )

    # --- tickets: how a socket of a page that holds only a cookie logs in ---

    async def ticket(self, session: str) -> str:
        """A word for one socket, good for a minute and one use."""
        ticket = TICKET_PREFIX + secrets.token_urlsafe(32)
        await self._clients.call("SET", keys.socket_ticket(_hashed(ticket)), session, "PX", self._rules.ticket_ms)
        return ticket

    async def redeem(self, word: str) -> SignedIn | None:
        """The login behind a ticket, which is spent by it, or behind a token."""
        if not (word.startswith(TICKET_PREFIX) and len(word) == TOKEN_CHARS):
            return await self.verify(word)
        session = await self._clients.call("GETDEL", keys.socket_ticket(_hashed(word)))
        return await self._use(session.decode()) if session else None

    # --- sockets ---

    def watch(self, signed_in: SignedIn) -> bool:
        """Keep the login in use while a socket is open and tell `on_revoked` when it ends. False: it has ended."""
        name = signed_in.session.session
        if name in self._ended or self._current(signed_in) is None:
            return False
        self._watched[name] = (signed_in, self._watched.get(name, (signed_in, 0))[1] + 1)
        return True

    def unwatch(self, session: str) -> None:
        """One socket of the login closed."""
        if session in self._watched:
            signed_in, sockets = self._watched.pop(session)
            if sockets > 1:
                self._watched[session] = (signed_in, sockets - 1)

    def on_revoked(self, callback: OnRevoked) -> None:
        """Call `callback` with each watched login that ends, once; its sockets need no `unwatch` then."""
        self._callbacks.append(callback)

    # --- life ---

    async def start(self) -> None:
        """Begin to look after watched logins."""
        self._task = asyncio.create_task(self._sweep(), name="sessions")

    async def stop(self) -> None:
        """Stop looking after them."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _use(self, name: str) -> SignedIn | None:
        rules, now = self._rules, self._clock.now_ms()
        answer = await self._clients.script(
            "session_use",
            [keys.session(name), keys.DIRECTORY_OPERATORS],
            [now, rules.idle_ms, min(60_000, rules.idle_ms // 10)],
        )
        signed_in = self._shared(_signed_in(name, answer, now)) if answer else None
        if signed_in is None or name in self._ended:
            self._forget(name)
            return None
        self._cache[name] = (signed_in, now + min(rules.cache_ms, int(answer[5])))
        self._cache.move_to_end(name)
        if len(self._cache) > rules.cached:
            self._cache.popitem(last=False)
        return self._current(signed_in)

    def _shared(self, signed_in: SignedIn | None) -> SignedIn | None:
        """The same, holding the directory's object of the operator if it is equal: thousands of logins are kept."""
        replica = self._directory.operator(signed_in.session.operator) if signed_in else None
        if signed_in is None or replica is None or replica != signed_in.operator:
            return signed_in
        return SignedIn(signed_in.session, replica)

    def _current(self, signed_in: SignedIn) -> SignedIn | None:
        """The login with the newest record of its operator that this gateway knows; None if that one voids it."""
        replica = self._directory.operator(signed_in.session.operator)
        operator = replica if replica and replica.version > signed_in.operator.version else signed_in.operator
        if operator.disabled or operator.generation != signed_in.session.generation:
            return None
        return SignedIn(signed_in.session, operator)

    def _directory_changed(self, change: DirectoryChange) -> None:
        match change:
            case SessionEnded(session):
                self._revoke([session], "ended")
            case OperatorChanged(operator, _, new):
                of_operator = [s for s, (w, _) in self._watched.items() if w.session.operator == operator]
                for name in [s for s, (c, _) in self._cache.items() if c.session.operator == operator]:
                    self._forget(name)
                self._revoke(
                    (s for s in of_operator if new is None or self._current(self._watched[s][0]) is None), "ended"
                )
            case Reloaded():
                self._cache.clear()
                self._recheck.set()

    def _revoke(self, sessions: Iterable[str], reason: RevokedReason) -> None:
        for session in tuple(sessions):
            self._forget(session)
            self._ended[session] = None
            if len(self._ended) > REMEMBERED_ENDS:
                self._ended.popitem(last=False)
            if self._watched.pop(session, None) is None:
                continue
            for callback in tuple(self._callbacks):
                try:
                    callback(session, reason)
                except Exception:
                    log.exception("on_revoked_failed")

    def _forget(self, session: str) -> None:
        self._cache.pop(session, None)

    async def _sweep(self) -> None:
        """An open socket is use: move its login's idle expiry on, and notice what ended unheard."""
        while True:
            try:
                async with asyncio.timeout(self._rules.sweep_ms / 1000):
                    await self._recheck.wait()
            except TimeoutError:
                pass
            self._recheck.clear()
            for session in tuple(self._watched):
                try:
                    if session in self._watched and await self._use(session) is None:
                        self._revoke([session], "expired")
                except Unavailable:
                    self._recheck_soon()
                    break

    def _recheck_soon(self) -> None:
        """Redis is away: look again in a second, not in a minute."""
        asyncio.get_running_loop().call_later(1.0, self._recheck.set)


def _hashed(token: str) -> str:
    """Unsalted on purpose: the token is 256 random bits, so there is nothing to guess."""
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()


def _signed_in(name: str, answer: list[Any], now_ms: int) -> SignedIn | None:
    operator, generation, csrf, created_at, absolute_expires_at, left_ms, record = answer
    if not record:
        return None
    session = Session(
        session=name,
        operator=operator.decode(),
        generation=int(generation),
        csrf=csrf.decode(),
        created_at=int(created_at),
        expires_at=now_ms + int(left_ms),
        absolute_expires_at=int(absolute_expires_at),
    )
    return SignedIn(session, decode_operator(split_record(record)))
