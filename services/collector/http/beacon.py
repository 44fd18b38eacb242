"""`POST /v1/e`, its fallback `GET /v1/e.gif`, `GET /v1/site` and `POST /v1/forget`."""

from __future__ import annotations

import msgspec
from aiohttp import web
from msgspec import UNSET

from services.collector.chat.siteinfo import PublicSites
from services.collector.contact import Contacts
from services.collector.domain.body import checked_text, decoded, pointer_error
from services.collector.domain.refusals import Refusal
from services.collector.http.answers import json_answer, no_content, pixel, problem, problem_to, retry_header
from services.collector.http.reading import read_body, read_query_body
from services.collector.intake import Answered, Intake
from services.collector.outcomes import Channel, Outcomes
from shared.contracts.ids import SiteKey, TokenText, VisitorId
from shared.contracts.streams import ForgetVisitor

MAX_SITE_KEY = 34
SITE_CACHE = "public, max-age=30"  # each page view asks; who is online may be that old


class Forget(msgspec.Struct, frozen=True):
    """The body of `POST /v1/forget`: whoever has the token may have everything about the visitor erased."""

    site: SiteKey
    visitor: VisitorId
    token: TokenText = UNSET


class Beacons:
    """The handlers of the visitors' HTTP routes."""

    def __init__(
        self, intake: Intake, sites: PublicSites, contacts: Contacts, outcomes: Outcomes, body_s: float
    ) -> None:
        self._intake = intake
        self._sites = sites
        self._contacts = contacts
        self._outcomes = outcomes
        self._body_s = body_s

    def _refused(self, channel: Channel, refusal: Refusal) -> Refusal:
        """Counts what was refused before it reached the intake."""
        self._outcomes.input(channel, refusal.code)
        return refusal

    async def _body(self, request: web.BaseRequest) -> bytes | web.Response:
        body = await read_body(request, self._body_s)
        if not isinstance(body, Refusal):
            return body
        answer = problem(self._refused("http", body), **_hints(body))
        if not request.content.is_eof():
            answer.force_close()  # the rest of the body is not worth waiting for
        return answer

    async def events(self, request: web.BaseRequest) -> web.StreamResponse:
        """`POST /v1/e`."""
        body = await self._body(request)
        if isinstance(body, web.Response):
            return body
        result = await self._intake.batch(body, self._contacts.of(request), "http")
        if isinstance(result, Answered):
            return no_content(request) if result.answer is None else json_answer(result.answer)
        return problem_to(request, result)

    async def pixel(self, request: web.BaseRequest) -> web.StreamResponse:
        """`GET /v1/e.gif?d=`: a picture whatever happens. A status other than 200 says "again, later"."""
        body = read_query_body(request.rel_url.query.get("d", ""))
        if isinstance(body, Refusal):
            self._refused("pixel", body)
            return pixel()
        result = await self._intake.batch(body, self._contacts.of(request), "pixel")
        if isinstance(result, Refusal) and result.retry_after_s is not None:
            return pixel(result.status, **retry_header(result))
        return pixel()

    async def site(self, request: web.BaseRequest) -> web.StreamResponse:
        """`GET /v1/site?key=`: public settings."""
        contact = self._contacts.of(request)
        refused = self._intake.address_refused(contact)
        if refused is not None:
            return problem(refused)
        key = request.rel_url.query.get("key", "")
        if not key or len(key) > MAX_SITE_KEY:
            return problem(pointer_error("/key", "format" if key else "required"))
        site = self._intake.public_site(key, contact.origin)
        if isinstance(site, Refusal):
            return problem(site)
        return json_answer(await self._sites.of(site), Cache_Control=SITE_CACHE)

    async def forget(self, request: web.BaseRequest) -> web.StreamResponse:
        """`POST /v1/forget`: 202 once the wish is stored."""
        body = await self._body(request)
        if isinstance(body, web.Response):
            return body
        result = await self._forget(body, request)
        self._outcomes.input("http", result.code if isinstance(result, Refusal) else "forgotten")
        return problem(result) if isinstance(result, Refusal) else json_answer({}, 202)

    async def _forget(self, body: bytes, request: web.BaseRequest) -> Refusal | None:
        contact = self._contacts.of(request)
        text = self._intake.address_refused(contact) or checked_text(body)
        wish = text if isinstance(text, Refusal) else decoded(text, Forget)
        if isinstance(wish, Refusal):
            return wish
        site = self._intake.site_for(wish.site, contact.origin)
        if isinstance(site, Refusal):
            return site
        if not isinstance(wish.token, str):
            return Refusal("token_required")
        if not self._intake.owns(wish.token, wish.site, wish.visitor):
            return Refusal("token")
        entry = ForgetVisitor(wish.site, wish.visitor.lower(), self._intake.now_ms())
        return await self._intake.append(wish.site, entry)


def _hints(refusal: Refusal) -> dict[str, str]:
    """What RFC 9110 wants beside 415."""
    match refusal.code:
        case "content_encoding":
            return {"Accept_Encoding": "identity"}
        case "content_type":
            return {"Accept": "text/plain, application/json"}
        case _:
            return {}
