"""A visitor's timeline: what happened about chats, who did it, when and why; without a word of what was said."""

from __future__ import annotations

from msgspec.structs import replace

from shared.contracts.chat import ChatEvent, ChatSummary
from shared.storage.transcripts import Transcripts

CHATS = 5  # the latest
LINES = 50


async def timeline(
    transcripts: Transcripts, site: str, visitor: str
) -> tuple[tuple[ChatSummary, ...], tuple[ChatEvent, ...]]:
    """The latest chats and their lines, newest first. Of a very long chat only the last lines. Raises Unavailable."""
    chats = (await transcripts.chats(site, visitor))[:CHATS]
    found: list[ChatEvent] = []
    for chat in chats:
        lines = await transcripts.before(chat.chat)
        # What was written in a request or an invitation is conversation, too.
        found += [replace(line, text="", id="") for line in reversed(lines) if line.type != "message"]
    return tuple(chats), tuple(found[:LINES])
