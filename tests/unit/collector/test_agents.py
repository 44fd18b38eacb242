"""User agents: crawlers are told from browsers, browsers get names."""

from __future__ import annotations

import pytest

from services.collector.agents import agent_classifier
from shared.contracts.rows import Device

WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"
CHROME = f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {WEBKIT} Chrome/141.0.0.0 Safari/537.36"
TABLET = f"Mozilla/5.0 (Linux; Android 14; SM-X710) {WEBKIT} Chrome/140.0.0.0 Safari/537.36"
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.0 Mobile/15E148 Safari/604.1"
)
HEADLESS = CHROME.replace("Chrome/", "HeadlessChrome/")


@pytest.mark.parametrize(
    ("text", "device"),
    [
        (CHROME, Device("Chrome", "Windows", "desktop")),
        (IPHONE, Device("Mobile Safari", "iOS", "mobile")),
        (TABLET, Device("Chrome", "Android", "tablet")),
        ("", Device("", "", "other")),
    ],
)
def test_browsers_are_no_crawlers_and_have_names(text: str, device: Device) -> None:
    agent = agent_classifier()(text)
    assert (agent.bot, agent.device) == (False, device)


@pytest.mark.parametrize(
    "text",
    [
        "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
        "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
        "curl/8.5.0",
        "python-requests/2.32",
        HEADLESS,
    ],
)
def test_crawlers_are_recognised(text: str) -> None:
    assert agent_classifier()(text).bot


@pytest.mark.parametrize("text", [HEADLESS, "Python/3.11 aiohttp/3.14", "curl/8.5.0", "node", "Mozilla/5.0"])
def test_programs_are_visitors_where_only_declared_crawlers_count(text: str) -> None:
    assert agent_classifier()(text).bot
    assert not agent_classifier(declared_only=True)(text).bot


@pytest.mark.parametrize(
    "text",
    [
        "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        "facebookexternalhit/1.1",
        "Mozilla/5.0 (compatible; Baiduspider/2.0)",
        "AdsBot-Google (+http://www.google.com/adsbot.html)",
    ],
)
def test_declared_crawlers_always_count(text: str) -> None:
    assert agent_classifier(declared_only=True)(text).bot


def test_an_endless_agent_is_cut() -> None:
    assert agent_classifier()("x" * 100_000).device == Device("", "", "other")
