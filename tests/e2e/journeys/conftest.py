"""One installation and one browser for all journeys; each theme has a site, operators and a website of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.e2e.chromium import chromium
from tests.e2e.journeys.journey import Installation
from tests.stack import Stack


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def installation(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Installation]:
    """All services as processes, and Chromium."""
    async with chromium() as browser, Stack(tmp_path_factory.mktemp("stack")) as stack:
        yield Installation(stack, browser)
