"""What commands were answered, so that a repeat is answered the same and done no second time.

The last answers stand in the engagement itself, which is read and written with every command; so there are few of them.
Older ones are put aside into a record of their own (:func:`put_aside`), which is looked into only for a command that is
not among the last ones of an engagement that has any. Refusals are not put aside: nothing happened that could happen
twice. Read :func:`known_answer`, then :func:`put_aside`.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2s

from msgspec.structs import replace

from services.chat_routing.domain.engagement import Answer, Engagement
from shared.contracts.chat import Command

ANSWERS_KEPT = 64  # in the engagement, before the older half is put aside: one write more in 32 commands
LEFT = ANSWERS_KEPT // 2
MAX_ASIDE = 20_000  # of one visitor: twice as many as a chat has lines at most. Then all that were put aside go
DIGEST_BYTES = 12

Sent = tuple[str, str]  # who (kind:id), command


def sent(command: Command) -> Sent:
    """What tells commands apart: ids are made by each sender on its own."""
    return f"{command.by.kind}:{command.by.id}", command.id


def aside_field(key: Sent) -> bytes:
    """Name of the answer among those put aside; no separator in an id can make two of them alike."""
    return blake2s(
        "\0".join((str(len(key[0])), *key)).encode("utf-8", "surrogatepass"), digest_size=DIGEST_BYTES
    ).digest()


def known_answer(engagement: Engagement, key: Sent, aside: Mapping[Sent, Answer]) -> Answer | None:
    """The answer that the command got before, if it is a repeat. `aside`: what was found among the older ones."""
    return next((old for old in engagement.answers if (old.by, old.id) == key), None) or aside.get(key)


def remember(engagement: Engagement, answer: Answer) -> Engagement:
    """The engagement with one more answer."""
    return replace(engagement, answers=(*engagement.answers, answer))


def is_to_be_sought(engagement: Engagement, key: Sent) -> bool:
    """Whether only those put aside can tell if the command is a repeat."""
    return engagement.aside > 0 and known_answer(engagement, key, {}) is None


def put_aside(engagement: Engagement) -> tuple[Engagement, tuple[Answer, ...]]:
    """The engagement with its last answers, and those to be put aside; `aside` begins anew when there are too many."""
    if len(engagement.answers) <= ANSWERS_KEPT:
        return engagement, ()
    older = tuple(one for one in engagement.answers[:-LEFT] if one.code is None)
    before = engagement.aside if engagement.aside + len(older) <= MAX_ASIDE else 0
    return replace(engagement, answers=engagement.answers[-LEFT:], aside=before + len(older)), older
