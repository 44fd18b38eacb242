"""Refusals of the API: a stable code, its status and a sentence that never quotes the request (RFC 9457).

Handlers raise :class:`Refusal`; `endpoint.py` turns it into the answer. Clients act on codes, so a published one keeps
its meaning.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from aiohttp import web

from services.operator_gateway.accounts import Rejected
from shared.contracts.problems import FieldError, Problem
from shared.storage.directory_store import Refused

CODES: dict[str, tuple[int, str]] = {
    "empty": (400, "The body is empty."),
    "not_json": (400, "The body is not JSON."),
    "bad_version": (400, "If-Match is not a version."),
    "unauthorized": (401, "Log in first."),
    "invalid_login": (401, "E-mail address or password is wrong."),
    "forbidden": (403, "You may not do this."),
    "csrf": (403, "The X-CSRF-Token header is missing or wrong."),
    "cross_site": (403, "Another website made this request."),
    "wrong_password": (403, "The present password is wrong."),
    "not_found": (404, "There is nothing here that you can see."),
    "method": (405, "This method is not allowed here."),
    "timeout": (408, "The request took too long to arrive."),
    "email_taken": (409, "Another account has this e-mail address."),
    "already_member": (409, "The operator works on this site already."),
    "skill_taken": (409, "The site has a skill with this id."),
    "rule_taken": (409, "Two rules have the same id."),
    "trigger_taken": (409, "The site has a trigger with this id."),
    "skill_in_use": (409, "The skill is still needed."),
    "last_admin": (409, "The site would have no admin any more."),
    "too_many": (409, "There is no room for one more."),
    "conflict": (409, "Others are changing the same thing, try again."),
    "stale_version": (412, "It was changed since you read it."),
    "too_large": (413, "The body is too large."),
    "content_type": (415, "Send application/json."),
    "content_encoding": (415, "Send the body uncompressed."),
    "invalid": (422, "Some fields are not valid."),
    "not_an_origin": (422, "An origin is scheme, host and port, as https://example.com."),
    "no_attribute": (422, "A condition does not say which attribute."),
    "unknown_skill": (422, "The site has no such skill."),
    "locked_out": (429, "Too many attempts, wait before the next one."),
    "internal": (500, "The gateway has a fault of its own."),
    "unavailable": (503, "The data cannot be reached at the moment."),
    "busy": (503, "Too many logins at the same time, try again."),
}


class Refusal(Exception):
    """The request is refused; nothing was changed."""

    def __init__(
        self,
        code: str,
        *,
        errors: tuple[FieldError, ...] = (),
        detail: str | None = None,
        retry_after_s: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(code)
        self.code, self.errors, self.detail = code, errors, detail
        retry = {} if retry_after_s is None else {"Retry-After": str(max(1, retry_after_s))}
        self.headers = {**retry, **(headers or {})}

    @property
    def status(self) -> int:
        """The HTTP status of the code."""
        return CODES[self.code][0]


def of_rejected(rejected: Rejected) -> Refusal:
    """A broken rule of accounts and sites as an answer."""
    if not rejected.pointer:
        return Refusal(rejected.code, detail=rejected.detail)
    errors = (FieldError(rejected.pointer, rejected.code, rejected.detail),)
    status = CODES.get(rejected.code, (422, ""))[0]
    return Refusal("invalid" if status == 422 else rejected.code, errors=errors)


def of_refused(refused: Refused, expected: int | None) -> Refusal:
    """A write that the directory did not take, as an answer."""
    if refused.code == "stale_version" and expected is None:
        return Refusal("conflict", retry_after_s=1)
    return Refusal(refused.code)


def answer(refusal: Refusal, request_id: str) -> web.Response:
    """`refusal` as problem+json."""
    status, title = CODES[refusal.code]
    body = Problem(title, status, refusal.code, request_id, refusal.detail, refusal.errors)
    return web.Response(
        status=status,
        body=msgspec.json.encode(body),
        headers=refusal.headers,
        content_type="application/problem+json",
    )
