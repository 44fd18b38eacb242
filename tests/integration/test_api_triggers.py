"""Triggers over HTTP: stored as said, and nothing that makes no sense."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from shared.storage.clients import Clients
from tests.gateway_api import Answer, serving

Ask = Callable[..., Awaitable[Answer]]
PRICES: dict[str, Any] = {
    "name": "Prices",
    "text": "Questions about a price?",
    "skill": "sales",
    "on_page_ms": 20_000,
    "conditions": [{"subject": "address", "pattern": "/prices*"}],
    "cap": 2,
}


@pytest.fixture
async def ask(clients: Clients) -> AsyncIterator[Ask]:
    async with serving(clients) as api:
        site = await api.site()
        token = await api.login(await api.operator(site, "admin"))

        async def call(method: str, path: str, body: Any = None, **headers: str) -> Answer:
            return await api.call(method, f"/api/v1/sites/{site.site}/{path}", token, body, **headers)

        yield call


async def test_triggers_can_be_added_changed_and_removed(ask: Ask) -> None:
    made = await ask("POST", "triggers", PRICES)
    assert made.status == 201
    trigger = made.json
    assert (trigger["on_page_ms"], trigger["cap"], trigger["cooldown_ms"], trigger["enabled"]) == (
        20_000,
        2,
        600_000,
        True,
    )
    path = f"triggers/{trigger['trigger']}"
    changed = await ask("PATCH", path, {"on_page_ms": None, "pages": 3, "skill": None})
    assert {key: changed.json[key] for key in ("name", "on_page_ms", "pages", "skill")} == {
        "name": "Prices",
        "on_page_ms": None,
        "pages": 3,
        "skill": "",
    }
    assert (await ask("GET", "triggers")).json["items"] == [changed.json]
    assert (await ask("DELETE", path)).status == 204
    assert (await ask("DELETE", path)).status == 404
    assert (await ask("PATCH", path, {"pages": 1})).status == 404
    assert (await ask("GET", "triggers")).json["items"] == []


async def test_a_trigger_that_makes_no_sense_is_refused(ask: Ask) -> None:
    choice, nameless = {"subject": "choice", "pattern": "x"}, {"subject": "attribute", "pattern": "x"}
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"skill": "none"}, "/skill"),
        ({"conditions": [choice]}, "/conditions/0/subject"),
        ({"conditions": [nameless]}, "/conditions/0/attribute"),
        ({"on_page_ms": 1}, "/on_page_ms"),
        ({"cap": 0}, "/cap"),
        ({"text": ""}, "/text"),
        ({"sometimes": True}, ""),
    ]
    for fields, pointer in wrong:
        refused = await ask("POST", "triggers", {**PRICES, **fields})
        assert (refused.status, refused.json["errors"][0]["pointer"]) == (422, pointer)
    assert (await ask("GET", "triggers")).json["items"] == []


async def test_two_triggers_of_one_id_and_a_change_of_an_old_version_are_refused(ask: Ask) -> None:
    assert (await ask("POST", "triggers", {**PRICES, "trigger": "prices"})).status == 201
    assert (await ask("POST", "triggers", {**PRICES, "trigger": "prices"})).code == "trigger_taken"
    version = (await ask("GET", "triggers")).json["version"]
    assert (await ask("PATCH", "triggers/prices", {"cap": 3}, If_Match=f'"{version}"')).status == 200
    assert (await ask("PATCH", "triggers/prices", {"cap": 4}, If_Match=f'"{version}"')).status == 412


async def test_a_skill_that_a_trigger_invites_for_cannot_be_removed(ask: Ask) -> None:
    await ask("POST", "triggers", PRICES)
    assert (await ask("DELETE", "skills/sales")).code == "skill_in_use"
