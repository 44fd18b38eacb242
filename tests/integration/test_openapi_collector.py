"""The collector's document against the collector: what is drawn from it, right or wrong, gets a described answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from shared.storage.clients import Clients
from tests.collector_rig import FIREFOX, ORIGIN, SITE, CollectorRig, batch, collector, make_site
from tests.openapi_fuzz import MODES, explore, operations

DOCUMENT = json.loads((Path(__file__).resolve().parents[2] / "docs/protocol/openapi-collector.json").read_bytes())
OPERATIONS = operations(DOCUMENT)
EXAMPLES = 15  # of each operation, right and wrong


pytestmark = pytest.mark.timeout(400)  # drawing is work for the processor, which others may want as well


@pytest.fixture
async def rig(clients: Clients, redis_url: str, tmp_path: Path) -> AsyncIterator[CollectorRig]:
    await make_site(clients)
    (tmp_path / "v1.js").write_text("1")
    for name in ("versions", "widgets"):
        (tmp_path / f"{name}.json").write_text("{}")
    limits: dict[str, Any] = {f"{name}_per_s": 1e9 for name in ("address", "newcomers", "visitor", "site", "chat")}
    async with collector(clients, redis_url, static=tmp_path, **limits) as running:
        yield running


def at_our_site(case: Any) -> None:
    """Most requests name the site that there is: else nothing but 404 would be seen."""
    if isinstance(case.body, dict) and isinstance(case.body.get("site"), str):
        case.body["site"] = SITE
    for name in ("key", "site"):
        if name in case.query:
            case.query[name] = SITE
    if "wait" in case.query:
        case.query["wait"] = 0  # waiting is not what is tried here


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", OPERATIONS)
async def test_every_answer_is_one_that_the_document_describes(rig: CollectorRig, name: str, mode: str) -> None:
    headers = {"Origin": ORIGIN, "User-Agent": FIREFOX}
    await asyncio.to_thread(
        explore, OPERATIONS[name], mode, rig.url, examples=EXAMPLES, adapt=at_our_site, headers=headers
    )
    assert (await rig.post(batch())).status == 204
    assert await rig.metric('foyer_collector_inputs_total{channel="http",outcome="internal"}') == 0
