"""Every way in which the collector says no: a stable code, its HTTP status and a sentence that never quotes the input.

A refusal is a value. Over HTTP it becomes problem+json (RFC 9457), on the live channel an `error`.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from shared.contracts.problems import FieldError

# code -> (HTTP status, title). Clients act on codes, so one that is published keeps its meaning.
PROBLEMS: Final[dict[str, tuple[int, str]]] = {
    "bad_request": (400, "The request is not valid HTTP."),
    "empty": (400, "The body is empty."),
    "not_json": (400, "The body is not JSON."),
    "encoding": (400, "The body is not UTF-8."),
    "nul": (400, "The body contains a NUL character."),
    "nesting": (400, "The body is nested more than 4 deep."),
    "forbidden": (403, "This origin may not send events for this site."),
    "token": (403, "The token does not belong to this visitor."),
    "token_required": (403, "This needs the visitor's token."),
    "not_found": (404, "There is nothing here."),
    "unknown_site": (404, "There is no such site."),
    "method": (405, "This method is not allowed here."),
    "timeout": (408, "The request took too long to arrive."),
    "gone": (410, "This site is switched off."),
    "too_large": (413, "The body is larger than 16 KiB."),
    "content_type": (415, "Send text/plain or application/json."),
    "content_encoding": (415, "Send the body uncompressed."),
    "upgrade_required": (426, "This address speaks WebSocket."),
    "invalid": (422, "Some fields are not valid."),
    "too_fast": (429, "Too many requests."),
    "internal": (500, "The collector has a fault of its own."),
    "unavailable": (503, "The events cannot be stored at the moment."),
    "lagging": (503, "The events are arriving faster than they are processed."),
    "full": (503, "No more connections are taken at the moment."),
    "draining": (503, "This collector is about to stop."),
}

# On the live channel only.
LIVE_PROBLEMS: Final[dict[str, str]] = {
    "unknown_type": "This type of message is not known.",
    "bad_frame": "The message is not valid.",
    "hello_first": "Say hello first.",
    "hello_twice": "This channel has said hello already.",
    "hello_timeout": "No hello arrived in time.",
    "bot": "Crawlers get no live channel.",
}


class Refusal(Struct, frozen=True):
    """No, and why. `retry_after_s` where coming back later may help."""

    code: str
    errors: tuple[FieldError, ...] = ()
    retry_after_s: int | None = None

    @property
    def status(self) -> int:
        """The HTTP status of the code."""
        return PROBLEMS[self.code][0]

    @property
    def title(self) -> str:
        """One sentence for people."""
        return PROBLEMS[self.code][1] if self.code in PROBLEMS else LIVE_PROBLEMS[self.code]
