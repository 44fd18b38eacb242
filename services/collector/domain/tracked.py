"""From a readable batch to what presence reads: server time, clean addresses, text attributes. Read :func:`track`.

The tab's clock is never believed, only the difference of two of its readings; and no event is older than an hour or
newer than its arrival.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from services.collector.domain.addresses import campaign_of, clean_address
from services.collector.domain.body import Readable
from services.collector.domain.languages import preferred_language
from shared.contracts.rows import Device
from shared.contracts.streams import Client, TabEvents, Tracked
from shared.contracts.tracking import Event, Rejected

MAX_AGE_MS: Final = 3_600_000  # a tab that was offline for longer says nothing about the present
_MAX_VALUE = 256


class Browser(Struct, frozen=True):
    """What the request itself said about the browser."""

    country: str = ""
    lang: str = ""
    device: Device = Device()


class Sender(Struct, frozen=True):
    """Who the events are from. `collector` is set when they come over one of its live channels."""

    site: str
    visitor: str
    tab: str
    anonymous: bool
    browser: Browser = Browser()
    collector: str = ""


class TrackedBatch(Struct, frozen=True):
    """What is stored (None: nothing was valid), and what is answered about the rest."""

    entry: TabEvents | None
    accepted: int
    rejected: tuple[Rejected, ...]


def _text(value: str | float | bool | None) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)[:_MAX_VALUE]


def _tracked(event: Event, sent: int, received_ms: int) -> Tracked | Rejected:
    """The event as stored, or its rejection (with `i` still 0)."""
    url = event.url
    if url is None:
        if event.type == "page":
            return Rejected(0, "/url", "required")
        address: str | None = ""
    else:
        address = clean_address(url)
        if address is None:
            return Rejected(0, "/url", "url_scheme")
    referrer: str | None = ""
    if event.referrer:
        referrer = clean_address(event.referrer)
        if referrer is None:
            return Rejected(0, "/referrer", "url_scheme")
    age = sent - event.at
    at_ms = received_ms - (0 if age < 0 else age if age < MAX_AGE_MS else MAX_AGE_MS)
    attrs = None
    if event.attrs is not None:
        attrs = {name: _text(value) for name, value in event.attrs.items()}
    return Tracked(
        event.type,
        event.page.lower(),
        event.n,
        at_ms,
        address or "",
        event.title,
        referrer or "",
        event.engaged_ms,
        event.idle_ms,
        attrs,
    )


def track(batch: Readable, sender: Sender, received_ms: int) -> TrackedBatch:
    """The stream entry of a batch's valid events and the rejections of the others, in the batch's numbering."""
    sent = batch.head.sent
    rejected = list(batch.rejected)
    taken: list[Tracked] = []
    landing: Event | None = None  # the first page view tells how the visitor came here
    landing_url = ""
    for position, event in enumerate(batch.events):
        outcome = _tracked(event, sent, received_ms)
        if isinstance(outcome, Tracked):
            taken.append(outcome)
            if landing is None and event.type == "page":
                landing, landing_url = event, outcome.url
        else:
            i = batch.indexes[position] if batch.indexes is not None else position
            rejected.append(Rejected(i, outcome.pointer, outcome.code))
    rejected.sort(key=lambda wrong: wrong.i)
    if not taken:
        return TrackedBatch(None, 0, tuple(rejected))
    client = None
    if landing is not None:
        browser = sender.browser
        lang = preferred_language(landing.lang or "") or browser.lang
        client = Client(browser.country, lang, browser.device, campaign_of(landing_url))
    entry = TabEvents(
        sender.site,
        sender.visitor,
        sender.tab,
        received_ms,
        tuple(taken),
        client,
        sender.collector,
        sender.anonymous,
    )
    return TrackedBatch(entry, len(taken), tuple(rejected))
