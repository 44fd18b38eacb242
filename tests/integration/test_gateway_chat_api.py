"""The HTTP API about chats: rules, canned replies, bans, inbox, transcripts and visitors."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from services.operator_gateway.api.table import PREFIX
from services.operator_gateway.api.transcripts import as_csv, as_text, cell
from shared.contracts.chat import Actor, BarVisitor, ChatEvent, LiftBar
from shared.contracts.chat_records import DoneMessage
from shared.contracts.sites import Site
from shared.contracts.streams import CloseMessage, ForgetVisitor
from shared.storage import keys
from shared.storage.clients import Clients
from tests.gateway_api import Answer, Api, serving

CONDITIONS = [{"subject": "address", "pattern": "/buy*"}]


@pytest.fixture
async def api(clients: Clients) -> AsyncIterator[Api]:
    async with serving(clients) as served:
        yield served


class Caller:
    """An admin of a site."""

    def __init__(self, api: Api, site: Site, token: str) -> None:
        self.site = site
        self._api = api
        self._token = token

    async def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        return await self._api.call(method, f"{PREFIX}/sites/{self.site.site}/{path}", self._token, body, **headers)


async def admin(api: Api) -> Caller:
    site = await api.site()
    return Caller(api, site, await api.login(await api.operator(site, "admin", name="Ada")))


async def test_rules_are_replaced_added_and_removed_in_their_order(api: Api) -> None:
    call = await admin(api)
    first = {"rule": "r1", "skill": "sales", "conditions": CONDITIONS}
    replaced = await call("PUT", "rules", {"items": [first]})
    assert replaced.json["items"] == [
        {"rule": "r1", "skill": "sales", "conditions": [{"subject": "address", "pattern": "/buy*", "attribute": ""}]}
    ]
    added = await call("POST", "rules", {"skill": "general", "conditions": CONDITIONS})
    assert added.status == 201
    assert [rule["skill"] for rule in added.json["items"]] == ["sales", "general"]
    assert (await call("DELETE", "skills/sales")).code == "skill_in_use"
    assert (await call("DELETE", "rules/r1")).status == 204
    assert (await call("DELETE", "rules/r1")).status == 404
    assert len((await call("GET", "rules")).json["items"]) == 1


async def test_rules_that_make_no_sense_are_refused(api: Api) -> None:
    call = await admin(api)
    rule = {"rule": "r1", "skill": "sales", "conditions": CONDITIONS}
    unknown = await call("PUT", "rules", {"items": [rule, {**rule, "rule": "r2", "skill": "none"}]})
    assert (unknown.status, unknown.json["errors"][0]["pointer"]) == (422, "/items/1/skill")
    assert (await call("PUT", "rules", {"items": [rule, rule]})).code == "rule_taken"
    for conditions in ([], [{"subject": "attribute", "pattern": "x"}], [{"subject": "mood", "pattern": "x"}]):
        assert (await call("POST", "rules", {**rule, "conditions": conditions})).status == 422
    assert (await call("POST", "rules", {**rule, "more": 1})).status == 422
    assert (await call("GET", "rules")).json["items"] == []


async def test_rules_are_changed_only_by_who_saw_the_latest(api: Api) -> None:
    call = await admin(api)
    seen = await call("GET", "rules")
    rule = {"skill": "sales", "conditions": CONDITIONS}
    assert (await call("POST", "rules", rule, If_Match=seen.headers["ETag"])).status == 201
    assert (await call("POST", "rules", rule, If_Match=seen.headers["ETag"])).code == "stale_version"


async def test_canned_replies_are_kept_with_the_site(api: Api) -> None:
    call, other = await admin(api), await admin(api)
    made = await call("POST", "canned", {"shortcut": "hi", "text": "Hello!", "title": "Greeting"})
    path = f"canned/{made.json['canned']}"
    changed = await call("PATCH", path, {"text": "Hi there!", "title": None}, If_Match=made.headers["ETag"])
    assert changed.json == {"canned": made.json["canned"], "shortcut": "hi", "text": "Hi there!", "version": 2}
    assert (await call("PATCH", path, {"text": "?"}, If_Match=made.headers["ETag"])).code == "stale_version"
    assert (await call("POST", "canned", {"shortcut": "two words", "text": "x"})).status == 422
    assert (await call("POST", "canned", {"shortcut": "bye", "text": ""})).status == 422
    assert (await call("GET", "canned")).json["items"] == [changed.json]
    assert (await other("GET", "canned")).json["items"] == []
    assert (await other("DELETE", path)).status == 404
    assert (await call("DELETE", path)).status == 204
    assert (await call("GET", "canned")).json["items"] == []


async def test_bans_are_listed_while_they_last_and_asked_of_chat_routing(api: Api) -> None:
    call = await admin(api)
    talk = await api.talk(call.site)
    [ban] = (await call("GET", "bans")).json["items"]
    assert (ban["visitor"], ban["reason"], ban["by"]["name"]) == (talk.visitor, "Rude", "Ada")
    other = "00000000-0000-0000-0000-0000000000ab"
    body = {"visitor": other, "reason": "Spam", "ban_s": 60}
    assert (await call("POST", "bans", body)).status == 202
    for wrong in ({"reason": " "}, {"ban_s": 0}, {"visitor": "x"}):
        assert (await call("POST", "bans", {**body, **wrong})).status == 422
    assert (await call("DELETE", f"bans/{talk.visitor}")).status == 204
    assert (await call("DELETE", f"bans/{other[:-2]}cd")).status == 404
    assert (await call("DELETE", "bans/nonsense")).status == 404
    asked = await api.asked("cmd", call.site)
    assert [(type(one), one.visitor) for one in asked] == [(BarVisitor, other), (LiftBar, talk.visitor)]
    api.clock.advance(61_000)
    assert (await call("GET", "bans")).json["items"] == []


async def test_inbox_is_paged_and_messages_are_dealt_with(api: Api) -> None:
    call = await admin(api)
    talks = [await api.talk(call.site, number) for number in (1, 2, 3)]
    page = (await call("GET", "inbox?limit=2")).json
    assert ([item["message"] for item in page["items"]], page["unread"]) == (
        [talks[2].message, talks[1].message],
        3,
    )
    rest = (await call("GET", f"inbox?limit=2&before={page['next']}")).json
    assert [(item["visitor"], item["email"]) for item in rest["items"]] == [(talks[0].visitor, "eve@x.example")]
    assert "next" not in rest
    assert (await call("PATCH", f"inbox/{talks[0].message}", {"done": True})).status == 204
    assert (await call("PATCH", "inbox/1-1", {"done": True})).status == 404
    assert (await call("PATCH", "inbox/9999999999999999999999-1", {"done": True})).status == 404
    assert (await call("PATCH", f"inbox/{talks[0].message}", {"done": False})).status == 422
    [closed] = await api.asked("cmd", call.site)
    assert isinstance(closed, CloseMessage)
    assert (closed.id, closed.message.text) == (talks[0].message, "Call")
    done = DoneMessage(id=closed.id, message=closed.message, by=closed.by, at=5)
    here = api.partitions.of(call.site.site)
    key = keys.inbox_done(here, call.site.site)
    await api.clients.call("XADD", key, "*", "d", msgspec.msgpack.encode(done))
    [item] = (await call("GET", "inbox?done=true")).json["items"]
    assert (item["message"], item["done"], item["done_by"]["name"]) == (closed.id, True, "Ada")


async def test_chats_are_searched_by_what_is_known_of_them(api: Api) -> None:
    call = await admin(api)
    talks = [await api.talk(call.site, number) for number in range(1, 6)]

    async def found(query: str) -> list[str]:
        return [item["chat"] for item in (await call("GET", f"chats?{query}")).json["items"]]

    newest_first = [talk.chat for talk in reversed(talks)]
    assert await found("") == newest_first
    assert await found("from=2000&to=4000") == newest_first[2:4]
    assert await found(f"visitor={talks[1].visitor}") == [talks[1].chat]
    assert await found("operator=o_nobody") == []
    assert await found("skill=general&status=chat_end&text=CALL") == newest_first
    assert await found("text=nothing") == []
    assert (await call("GET", "chats?status=sleeping")).status == 422
    page = (await call("GET", "chats?limit=2")).json
    assert await found(f"limit=2&to={page['next']}") == newest_first[2:4]


async def test_transcript_comes_as_json_text_and_csv(api: Api) -> None:
    call, other = await admin(api), await admin(api)
    talk = await api.talk(call.site)
    whole = (await call("GET", f"chats/{talk.chat}")).json
    assert [event["seq"] for event in whole["events"]] == [1, 2]
    text = await call("GET", f"chats/{talk.chat}?format=text")
    assert text.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert "attachment" in text.headers["Content-Disposition"]
    assert text.raw.decode() == (
        "1970-01-01 00:00:01Z  * requested (=Eve) Help\n1970-01-01 00:00:01Z  =Eve: +49 call me\n    Two lines\n"
    )
    table = list(csv.reader(io.StringIO((await call("GET", f"chats/{talk.chat}?format=csv")).raw.decode())))
    assert table[2][2:6] == ["message", "visitor", "'=Eve", "'+49 call me\nTwo lines"]
    assert (await other("GET", f"chats/{talk.chat}")).status == 404
    for unknown in (f"{talk.chat}0", "nonsense", f"{call.site.site}.x.1.1"):
        assert (await call("GET", f"chats/{unknown}")).status == 404


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@x", "\tx", "\rx", " =1", "\n=1"])
def test_no_cell_starts_a_formula(text: str) -> None:
    assert cell(text) == f"'{text}"


def test_no_text_forges_a_line_or_turns_its_direction() -> None:
    eve = Actor("visitor", "v", "Eve\u202e\nAda")
    forged = "Hi\r\n2026-01-01 00:00:00Z  Ada: yes\x1b[2J"
    event = ChatEvent(chat="c", seq=1, at=0, type="message", by=eve, text=forged)
    lines = as_text([event]).split("\n")
    assert lines[0] == "1970-01-01 00:00:00Z  Eve\ufffd Ada: Hi"
    assert lines[1:] == ["    2026-01-01 00:00:00Z  Ada: yes\ufffd[2J", ""]
    assert as_csv([event]).count("\r\n") == 3  # header, row, and the one inside the quoted text


async def test_visitor_is_shown_exported_and_erased(api: Api) -> None:
    call = await admin(api)
    talk = await api.talk(call.site)
    await api.talk(call.site, 2)
    seen = (await call("GET", f"visitors/{talk.visitor.upper()}")).json
    assert (seen["profile"]["number"], [chat["chat"] for chat in seen["chats"]]) == (1, [talk.chat])
    export = (await call("GET", f"visitors/{talk.visitor}/export")).json
    assert [len(one["events"]) for one in export["transcripts"]] == [2]
    assert [message["message"] for message in export["messages"]] == [talk.message]
    assert export["ban"]["reason"] == "Rude"
    assert (await call("DELETE", f"visitors/{talk.visitor}")).status == 204
    [entry] = await api.asked("in", call.site)
    assert entry == ForgetVisitor(call.site.site, talk.visitor, api.clock.now_ms())
    for unknown in ("00000000-0000-0000-0000-0000000000ff", "nonsense"):
        for method, path in (("GET", ""), ("GET", "/export"), ("DELETE", "")):
            assert (await call(method, f"visitors/{unknown}{path}")).status == 404
