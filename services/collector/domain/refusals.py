"""Every way in which the collector says no: a stable code, its HTTP status and a sentence that never quotes the input.

A refusal is a value. Over HTTP it becomes problem+json (RFC 9457), on the live channel an `error`.
"""

from __future__ import annotations

from typing import Final, cast

from msgspec import Struct

from shared.contracts.chat_words import RefusalCode
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
    "too_large": (413, "The body is too large."),
    "content_type": (415, "Send text/plain or application/json."),
    "content_encoding": (415, "Send the body uncompressed."),
    "upgrade_required": (426, "This address speaks WebSocket."),
    "too_long": (422, "A text is longer than allowed."),
    "unknown_type": (422, "This type of message is not known."),
    "invalid": (422, "Some fields are not valid."),
    "too_fast": (429, "Too many requests."),
    "internal": (500, "The collector has a fault of its own."),
    "try_again": (503, "There was no answer in time; repeat it with the same id."),
    "unavailable": (503, "The events cannot be stored at the moment."),
    "lagging": (503, "The events are arriving faster than they are processed."),
    "overloaded": (503, "There is not enough memory at the moment."),
    "full": (503, "No more connections are taken at the moment."),
    "draining": (503, "This collector is about to stop."),
}

# On the live channel only.
LIVE_PROBLEMS: Final[dict[str, str]] = {
    "bad_frame": "The message is not valid.",
    "hello_first": "Say hello first.",
    "hello_twice": "This channel has said hello already.",
    "hello_timeout": "No hello arrived in time.",
    "bot": "Crawlers get no live channel.",
}


# What chat-routing says no to; the words are for the visitor.
CHAT_PROBLEMS: Final[dict[RefusalCode, str]] = {
    "already_invited": "There is an invitation already.",
    "engaged": "This is not possible in the present state of the chat.",
    "cooldown": "Please try again in some minutes.",
    "offer_expired": "The invitation waits no more.",
    "taken": "Somebody else was faster.",
    "not_owner": "Only the owner of the chat may do this.",
    "missing_skill": "Nobody with the skill is there.",
    "at_capacity": "Everybody is busy.",
    "target_offline": "Nobody is there.",
    "self_forward": "This is not possible.",
    "not_in_chat": "There is no chat now.",
    "banned": "No chat is possible.",
    "stale_version": "The state has changed meanwhile.",
    "not_found": "There is no such chat.",
    "forbidden": "This is not allowed.",
    "too_long": "The text is too long.",
    "too_many": "The chat is too long; begin a new one.",
}


class Refusal(Struct, frozen=True):
    """No, and why. `retry_after_s` where coming back later may help; `current`: the status that stands in the way."""

    code: str
    errors: tuple[FieldError, ...] = ()
    retry_after_s: int | None = None
    current: str | None = None

    @property
    def status(self) -> int:
        """The HTTP status of the code."""
        return PROBLEMS[self.code][0]

    @property
    def title(self) -> str:
        """One sentence for people."""
        if self.current is not None:
            return CHAT_PROBLEMS[cast("RefusalCode", self.code)]
        return PROBLEMS[self.code][1] if self.code in PROBLEMS else LIVE_PROBLEMS[self.code]
