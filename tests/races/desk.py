"""An operator at a stock Socket.IO client who writes down all it is told: rows, lines, offers, colleagues' load."""

from __future__ import annotations

import contextlib
import logging
from typing import Any

import aiohttp
import socketio

from tests.eventually import eventually
from tests.operator import Operator
from tests.races.guest import AGAIN, fresh_id

CONNECT_S = 30.0


class _Ledger(logging.Handler):
    """What the client library complains about: an ack that nobody asked for, above all."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


class Desk(Operator):
    """One window of an operator. `lines`: by chat; `offers`: those that wait; `load`: chats by operator and site."""

    def __init__(self, http: aiohttp.ClientSession, gateway: str, operator: str, token: str) -> None:
        self.ledger = _Ledger()
        logger = logging.Logger(f"desk {operator}", logging.WARNING)
        logger.addHandler(self.ledger)
        # The library does not close a session of its own when a connection fails, so it gets ours.
        super().__init__(gateway, logger=logger, http_session=http)
        self.operator = operator
        self.token = token
        self.lines: dict[str, list[dict[str, Any]]] = {}
        self.offers: dict[str, dict[str, Any]] = {}
        self.states: dict[str, str] = {}
        self.load: dict[tuple[str, str], int] = {}
        self.repeats = 0
        for event in ("chat:event", "offer", "offer:gone", "operator:changed"):
            self.client.on(event, getattr(self, f"_on_{event.replace(':', '_')}"))

    async def log_in(self) -> str:
        """The token was given."""
        return self.token

    async def connect(self) -> None:
        """Connect; the directory of the gateway may learn of a new operator only now."""

        async def connected() -> bool:
            with contextlib.suppress(socketio.exceptions.ConnectionError):
                await super(Desk, self).connect()
                return True
            return False

        await eventually(connected, within_s=CONNECT_S, every_s=0.1)
        await eventually(lambda: self.ready, within_s=CONNECT_S)

    async def do(self, event: str, ident: str = "", **fields: Any) -> dict[str, Any]:
        """A command, repeated with its id until there is a final answer."""
        ident = ident or fresh_id()
        while True:
            answer = await self.call(event, id=ident, **fields)
            if answer["ok"] or answer["error"]["code"] not in AGAIN:
                return answer
            self.repeats += 1

    def one_answer_each(self) -> None:
        """No ack came twice, and the library had nothing to complain about."""
        assert self.ledger.lines == []

    async def _on_chat_event(self, event: dict[str, Any]) -> None:
        self.lines.setdefault(event["chat"], []).append(event)

    async def _on_offer(self, offer: dict[str, Any]) -> None:
        self.offers[offer["offer"]] = offer

    async def _on_offer_gone(self, gone: dict[str, Any]) -> None:
        self.offers.pop(gone["offer"], None)

    async def _on_operator_changed(self, changed: dict[str, Any]) -> None:
        self.states[changed["operator"]] = changed["state"]
        for site in changed["sites"]:
            self.load[changed["operator"], site] = changed["chats"]
