"""Who may use which route: the whole table, written down a second time and tried on every route with every role."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from aiohttp import web
from msgspec.structs import replace

from services.operator_gateway.api.mount import DOCUMENT_PATH
from services.operator_gateway.api.routing import Anyone, LoggedIn, OnSite, OwnerOnly
from services.operator_gateway.api.table import PREFIX, ROUTES
from shared.contracts.sites import Condition, Operator, Site, SkillRule, Trigger
from shared.storage.clients import Clients
from tests.gateway_api import PASSWORD, Api, Talk, serving

ACTORS = ("nobody", "stranger", "operator", "supervisor", "admin", "owner")
ALL_IN = (401, 200, 200, 200, 200, 200)
MEMBERS = (401, 404, 200, 200, 200, 200)
SUPERVISORS = (401, 404, 403, 200, 200, 200)
ADMINS = (401, 404, 403, 403, 200, 200)


@dataclass(frozen=True)
class Expected:
    """What nobody, a stranger, an operator, a supervisor, an admin of the site and an owner get (200: any success)."""

    statuses: tuple[int, ...]
    body: Any = None


NEW = {"email": "new@x.example", "name": "New", "password": PASSWORD}
RULE = {"skill": "sales", "conditions": [{"subject": "address", "pattern": "/buy*"}]}
BAN = {"visitor": "00000000-0000-0000-0000-000000000009", "reason": "Rude", "ban_s": 60}
MATRIX: dict[tuple[str, str], Expected] = {
    ("POST", "/session"): Expected((200,) * 6, {"email": "known@x.example", "password": PASSWORD}),
    ("DELETE", "/session"): Expected(ALL_IN),
    ("GET", "/me"): Expected(ALL_IN),
    ("PATCH", "/me"): Expected(ALL_IN, {"name": "Other"}),
    ("POST", "/me/password"): Expected(ALL_IN, {"password": PASSWORD, "new_password": "another horse"}),
    ("DELETE", "/me/sessions"): Expected(ALL_IN),
    ("GET", "/sites"): Expected(ALL_IN),
    ("POST", "/sites"): Expected((401, 403, 403, 403, 403, 200), {"name": "New"}),
    ("GET", "/sites/{site}"): Expected(MEMBERS),
    ("PATCH", "/sites/{site}"): Expected(ADMINS, {"name": "Other"}),
    ("DELETE", "/sites/{site}"): Expected(ADMINS),
    ("GET", "/sites/{site}/skills"): Expected(MEMBERS),
    ("POST", "/sites/{site}/skills"): Expected(ADMINS, {"skill": "german", "name": "German"}),
    ("PATCH", "/sites/{site}/skills/{skill}"): Expected(ADMINS, {"name": "Other"}),
    ("DELETE", "/sites/{site}/skills/{skill}"): Expected(ADMINS),
    ("GET", "/sites/{site}/operators"): Expected(MEMBERS),
    ("POST", "/sites/{site}/operators"): Expected(ADMINS, NEW),
    ("GET", "/sites/{site}/operators/{operator}"): Expected(MEMBERS),
    ("PATCH", "/sites/{site}/operators/{operator}"): Expected(ADMINS, {"max_chats": 5}),
    ("DELETE", "/sites/{site}/operators/{operator}"): Expected(ADMINS),
    ("POST", "/sites/{site}/operators/{operator}/password"): Expected(ADMINS),
    ("DELETE", "/sites/{site}/operators/{operator}/sessions"): Expected(ADMINS),
    ("GET", "/sites/{site}/rules"): Expected(MEMBERS),
    ("PUT", "/sites/{site}/rules"): Expected(ADMINS, {"items": [RULE]}),
    ("POST", "/sites/{site}/rules"): Expected(ADMINS, RULE),
    ("DELETE", "/sites/{site}/rules/{rule}"): Expected(ADMINS),
    ("GET", "/sites/{site}/triggers"): Expected(MEMBERS),
    ("POST", "/sites/{site}/triggers"): Expected(ADMINS, {"name": "Prices", "text": "Questions?"}),
    ("PATCH", "/sites/{site}/triggers/{trigger}"): Expected(ADMINS, {"enabled": False}),
    ("DELETE", "/sites/{site}/triggers/{trigger}"): Expected(ADMINS),
    ("GET", "/sites/{site}/notifications"): Expected(ADMINS),
    ("PUT", "/sites/{site}/notifications"): Expected(ADMINS, {"message_emails": ["team@shop.example"]}),
    ("GET", "/sites/{site}/undelivered"): Expected(ADMINS),
    ("POST", "/sites/{site}/undelivered/{entry}"): Expected(ADMINS),
    ("DELETE", "/sites/{site}/undelivered/{entry}"): Expected(ADMINS),
    ("GET", "/sites/{site}/canned"): Expected(MEMBERS),
    ("POST", "/sites/{site}/canned"): Expected(SUPERVISORS, {"shortcut": "bye", "text": "Goodbye!"}),
    ("PATCH", "/sites/{site}/canned/{canned}"): Expected(SUPERVISORS, {"text": "Hi!"}),
    ("DELETE", "/sites/{site}/canned/{canned}"): Expected(SUPERVISORS),
    ("GET", "/sites/{site}/bans"): Expected(SUPERVISORS),
    ("POST", "/sites/{site}/bans"): Expected(SUPERVISORS, BAN),
    ("DELETE", "/sites/{site}/bans/{visitor}"): Expected(SUPERVISORS),
    ("GET", "/sites/{site}/bots"): Expected(MEMBERS),
    ("GET", "/sites/{site}/inbox"): Expected(MEMBERS),
    ("PATCH", "/sites/{site}/inbox/{message}"): Expected(MEMBERS, {"done": True}),
    ("GET", "/sites/{site}/chats"): Expected(MEMBERS),
    ("GET", "/sites/{site}/chats/{chat}"): Expected(MEMBERS),
    ("POST", "/sites/{site}/chats/{chat}/mail"): Expected(MEMBERS, {"email": "boss@x.example"}),
    ("GET", "/sites/{site}/visitors"): Expected(MEMBERS),
    ("GET", "/sites/{site}/visitors/{visitor}"): Expected(MEMBERS),
    ("GET", "/sites/{site}/visitors/{visitor}/export"): Expected(ADMINS),
    ("DELETE", "/sites/{site}/visitors/{visitor}"): Expected(ADMINS),
}


@pytest.fixture
async def api(clients: Clients) -> AsyncIterator[Api]:
    async with serving(clients) as served:
        await served.operator(email="known@x.example")
        yield served


@dataclass(frozen=True)
class World:
    """A site with its people, seen by one actor."""

    site: Site
    target: Operator
    token: str | None
    talk: Talk


async def world(api: Api, actor: str) -> World:
    site, elsewhere = await api.site(), await api.site("Elsewhere")
    target = await api.operator(site)
    await api.operator(site, "admin")  # so that nobody is the last one
    talk = await api.talk(site)
    triggers = (Trigger(trigger="t1", name="Prices", text="Questions?"),)
    rules = (SkillRule("r1", "general", (Condition("country", "DE"),)),)
    await api.store.update_site(site.site, lambda old: replace(old, rules=rules, triggers=triggers))
    if actor == "nobody":
        return World(site, target, None, talk)
    if actor == "stranger":
        who = await api.operator(elsewhere, "admin")
    elif actor == "owner":
        who = await api.operator(owner=True)
    else:
        who = await api.operator(site, actor)  # type: ignore[arg-type]
    return World(site, target, await api.login(who), talk)


@pytest.mark.parametrize("method_path", MATRIX, ids=" ".join)
async def test_every_role_gets_what_the_matrix_says(api: Api, method_path: tuple[str, str]) -> None:
    method, path = method_path
    expected = MATRIX[method_path]
    got = []
    for actor in ACTORS:
        seen = await world(api, actor)
        parts = {"site": seen.site.site, "operator": seen.target.operator, "skill": "sales", "rule": "r1"}
        parts |= {"trigger": "t1"}
        named = path.format(**parts, canned="c0ffee", **vars(seen.talk))
        body = dict(expected.body, email=f"{actor}@x.example") if expected.body is NEW else expected.body
        answer = await api.call(method, PREFIX + named, seen.token, body)
        got.append(200 if answer.status in (200, 201, 202, 204) else answer.status)
        if answer.status in (401, 403, 404):
            assert answer.code == {401: "unauthorized", 403: "forbidden", 404: "not_found"}[answer.status]
    assert dict(zip(ACTORS, got, strict=True)) == dict(zip(ACTORS, expected.statuses, strict=True))


def test_the_matrix_knows_every_route_and_no_other() -> None:
    assert {(route.method, route.path) for route in ROUTES} == set(MATRIX)
    assert len({(route.method, route.path) for route in ROUTES}) == len(ROUTES)


async def test_every_served_path_is_in_the_table_with_a_rule(api: Api) -> None:
    known = {(route.method, PREFIX + route.path) for route in ROUTES}
    known |= {("GET", DOCUMENT_PATH), ("HEAD", DOCUMENT_PATH), ("*", "/api/{rest}")}
    served = {
        (route.method, route.resource.canonical)
        for route in api.app.router.routes()
        if isinstance(route, web.AbstractRoute) and route.resource is not None
    }
    assert served == known
    for route in ROUTES:
        assert isinstance(route.rule, Anyone | LoggedIn | OwnerOnly | OnSite)


async def test_a_supervisor_elsewhere_sees_no_difference_between_hidden_and_missing(api: Api) -> None:
    seen = await world(api, "stranger")
    hidden = await api.call("GET", f"{PREFIX}/sites/{seen.site.site}", seen.token)
    missing = await api.call("GET", f"{PREFIX}/sites/s_ffffffff", seen.token)
    assert {**hidden.json, "request_id": ""} == {**missing.json, "request_id": ""}
    assert hidden.status == missing.status == 404


async def test_rights_taken_away_are_gone_with_the_next_request(api: Api) -> None:
    site = await api.site()
    await api.operator(site, "admin")
    who = await api.operator(site, "admin")
    token = await api.login(who)
    path = f"{PREFIX}/sites/{site.site}"
    assert (await api.call("PATCH", path, token, {"name": "A"})).status == 200
    assert (await api.call("PATCH", f"{path}/operators/{who.operator}", token, {"role": "operator"})).status == 200
    assert (await api.call("PATCH", path, token, {"name": "B"})).code == "forbidden"
