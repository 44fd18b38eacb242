"""Skills of visitors who are just looking, as the list shows them: by the rules, and at once by new rules."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from shared.contracts.sites import Condition, Site, Skill, SkillRule
from shared.storage.clients import Clients
from shared.storage.directory_store import Written
from tests.eventually import eventually
from tests.live_rig import Rig, gateway

SKILLS = (Skill("general", "General"), Skill("sales", "Sales"), Skill("german", "German"))


@pytest.fixture
async def rig(clients: Clients, redis_url: str, tmp_path: Path) -> AsyncIterator[Rig]:
    async with gateway(clients, redis_url, tmp_path) as made:
        yield made


def rule(skill: str, subject: str, pattern: str) -> SkillRule:
    return SkillRule(f"{skill}-rule", skill, (Condition(subject, pattern),))  # type: ignore[arg-type]


async def test_a_changed_rule_changes_the_rows_and_what_a_filter_finds(rig: Rig) -> None:
    shop = await rig.shop(skills=SKILLS, rules=(rule("sales", "address", "/1"),))
    await shop.visit(1)
    await shop.visit(2, country="AT")
    console = await rig.connect(await rig.operator(shop))
    view = await console.open(shop, sort={"by": "visit_started_at", "dir": "asc"})
    assert [row["skill"] for row in view.rows] == ["sales", "general"]
    sellers = await console.open(shop, "sellers", filter={"skill": ["sales"]})
    assert [row["number"] for row in sellers.rows] == [1]

    def other(site: Site) -> Site:
        return msgspec.structs.replace(site, rules=(rule("german", "country", "AT"),))

    written = await rig.store.update_site(shop.site, other)
    assert isinstance(written, Written)
    await eventually(lambda: console.named("view:reset"))
    await console.open(shop, sort={"by": "visit_started_at", "dir": "asc"}, have=view.have(), epoch=view.epoch)
    assert [row["skill"] for row in view.rows] == ["general", "german"]

    await shop.visit(1, country="AT")
    await eventually(lambda: [row["skill"] for row in view.rows] == ["german", "german"])
