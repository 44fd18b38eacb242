"""What a user agent says of itself: whether it is a crawler, and which browser on which device.

Both answers come from kept-up lists (`is-bot`, `ua-parser` with the regexes of its Rust engine, which are linear in the
text). They cost some 0.4 ms for a text not seen before, so the last few thousand texts are remembered.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

import ua_parser
from is_bot import Bots
from msgspec import Struct

from shared.contracts.rows import Device, DeviceKind
from shared.contracts.streams import OTHER_BOTS

REMEMBERED = 4096  # texts of at most MAX_LENGTH: a few MB; browsers of one website's visitors are some hundreds
MAX_LENGTH = 512  # real ones are below 300 characters

_MOBILE_SYSTEMS = {"iOS", "Android", "Windows Phone", "KaiOS", "Tizen", "HarmonyOS"}
_DESKTOP_SYSTEMS = {"Windows", "Mac OS X", "Linux", "Chrome OS", "Ubuntu", "Fedora", "FreeBSD", "OpenBSD"}


class Agent(Struct, frozen=True):
    """A user agent, classified. `name`: what a crawler calls itself."""

    bot: bool
    device: Device
    name: str = ""


# "Googlebot" of "Mozilla/5.0 (compatible; Googlebot/2.1; …)"; else the first product, as in "curl/8.0".
_CALLED = re.compile(r"\b[A-Za-z][\w-]*(?:bot|crawler|spider|slurp|preview|HeadlessChrome)\b|\bHeadlessChrome\b", re.I)
_DECLARED = re.compile(
    r"bot\b|crawl|spider|slurp|externalhit|\+https?:", re.I
)  # crawlers name a page that explains them
_PRODUCT = re.compile(r"[A-Za-z][\w.-]*")
MAX_NAME = 32


def _called(text: str) -> str:
    """The crawler's name; `other` if it has none of its own."""
    match = _CALLED.search(text) or _PRODUCT.match(text)
    return match[0][:MAX_NAME] if match and match[0] != "Mozilla" else OTHER_BOTS


def _kind(text: str, system: str) -> DeviceKind:
    if "iPad" in text or "Tablet" in text or (system == "Android" and "Mobile" not in text):
        return "tablet"
    if system in _MOBILE_SYSTEMS or "Mobile" in text:
        return "mobile"
    return "desktop" if system in _DESKTOP_SYSTEMS else "other"


def agent_classifier(declared_only: bool = False) -> Callable[[str], Agent]:
    """A function from a User-Agent header to :class:`Agent`.

    Crawlers are those known, browsers that a program drives, and programs that fetch. With `declared_only` they are
    those alone that call themselves one: for trials and tests, where programs play visitors.
    """
    bots = Bots()

    @lru_cache(maxsize=REMEMBERED)
    def known(text: str) -> Agent:
        parsed = ua_parser.parse(text)
        browser = parsed.user_agent.family if parsed.user_agent else ""
        system = parsed.os.family if parsed.os else ""
        bot = bots.is_bot(text) and (not declared_only or bool(_DECLARED.search(text)))
        return Agent(bot, Device(browser[:64], system[:64], _kind(text, system)), _called(text) if bot else "")

    def classify(text: str) -> Agent:
        return known(text[:MAX_LENGTH])

    return classify
