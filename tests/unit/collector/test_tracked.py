"""Server time of events and what is stored of them."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from services.collector.domain.body import Readable, read_batch
from services.collector.domain.tracked import MAX_AGE_MS, Browser, Sender, TrackedBatch, track
from shared.contracts.ids import MAX_SAFE_INT
from shared.contracts.rows import Device
from shared.contracts.streams import TabEvents
from tests.collector_rig import SITE, batch, event, new_id

NOW = 1_800_000_000_000
BROWSER = Browser("DE", "de-DE", Device("Firefox", "Linux", "desktop"))


def tracked(body: dict[str, Any], sender: Sender | None = None) -> TrackedBatch:
    readable = read_batch(json.dumps(body).encode())
    assert isinstance(readable, Readable)
    return track(readable, sender or Sender(SITE, "v", "t", False, BROWSER), NOW)


def entry(body: dict[str, Any]) -> TabEvents:
    result = tracked(body).entry
    assert result is not None
    return result


@given(st.integers(0, MAX_SAFE_INT), st.integers(0, MAX_SAFE_INT))
def test_no_event_is_older_than_an_hour_or_from_the_future(sent: int, at: int) -> None:
    [stored] = entry(batch(event(at=at), sent=sent)).events
    assert NOW - MAX_AGE_MS <= stored.at_ms <= NOW
    if 0 <= sent - at <= MAX_AGE_MS:
        assert NOW - stored.at_ms == sent - at


def test_client_facts_travel_with_page_views_only() -> None:
    assert entry(batch(event("beat"))).client is None
    client = entry(batch(event("beat"), event("page", url="https://a/?utm_source=x", lang="fr"))).client
    assert client is not None
    assert (client.country, client.lang, client.campaign, client.device.os) == ("DE", "fr", "x", "Linux")


def test_a_language_that_is_none_is_not_taken() -> None:
    client = entry(batch(event(lang="<b>de</b>"))).client
    assert client is not None
    assert client.lang == "de-DE"


def test_attributes_become_text() -> None:
    attrs = {"a": "x", "b": 1, "c": 1.5, "d": True, "e": None, "f": 10**300}
    [stored] = entry(batch(event("attr", attrs=attrs))).events
    assert stored.attrs is not None
    assert stored.attrs | {"f": ""} == {"a": "x", "b": "1", "c": "1.5", "d": "true", "e": "", "f": ""}
    assert len(stored.attrs["f"]) == 256


def test_ids_are_one_however_they_are_written() -> None:
    page = new_id()
    [stored] = entry(batch(event(page=page.upper()))).events
    assert stored.page == page


def test_secrets_in_addresses_are_dropped() -> None:
    page = event(url="https://u:p@shop.example/a#token", referrer="https://u:p@other.example/#x")
    [stored] = entry(batch(page)).events
    assert (stored.url, stored.referrer) == ("https://shop.example/a", "https://other.example/")


def test_an_event_without_an_address_is_fine_unless_it_is_a_page_view() -> None:
    beat, page = event("beat"), event("page")
    del beat["url"], page["url"]
    result = tracked(batch(beat, page))
    assert (result.accepted, [(wrong.i, wrong.code) for wrong in result.rejected]) == (1, [(1, "required")])
