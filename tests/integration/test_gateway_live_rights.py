"""Rights that change while an operator is connected, and what the others are told about operators."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import WSMsgType
from yarl import URL

from services.operator_gateway.live import gate
from services.operator_gateway.sockets.events import Event
from shared.contracts.operators import REQUESTS
from shared.contracts.sites import Membership, Operator, Skill
from shared.contracts.streams import (
    ChatOutcomes,
    GatewayUnknown,
    OperatorChanged,
    OperatorConnected,
    OperatorDisconnected,
    OperatorSet,
    encode,
)
from shared.storage.clients import Clients
from shared.storage.directory_store import Written
from tests.eventually import eventually
from tests.live_rig import Console, Rig, Shop, gateway


@pytest.fixture
async def rig(clients: Clients, redis_url: str, tmp_path: Path) -> AsyncIterator[Rig]:
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<!doctype html><title>Foyer</title>")
    (tmp_path / "assets" / "main-0a1b2c.js").write_text("export {}")
    async with gateway(clients, redis_url, tmp_path) as running:
        yield running


async def change(rig: Rig, operator: Operator, **fields: Any) -> Operator:
    written = await rig.store.update_operator(operator.operator, lambda old: msgspec.structs.replace(old, **fields))
    assert isinstance(written, Written), written
    return written.record


async def cmd(shop: Shop, kind: Any) -> list[Any]:
    """The site's commands of one kind; other sites may share its partition."""
    commands: list[Any] = await shop.commands()
    return [entry for entry in commands if isinstance(entry, kind) and entry.site == shop.site]


def disconnected(console: Console) -> bool:
    return not console.client.connected


async def test_a_session_that_ends_closes_its_sockets_and_no_others(rig: Rig) -> None:
    shop = await rig.shop()
    operator = await rig.operator(shop)
    login = await rig.sessions.create(operator)
    mine = [await rig.connect(operator, mount, token=login.token) for mount in ("socket.io", "socket.io-msgpack")]
    other = await rig.connect(operator)
    await rig.sessions.end(login.session.session, operator.operator)
    for console in mine:
        await eventually(partial(disconnected, console), within_s=5)
    assert other.client.connected
    gone = await eventually(lambda: cmd(shop, OperatorDisconnected))
    assert {entry.logout for entry in gone} == {True}


async def test_a_socket_that_closes_before_its_login_ends_is_a_logout_all_the_same(rig: Rig) -> None:
    shop = await rig.shop()
    operator = await rig.operator(shop)
    login, other = await rig.sessions.create(operator), await rig.sessions.create(operator)
    for token in (login.token, other.token):
        console = await rig.connect(operator, token=token)
        await console.client.disconnect()
    lost = await eventually(lambda: departures(shop, 2))
    assert [entry.logout for entry in lost] == [False, False]
    await rig.sessions.end(login.session.session, operator.operator)
    [*_, logged_out] = await eventually(lambda: departures(shop, 3))
    assert (logged_out.connection, logged_out.logout) == (lost[0].connection, True)


async def departures(shop: Shop, count: int) -> list[OperatorDisconnected]:
    facts: list[OperatorDisconnected] = await cmd(shop, OperatorDisconnected)
    assert len(facts) == count
    return facts


async def test_a_login_is_watched_no_longer_than_its_sockets_and_a_moment(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "LINGER_S", 0.01)
    shop = await rig.shop()
    operator = await rig.operator(shop)
    login = await rig.sessions.create(operator)
    console = await rig.connect(operator, token=login.token)
    await console.client.disconnect()
    await eventually(lambda: departures(shop, 1))
    await eventually(lambda: not rig.gateway.gate._lingering)
    assert not rig.gateway.sessions._watched


async def test_a_disabled_operator_is_out_within_seconds(rig: Rig) -> None:
    operator = await rig.operator(await rig.shop())
    console = await rig.connect(operator)
    await change(rig, operator, disabled=True)
    await eventually(lambda: disconnected(console), within_s=5)


async def test_a_site_that_is_taken_away_is_silent_from_then_on(rig: Rig) -> None:
    kept, lost = await rig.shop(), await rig.shop()
    for shop in (kept, lost):
        await shop.visit(1)
    operator = await rig.operator(kept, lost)
    console = await rig.connect(operator)
    await console.open(kept, "kept")
    await console.open(lost, "lost")
    await change(rig, operator, memberships=operator.memberships[:1])
    await eventually(lambda: console.named("view:reset") == [{"view": "lost", "reason": "forbidden"}])
    assert [site["site"] for site in console.named("ready")[-1]["sites"]] == [kept.site]
    assert await eventually(lambda: cmd(lost, OperatorDisconnected))
    deltas = console.deltas
    await lost.visit(1, pages=8)
    await kept.visit(1, pages=8)
    await eventually(lambda: console.views["kept"].rows[0]["pages"] == 8)
    assert console.views["lost"].rows[0]["pages"] == 1
    assert console.deltas == deltas + 1
    refused = await console.ask("view:open", {"view": "lost", "site": lost.site})
    assert refused["error"]["code"] == "forbidden"
    assert (await console.ask("view:sync", {"view": "lost"}))["error"]["code"] == "unknown_view"


async def test_a_site_that_is_given_can_be_watched_at_once(rig: Rig) -> None:
    first, second = await rig.shop(), await rig.shop()
    await second.visit(4)
    operator = await rig.operator(first)
    console = await rig.connect(operator)
    await change(rig, operator, memberships=(*operator.memberships, Membership(site=second.site, role="admin")))
    await eventually(lambda: len(console.named("ready")) == 2)
    assert len((await console.open(second)).rows) == 1
    [arrived] = await eventually(lambda: cmd(second, OperatorConnected))
    assert arrived.role == "admin"


async def test_a_renamed_skill_sorts_and_shows_by_its_new_name(rig: Rig) -> None:
    shop = await rig.shop()
    await shop.visit(1)
    await shop.visit(2)
    await shop.engage(2, status="requested", skill="sales")
    console = await rig.connect(await rig.operator(shop))
    view = await console.open(shop, sort={"by": "skill", "dir": "asc"})
    assert [row["skill"] for row in view.rows] == ["general", "sales"]
    skills = (Skill("general", "Zebra"), Skill("sales", "Sales"))
    written = await rig.store.update_site(shop.site, lambda old: msgspec.structs.replace(old, skills=skills))
    assert isinstance(written, Written)
    await eventually(lambda: console.named("view:reset") == [{"view": "list", "reason": "epoch"}])
    await console.open(shop, sort={"by": "skill", "dir": "asc"}, have=view.have(), epoch=view.epoch)
    assert [row["skill"] for row in view.rows] == ["sales", "general"]


async def test_a_site_that_is_switched_off_closes_its_views(rig: Rig) -> None:
    shop = await rig.shop()
    console = await rig.connect(await rig.operator(shop))
    await console.open(shop)
    await rig.store.update_site(shop.site, lambda old: msgspec.structs.replace(old, disabled=True))
    await eventually(lambda: console.named("view:reset") == [{"view": "list", "reason": "site_gone"}])
    refused = await console.ask("view:open", {"view": "list", "site": shop.site})
    assert refused["error"]["code"] == "not_found"


async def test_connections_are_facts_for_every_site_of_the_operator(rig: Rig) -> None:
    shops = [await rig.shop(), await rig.shop()]
    operator = await rig.operator(*shops, role="supervisor")
    console = await rig.connect(operator)
    for shop in shops:
        [fact] = await eventually(partial(cmd, shop, OperatorConnected))
        assert (fact.site, fact.operator, fact.role) == (shop.site, operator.operator, "supervisor")
        assert fact.gateway == rig.gateway.attendance.gateway
    assert (await console.ask("operator:set", {"state": "away", "id": "c1"})) == {"ok": True}
    for shop in shops:
        [chosen] = await cmd(shop, OperatorSet)
        assert (chosen.state, chosen.id) == ("away", "c1")
    await console.client.disconnect()
    for shop in shops:
        [gone] = await eventually(partial(cmd, shop, OperatorDisconnected))
        assert (gone.connection, gone.logout) == (fact.connection, False)


async def test_a_gateway_that_is_not_known_announces_its_connections_again(rig: Rig) -> None:
    shop = await rig.shop()
    console = await rig.connect(await rig.operator(shop))
    await eventually(lambda: cmd(shop, OperatorConnected))
    await shop.say(encode(ChatOutcomes((GatewayUnknown("another", 1),))))
    await shop.say(encode(ChatOutcomes((GatewayUnknown(rig.gateway.attendance.gateway, 1),))))
    await eventually(lambda: _twice(shop))
    assert console.client.connected


async def _twice(shop: Shop) -> bool:
    facts = await cmd(shop, OperatorConnected)
    return len(facts) == 2 and facts[0] == facts[1]


async def test_colleagues_are_told_how_an_operator_is_and_strangers_are_not(rig: Rig) -> None:
    shop, other = await rig.shop(), await rig.shop()
    colleague, stranger = await rig.connect(await rig.operator(shop)), await rig.connect(await rig.operator(other))
    await shop.say(encode(ChatOutcomes((OperatorChanged(shop.site, "o_someone", "Ada", "away", 2, 5),))))
    told = await eventually(lambda: colleague.named("operator:changed"))
    assert told[0] == {"operator": "o_someone", "name": "Ada", "state": "away", "chats": 2, "sites": [shop.site]}
    assert stranger.named("operator:changed") == []


async def test_every_event_has_a_rule_and_an_answer(rig: Rig) -> None:
    table = rig.gateway.table.events
    assert set(table) == set(REQUESTS)
    for name, event in table.items():
        assert isinstance(event, Event)
        if event.rule != "self":
            named = {"member": "site", "offer": "offer", "chat": "chat", "chat_supervisor": "chat"}[event.rule]
            assert named in {field.name for field in msgspec.structs.fields(event.request)}, name


async def test_a_shutdown_tells_clients_to_come_back_and_chat_routing_that_they_left(
    clients: Clients, redis_url: str, tmp_path: Path
) -> None:
    async with gateway(clients, redis_url, tmp_path) as rig:
        shop = await rig.shop()
        operator = await rig.operator(shop)
        token = await rig.token(operator)
        session = aiohttp.ClientSession()
        ws = await session.ws_connect(f"{rig.url}/socket.io/?EIO=4&transport=websocket")
        await ws.send_str('40{"token":"' + token + '"}')
        await eventually(lambda: cmd(shop, OperatorConnected))
    while (message := await ws.receive(timeout=5)).type is WSMsgType.TEXT:
        pass
    assert (message.type, message.data, message.extra) == (WSMsgType.CLOSE, 4001, "going_away")
    await session.close()
    assert [entry.logout for entry in await cmd(shop, OperatorDisconnected)] == [False]


async def test_the_console_is_served_with_headers_that_keep_foreign_code_out(rig: Rig) -> None:
    async with aiohttp.ClientSession() as session:
        for path in ("/", "/site/s_1/visitors", "/index.html"):
            async with session.get(rig.url + path) as answer:
                assert answer.status == 200
                assert answer.content_type == "text/html"
                assert "'unsafe" not in answer.headers["Content-Security-Policy"]
                assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
                assert answer.headers["X-Content-Type-Options"] == "nosniff"
                assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
                assert answer.headers["Cache-Control"] == "no-cache"
        async with session.get(rig.url + "/assets/main-0a1b2c.js") as answer:
            assert "immutable" in answer.headers["Cache-Control"]
            assert answer.content_type == "text/javascript"
        for path in ("/assets/none.js", "/../app.py", "/%2e%2e/app.py", "/api/v1/nothing"):
            async with session.get(URL(rig.url + path, encoded=True)) as answer:
                assert answer.status in (404, 401), path


async def test_the_gateway_says_when_it_is_ready_and_what_it_counts(rig: Rig) -> None:
    shop = await rig.shop()
    console = await rig.connect(await rig.operator(shop))
    await console.open(shop)
    async with aiohttp.ClientSession() as session:
        async with session.get(f"http://127.0.0.1:{rig.admin_port}/readyz") as answer:
            assert (await answer.json())["ready"] is True
        async with session.get(f"http://127.0.0.1:{rig.admin_port}/metrics") as answer:
            text = await answer.text()
    assert "foyer_gateway_connections 1.0" in text
    assert 'foyer_gateway_events_total{event="view:open",outcome="ok"} 1.0' in text
