"""Cut lines, closed browsers and killed processes in the middle of chats, on the running system.

The times of the product are divided by ten or more where a test has to wait for them; `test_chat_absence.py` has the
true numbers. (The file's name puts it before the races, whose own stage then need not run beside this one.)
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from shared.contracts.sites import SiteSettings
from tests.eventually import eventually
from tests.races.conftest import QUICK
from tests.races.desk import Desk
from tests.races.guest import Guest, Tab, fresh_id
from tests.races.judge import agreed, code_of, read
from tests.races.moves import accept, chatting, end, requested, types
from tests.races.stage import Lane, Stage, stage
from tests.wire import Wire

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240)]

WITHIN_S = 60.0
MESSAGES = 20
# A tenth of the product's, in its proportions; the chat itself outlasts any test.
ABSENCE = SiteSettings(
    leave_grace_ms=500, chat_away_ms=1_000, operator_missing_ms=1_500, operator_grace_ms=4_500, widget=QUICK.widget
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def faulty(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """A stage of its own: processes die on it. A dead line is noticed within a second or so."""
    async with stage(tmp_path_factory.mktemp("faults"), COLLECTOR_HEARTBEAT_S="1") as up:
        yield up


def messages(transcript: list[dict[str, Any]]) -> list[str]:
    """The texts said."""
    return [line["text"] for line in transcript if line["type"] == "message"]


async def test_messages_sent_five_times_over_two_connections_appear_once(faulty: Stage) -> None:
    async with faulty.lanes(2, 2, QUICK) as lanes:
        for lane in lanes:
            desk, guest = lane.desks[0], lane.guest
            window = await lane.second_window(desk)
            chat = await chatting(lane, desk)

            async def from_the_visitor(n: int, guest: Guest = guest) -> set[int]:
                ident, text = fresh_id(), f"visitor {n}"
                ways = [guest.say("chat.send", tab=tab, ident=ident, text=text) for tab in (0, 1, 0, 1)]
                ways.append(guest.post("chat.send", ident=ident, text=text))
                return {answer["seq"] for answer in await asyncio.gather(*ways)}

            async def from_the_operator(
                n: int, windows: tuple[Desk, ...] = (desk, window), chat: str = chat
            ) -> set[int]:
                ident, text = fresh_id(), f"operator {n}"
                ways = [windows[i % 2].do("chat:send", ident, chat=chat, text=text) for i in range(5)]
                return {answer["seq"] for answer in await asyncio.gather(*ways)}

            sent = [from_the_visitor(n) for n in range(MESSAGES)] + [from_the_operator(n) for n in range(MESSAGES)]
            seqs = await asyncio.gather(*sent)
            assert all(len(one) == 1 for one in seqs)
            transcript = await agreed(lane, "chatting", [desk.operator])
            expected = [f"{side} {n}" for side in ("visitor", "operator") for n in range(MESSAGES)]
            assert sorted(messages(transcript)) == sorted(expected)
            by_seq = {line["seq"]: line.get("text") for line in transcript}
            assert [by_seq[one.pop()] for one in seqs] == expected
            await end(lane, desk, chat)


async def heard_it_all(tabs: list[Tab], chat: str, transcript: list[dict[str, Any]]) -> None:
    """What the tabs were told one after the other is the transcript: nothing twice, nothing left out, in order."""

    def told() -> list[dict[str, Any]]:
        return [line for tab in tabs for line in tab.lines.get(chat, [])]

    await eventually(lambda: len(told()) >= len(transcript), WITHIN_S)
    assert told() == transcript


async def test_visitor_who_was_cut_off_gets_everything_once_and_in_order(faulty: Stage) -> None:
    async with faulty.lanes(1, 2, ABSENCE) as [lane], Wire(faulty.collectors[0]) as wire:
        desk = lane.desks[0]
        guest = Guest(faulty.http, [wire.url], lane.site)
        await guest.arrive(tabs=1)
        lane.guests.append(guest)
        await eventually(lambda: all(guest.visitor in one.by_visitor() for one in lane.desks), WITHIN_S)
        chat = await chatting(lane, desk)
        tab = guest.tabs[0]
        unheard, lost = fresh_id(), fresh_id()
        wire.cut(there=False)  # what the visitor says arrives, the answer does not
        await tab.socket.send_json({"type": "chat.send", "id": unheard, "text": "Can you hear me?"})
        await eventually(lambda: messages(desk.lines[chat]) == ["Can you hear me?"], WITHIN_S)
        wire.cut()
        await tab.socket.send_json({"type": "chat.send", "id": lost, "text": "Hello?"})
        await eventually(lambda: types(desk.lines[chat])[-1] == "away", WITHIN_S)
        for n in range(MESSAGES):
            assert code_of(await desk.do("chat:send", chat=chat, text=f"operator {n}")) == "ok"
        guest.tabs.clear()
        guest.collectors = [faulty.collectors[1]]  # comes back by another way
        back = await guest.open_tab(chat=chat, after=tab.lines[chat][-1]["seq"])
        await guest.show_page(back)
        await eventually(lambda: types(desk.lines[chat])[-1] == "back", WITHIN_S)
        for ident, text in ((unheard, "Can you hear me?"), (lost, "Hello?")):
            assert code_of(await guest.say("chat.send", ident=ident, text=text)) == "ok"
        transcript = await read(desk, chat)
        operators = [f"operator {n}" for n in range(MESSAGES)]
        assert messages(transcript) == ["Can you hear me?", *operators, "Hello?"]
        assert types(transcript) == ["requested", "started", "message", "away"] + ["message"] * MESSAGES + [
            "back",
            "message",
        ]
        await heard_it_all([tab, back], chat, transcript)
        assert back.status["status"] == "chatting"
        assert code_of(await desk.do("chat:end", chat=chat)) == "ok"
        await eventually(lambda: back.status["status"] == "chat_end", WITHIN_S)
        await tab.close()


async def test_operator_whose_gateway_is_killed_goes_on_at_another_one(faulty: Stage) -> None:
    async with faulty.lanes(1, 2, QUICK) as [lane]:
        desk = lane.desks[0]
        chat = await chatting(lane, desk)
        before = list(desk.lines[chat])  # from "started" on: the request was not yet this operator's business
        in_flight = [(fresh_id(), f"operator {n}") for n in range(MESSAGES)]
        sending = [asyncio.create_task(desk.call("chat:send", id=i, chat=chat, text=t)) for i, t in in_flight]
        gateway = faulty.of("operator_gateway")[faulty.gateways.index(desk.gateway)]
        await eventually(lambda: any(task.done() for task in sending), WITHIN_S)
        await gateway.kill()
        lane.closing.push_async_callback(faulty.restart, gateway)
        acked = {
            ident: task.result()["seq"]
            for (ident, _), task in zip(in_flight, sending, strict=True)
            if task.done() and task.exception() is None
        }
        for task in sending:
            task.cancel()
        for n in range(MESSAGES):
            assert code_of(await lane.guest.say("chat.send", text=f"visitor {n}")) == "ok"
        await desk.close()
        account = faulty.directory.operator(desk.operator)
        assert account is not None
        other = await faulty.desk(account, 1 - faulty.gateways.index(desk.gateway))
        lane.desks[0] = other
        await other.open(lane.site, limit=200)
        for ident, text in in_flight:  # nobody knows which of them were heard
            answer = await other.do("chat:send", ident, chat=chat, text=text)
            assert acked.get(ident, answer["seq"]) == answer["seq"]
        opened = await other.call("chat:open", chat=chat, after=before[-1]["seq"])
        transcript = await read(other, chat)
        said = messages(transcript)
        assert sorted(said) == sorted(f"{who} {n}" for who in ("operator", "visitor") for n in range(MESSAGES))
        for who in ("operator", "visitor"):
            assert [text for text in said if text.startswith(who)] == [f"{who} {n}" for n in range(MESSAGES)]
        resumed = [*before, *opened["events"]]
        assert resumed == transcript[1 : 1 + len(resumed)]
        await heard_it_all(lane.guest.tabs[:1], chat, transcript)
        await heard_it_all(lane.guest.tabs[1:], chat, transcript)
        assert code_of(await other.do("chat:end", chat=chat)) == "ok"
        await eventually(lambda: lane.guest.tabs[1].status["status"] == "chat_end", WITHIN_S)


async def killed_after(faulty: Stage, lane: Lane, wires: dict[str, Wire], ident: str, doing: Any) -> dict[str, Any]:
    """The answer to a command whose commit was made, and whose owner then died without learning so."""
    owner = await faulty.owner(lane.site)
    wire = wires[owner]
    wire.cut_after(ident.encode())
    asking = asyncio.create_task(doing)
    await asyncio.wait_for(wire.marked.wait(), WITHIN_S)
    victim = next(one for one in faulty.of("chat_routing") if one.env["CHAT_ROUTING_INSTANCE"] == owner)
    await victim.kill()
    wire.mend()
    first: dict[str, Any] = await asking
    await faulty.restart(victim)
    return first


async def repeated_after_the_death(faulty: Stage, lane: Lane, wires: dict[str, Wire], kind: str) -> None:
    """One chat, and in it one command of that kind."""
    desk, ident = lane.desks[0], f"killed-while-{kind}-{fresh_id()}"
    chat = await requested(lane)
    if kind != "accept":
        assert code_of(await accept(lane, desk)) == "ok"
        await agreed(lane, "chatting", [desk.operator])

    def command() -> Any:
        match kind:
            case "message":
                return desk.do("chat:send", ident, chat=chat, text="Once")
            case "accept":
                return desk.do("chat:accept", ident, site=lane.site, visitor=lane.guest.visitor)
            case _:
                return desk.do("chat:end", ident, chat=chat)

    first = await killed_after(faulty, lane, wires, ident, command())
    again = await command()
    assert first == again
    assert code_of(again) == "ok"
    expected = {"message": ["message"], "accept": [], "end": ["ended"]}[kind]
    status = "chat_end" if kind == "end" else "chatting"
    lines = await agreed(lane, status, [] if kind == "end" else [desk.operator])
    assert types(lines) == ["requested", "started", *expected]
    if kind != "end":
        await end(lane, desk, chat)


async def test_chat_routing_is_killed_between_commit_and_answer(faulty: Stage) -> None:
    async with faulty.wired_routing() as wires, faulty.lanes(1, 2, QUICK) as [lane]:
        for kind in ("message", "accept", "end"):
            await repeated_after_the_death(faulty, lane, wires, kind)


async def test_chat_goes_on_while_chat_routing_is_killed_again_and_again(faulty: Stage) -> None:
    async with faulty.lanes(2, 2, QUICK) as lanes:
        chats = [await chatting(lane, lane.desks[0]) for lane in lanes]
        over = asyncio.Event()
        said: dict[tuple[str, str], list[str]] = {}

        async def talk(chat: str, name: str, send: Any) -> None:
            texts = said.setdefault((chat, name), [])
            while not over.is_set():
                texts.append(f"{name} {len(texts)}")
                assert code_of(await send(texts[-1])) == "ok"

        async with asyncio.TaskGroup() as group:
            for lane, chat in zip(lanes, chats, strict=True):
                desk, guest = lane.desks[0], lane.guest
                group.create_task(talk(chat, "operator", lambda t, d=desk, c=chat: d.do("chat:send", chat=c, text=t)))
                group.create_task(talk(chat, "visitor", lambda t, g=guest: g.say("chat.send", tab=1, text=t)))
            for n in range(3):
                before = sum(map(len, said.values()))
                await eventually(lambda b=before: sum(map(len, said.values())) > b + 40, WITHIN_S)  # type: ignore[misc]
                instance = faulty.of("chat_routing")[n % 2]
                await instance.kill()
                await instance.start()
            await instance.ready()
            over.set()
        for lane, chat in zip(lanes, chats, strict=True):
            transcript = await agreed(lane, "chatting", [lane.desks[0].operator])
            for name in ("operator", "visitor"):
                assert [text for text in messages(transcript) if text.startswith(name)] == said[chat, name]
            await end(lane, lane.desks[0], chat)


async def test_operator_closes_the_browser_and_is_the_first_to_return(faulty: Stage) -> None:
    async with faulty.lanes(1, 2, ABSENCE) as [lane]:
        desk, colleague = lane.desks
        first = lane.guest
        chat = await chatting(lane, desk)
        second = await lane.new_guest()
        assert code_of(await second.say("chat.request")) == "ok"
        await eventually(lambda: second.tabs[0].status.get("position") == 1, WITHIN_S)
        lane.desks.remove(desk)
        await desk.close()
        await eventually(lambda: types(first.tabs[0].lines[chat])[-1] == "away", WITHIN_S)
        assert first.tabs[0].status["status"] == "chatting"
        await eventually(lambda: second.tabs[0].status.get("position") == 2, WITHIN_S)  # the other one is the head
        for tab in first.tabs:
            await eventually(lambda: tab.status["status"] == "requested" and tab.status.get("position") == 1, WITHIN_S)  # noqa: B023
        await eventually(lambda: colleague.states[desk.operator] == "offline", WITHIN_S)
        back = await lane.log_in(desk.operator)
        offer = await eventually(lambda: next(iter(back.offers.values()), None), WITHIN_S)
        assert (offer["visitor"], offer["chat"], offer["why"]) == (first.visitor, chat, "returned")
        assert code_of(await back.do("offer:accept", offer=offer["offer"])) == "ok"
        lane.guests.append(lane.guests.pop(0))
        lines = types(await agreed(lane, "chatting", [desk.operator]))
        assert lines == ["requested", "started", "away", "left", "requested", "started"]
        await end(lane, back, chat)
        assert code_of(await second.say("chat.cancel")) == "ok"


async def test_operator_closes_the_browser_and_a_colleague_is_faster(faulty: Stage) -> None:
    async with faulty.lanes(1, 2, ABSENCE) as [lane]:
        desk, colleague = lane.desks
        chat = await chatting(lane, desk)
        lane.desks.remove(desk)
        await desk.close()
        await eventually(lambda: lane.guest.tabs[0].status["status"] == "requested", WITHIN_S)
        assert code_of(await accept(lane, colleague)) == "ok"
        back = await lane.log_in(desk.operator)
        assert code_of(await accept(lane, back)) == "taken"
        assert back.offers == {}
        await agreed(lane, "chatting", [colleague.operator])
        await end(lane, colleague, chat)


async def test_conference_goes_on_when_one_closes_the_browser(faulty: Stage) -> None:
    async with faulty.lanes(1, 2, ABSENCE) as [lane]:
        desk, colleague = lane.desks
        chat = await chatting(lane, desk)
        assert code_of(await desk.do("chat:conference", chat=chat, operator=colleague.operator)) == "ok"
        offer = await eventually(lambda: next(iter(colleague.offers), None), WITHIN_S)
        assert code_of(await colleague.do("offer:accept", offer=offer)) == "ok"
        await agreed(lane, "conference", [desk.operator, colleague.operator])
        lane.desks.remove(desk)
        await desk.close()
        await eventually(lambda: types(lane.guest.tabs[0].lines[chat])[-1] == "away", WITHIN_S)
        assert code_of(await colleague.do("chat:send", chat=chat, text="One moment, please")) == "ok"
        assert code_of(await lane.guest.say("chat.send", text="Of course")) == "ok"
        lines = types(await agreed(lane, "chatting", [colleague.operator]))
        assert lines == ["requested", "started", "joined", "away", "message", "message", "left"]
        await end(lane, colleague, chat)
