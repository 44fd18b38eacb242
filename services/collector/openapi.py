"""The collector's OpenAPI document: `python -m services.collector.openapi > docs/protocol/openapi-collector.json`.

The bodies are made from the types that the code decodes; a test compares paths, methods and the stored document with
what the collector serves. The live channel is a WebSocket and is described with the other sockets.
"""

from __future__ import annotations

import sys
from typing import Any, Final

import msgspec
from msgspec import Struct

from services.collector.chat.siteinfo import PublicSite
from services.collector.domain.refusals import PROBLEMS
from services.collector.http.beacon import Forget
from shared.contracts.problems import Problem
from shared.contracts.tracking import Batch, BatchAnswer, LiveError, LiveOk
from shared.contracts.visitor_chat import ChatNews, Speaker, VisitorMessage

Answered = LiveOk | LiveError
_REF = "#/components/schemas/{name}"
_BODY: Final = ("empty", "not_json", "encoding", "nul", "nesting", "invalid", "too_large", "content_type")
_READING: Final = (*_BODY, "content_encoding", "timeout")
_SITE: Final = ("unknown_site", "gone", "forbidden")
_STORING: Final = ("too_fast", "unavailable", "lagging", "overloaded")


class Described(Struct, frozen=True):
    """One operation, in words and types. `answers`: status to (meaning, type of a JSON body or a media type)."""

    summary: str
    text: str
    answers: dict[int, tuple[str, Any]]
    codes: tuple[str, ...]
    body: tuple[Any, ...] = ()  # the body is all of these at once
    query: dict[str, str] = {}
    optional: dict[str, str] = {}
    token: bool = False  # wants the visitor's token in the Authorization header


_TAKEN = "Everything is stored; nothing to say. Also the answer to a crawler, whose events are counted but not stored."
_PARTLY = "Stored, with something to say: a token to keep, or what was wrong with some events (those were not stored)."
_PINNED = "`application/javascript` of one version: immutable, for use with `integrity`."

OPERATIONS: Final[dict[str, dict[str, Described]]] = {
    "/v1/e": {
        "POST": Described(
            "Send a batch of events",
            "At most 16 KiB of `text/plain` or `application/json`, no compression. (`tab`, `n`) is the idempotency "
            "key: repeat after 408, 429, 503 or no answer; stop after 403 `forbidden`, 404 and 410. After 403 `token` "
            "forget the token and the visitor.",
            {204: (_TAKEN, None), 200: (_PARTLY, BatchAnswer)},
            (*_READING, *_SITE, "token", *_STORING),
            (Batch,),
        )
    },
    "/v1/e.gif": {
        "GET": Described(
            "Send a batch where only pictures are allowed",
            "The answer is the picture, whatever is sent. A status of 429 or 503 means that nothing was stored.",
            {200: ("A transparent picture of 43 bytes.", "image/gif")},
            (),
            (),
            {"d": "The batch as JSON in base64url, padding optional."},
        )
    },
    "/v1/site": {
        "GET": Described(
            "Public settings of a site",
            "A page of a foreign origin is refused; a request without an Origin is not.",
            {200: ("What a page may know of its site.", PublicSite)},
            ("invalid", *_SITE, "too_fast"),
            (),
            {"key": "The site key."},
        )
    },
    "/v1/chat": {
        "POST": Described(
            "Say something about the chat",
            "One message of the live channel (asyncapi-visitors.json) together with who speaks; at most 64 KiB. The "
            "same `id` again gives the same answer and has no further effect: repeat after 429, 503 or no answer. The "
            "token may stand in the body instead of the header, never in the address.",
            {200: ("What became of it: done, or refused in the present state.", Answered)},
            (*_READING, *_SITE, "token", "token_required", "too_long", "unknown_type", *_STORING, "try_again"),
            (Speaker, VisitorMessage),
            token=True,
        ),
        "GET": Described(
            "Hear about the chat",
            "What the live channel would have pushed. Without anything newer than `after` and `cursor` it waits. "
            "Typing and read marks are heard only while a request waits. At most 100 lines at once: ask "
            "again with the last.",
            {200: ("What is new; no messages when the time is over.", ChatNews)},
            ("invalid", *_SITE, "token", "token_required", "too_fast", "unavailable", "full"),
            (),
            {"site": "The site key."},
            {
                "visitor": "The visitor's id, which is no secret.",
                "tab": "The tab's id, for a browser without an identifier: it names no visitor.",
                "after": "The last line of the chat that the browser has; lines after it are given.",
                "chat": "The chat that `after` counts in; without it the present one.",
                "cursor": "The cursor of the last answer.",
                "wait": "Seconds to wait for something new, 0 to 25; 25 without it.",
            },
            token=True,
        ),
    },
    "/v1/forget": {
        "POST": Described(
            "Erase a visitor",
            "Everything that is held about the visitor whose token it is.",
            {202: ("The wish is stored and will be carried out.", "application/json")},
            (*_READING, *_SITE, "token", "token_required", *_STORING),
            (Forget,),
        )
    },
    "/v1/live": {
        "GET": Described(
            "Open the live channel",
            "A WebSocket with JSON text frames of at most 16 KiB. Needs an Origin of the site.",
            {101: ("The channel is open; say `hello` within 10 s.", None)},
            ("bad_request", "forbidden", "upgrade_required", "too_fast", "full", "draining"),
        )
    },
    "/t/v1.js": {
        "GET": Described(
            "The tracker", "Cached for an hour, with an ETag.", {200: ("The script.", "text/javascript")}, ()
        )
    },
    "/t/{version}/t.js": {
        "GET": Described("A pinned tracker", _PINNED, {200: ("The script.", "text/javascript")}, ("not_found",))
    },
    "/t/versions.json": {
        "GET": Described("Versions of the tracker", "Version to SRI hash.", {200: ("A map.", "application/json")}, ())
    },
    "/t/widgets.json": {
        "GET": Described("Versions of the widget", "Version to SRI hash.", {200: ("A map.", "application/json")}, ())
    },
}


def _content(kind: Any, refs: dict[Any, Any]) -> dict[str, Any]:
    if kind is None:
        return {}
    if isinstance(kind, str):
        return {"content": {kind: {}}}
    return {"content": {"application/json": {"schema": refs[kind]}}}


def _responses(described: Described, refs: dict[Any, Any]) -> dict[str, Any]:
    answers = {
        str(status): {"description": text, **_content(kind, refs)} for status, (text, kind) in described.answers.items()
    }
    by_status: dict[int, list[str]] = {}
    for code in described.codes:
        by_status.setdefault(PROBLEMS[code][0], []).append(code)
    problem = {"application/problem+json": {"schema": refs[Problem]}}
    for status, codes in sorted(by_status.items()):
        text = " / ".join(f"`{code}`: {PROBLEMS[code][1]}" for code in codes)
        answers[str(status)] = {"description": text, "content": problem}
        if status in (429, 503):
            seconds = {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}}
            answers[str(status)]["headers"] = {"Retry-After": seconds}
    return answers


def _operation(path: str, described: Described, refs: dict[Any, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": described.summary,
        "description": described.text,
        "responses": _responses(described, refs),
    }
    parameters = [
        {"name": name, "in": "query", "required": True, "description": text, "schema": {"type": "string"}}
        for name, text in described.query.items()
    ]
    parameters += [
        {"name": name, "in": "query", "description": text, "schema": {"type": "string"}}
        for name, text in described.optional.items()
    ]
    if described.token:
        operation["security"] = [{"visitor": []}]
    if "{version}" in path:
        parameters.append({"name": "version", "in": "path", "required": True, "schema": {"type": "string"}})
    if parameters:
        operation["parameters"] = parameters
    if described.body:
        parts = [refs[kind] for kind in described.body]
        schema = {"schema": parts[0] if len(parts) == 1 else {"allOf": parts}}
        content = {"text/plain": schema, "application/json": schema}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def document() -> bytes:
    """OpenAPI 3.1 as JSON, the same bytes every time."""
    types = [Batch, BatchAnswer, Forget, PublicSite, Problem, Speaker, VisitorMessage, Answered, ChatNews]
    schemas, components = msgspec.json.schema_components(types, ref_template=_REF)
    refs = dict(zip(types, schemas, strict=True))
    paths = {
        path: {method.lower(): _operation(path, described, refs) for method, described in methods.items()}
        for path, methods in OPERATIONS.items()
    }
    described = {
        "openapi": "3.1.0",
        "info": {
            "title": "Foyer collector",
            "version": "1",
            "description": "The public edge for websites. Every answer carries X-Request-Id and may be read by every "
            "origin; refusals are RFC 9457 problems with a stable code. No cookies, no preflight needed.",
        },
        "paths": paths,
        "components": {
            "schemas": dict(sorted(components.items())),
            "securitySchemes": {"visitor": {"type": "http", "scheme": "bearer", "description": "The visitor's token."}},
        },
    }
    return msgspec.json.format(msgspec.json.encode(described), indent=2) + b"\n"


if __name__ == "__main__":
    sys.stdout.buffer.write(document())
