"""`POST /v1/chat` and `GET /v1/chat`: the chat of a visitor whose browser has no WebSocket.

The same messages, rights and limits as on the live channel. The token stands in the Authorization header or the body,
never in an address. Read :meth:`Chats.say` and :meth:`Chats.hear`.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import Meta, Struct

from services.collector.chat.desk import ChatDesk
from services.collector.chat.polls import ChatPolls
from services.collector.contact import Contacts
from services.collector.domain.body import checked_text, decoded
from services.collector.domain.frames import read_message
from services.collector.domain.refusals import Refusal
from services.collector.http.answers import json_answer, problem
from services.collector.http.reading import read_body
from services.collector.intake import UNAVAILABLE_RETRY_S, Intake
from services.collector.outcomes import Outcomes
from shared.contracts.ids import Counter, SiteKey, VisitorId
from shared.contracts.sites import Site
from shared.contracts.tracking import LiveError, LiveOk
from shared.contracts.visitor_chat import MAX_MESSAGE_BYTES, MAX_WAIT_S, ChatNews, Speaker
from shared.domain.field_errors import field_error
from shared.storage.faults import Unavailable

_BEARER = "bearer "


class PollQuery(Struct, frozen=True):
    """The address of `GET /v1/chat`. `after` counts in `chat`, or without it in the present one."""

    site: SiteKey
    visitor: VisitorId
    after: Counter | None = None
    chat: Annotated[str, Meta(max_length=128)] = ""
    cursor: Annotated[str, Meta(max_length=64)] = ""
    wait: Annotated[int, Meta(ge=0, le=MAX_WAIT_S)] = MAX_WAIT_S


class Chats:
    """The handlers of `/v1/chat`."""

    def __init__(
        self,
        *,
        desk: ChatDesk,
        polls: ChatPolls,
        intake: Intake,
        contacts: Contacts,
        outcomes: Outcomes,
        body_s: float,
    ) -> None:
        self._desk = desk
        self._polls = polls
        self._intake = intake
        self._contacts = contacts
        self._outcomes = outcomes
        self._body_s = body_s

    async def say(self, request: web.BaseRequest) -> web.StreamResponse:
        """`POST /v1/chat`: one message; 200 with what became of it."""
        body = await read_body(request, self._body_s, MAX_MESSAGE_BYTES)
        result = body if isinstance(body, Refusal) else await self._said(body, request)
        self._outcomes.input("chat", result.code if isinstance(result, Refusal | LiveError) else "chat")
        if not isinstance(result, Refusal):
            return json_answer(result)
        answer = problem(result)
        if isinstance(body, Refusal) and not request.content.is_eof():
            answer.force_close()  # the rest of the body is not worth waiting for
        return answer

    async def _said(self, body: bytes, request: web.BaseRequest) -> LiveOk | LiveError | Refusal:
        text = checked_text(body)
        speaker = text if isinstance(text, Refusal) else decoded(text, Speaker)
        if isinstance(text, Refusal) or isinstance(speaker, Refusal):
            return text if isinstance(text, Refusal) else speaker  # type: ignore[return-value]  # one of them is
        token = _bearer(request) or (speaker.token if isinstance(speaker.token, str) else "")
        site = self._admitted(request, speaker.site, speaker.visitor, token)
        if isinstance(site, Refusal):
            return site
        message = read_message(text)
        if isinstance(message, Refusal):
            return message
        result = await self._desk.carry_out(site, speaker.visitor.lower(), message)
        if isinstance(result, Refusal) and result.current is not None:
            # The command was heard and refused: the same answer as on the live channel.
            return LiveError(message.id, result.code, result.title, current=result.current)
        return result

    async def hear(self, request: web.BaseRequest) -> web.StreamResponse:
        """`GET /v1/chat`: what is new; waits for it up to `wait` seconds."""
        result = await self._heard(request)
        self._outcomes.input("chat", result.code if isinstance(result, Refusal) else "heard")
        return problem(result) if isinstance(result, Refusal) else json_answer(result)

    async def _heard(self, request: web.BaseRequest) -> ChatNews | Refusal:
        try:
            query = msgspec.convert(dict(request.rel_url.query), PollQuery, strict=False)
        except msgspec.ValidationError as error:
            return Refusal("invalid", (field_error(str(error)),))
        visitor = query.visitor.lower()
        site = self._admitted(request, query.site, visitor, _bearer(request))
        if isinstance(site, Refusal):
            return site
        refused = self._intake.visitor_refused(site.site, visitor)
        if refused is not None:
            return refused
        after = None if query.after is None else (query.chat, query.after)
        try:
            return await self._polls.news((site.site, visitor), after, query.cursor, query.wait)
        except Unavailable:
            return Refusal("unavailable", retry_after_s=UNAVAILABLE_RETRY_S)

    def _admitted(self, request: web.BaseRequest, key: str, visitor: str, token: str) -> Site | Refusal:
        """The site, if this is its visitor on one of its pages."""
        contact = self._contacts.of(request)
        refused = self._intake.address_refused(contact)
        if refused is not None:
            return refused
        site = self._intake.site_for(key, contact.origin)
        if isinstance(site, Refusal):
            return site
        if not token:
            return Refusal("token_required")
        return site if self._intake.owns(token, key, visitor) else Refusal("token")


def _bearer(request: web.BaseRequest) -> str:
    """The token of the Authorization header; empty if there is none."""
    given = request.headers.get("Authorization", "")
    return given[len(_BEARER) :].strip() if given[: len(_BEARER)].lower() == _BEARER else ""
