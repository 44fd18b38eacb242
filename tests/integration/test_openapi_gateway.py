"""The gateway's document against its API: whatever is drawn from it, right or wrong, gets a described answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from shared.storage.clients import Clients
from tests.gateway_api import Api, serving
from tests.openapi_fuzz import MODES, explore, operations

DOCUMENT = json.loads((Path(__file__).resolve().parents[2] / "docs/protocol/openapi-gateway.json").read_bytes())
OPERATIONS = operations(DOCUMENT)
EXAMPLES = 8  # of each operation, right and wrong


pytestmark = pytest.mark.timeout(400)  # drawing is work for the processor, which others may want as well


@pytest.fixture
async def api(clients: Clients) -> AsyncIterator[Api]:
    async with serving(clients) as served:  # fails when it ends if an answer was a fault of ours
        yield served


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", OPERATIONS)
async def test_every_answer_is_one_that_the_document_describes(api: Api, name: str, mode: str) -> None:
    site = await api.site()
    owner = await api.operator(site, role="admin", owner=True)
    talk = await api.talk(site)
    there = {"site": site.site, "operator": owner.operator, "skill": "sales", "canned": "c0ffee"}
    there |= {"visitor": talk.visitor, "chat": talk.chat, "message": talk.message}

    def at_our_site(case: Any) -> None:
        """Right requests name what there is: else nothing but 404 would be seen. Of wrong ones, the site is right."""
        known = there if mode == "right" else {"site": site.site}
        for part in known.keys() & case.path_parameters.keys():
            case.path_parameters[part] = known[part]

    headers = {"Authorization": f"Bearer {await api.login(owner)}"}
    seen = await asyncio.to_thread(
        explore, OPERATIONS[name], mode, api.url, examples=EXAMPLES, adapt=at_our_site, headers=headers
    )
    assert len(seen) > 0 or mode == "wrong"
    assert (await api.call("GET", "/api/v1/me")).status == 401
