"""From a slot becoming free to the next offer on the operator's socket, with 200 chats going on and visitors waiting.

    python -m bench.chat_offers [--chats 200] [--waiting 40] [--ends 5] [--seconds 20] [--rounds 3] [--page-views 1000]

The whole stack as processes, a site where the router assigns. All operators are full; `--ends` times a second a chat is
ended, in turns by its visitor over the live channel and by its operator over Socket.IO. Taken is the time from the
moment when the end was *sent* to the offer of the next visitor on that operator's socket, so it holds the way of the
end itself: the slot becomes free somewhere between. The operator accepts, whoever ended asks again later, and all
others chat meanwhile, with a message of a visitor and an answer every 5 s. Baseline: the bare relay of
:mod:`bench.chat_latency`. All of it first alone, then while page views of other visitors arrive.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import time

import uvloop

from bench._figures import machine
from bench._floor import Floor, PageViews, Relay, Shares, baseline, command_id, floor, page_views, relay, table_line
from bench._wire import Console, Event, Tab
from tests.eventually import eventually

EACH = 10  # chats of one operator
EVERY_S = 5.0
QUESTION = "Do you have these in size 43, and could they be here by Friday?"
ANSWER = "Yes, both: they leave today and are with you on Thursday."


class Desk:
    """One operator: takes every offer, answers every message, notes how long an offer took."""

    def __init__(self, console: Console, guests: dict[str, Guest]) -> None:
        self.console = console
        self.freed_at = 0.0
        self.times_ms: list[float] = []
        self.talking: dict[str, str] = {}  # visitor -> chat
        self._guests = guests
        console.heard = self._hears

    def _hears(self, name: str, event: Event) -> None:
        match name:
            case "offer":
                if self.freed_at:
                    self.times_ms.append((time.perf_counter() - self.freed_at) * 1e3)
                    self.freed_at = 0.0
                self.console.say("offer:accept", offer=event["offer"], id=command_id())
                self.talking[event["visitor"]] = event["chat"]
                self._guests[event["visitor"]].desk = self
            case "chat:event":
                if event["type"] == "message" and event["by"]["kind"] == "visitor":
                    self.console.say("chat:send", chat=event["chat"], id=command_id(), text=ANSWER)


class Guest:
    """One visitor: asks, writes while it chats, asks again after the end."""

    def __init__(self, tab: Tab) -> None:
        self.tab = tab
        self.desk: Desk | None = None
        self.over = False
        self._status = ""
        tab.heard = self._hears

    @property
    def chats(self) -> bool:
        """Whether an operator is there."""
        return self._status == "chatting" and self.desk is not None

    def _hears(self, message: Event) -> None:
        if message["type"] == "status":
            self._status = message["status"]

    def ask(self) -> None:
        """Ask for a chat."""
        if self.over:
            return
        self.tab.say("chat.request", name="Eve", text=QUESTION)

    async def write(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(random.uniform(0, 2 * EVERY_S))
            if self.chats:
                self.tab.say("chat.send", text=QUESTION)

    def end(self, by_operator: bool) -> None:
        """Now; the next offer of that desk is waited for."""
        desk = self.desk
        assert desk is not None
        self.desk, self._status = None, ""
        chat = desk.talking.pop(self.tab.visitor)
        desk.freed_at = time.perf_counter()
        if by_operator:
            desk.console.say("chat:end", chat=chat, id=command_id())
        else:
            self.tab.say("chat.end")


async def ends(guests: list[Guest], per_second: float) -> None:
    """End one after the other at random moments, until cancelled; who ended asks again after a while."""
    loop, number = asyncio.get_running_loop(), 0
    while True:
        await asyncio.sleep(random.expovariate(per_second))
        able = [guest for guest in guests if guest.chats and guest.desk is not None and not guest.desk.freed_at]
        if able:
            guest = random.choice(able)
            guest.end(by_operator=bool(number % 2))
            number += 1
            loop.call_later(1.0, guest.ask)


async def rounds(
    title: str, it: Floor, desks: list[Desk], bare: Relay, views: PageViews | None, options: argparse.Namespace
) -> None:
    """Measure and print."""
    found = []
    shares = Shares(it.pids)
    if views is not None:
        await views.since()
    began = time.perf_counter()
    for _ in range(options.rounds):
        for desk in desks:
            desk.times_ms = []
        await asyncio.sleep(options.seconds)
        found.append([time_ms for desk in desks for time_ms in desk.times_ms])
    passed, line = time.perf_counter() - began, shares.line()
    turned = await views.since() if views is not None else None
    plain = [await baseline(bare, 40, options.seconds / 4) for _ in range(options.rounds)]
    late = sum(bool(desk.freed_at) and time.perf_counter() - desk.freed_at > 1 for desk in desks)
    print(f"{title}: {len(desks) * EACH} chats, {options.waiting} waiting, {options.ends:.0f} ends a second")
    print(f"  {table_line('bare relay, and back (baseline)', plain)}")
    print(f"  {table_line('end sent to offer on the socket', found)}")
    print(f"  not offered within a second: {late}")
    print(f"  {line}", flush=True)
    if turned is not None:
        print(f"  page views: {turned['answered'] / passed:.0f} a second answered, {turned['refused']} refused")


async def run(options: argparse.Namespace) -> None:
    """All of it."""
    print(machine())
    operators = options.chats // EACH
    async with floor(operators, options.chats + options.waiting, EACH, intake="assign", queue_limit=1_000) as it:
        people = {tab.visitor: Guest(tab) for tab in it.tabs}
        desks = [Desk(console, people) for console in it.consoles]
        guests, bare = list(people.values()), await relay(40)
        for guest in guests:
            guest.ask()
        await eventually(lambda: sum(guest.chats for guest in guests) >= operators * EACH)
        tasks = [asyncio.create_task(guest.write()) for guest in guests]
        tasks.append(asyncio.create_task(ends(guests, options.ends)))
        try:
            await asyncio.sleep(EVERY_S)
            await rounds("alone", it, desks, bare, None, options)
            if options.page_views:
                async with page_views(it, options.page_views) as views:
                    title = f"with {options.page_views:.0f} page views a second"
                    await rounds(title, it, desks, bare, views, options)
        finally:
            for task in tasks:
                task.cancel()
            for guest in guests:
                guest.over = True
            await bare.stop()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chats", type=int, default=200)
    parser.add_argument("--waiting", type=int, default=40)
    parser.add_argument("--ends", type=float, default=5.0, help="chats that end, a second")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--page-views", type=float, default=1_000, help="a second, in the second part; 0: no such part")
    uvloop.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
