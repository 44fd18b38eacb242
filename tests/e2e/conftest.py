"""Browser fixtures: a real Chromium, one for each module of tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio
from playwright.async_api import Browser

from tests.e2e.chromium import chromium as launched


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chromium() -> AsyncIterator[Browser]:
    """A browser as visitors have it: with the back/forward cache, which Playwright switches off."""
    async with launched() as browser:
        yield browser
