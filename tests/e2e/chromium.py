"""A real Chromium for tests: Debian's, or the one that CHROMIUM names."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Browser, async_playwright

from tests.tools import tool

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# Playwright's own defaults that would keep what we test from happening.
UNWANTED_DEFAULTS = ["--disable-back-forward-cache"]


def chromium_path() -> str:
    """Where Chromium is; without one the test is skipped with one line, except in CI, where it fails."""
    named = os.environ.get("CHROMIUM") or shutil.which("chromium-browser")
    return named or tool("chromium")


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A browser for as long as the block lasts."""
    path = chromium_path()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=path, args=ARGUMENTS, ignore_default_args=UNWANTED_DEFAULTS
        )
        try:
            yield browser
        finally:
            await browser.close()
