"""Browser fixtures: a real Chromium, one for each module of tests."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from tests.e2e.chromium import chromium as launched


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chromium() -> AsyncIterator[Browser]:
    """A browser as visitors have it: with the back/forward cache, which Playwright switches off."""
    async with launched() as browser:
        yield browser


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """In CI a browser test that fails is run once more, and the summary names it: a browser has a life of its own.

    Nothing without a browser gets a second try: there a failure in fifty runs is a race of ours.
    """
    if os.environ.get("CI"):
        for item in items:
            if item.get_closest_marker("browser"):
                item.add_marker(pytest.mark.flaky(reruns=1))
