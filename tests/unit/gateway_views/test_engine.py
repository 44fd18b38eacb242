"""The view engine against an oracle: any changes, fills, moves, lost, repeated and reordered deltas, and the client's
window is the oracle's. The oracle sorts plain dictionaries with its own idea of the order."""

from __future__ import annotations

import re
from math import inf
from typing import Any

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from services.operator_gateway.views.countries import country_name
from services.operator_gateway.views.engine import Group, SiteViews, ViewSpec
from services.operator_gateway.views.filters import normalized
from services.operator_gateway.views.shedding import Shedding
from services.operator_gateway.views.visitors import SiteFacts
from services.operator_gateway.views.window import Window, checksum, difference
from shared.contracts.operators import Filter, Sort, SortBy
from shared.contracts.rows import STATUSES, Device, EngagementRow, OperatorRef, Page, PresenceRow
from shared.contracts.sites import Condition, SkillRule
from shared.contracts.streams import Part, RowChanged, RowGone
from tests.unit.gateway_views.rows import SITE, Client, as_wire, delta_of, engagement, full, presence, visitor_id

RULES = (SkillRule("r1", "billing", (Condition("address", "a.test/2*"),)),)
FACTS = SiteFacts("general", {"general": "General", "sales": "Sales", "billing": "accounts"}, RULES)
NAMES = ["", "ada", "Ada 9", "ada 10", "Bob", "x007", "x8"]
SORTS: list[SortBy] = ["number", "visits", "total_time", "requested_at", "engaged_at", "activity", "device", "referrer",
                       "lang", "returning", "nickname", "country", "skill", "status", "operator", "visit_started_at",
                       "chat_time", "wait_time", "page", "pages"]  # fmt: skip
numbers = st.integers(1, 14)
presences: st.SearchStrategy[dict[str, Any]] = st.builds(
    dict,
    # Most changes leave most columns as they were: rows must also change without moving.
    nickname=st.just("Visitor 9") | st.sampled_from(["Visitor 9", "Visitor 10", "visitor 2", "Zoë", "zoe 3"]),
    country=st.just("DE") | st.sampled_from(["", "DE", "AT", "GB"]),
    returning=st.booleans(),
    visits=st.integers(1, 3),
    activity=st.just("active") | st.sampled_from(["idle", "away"]),
    referrer=st.just("") | st.sampled_from(["https://b.test/10", "https://B.test/9"]),
    lang=st.just("") | st.sampled_from(["de", "en-GB"]),
    device=st.sampled_from([Device(), Device(), Device("Firefox", "Linux", "desktop"), Device("firefox 9", "x")]),
    pages=st.integers(1, 3),
    page=st.sampled_from([Page("https://a.test/1", ""), Page("https://a.test/2", "Cart"), Page("x://10", "cart")]),
    visit_started_at=st.integers(1, 5),
)  # fmt: skip
engagements: st.SearchStrategy[dict[str, Any]] = st.builds(
    dict,
    status=st.sampled_from(STATUSES),
    skill=st.sampled_from(["", "sales", "billing"]),
    name=st.sampled_from(NAMES),
    operators=st.sampled_from([(), (OperatorRef("o_1111", "Zed"),), (OperatorRef("o_2222", "ann"),)]),
    requested_at=st.integers(0, 3),
    engaged_at=st.integers(0, 5),
    ended_at=st.integers(0, 6),
    chat=st.sampled_from(["", "c1"]),
)
happenings = st.tuples(
    st.sampled_from(["seen", "patched", "patched", "leaves", "engaged", "forgotten"]), numbers, presences, engagements
)
filters = st.builds(
    Filter,
    status=st.sampled_from([(), ("navigating",), ("requested", "chatting")]),
    skill=st.sampled_from([(), ("sales",)]),
    country=st.sampled_from([(), ("", "DE")]),
    operator=st.sampled_from([None, "o_2222"]),
    returning=st.sampled_from([None, True, False]),
    text=st.sampled_from([None, " CART", "visitor"]),
)
specs = st.builds(
    lambda by, direction, wish, offset, limit: ViewSpec(Sort(by, direction), normalized(wish), offset, limit),
    st.sampled_from(SORTS),
    st.sampled_from(["asc", "desc"]),
    st.just(Filter()) | st.just(Filter()) | filters,
    st.integers(0, 4),
    st.sampled_from([1, 3, 6, 200]),
)


def natural(text: str) -> list[tuple[int, Any]]:
    plain = text.casefold().replace("ë", "e")
    return [(0, int(part)) if part.isdigit() else (1, part) for part in re.split(r"(\d+)", plain) if part]


class Oracle:
    """What the list should be, worked out from scratch each time."""

    def __init__(self) -> None:
        self.presence: dict[str, PresenceRow] = {}
        self.engagement: dict[str, EngagementRow] = {}

    def merged(self) -> list[dict[str, Any]]:
        rows = []
        for visitor, seen in self.presence.items():
            talk = self.engagement.get(visitor)
            by_rules = "billing" if seen.page.url == "https://a.test/2" else "general"
            row = {**msgspec.structs.asdict(seen), "visitor": visitor, "status": "navigating", "skill": by_rules}
            row |= {"operators": (), "requested_at": 0, "engaged_at": 0, "ended_at": 0}
            if talk is not None:
                row |= {name: getattr(talk, name) for name in ("status", "operators")}
                row |= {name: getattr(talk, name) for name in ("requested_at", "engaged_at", "ended_at")}
                chats = talk.skill if talk.status != "navigating" else ""
                row |= {"skill": chats or by_rules, "nickname": talk.name or seen.nickname}
            row["version"] = 2 * (seen.version + talk.version) + 1 if talk else 2 * seen.version
            rows.append(row)
        return rows

    def column(self, row: dict[str, Any], by: str) -> Any:
        match by:
            case "nickname":
                return natural(row["nickname"])
            case "country":
                return natural(country_name(row["country"]))
            case "skill":
                return natural(FACTS.skill_name(row["skill"]))
            case "status":
                return row["status"].replace("_", " ")
            case "operator":
                return natural(", ".join(operator.name for operator in row["operators"]))
            case "page":
                return natural(row["page"].title or row["page"].url)
            case "total_time":
                return -row["visit_started_at"]
            case "device":
                return natural(f"{row['device'].kind} {row['device'].browser} {row['device'].os}")
            case "referrer" | "lang":
                return natural(row[by])
            case "chat_time":
                talking = row["status"] in ("chatting", "conference", "forwarded") and not row["ended_at"]
                return self.time(row["engaged_at"], row["ended_at"], talking)
            case "wait_time":
                waiting = row["status"] == "requested" and row["engaged_at"] < row["requested_at"]
                return self.time(row["requested_at"], row["engaged_at"] or row["ended_at"], waiting)
            case _:
                return row[by]

    def time(self, start: int, stop: int, running: bool) -> tuple[int, int]:
        if not start:
            return (0, 0)
        return (2, -start) if running else (1, max(0, stop - start))

    def passes(self, row: dict[str, Any], wish: Filter, but_status: bool = False) -> bool:
        text = wish.text or ""
        return (
            (but_status or not wish.status or row["status"] in wish.status)
            and (not wish.skill or row["skill"] in wish.skill)
            and (not wish.country or row["country"] in wish.country)
            and (wish.operator is None or wish.operator in [operator.id for operator in row["operators"]])
            and (wish.returning is None or row["returning"] == wish.returning)
            and any(text in value.casefold() for value in (row["nickname"], row["page"].title, row["page"].url))
        )

    def list(self, spec: ViewSpec) -> list[dict[str, Any]]:
        rows = [row for row in self.merged() if self.passes(row, spec.filter)]
        rows.sort(key=lambda row: (row["number"], row["visitor"]))
        rows.sort(key=lambda row: self.column(row, spec.sort.by), reverse=spec.sort.dir == "desc")
        return rows

    def counts(self, spec: ViewSpec) -> dict[str, int]:
        rows = [row for row in self.merged() if self.passes(row, spec.filter, but_status=True)]
        return {status: sum(row["status"] == status for row in rows) for status in STATUSES}


class EngineAgainstOracle(RuleBasedStateMachine):
    @initialize(first=specs, other=specs)
    def open_two_views(self, first: ViewSpec, other: ViewSpec) -> None:
        self.oracle = Oracle()
        self.now_s = 100.0
        self.views = SiteViews(FACTS, "e1")
        self.seq: dict[Part, int] = {"presence": 0, "engagement": 0}
        self.groups: list[Group] = [self.views.join(first), self.views.join(other)]
        self.clients = [Client(), Client()]
        self.sent: list[tuple[Window, int]] = [(Window((), 0, {}), 0)] * 2
        self.lost: list[dict[str, Any]] = []
        for number in range(1, 10):
            self.visitor_seen(number, {"pages": number % 3}, partial=False)
        self.flush()
        for who in (0, 1):
            self.snapshot(who, resume=False)

    # --- the site changes ---

    def change(self, part: Part, entry: RowChanged | RowGone) -> None:
        assert self.views.replica.apply(part, entry) == "applied"
        assert self.views.replica.apply(part, entry) == "old"

    def next(self, part: Part) -> int:
        self.seq[part] += 1
        return self.seq[part]

    def visitor_seen(self, number: int, fields: dict[str, Any], partial: bool) -> None:
        visitor = visitor_id(number)
        known = self.oracle.presence.get(visitor)
        seq = self.next("presence")
        row = presence(number, version=seq, **fields)  # as presence does: versions grow over leaving and return
        entry = full(visitor, seq, row)
        if known and partial:
            changed = {name: msgspec.to_builtins(value) for name, value in fields.items()}
            entry = RowChanged(SITE, seq, visitor, row.version, changed)
        self.oracle.presence[visitor] = row
        self.change("presence", entry)

    def visitor_leaves(self, number: int) -> None:
        known = self.oracle.presence.pop(visitor_id(number), None)
        if known:
            seq = self.next("presence")
            self.change("presence", RowGone(SITE, seq, visitor_id(number), seq))

    def engaged(self, number: int, fields: dict[str, Any]) -> None:
        visitor = visitor_id(number)
        seq = self.next("engagement")
        row = engagement(**fields | {"version": seq})
        self.oracle.engagement[visitor] = row
        self.change("engagement", full(visitor, seq, row))

    def engagement_forgotten(self, number: int) -> None:
        known = self.oracle.engagement.pop(visitor_id(number), None)
        if known:
            seq = self.next("engagement")
            self.change("engagement", RowGone(SITE, seq, visitor_id(number), seq))

    @rule(batch=st.lists(happenings, min_size=1, max_size=8))
    def things_happen(self, batch: list[tuple[str, int, dict[str, Any], dict[str, Any]]]) -> None:
        for what, number, seen, talk in batch:
            match what:
                case "seen":
                    self.visitor_seen(number, seen, partial=False)
                case "patched":
                    self.visitor_seen(number, seen, partial=True)
                case "leaves":
                    self.visitor_leaves(number)
                case "engaged":
                    self.engaged(number, talk)
                case _:
                    self.engagement_forgotten(number)

    @rule()
    def something_was_missed(self) -> None:
        entry = RowGone(SITE, self.seq["presence"] + 2, visitor_id(1), 99)
        assert self.views.replica.apply("presence", entry) == "gap"

    # --- the engine works, messages travel ---

    @rule()
    def fill_a_slice(self) -> None:
        self.views.fill()

    @rule(passed_s=st.floats(0, 5), shedding=st.sampled_from(Shedding))
    def flush(self, passed_s: float = inf, shedding: Shedding = Shedding.NOTHING) -> None:
        """Some of it put off, in rules; everything, where it is called."""
        if passed_s == inf:
            self.views.flush()
            return
        self.now_s += passed_s
        self.views.flush(self.now_s, shedding)

    @rule(who=st.integers(0, 1), fate=st.sampled_from(["delivered", "delivered", "lost", "twice", "late"]))
    def send_difference(self, who: int, fate: str) -> None:
        group, client = self.groups[who], self.clients[who]
        window, seq = self.sent[who]
        if group.seq == seq:
            return
        delta = as_wire(delta_of("e1", seq, group.seq, difference(window, group.window)))
        self.sent[who] = (group.window, group.seq)
        if fate == "late":
            self.lost.append(delta)
        if fate in ("lost", "late"):
            return
        follows = client.seq == seq
        assert client.take_delta(delta) is follows
        if fate == "twice":
            assert not client.take_delta(delta)
        if not follows:
            self.snapshot(who, resume=True)

    @rule(who=st.integers(0, 1))
    def an_old_delta_comes_late(self, who: int) -> None:
        if self.lost and self.lost[-1]["prev"] < self.clients[who].seq:
            assert not self.clients[who].take_delta(self.lost.pop())

    @rule(who=st.integers(0, 1), spec=specs)
    def move_the_view(self, who: int, spec: ViewSpec) -> None:
        old, self.groups[who] = self.groups[who], self.views.join(spec)
        self.views.leave(old)
        self.snapshot(who, resume=True)

    def snapshot(self, who: int, resume: bool) -> None:
        self.flush()
        group, client = self.groups[who], self.clients[who]
        if not group.seq:
            group.advance(self.views.replica, FACTS)
        window = group.window
        rows = window.lacking([tuple(pair) for pair in client.have()]) if resume else window.rows
        state: dict[str, Any] = {"rows": msgspec.json.decode(msgspec.json.encode(rows)), "total": window.total}
        state |= {"counts": window.counts, "epoch": "e1", "seq": group.seq}
        if resume:
            state["order"] = window.ids
        client.take_state(state)
        self.sent[who] = (window, group.seq)

    # --- the truth ---

    def teardown(self) -> None:
        if hasattr(self, "groups"):
            self.clients_can_always_catch_up()

    @rule()
    def clients_can_always_catch_up(self) -> None:
        while self.views.fill():
            pass
        for who in (0, 1):
            self.flush()
            self.send_difference(who, "delivered")
            if self.clients[who].seq != self.groups[who].seq:
                self.snapshot(who, resume=True)  # an earlier delta was lost and nothing came after it: view:check
            group, client = self.groups[who], self.clients[who]
            spec = group.spec
            expected = self.oracle.list(spec)
            shown = expected[spec.offset : spec.offset + spec.limit]
            assert client.have() == [[row["visitor"], row["version"]] for row in shown]
            assert [row["nickname"] for row in client.rows] == [row["nickname"] for row in shown]
            assert client.total == len(expected)
            assert client.counts == self.oracle.counts(spec)
            assert (
                checksum([(visitor, version) for visitor, version in client.have()]) == self.groups[who].window.checksum
            )


TestEngineAgainstOracle = EngineAgainstOracle.TestCase
TestEngineAgainstOracle.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
