"""The events that clients may send: their shape, who may send them, and what handles them.

A name that is not in the table never reaches code of ours, whatever it is; an event without a rule cannot be made.
Every request gets exactly one answer within the deadline, a refusal or a fault included. Read :class:`EventTable`.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal, NamedTuple

import msgspec
import structlog

from services.operator_gateway.sockets.connections import Connection
from shared.contracts.chat import address_of
from shared.contracts.ids import UUID_PATTERN
from shared.contracts.operators import Done, ErrorBody, Failed
from shared.contracts.sites import ROLE_RANK
from shared.storage.faults import Lagging, Unavailable

log = structlog.get_logger()

ACK_DEADLINE_S = 1.8  # the promise is 2 s; the rest is for the wire

_VISITOR = re.compile(UUID_PATTERN)

Handler = Callable[[Connection, Any], Awaitable[Any]]
# Who may send the event: any operator about the own connection; a member of the site that the request's `site`, `chat`
# or `offer` names; or a supervisor of the chat's site.
Rule = Literal["self", "member", "chat", "offer", "chat_supervisor"]
Count = Callable[[str, str], None]


class Refused(Exception):
    """A request that cannot be granted: nothing happened, and the client is told why."""

    def __init__(self, code: str, message: str, current: Any = None, taken_by: str = "") -> None:
        super().__init__(code)
        self.body = ErrorBody(code, message, current, taken_by)


class Event(NamedTuple):
    """One line of the table."""

    request: type[msgspec.Struct]
    rule: Rule
    handler: Handler


class EventTable:
    """Answers requests. `count` is told of each one's name (or "unknown") and outcome."""

    def __init__(self, events: Mapping[str, Event], count: Count) -> None:
        self._events = dict(events)
        self._count = count

    @property
    def events(self) -> Mapping[str, Event]:
        """The table."""
        return self._events

    async def answer(self, connection: Connection, name: str, arguments: list[Any]) -> Any:
        """The ack of an event. Never raises but CancelledError."""
        event = self._events.get(name)
        if event is None:
            self._count("unknown", "refused")
            return _failed("unknown_event", "there is no such event")
        try:
            async with asyncio.timeout(ACK_DEADLINE_S):
                result = await event.handler(connection, _checked(event, connection, arguments))
        except Refused as refusal:
            self._count(name, "refused")
            return Failed(refusal.body)
        except Lagging:
            self._count(name, "busy")
            return _failed("busy", "the system is catching up; try again in a moment")
        except (Unavailable, TimeoutError):
            self._count(name, "unavailable")
            return _failed("unavailable", "this cannot be done now; try again in a moment")
        except Exception:
            self._count(name, "internal")
            log.exception("event_failed", event=name, operator=connection.operator.operator)
            return _failed("internal", "something went wrong on our side")
        self._count(name, "ok")
        return Done() if result is None else result


def _checked(event: Event, connection: Connection, arguments: list[Any]) -> Any:
    """The request, if it has the right shape and may be made. Raises Refused."""
    if len(arguments) != 1:
        raise Refused("bad_request", "the event takes one object")
    try:
        request = msgspec.convert(arguments[0], event.request)
    except msgspec.ValidationError as error:
        raise Refused("bad_request", _without_content(str(error))) from None
    if event.rule != "self":
        _admit(event.rule, connection, request)
    return request


def _admit(rule: Rule, connection: Connection, request: Any) -> None:
    """Let the request through or raise Refused. An id of another site is refused whether or not it exists there."""
    if rule == "member":
        site = request.site
    else:
        address = address_of(request.offer if rule == "offer" else request.chat)
        if address is None or not _VISITOR.fullmatch(address[1]):
            raise Refused("not_found", "there is no such chat or offer")
        site = address[0]
    membership = connection.membership(site)
    if membership is None:
        raise Refused("forbidden", "not one of your sites")
    if rule == "chat_supervisor" and ROLE_RANK[membership.role] < ROLE_RANK["supervisor"]:
        raise Refused("forbidden", "for supervisors only")


def _without_content(message: str) -> str:
    """msgspec names the field at fault; the value, which it quotes in a few cases, stays out."""
    before, separator, where = message.partition(" - at ")
    return f"invalid request{separator}{where}" if "value" in before else message


def _failed(code: str, message: str) -> Failed:
    return Failed(ErrorBody(code, message))
