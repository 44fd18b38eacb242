"""The steps that many rounds share: a visitor asks, an operator takes it, the chat ends; and who has won."""

from __future__ import annotations

from typing import Any

from tests.races.desk import Desk
from tests.races.judge import agreed, code_of
from tests.races.stage import Lane


async def requested(lane: Lane, **fields: Any) -> str:
    """The round's visitor asks; the chat, once all see it."""
    while code_of(answer := await lane.guest.say("chat.request", tab=lane.rounds % 2, **fields)) == "cooldown":
        pass  # a kick in the round before is some milliseconds old
    assert code_of(answer) == "ok", answer
    await agreed(lane, "requested", [])
    return str(answer["chat"])


async def chatting(lane: Lane, owner: Desk) -> str:
    """The visitor talks with `owner`; the chat."""
    chat = await requested(lane)
    assert code_of(await accept(lane, owner)) == "ok"
    await agreed(lane, "chatting", [owner.operator])
    return chat


async def accept(lane: Lane, desk: Desk) -> dict[str, Any]:
    """The operator takes the waiting visitor from the list."""
    return await desk.do("chat:accept", site=lane.site, visitor=lane.guest.visitor)


async def end(lane: Lane, owner: Desk, chat: str) -> list[dict[str, Any]]:
    """The owner ends the chat; the transcript, once all know."""
    assert code_of(await owner.do("chat:end", chat=chat)) == "ok"
    return await agreed(lane, "chat_end", [])


def only_winner(desks: list[Desk], answers: list[dict[str, Any]]) -> Desk:
    """The one who was told ok; the others were told who was faster."""
    [winner] = [desk for desk, answer in zip(desks, answers, strict=True) if answer["ok"]]
    for desk, answer in zip(desks, answers, strict=True):
        if desk is not winner:
            assert code_of(answer) == "taken", answer
            assert answer["error"]["taken_by"] == winner.ready["operator"]["name"]
            assert answer["error"]["current"] == "chatting"
    return winner


def types(transcript: list[dict[str, Any]]) -> list[str]:
    """The kinds of its lines."""
    return [line["type"] for line in transcript]
