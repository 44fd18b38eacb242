"""What a simulated visitor answers an operator: invitations, messages, and the end of a chat.

Pure: a message from the collector goes in, what to send and after how long comes out. Read `Talk.hear`.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

ACCEPTS, DECLINES = 0.6, 0.25  # the rest never notice the invitation
MOST_REPLIES = 5
OPENERS = (
    "Hi! Is the Sund also there in walnut?",
    "Hello, do you deliver to my island?",
    "How wide is the Vik, please?",
)
REPLIES = (
    "Oh, that is good to know.",
    "And how long would that take?",
    "Could I see the wood before I order?",
    "My floor is not quite level. Will it wobble?",
    "Thank you! Let me measure first.",
    "Do the covers really come off?",
)
GOODBYE = "Thank you, that helped. Bye!"


@dataclass(frozen=True)
class Say:
    """Something to send on the live channel after a pause."""

    after_s: float
    kind: str
    fields: dict[str, Any]


class Talk:
    """One visitor's part of at most one conversation at a time."""

    def __init__(self, rng: random.Random, name: str) -> None:
        self._rng = rng
        self._name = name
        self._replies = 0
        self.talking = False

    def ask(self) -> Say:
        """The visitor asks for a chat."""
        self.talking = True
        return Say(0.0, "chat.request", {"name": self._name, "text": self._rng.choice(OPENERS)})

    def hear(self, message: dict[str, Any]) -> Say | None:
        """What the visitor does about a message from the collector."""
        match message:
            case {"type": "invite"}:
                return self._invited()
            case {"type": "status", "status": "redirected" | "navigating"}:
                self.talking = False
            case {"type": "chat.event", "event": {"type": "ended" | "kicked" | "redirected"}}:
                self.talking = False
            case {"type": "chat.event", "event": {"type": "message", "by": {"kind": "operator"}}}:
                return self._reply()
            case _:
                pass
        return None

    def _invited(self) -> Say | None:
        luck, pause_s = self._rng.random(), self._rng.uniform(3.0, 12.0)
        if luck < ACCEPTS:
            self.talking = True
            return Say(pause_s, "invite.accept", {"name": self._name})
        return Say(pause_s, "invite.decline", {}) if luck < ACCEPTS + DECLINES else None

    def _reply(self) -> Say:
        self._replies += 1
        self.talking = True
        pause_s = self._rng.uniform(2.0, 9.0)
        if self._replies < MOST_REPLIES:
            return Say(pause_s, "chat.send", {"text": self._rng.choice(REPLIES)})
        if self._replies == MOST_REPLIES:
            return Say(pause_s, "chat.send", {"text": GOODBYE})
        return Say(pause_s, "chat.end", {})
