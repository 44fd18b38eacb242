"""What must be true after every round, seen from outside only. Read :func:`agreed`.

Everybody's last word about the visitor is the same; every slot shown on the wire is accounted for by a row or by an
offer that waits; there is one chat, with one owner; its transcript has no gap, and what each side was told is that
transcript; every command was answered once, with a code of the contract.
"""

from __future__ import annotations

from typing import Any, get_args

from shared.contracts.chat_words import RefusalCode
from tests.eventually import eventually
from tests.races.desk import Desk
from tests.races.guest import Guest, Tab
from tests.races.stage import Lane

WITHIN_S = 60.0
CODES = set(get_args(RefusalCode))
HOLDING = {"invited", "accepted", "chatting", "conference", "forwarded"}  # the row's operators hold a slot


def code_of(answer: dict[str, Any]) -> str:
    """`ok`, or the refusal's code, which is one of the contract."""
    if answer.get("ok") or answer.get("type") == "ok":
        return "ok"
    code: str = answer["error"]["code"] if "error" in answer else answer["code"]
    assert code in CODES, answer
    return code


async def agreed(lane: Lane, status: str, operators: list[str], *, reason: str | None = None) -> list[dict[str, Any]]:
    """The transcript of the round's chat, once everybody sees `status` with these operators."""
    guest = lane.guest
    for tab in guest.tabs:
        await eventually(lambda: _tab_sees(tab, status, operators), WITHIN_S)  # noqa: B023
    for desk in lane.everywhere():
        await eventually(lambda: _desk_sees(desk, guest, status, operators, reason), WITHIN_S)  # noqa: B023
    await eventually(lambda: slots_accounted_for(lane), WITHIN_S)
    [chat] = {tab.status["chat"] for tab in guest.tabs} | {d.by_visitor()[guest.visitor]["chat"] for d in lane.desks}
    transcript = await read(lane.desks[0], chat)
    in_order(transcript, status)
    for tab in guest.tabs:
        await eventually(lambda: _tab_heard(tab, chat, transcript), WITHIN_S)  # noqa: B023
    for desk in lane.everywhere():
        await eventually(lambda: _desk_heard(desk, chat, transcript, status), WITHIN_S)  # noqa: B023
        desk.one_answer_each()
    guest.one_answer_each()
    lane.chats.add(chat)
    return transcript


async def gone(lane: Lane, chat: str) -> list[dict[str, Any]]:
    """The transcript of `chat`, once the visitor has left every list and nobody holds a slot."""
    visitor = lane.guest.visitor
    for desk in lane.everywhere():
        await eventually(lambda: visitor not in desk.by_visitor(), WITHIN_S)  # noqa: B023
    await eventually(lambda: slots_accounted_for(lane), WITHIN_S)
    ended: list[dict[str, Any]] = await eventually(lambda: _ended(lane.desks[0], chat), WITHIN_S)
    for desk in lane.everywhere():
        await eventually(lambda: _desk_heard(desk, chat, ended, "chat_end"), WITHIN_S)  # noqa: B023
        desk.one_answer_each()
    in_order(ended, "chat_end")
    lane.chats.add(chat)
    return ended


async def no_other_chats(lane: Lane) -> None:
    """The site's list of chats has those that the rounds have seen, each once: nothing was begun twice."""
    known = await listed(lane)
    assert sorted(known) == sorted(lane.chats)
    told = {chat for desk in lane.everywhere() for chat in desk.lines}
    told |= {chat for guest in lane.guests for tab in guest.tabs for chat in tab.lines}
    assert told <= lane.chats


async def listed(lane: Lane) -> list[str]:
    """The site's chats by the HTTP API."""
    found: list[str] = []
    desk, until = lane.desks[0], ""
    while True:
        url = f"{desk.gateway}/api/v1/sites/{lane.site}/chats?limit=100{until}"
        async with lane.stage.http.get(url, headers={"Authorization": f"Bearer {desk.token}"}) as answer:
            page = await answer.json()
        found += [chat["chat"] for chat in page["items"]]
        if not page.get("next"):
            return found
        until = f"&to={page['next']}"


async def read(desk: Desk, chat: str) -> list[dict[str, Any]]:
    """The whole transcript."""
    lines: list[dict[str, Any]] = []
    while True:
        answer = await desk.call("chat:open", chat=chat, after=len(lines))
        assert answer["ok"], answer
        lines += answer["events"]
        if not answer["more"]:
            return lines


def in_order(transcript: list[dict[str, Any]], status: str) -> None:
    """No gap, no message twice, at most one owner at any time, and nothing after the end but a rating."""
    assert [line["seq"] for line in transcript] == list(range(1, len(transcript) + 1))
    messages = [(line["by"]["id"], line["id"]) for line in transcript if line["type"] == "message"]
    assert len(messages) == len(set(messages))
    seated: list[str] = []
    over = False
    for line in transcript:
        assert not over or line["type"] == "rated", transcript
        who = line["by"]["id"]
        match line["type"]:
            case "started":
                assert seated == [], transcript
                seated = [who]
            case "joined":
                assert who not in seated, transcript
                seated.append(who)
            case "left":
                seated.remove(who)
            case "ended" | "kicked" | "redirected" | "denied":
                over = True
    ends = {"chat_end", "kicked", "redirected", "chat_denied"}
    assert over == (status in ends or (status == "navigating" and bool(transcript))), (status, transcript)


def slots_accounted_for(lane: Lane) -> bool:
    """Each operator's number of chats, as told to every colleague, is what rows and waiting offers say."""
    watching = lane.desks[0]
    held: dict[str, set[str]] = {operator: set() for operator, _ in watching.load}
    for row in watching.by_visitor().values():
        if row["status"] in HOLDING:
            for one in row["operators"]:
                held[one["id"]].add(row["visitor"])
    for desk in lane.desks:
        held[desk.operator] |= {offer["visitor"] for offer in desk.offers.values()}
    expected = {name: len(visitors) for name, visitors in held.items()}
    for desk in lane.everywhere():
        shown = {name: desk.load[name, lane.site] for name in expected}
        assert shown == expected, (desk.operator, shown, expected)
    return True


def _tab_sees(tab: Tab, status: str, operators: list[str]) -> bool:
    shown = tab.status["status"], [one["id"] for one in tab.status["operators"]]
    assert shown == (status, operators), (shown, status, operators)
    return True


def _desk_sees(desk: Desk, guest: Guest, status: str, operators: list[str], reason: str | None) -> bool:
    row = desk.by_visitor()[guest.visitor]
    shown = row["status"], [one["id"] for one in row["operators"]]
    assert shown == (status, operators), (shown, status, operators)
    assert reason is None or row["reason"] == reason, row
    return True


def _tab_heard(tab: Tab, chat: str, transcript: list[dict[str, Any]]) -> bool:
    assert tab.lines.get(chat, []) == transcript
    return True


def _desk_heard(desk: Desk, chat: str, transcript: list[dict[str, Any]], status: str) -> bool:
    """Whoever was in the chat heard a part of it without a gap, and who is in it, or was at its end, heard the end."""
    heard = desk.lines.get(chat, [])
    if not heard:
        return True
    first = heard[0]["seq"] - 1
    assert heard == transcript[first : first + len(heard)], (heard, transcript)
    mine = [line for line in transcript if line["by"]["id"] == desk.operator]
    if mine and mine[-1]["type"] != "left":
        assert heard[-1] == transcript[-1], (heard, transcript, status)
    return True


async def _ended(desk: Desk, chat: str) -> list[dict[str, Any]]:
    lines = await read(desk, chat)
    assert lines[-1]["type"] == "ended", lines
    return lines
