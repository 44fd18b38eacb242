"""A site on which anything happens, on its way to gateways on which anything is lost, and consoles that go astray.

:class:`Market` writes what presence and chat-routing would, and loses, repeats, delays and trims entries of the log.
:class:`Watcher` is a console that drops, repeats and delays what it is told, breaks off without a goodbye and comes
back to any gateway with what it showed long ago. The truth is the oracle of the engine's own test, fed from what is
stored.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Sequence
from functools import partial
from typing import Any

import msgspec
import socketio

from services.operator_gateway.views.engine import ViewSpec
from services.operator_gateway.views.filters import normalized
from services.operator_gateway.views.window import checksum
from shared.contracts.operators import Filter, Sort
from shared.contracts.rows import STATUSES, OperatorRef
from shared.contracts.sites import Operator, Skill
from shared.contracts.streams import LogEntry, Part, RowChanged, RowGone, encode
from shared.domain.visitor import presence_row
from shared.storage import keys
from tests.eventually import eventually
from tests.live_rig import Console, Rig, Shop, visitor_id
from tests.unit.gateway_views.rows import Client
from tests.unit.gateway_views.test_engine import FACTS, NAMES, RULES, SORTS, Oracle

SITE: dict[str, Any] = {
    "skills": tuple(Skill(skill, name) for skill, name in FACTS.skill_names.items()),
    "rules": RULES,
    "default_skill": FACTS.default_skill,
}
NUMBERS = range(1, 40)
EVERYBODY: dict[str, Any] = {"sort": {"by": "number", "dir": "asc"}, "filter": {}, "offset": 0, "limit": 200}
ADDRESSES = ("https://a.test/1", "https://a.test/2", "https://b.test/10")
SHOWN = ("nickname", "country", "skill", "status", "activity", "visits", "pages", "page", "operators", "lang")
FATES = ("logged",) * 16 + ("lost", "twice", "late", "trimmed")
# One step for who waits in a blocking read: the entry is there and gone before anybody is served.
APPEND_AND_TRIM = """
redis.call('XADD', KEYS[1], '*', 'd', ARGV[1])
redis.call('XADD', KEYS[1], '*', 'd', ARGV[2])
redis.call('XTRIM', KEYS[1], 'MAXLEN', 1)
return 1
"""
NOTHING = encode(LogEntry("presence", ()))


class Market(Shop):
    """A shop with a will of its own."""

    dice: random.Random
    faulty = True
    _held: bytes | None = None  # an entry that is overtaken by the next one

    async def something(self) -> None:
        """One thing happens."""
        dice, number = self.dice, self.dice.choice(NUMBERS)
        here, known = visitor_id(number) in self._stored, visitor_id(number) in self._engagements
        match dice.choice(("seen", "seen", "seen", "leaves", "engaged", "forgotten")):
            case "leaves" if here:
                await self.leave(number)
            case "engaged":
                await self.engage(number, **self._talk())
            case "forgotten" if known and not here:
                await self.forget(number)
            case _:
                await self.visit(number, **self._look())

    async def calm(self) -> None:
        """One more change of each part, of which nothing is lost: what was lost before is noticed with it."""
        self.faulty = False
        await self.visit(NUMBERS[0], title="The last page")
        await self.engage(NUMBERS[0], name="The last name")
        self.faulty = True

    def oracle(self) -> Oracle:
        """What is stored."""
        oracle = Oracle()
        for visitor, stored in self._stored.items():
            row = presence_row(stored)
            assert row is not None
            oracle.presence[visitor] = row
        oracle.engagement = dict(self._engagements)
        return oracle

    def _look(self) -> dict[str, Any]:
        dice = self.dice
        fields: dict[str, Any] = {
            "country": dice.choice(("DE", "", "AT", "GB")),
            "activity": dice.choice(("active", "idle", "away")),
            "lang": dice.choice(("", "de", "en-GB")),
            "visits": dice.randint(1, 3),
            "pages": dice.randint(1, 5),
            "attrs": {"name": ("Zoë", 1)} if dice.random() < 0.1 else {},
            "url": dice.choice(ADDRESSES),
            "title": dice.choice(("Home", "Cart", "cart 9", "Cart 10")),
        }
        kept = dice.sample(sorted(fields), 5)  # most changes leave most columns as they were
        return {name: value for name, value in fields.items() if name not in kept}

    def _talk(self) -> dict[str, Any]:
        dice = self.dice
        return {
            "status": dice.choice(STATUSES),
            "skill": dice.choice(("", "sales", "billing")),
            "name": dice.choice(NAMES),
            "operators": dice.choice(((), (OperatorRef("o_1111", "Zed"),), (OperatorRef("o_2222", "ann"),))),
            "requested_at": dice.randint(0, 3),
            "engaged_at": dice.randint(0, 5),
            "ended_at": dice.randint(0, 6),
            "chat": dice.choice(("", "c1")),
        }

    async def _commit(self, part: Part, change: RowChanged | RowGone, writes: list[Any], log: bool) -> None:
        fate = "lost" if not log else self.dice.choice(FATES) if self.faulty else "logged"
        await super()._commit(part, change, writes, log=False)
        entry, overtaken, self._held = encode(LogEntry(part, (change,))), self._held, None
        match fate:
            case "lost":
                pass
            case "late":
                self._held = entry
            case "trimmed":
                await self._trimmed(entry)
            case _:
                for _ in range(2 if fate == "twice" else 1):
                    await self._logged(entry)
        if overtaken is not None:
            await self._logged(overtaken)

    async def _logged(self, entry: bytes) -> None:
        await self._clients.call("XADD", keys.stream("log", self._partition), "*", "d", entry)

    async def _trimmed(self, entry: bytes) -> None:
        stream = keys.stream("log", self._partition)
        await self._clients.call("EVAL", APPEND_AND_TRIM, 1, stream, entry, NOTHING)


async def market(rig: Rig, seed: int) -> Market:
    """A site with a dozen visitors, two of them engaged."""
    shop = await rig.shop(**SITE)
    place = Market(rig.clients, rig.partitions, shop.record)
    place.dice = random.Random(seed)
    await place.owned()
    await place.fill(range(1, 13))
    for number in (2, 3):
        await place.engage(number, status="requested", name="Ada", requested_at=1)
    return place


class Watcher:
    """One console with one view."""

    def __init__(
        self, shop: Market, operator: Operator, mount: str, seed: int, wish: dict[str, Any] | None = None
    ) -> None:
        self.shop = shop
        self.operator = operator
        self.mount = mount
        self.dice = random.Random(seed)
        self.view = Client()
        self.faulty = True  # set to False to see what an ordinary console sees
        self.good_checks = 0
        self.complaints: list[str] = []
        self.resets: list[str] = []
        self._wish = wish or self._any_wish()
        self._token = ""
        self._console: Console | None = None
        self._before = Client()  # what was shown some time ago
        self._late: list[dict[str, Any]] = []
        self._asking: set[asyncio.Task[None]] = set()

    # --- coming and going ---

    async def arrive(self, rig: Rig) -> None:
        """Connect and open the view with what is shown, or with what was shown long ago."""
        self._token = self._token or await rig.token(self.operator)
        console = self._console = await eventually(partial(self._connected, rig), within_s=60)
        console.client.on("*", self._took)
        if self.faulty and self.dice.random() < 0.3:
            self.view = _copy(self._before)
        await self._ask("view:open")

    async def _connected(self, rig: Rig) -> Console | None:
        """None while the gateway turns everybody away because it cannot ask for the login."""
        try:
            return await rig.connect(self.operator, self.mount, token=self._token)
        except socketio.exceptions.ConnectionError:
            return None

    async def break_off(self) -> None:
        """The connection is gone, without a word."""
        for task in tuple(self._asking):
            task.cancel()
        await asyncio.gather(*self._asking, return_exceptions=True)
        console, self._console = self._console, None
        if console is None:
            return
        if self.dice.random() < 0.3:
            self._before = _copy(self.view)
        transport = console.client.eio.ws._response.connection.transport if console.client.connected else None
        if transport is not None:
            transport.abort()
        with contextlib.suppress(socketio.exceptions.SocketIOError, TimeoutError):
            await console.client.shutdown()  # type: ignore[no-untyped-call]

    async def wander(self, rigs: Sequence[Rig]) -> None:
        """Break off and come back somewhere, or look at something else."""
        if self._console is None or self.dice.random() < 0.4:
            await self.break_off()
            await self.arrive(self.dice.choice(rigs))
        else:
            self._wish = self._any_wish()
            await self._ask("view:move")

    # --- the protocol ---

    async def _took(self, event: str, payload: Any) -> None:
        try:
            match event:
                case "view:delta":
                    self._delta(payload)
                case "view:reset":
                    self.resets.append(payload["reason"])
                    self._soon("view:open")
                case "view:check" if payload["epoch"] == self.view.epoch:
                    self._check(payload)
        except (AssertionError, LookupError, StopIteration) as error:
            self.complaints.append(f"{event} did not fit: {error!r}")

    def _delta(self, delta: dict[str, Any]) -> None:
        fate = self.dice.choice(("told",) * 8 + ("lost", "twice", "late")) if self.faulty else "told"
        if fate == "late":
            self._late.append(delta)
        if fate in ("lost", "late"):
            return
        if not self.view.take_delta(delta):
            self._soon("view:sync")
        again = [delta] if fate == "twice" else [self._late.pop()] if self._late else []
        for old in again:
            if old["prev"] < self.view.seq and old["epoch"] == self.view.epoch and self.view.take_delta(old):
                self.complaints.append("an old delta was applied")

    def _check(self, check: dict[str, Any]) -> None:
        if check["seq"] != self.view.seq:
            self._soon("view:sync")
        elif check["checksum"] == checksum([(row["visitor"], row["version"]) for row in self.view.rows]):
            self.good_checks += 1
        else:
            self.complaints.append(f"the checksum of {check['seq']} is wrong")

    def _soon(self, event: str) -> None:
        async def ask() -> None:
            with contextlib.suppress(socketio.exceptions.SocketIOError, TimeoutError):
                await self._ask(event)

        task = asyncio.get_running_loop().create_task(ask())
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)

    async def _ask(self, event: str) -> None:
        """Open, move or sync, with what is held; what is refused is opened anew until it is not."""
        while (console := self._console) is not None:
            request: dict[str, Any] = {"view": "list"}
            if event != "view:sync":
                request |= {"site": self.shop.site, **self._wish}
            held = list(self.view.rows)
            if self.view.epoch:
                request |= {"have": self.view.have(), "epoch": self.view.epoch}
            answer = await console.ask(event, request)
            if console is not self._console:
                return
            if answer["ok"]:
                self.view.rows = held  # what the answer leaves out; a difference may have taken it away meanwhile
                self.view.take_state(answer)
                return
            event = "view:open"
            await asyncio.sleep(0.05)

    def _any_wish(self) -> dict[str, Any]:
        dice = self.dice
        wish: dict[str, Any] = {}
        if dice.random() < 0.4:
            wish = dice.choice(
                (
                    {"status": ["navigating"]},
                    {"country": ["", "DE"]},
                    {"skill": ["billing"]},
                    {"operator": "o_2222"},
                    {"returning": dice.random() < 0.5},
                    {"text": " CART"},
                )
            )
        sort = {"by": dice.choice(SORTS), "dir": dice.choice(("asc", "desc"))}
        return {"sort": sort, "filter": wish, "offset": dice.choice((0, 0, 3, 50)), "limit": dice.choice((1, 6, 200))}

    # --- the truth ---

    def right(self) -> bool:
        """Whether the window is the oracle's, row for row, with its total and its counters."""
        wish = self._wish
        spec = ViewSpec(
            Sort(**wish["sort"]), normalized(msgspec.convert(wish["filter"], Filter)), wish["offset"], wish["limit"]
        )
        oracle = self.shop.oracle()
        expected = oracle.list(spec)
        rows = expected[spec.offset : spec.offset + spec.limit]
        assert self.view.have() == [[row["visitor"], row["version"]] for row in rows], (self.mount, wish)
        for shown, row in zip(self.view.rows, rows, strict=True):
            wanted = msgspec.json.decode(msgspec.json.encode({name: row[name] for name in SHOWN}))
            found = {name: shown.get(name) or type(wanted[name])() for name in SHOWN}
            assert found == wanted, (self.mount, wish, found, wanted)
        assert (self.view.total, self.view.counts) == (len(expected), oracle.counts(spec))
        return True


def _copy(view: Client) -> Client:
    copied = Client()
    copied.__dict__.update(msgspec.json.decode(msgspec.json.encode(view.__dict__)))
    return copied
