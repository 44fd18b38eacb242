"""The list of visitors for programs: everybody on the site, page by page, to those who may see it."""

from __future__ import annotations

import uuid
from typing import Any

import msgspec

from shared.contracts.rows import EngagementRow
from shared.domain.visitor import Tab, View, Visitor
from shared.domain.visitor_packing import pack_visitor
from shared.storage import keys
from shared.storage.clients import Clients
from tests.gateway_api import Api, serving


async def shown(api: Api, site: str, number: int) -> str:
    """A visitor who is on the site; every tenth waits for an operator."""
    visitor, partition = str(uuid.UUID(int=number)), api.partitions.of(site)
    view = View(b"p" * 16, "https://shop.example/", "Shop", 1)
    row = Visitor(number=number, live=True, visits=1, visit_started_at=1, tabs=(Tab(b"t" * 16, view=view, seen_at=1),))
    await api.clients.call("HSET", keys.visitors(partition, site), visitor, pack_visitor(row))
    if number % 10 == 0:
        talk = EngagementRow(version=1, status="requested", skill="sales", name="Vera")
        packed = msgspec.msgpack.encode(talk)
        await api.clients.call("HSET", keys.engagements(partition, site), visitor, packed)
    return visitor


async def everybody(api: Api, path: str, token: str, query: str = "") -> tuple[list[Any], int]:
    """All pages, and how many there were."""
    items: list[Any] = []
    cursor, pages = "0", 0
    while True:
        answer = await api.call("GET", f"{path}?cursor={cursor}&limit=50{query}", token)
        assert answer.status == 200, answer.json
        items += answer.json["items"]
        pages += 1
        cursor = answer.json["next"]
        if cursor is None:
            return items, pages


async def test_everybody_on_the_site_is_listed_page_by_page(clients: Clients) -> None:
    async with serving(clients) as api:
        site = await api.site()
        there = {await shown(api, site.site, number) for number in range(1, 301)}
        token = await api.login(await api.operator(site, "operator"))
        path = f"/api/v1/sites/{site.site}/visitors"
        items, pages = await everybody(api, path, token)
        assert {item["visitor"] for item in items} == there
        assert pages >= 3
        one = next(item for item in items if item["number"] == 10)
        assert (one["status"], one["nickname"], one["skill"]) == ("requested", "Vera", "sales")
        waiting, _ = await everybody(api, path, token, "&status=requested&skill=sales")
        assert {item["number"] for item in waiting} == set(range(10, 301, 10))
        assert (await everybody(api, path, token, "&skill=billing"))[0] == []


async def test_the_list_is_for_operators_of_the_site_and_refuses_nonsense(clients: Clients) -> None:
    async with serving(clients) as api:
        site, other = await api.site(), await api.site()
        path = f"/api/v1/sites/{site.site}/visitors"
        assert (await api.call("GET", path)).status == 401
        stranger = await api.login(await api.operator(other, "admin"))
        assert (await api.call("GET", path, stranger)).status == 404
        token = await api.login(await api.operator(site, "operator"))
        assert (await api.call("GET", path, token)).json["items"] == []
        for query in ("cursor=x", "limit=0", "limit=201", "status=happy", "cursor=-1"):
            assert (await api.call("GET", f"{path}?{query}", token)).status == 422, query
