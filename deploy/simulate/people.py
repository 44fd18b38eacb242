"""Who the visitors are: a country with its language and time zone, a browser, where they come from.

Pure but for `addresses_by_country`, which asks a country database. Read `new_person`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address

FIRST_UNICAST, LAST_UNICAST = 0x01000000, 0xDFFFFFFF
ADDRESS_TRIES = 400_000  # a random address is Danish once in 300 times
ADDRESSES_EACH = 120
NAMES = ("Mila", "Jonas", "Aiko", "Pedro", "Zoë", "Émile", "Noor", "Łukasz", "Priya", "Sven", "Chiara", "Tom")

# country: (weight, languages, time zones)
PLACES: Mapping[str, tuple[int, tuple[str, ...], tuple[str, ...]]] = {
    "DE": (18, ("de-DE", "de-DE", "en-GB"), ("Europe/Berlin",)),
    "US": (16, ("en-US", "en-US", "es-US"), ("America/New_York", "America/Chicago", "America/Los_Angeles")),
    "GB": (12, ("en-GB",), ("Europe/London",)),
    "SE": (8, ("sv-SE", "en-GB"), ("Europe/Stockholm",)),
    "DK": (8, ("da-DK",), ("Europe/Copenhagen",)),
    "NO": (7, ("nb-NO",), ("Europe/Oslo",)),
    "FR": (7, ("fr-FR",), ("Europe/Paris",)),
    "NL": (6, ("nl-NL", "en-GB"), ("Europe/Amsterdam",)),
    "CH": (4, ("de-CH", "fr-CH"), ("Europe/Zurich",)),
    "AT": (4, ("de-AT",), ("Europe/Vienna",)),
    "ES": (4, ("es-ES",), ("Europe/Madrid",)),
    "IT": (4, ("it-IT",), ("Europe/Rome",)),
    "PL": (4, ("pl-PL",), ("Europe/Warsaw",)),
    "FI": (3, ("fi-FI",), ("Europe/Helsinki",)),
    "JP": (4, ("ja-JP",), ("Asia/Tokyo",)),
    "CA": (3, ("en-CA", "fr-CA"), ("America/Toronto",)),
    "AU": (3, ("en-AU",), ("Australia/Sydney",)),
    "BR": (3, ("pt-BR",), ("America/Sao_Paulo",)),
    "IN": (3, ("en-IN", "hi-IN"), ("Asia/Kolkata",)),
    "KR": (2, ("ko-KR",), ("Asia/Seoul",)),
    "TR": (2, ("tr-TR",), ("Europe/Istanbul",)),
    "ZA": (1, ("en-ZA",), ("Africa/Johannesburg",)),
}

_WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64)"
_MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)"
_WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"
_IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
_IPAD = "Mozilla/5.0 (iPad; CPU OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
DESKTOP, PHONE, TABLET = ((1920, 1080), (1440, 900), (2560, 1440)), ((390, 844), (412, 915), (360, 800)), ((820, 1180),)

# user agent, screens, weight
BROWSERS = (
    (f"{_WINDOWS} {_WEBKIT} Chrome/140.0.0.0 Safari/537.36", DESKTOP, 26),
    (f"{_MAC} {_WEBKIT} Chrome/140.0.0.0 Safari/537.36", DESKTOP, 10),
    (f"{_WINDOWS} {_WEBKIT} Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0", DESKTOP, 7),
    ("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:142.0) Gecko/20100101 Firefox/142.0", DESKTOP, 5),
    ("Mozilla/5.0 (X11; Linux x86_64; rv:142.0) Gecko/20100101 Firefox/142.0", DESKTOP, 3),
    (f"{_MAC} AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15", DESKTOP, 8),
    (f"{_IPHONE} Version/18.5 Mobile/15E148 Safari/604.1", PHONE, 20),
    (f"{_IPHONE} CriOS/140.0.7339.39 Mobile/15E148 Safari/604.1", PHONE, 3),
    (f"Mozilla/5.0 (Linux; Android 10; K) {_WEBKIT} Chrome/140.0.0.0 Mobile Safari/537.36", PHONE, 20),
    (
        f"Mozilla/5.0 (Linux; Android 10; K) {_WEBKIT} SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36",
        PHONE,
        5,
    ),
    (f"{_IPAD} Version/18.5 Mobile/15E148 Safari/604.1", TABLET, 3),
)

REFERRERS = (
    (None, 34),
    ("https://www.google.com/", 36),
    ("https://www.bing.com/", 6),
    ("https://duckduckgo.com/", 5),
    ("https://www.instagram.com/", 8),
    ("https://www.pinterest.com/pin/halden-and-birch-sund/", 6),
    ("https://www.reddit.com/r/furniture/comments/sund/", 3),
    ("https://design-weekly.example/issues/lounge-chairs", 2),
)
CAMPAIGNS = (
    ("", 84),
    ("?utm_source=newsletter&utm_campaign=autumn", 10),
    ("?utm_source=instagram&utm_campaign=lumen", 6),
)


@dataclass(frozen=True)
class Person:
    """One visitor as the collector may see one."""

    address: str
    user_agent: str
    language: str
    time_zone: str
    screen: tuple[int, int]
    referrer: str | None
    campaign: str
    live: bool
    name: str


def addresses_by_country(
    rng: random.Random, country_of: Callable[[str], str | None], tries: int = ADDRESS_TRIES
) -> dict[str, list[str]]:
    """Public addresses of the countries in PLACES, found by asking for random ones."""
    found: dict[str, list[str]] = {country: [] for country in PLACES}
    missing = set(found)
    for _ in range(tries):
        if not missing:
            break
        address = str(IPv4Address(rng.randint(FIRST_UNICAST, LAST_UNICAST)))
        country = country_of(address)
        if country in missing:
            found[country].append(address)
            if len(found[country]) == ADDRESSES_EACH:
                missing.remove(country)
    return {country: addresses for country, addresses in found.items() if addresses}


def new_person(rng: random.Random, addresses: Mapping[str, Sequence[str]]) -> Person:
    """Somebody. Without a country database people have random addresses and countries that nobody can tell."""
    countries = [country for country in PLACES if not addresses or addresses.get(country)]
    country = rng.choices(countries, [PLACES[country][0] for country in countries])[0]
    _, languages, zones = PLACES[country]
    user_agent, screens, _ = rng.choices(BROWSERS, [weight for _, _, weight in BROWSERS])[0]
    known = addresses.get(country)
    return Person(
        address=_neighbour(rng, rng.choice(known))
        if known
        else str(IPv4Address(rng.randint(FIRST_UNICAST, LAST_UNICAST))),
        user_agent=user_agent,
        language=rng.choice(languages),
        time_zone=rng.choice(zones),
        screen=rng.choice(screens),
        referrer=rng.choices([name for name, _ in REFERRERS], [weight for _, weight in REFERRERS])[0],
        campaign=rng.choices([name for name, _ in CAMPAIGNS], [weight for _, weight in CAMPAIGNS])[0],
        live=rng.random() < 0.85,  # the rest sit behind something that blocks WebSockets
        name=rng.choice(NAMES),
    )


def _neighbour(rng: random.Random, address: str) -> str:
    """Another address of the same /28: thousands of people do not share a hundred addresses."""
    return str(IPv4Address((int(IPv4Address(address)) & ~0xF) | rng.randrange(16)))
