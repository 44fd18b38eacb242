"""A visitor's timeline: what happened about chats, who did it, when and why; without a word of what was said."""

from __future__ import annotations

from msgspec.structs import replace

from shared.contracts.chat import ChatEvent
from shared.storage.transcripts import Transcripts

CHATS = 5  # the latest
LINES = 50


async def timeline(transcripts: Transcripts, site: str, visitor: str) -> tuple[ChatEvent, ...]:
    """The latest first. Of a very long chat only what happened in its last lines. Raises Unavailable."""
    found: list[ChatEvent] = []
    for chat in (await transcripts.chats(site, visitor))[:CHATS]:
        lines = await transcripts.before(chat.chat)
        # What was written in a request or an invitation is conversation, too.
        found += [replace(line, text="", id="") for line in reversed(lines) if line.type != "message"]
    return tuple(found[:LINES])
