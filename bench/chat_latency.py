"""A message from a visitor to the operator and the answer back, with 200 chats going on, through all services.

    python -m bench.chat_latency [--chats 200] [--every 5] [--seconds 15] [--rounds 3] [--page-views 1000]

The whole stack as processes; visitors on the collector's live channel, operators on the gateway's Socket.IO. In each
chat the visitor types, writes a message every `--every` seconds, the operator reads it and answers at once, the visitor
reads the answer. Taken are the time until the message is on the operator's socket and the time until the answer is on
the visitor's. Both messages are durable by then. Baseline: a bare aiohttp process that hands frames from one socket to
the other and back, with the same clients in the same run. All of it first alone, then while page views of other
visitors arrive from another process. Milliseconds of wall clock; everything shares the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import time
from dataclasses import dataclass, field

import uvloop

from bench._figures import machine
from bench._floor import Floor, PageViews, Relay, Shares, baseline, command_id, floor, page_views, relay, table_line
from bench._wire import Console, Event, Tab

EACH = 10  # chats of one operator
QUESTION = "Do you have these in size 43, and could they be here by Friday?"
ANSWER = "Yes, both: they leave today and are with you on Thursday."
TYPING_S = 0.4  # a visitor types for at least that long


@dataclass
class Times:
    """Milliseconds, by message."""

    there: list[float] = field(default_factory=list)
    back: list[float] = field(default_factory=list)


class Pair:
    """One chat: both ends, and when the present message was sent."""

    def __init__(self, tab: Tab, console: Console, chat: str) -> None:
        self.tab, self.console, self.chat = tab, console, chat
        self.times = Times()
        self.lost = 0
        self._sent_at = 0.0
        self._answer_id = ""
        tab.heard = self._visitor_hears

    async def talk(self, every_s: float) -> None:
        """Until cancelled. A message that has not come back by the next one is lost."""
        await asyncio.sleep(random.uniform(0, every_s))
        while True:
            self.tab.say("chat.typing", on=True)
            await asyncio.sleep(random.uniform(TYPING_S, every_s / 2))
            self.lost += bool(self._sent_at)
            self._sent_at = time.perf_counter()
            self.tab.say("chat.send", text=QUESTION)
            await asyncio.sleep(random.uniform(every_s / 2, every_s - TYPING_S))

    def operator_hears(self, line: Event) -> None:
        """Read and answer at once."""
        if line["type"] == "message" and line["by"]["kind"] == "visitor":
            self.times.there.append((time.perf_counter() - self._sent_at) * 1e3)
            self._answer_id = command_id()
            self.console.say("chat:send", chat=self.chat, id=self._answer_id, text=ANSWER)
            self.console.say("chat:read", chat=self.chat, seq=line["seq"])

    def _visitor_hears(self, message: Event) -> None:
        line = message.get("event", {})
        if line.get("id") == self._answer_id and self._sent_at:
            self.times.back.append((time.perf_counter() - self._sent_at) * 1e3)
            self._sent_at = 0.0
            self.tab.say("chat.read", seq=line["seq"])


async def begin(it: Floor) -> list[Pair]:
    """All chats, shared out among the operators."""
    pairs: dict[str, Pair] = {}

    def hears(name: str, event: Event) -> None:
        if name == "chat:event" and event["chat"] in pairs:
            pairs[event["chat"]].operator_hears(event)

    for number, tab in enumerate(it.tabs):
        console = it.consoles[number // EACH]
        console.heard = hears
        chat = await it.chat(tab, console)
        pairs[chat] = Pair(tab, console, chat)
    return list(pairs.values())


async def rounds(
    title: str, it: Floor, pairs: list[Pair], bare: Relay, views: PageViews | None, options: argparse.Namespace
) -> None:
    """Measure and print."""
    there, back = [], []
    talking = [asyncio.create_task(pair.talk(options.every)) for pair in pairs]
    await asyncio.sleep(options.every)  # all are talking
    shares = Shares(it.pids)
    if views is not None:
        await views.since()
    began = time.perf_counter()
    for _ in range(options.rounds):
        for pair in pairs:
            pair.times = Times()
        await asyncio.sleep(options.seconds)
        there.append([time_ms for pair in pairs for time_ms in pair.times.there])
        back.append([time_ms for pair in pairs for time_ms in pair.times.back])
    passed = time.perf_counter() - began
    line = shares.line()
    for task in talking:
        task.cancel()
    turned = await views.since() if views is not None else None
    rate = len(pairs) / options.every
    plain = [await baseline(bare, rate, options.seconds / 3) for _ in range(options.rounds)]
    print(f"{title}: {len(pairs)} chats, {2 * sum(map(len, back)) / passed:.0f} messages a second")
    print(f"  {table_line('bare relay, and back (baseline)', plain)}")
    print(f"  {table_line('visitor to operator', there)}")
    print(f"  {table_line('and back to the visitor', back)}")
    print(f"  lost or later than the next one: {sum(pair.lost for pair in pairs)}")
    print(f"  {line}", flush=True)
    if turned is not None:
        print(f"  page views: {turned['answered'] / passed:.0f} a second answered, {turned['refused']} refused,"
              f" p50 {turned['p50']:.1f} p99 {turned['p99']:.1f} ms", flush=True)  # fmt: skip


async def run(options: argparse.Namespace) -> None:
    """All of it."""
    print(machine())
    operators = -(-options.chats // EACH)
    async with floor(operators, options.chats, EACH) as it:
        pairs, bare = await begin(it), await relay(200)
        try:
            await rounds("alone", it, pairs, bare, None, options)
            if options.page_views:
                async with page_views(it, options.page_views) as views:
                    title = f"with {options.page_views:.0f} page views a second"
                    await rounds(title, it, pairs, bare, views, options)
        finally:
            await bare.stop()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chats", type=int, default=200)
    parser.add_argument("--every", type=float, default=5.0, help="seconds between two messages of a visitor")
    parser.add_argument("--seconds", type=float, default=15.0, help="of each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--page-views", type=float, default=1_000, help="a second, in the second part; 0: no such part")
    uvloop.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
