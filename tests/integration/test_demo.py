"""The demo website: every page that visitors walk along is there, with the tracker, under a strict policy."""

import re
from typing import Any, TypeAlias

import pytest
from aiohttp.test_utils import TestClient

from deploy.demo.app import DemoSettings, build
from deploy.demo.catalogue import all_pages

Client: TypeAlias = TestClient[Any, Any]
COLLECTOR = "http://127.0.0.1:8100"


@pytest.fixture
async def demo(aiohttp_client) -> Client:
    client: Client = await aiohttp_client(build(DemoSettings(0, 's_12345678"><script>', COLLECTOR)))
    return client


@pytest.mark.parametrize(("path", "title"), all_pages())
async def test_page_has_its_title_and_the_tracker(demo: Client, path: str, title: str) -> None:
    answer = await demo.get(path)
    text = await answer.text()
    assert answer.status == 200
    assert f"<title>{title.replace('&', '&amp;')}</title>" in text
    assert f'<script async src="{COLLECTOR}/t/v1.js" data-site="s_12345678' in text
    assert '"><script>' not in text
    assert "$" not in text


async def test_every_link_of_every_page_leads_somewhere(demo: Client) -> None:
    links = {"/static/site.css"}
    for path, _ in all_pages():
        links |= set(re.findall(r'(?:href|src)="(/[^"#]*)', await (await demo.get(path)).text()))
    for link in links:
        assert (await demo.get(link)).status == 200, link


async def test_policy_allows_the_collector_and_no_inline_script(demo: Client) -> None:
    policy = (await demo.get("/")).headers["Content-Security-Policy"]
    assert f"script-src 'self' {COLLECTOR};" in policy
    assert "ws://127.0.0.1:8100" in policy
    assert "unsafe" not in policy


async def test_form_is_taken_and_leads_to_thanks(demo: Client) -> None:
    answer = await demo.post("/contact", data={"name": "Ada", "email": "a@example.com", "message": "Hello"})
    assert answer.url.path == "/contact/sent"
    assert "Thank you" in await answer.text()


@pytest.mark.parametrize("path", ["/nowhere", "/collection/none", "/studio/none"])
async def test_unknown_page_is_a_friendly_404(demo: Client, path: str) -> None:
    answer = await demo.get(path)
    assert answer.status == 404
    assert "Nothing stands here" in await answer.text()
