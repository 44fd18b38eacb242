"""`POST /v1/chat` and `GET /v1/chat`: the chat of a visitor whose browser has no WebSocket.

The same messages, rights and limits as on the live channel. The token stands in the Authorization header or the body,
never in an address. Read :meth:`Chats.say` and :meth:`Chats.hear`.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import replace

from services.collector.chat.desk import ChatDesk
from services.collector.chat.polls import ChatPolls
from services.collector.contact import Contacts
from services.collector.domain.body import checked_text, decoded, pointer_error
from services.collector.domain.frames import read_message
from services.collector.domain.refusals import Refusal
from services.collector.http.answers import json_answer, problem
from services.collector.http.reading import read_body
from services.collector.intake import UNAVAILABLE_RETRY_S, Intake
from services.collector.outcomes import Outcomes
from shared.contracts.ids import Counter, SiteKey, Uuid, VisitorId
from shared.contracts.sites import Site
from shared.contracts.tracking import LiveError, LiveOk
from shared.contracts.visitor_chat import MAX_MESSAGE_BYTES, MAX_WAIT_S, ChatNews, Speaker
from shared.domain.field_errors import field_error
from shared.storage.faults import Unavailable

_BEARER = "bearer "


class PollQuery(Struct, frozen=True):
    """The address of `GET /v1/chat`. `after` counts in `chat`, or without it in the present one. A browser without an
    identifier names no visitor (or an empty one): it is known by its tab."""

    site: SiteKey
    visitor: VisitorId | None = None
    tab: Uuid | None = None
    after: Counter | UnsetType = UNSET  # never null: a text of that name is an error
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
        visitor = _visitor(speaker.visitor, speaker.tab)
        site = self._admitted(request, speaker.site, visitor, token, nameless=not isinstance(speaker.visitor, str))
        message = site if isinstance(site, Refusal) else read_message(text)
        if isinstance(site, Refusal) or isinstance(message, Refusal):
            return message  # type: ignore[return-value]  # it is the refusal
        given = None if token else await self._first_token(request, site, visitor)
        if isinstance(given, Refusal):
            return given
        result = await self._desk.carry_out(site, visitor, message)
        if isinstance(result, Refusal) and result.current is not None:
            # The command was heard and refused: the same answer as on the live channel.
            return LiveError(message.id, result.code, result.title, current=result.current)
        return replace(result, token=given) if isinstance(result, LiveOk) else result

    async def _first_token(self, request: web.BaseRequest, site: Site, tab: str) -> str | Refusal:
        """A tab without an identifier asks for a chat: from now on this proves that it is that tab."""
        identity = await self._intake.newcomer(site.site, tab, self._contacts.of(request), anonymous=True)
        if isinstance(identity, Refusal):
            return identity
        return identity.token or Refusal("token_required")

    async def hear(self, request: web.BaseRequest) -> web.StreamResponse:
        """`GET /v1/chat`: what is new; waits for it up to `wait` seconds."""
        result = await self._heard(request)
        self._outcomes.input("chat", result.code if isinstance(result, Refusal) else "heard")
        return problem(result) if isinstance(result, Refusal) else json_answer(result)

    async def _heard(self, request: web.BaseRequest) -> ChatNews | Refusal:
        try:
            given = {name: value for name, value in request.rel_url.query.items() if value or name != "visitor"}
            query = msgspec.convert(given, PollQuery, strict=False)
        except msgspec.ValidationError as error:
            return Refusal("invalid", (field_error(str(error)),))
        visitor = _visitor(query.visitor, query.tab)
        site = self._admitted(request, query.site, visitor, _bearer(request))
        if isinstance(site, Refusal):
            return site
        refused = self._intake.visitor_refused(site.site, visitor)
        if refused is not None:
            return refused
        after = None if query.after is UNSET else (query.chat, query.after)
        try:
            return await self._polls.news((site.site, visitor), after, query.cursor, query.wait)
        except Unavailable:
            return Refusal("unavailable", retry_after_s=UNAVAILABLE_RETRY_S)

    def _admitted(
        self, request: web.BaseRequest, key: str, visitor: str, token: str, *, nameless: bool = False
    ) -> Site | Refusal:
        """The site, if this is its visitor on one of its pages. Who is `nameless` may still be without a token."""
        if not visitor:
            return pointer_error("/visitor", "required")
        contact = self._contacts.of(request)
        refused = self._intake.address_refused(contact)
        if refused is not None:
            return refused
        site = self._intake.site_for(key, contact.origin)
        if isinstance(site, Refusal):
            return site
        if not token:
            return site if nameless else Refusal("token_required")
        return site if self._intake.owns(token, key, visitor) else Refusal("token")


def _visitor(visitor: object, tab: str | None) -> str:
    """Who speaks: the visitor, or the tab of one without an identifier; empty if neither is named."""
    return (visitor if isinstance(visitor, str) else tab or "").lower()


def _bearer(request: web.BaseRequest) -> str:
    """The token of the Authorization header; empty if there is none."""
    given = request.headers.get("Authorization", "")
    return given[len(_BEARER) :].strip() if given[: len(_BEARER)].lower() == _BEARER else ""
