"""Which addresses are kept and what of them; whose origin a request names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.collector.domain.addresses import campaign_of, clean_address, sender_origin
from services.collector.domain.languages import preferred_language


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("https://shop.example/a?b=c#secret", "https://shop.example/a?b=c"),
        ("HTTPS://shop.example/a", "https://shop.example/a"),
        ("https://user:password@shop.example/", "https://shop.example/"),
        ("https://user:p@ss@shop.example/x", "https://shop.example/x"),
        ("http://[2001:db8::1]:8080/x", "http://[2001:db8::1]:8080/x"),
        ("https://shop.example", "https://shop.example/"),
        ("https://shop.example?x=1", "https://shop.example/?x=1"),
        ("https://shop.example/a@b:c", "https://shop.example/a@b:c"),
        ("https://shop.example/#a#b", "https://shop.example/"),
        ("https://müller.example/ä", "https://müller.example/ä"),
        ("javascript:alert(1)", None),
        ("JavaScript://shop.example/%0aalert(1)", None),
        ("data:text/html,x", None),
        ("file:///etc/passwd", None),
        ("//shop.example/", None),
        ("/a", None),
        ("", None),
        ("https://", None),
        ("https:///x", None),
        ("https://user@/", None),
        (" https://shop.example/", None),
        ("https://shop.example/\nx", None),
        ("https://shop.example\\@evil.example/", None),
        ("https://a b/", None),
    ],
)
def test_http_addresses_are_kept_without_secrets(sent: str, kept: str | None) -> None:
    assert clean_address(sent) == kept


@given(st.text(max_size=60), st.sampled_from(["http://", "https://", "HtTp://", ""]))
def test_what_is_kept_is_plain_and_cleaning_again_changes_nothing(text: str, scheme: str) -> None:
    kept = clean_address(scheme + text)
    if kept is not None:
        assert kept.startswith(("http://", "https://"))
        assert "#" not in kept
        assert "@" not in kept.split("/")[2]
        assert clean_address(kept) == kept


@pytest.mark.parametrize(
    ("origin", "referer", "named"),
    [
        ("https://a.example", None, "https://a.example"),
        ("null", "https://a.example/", None),
        ("", "https://a.example/", None),
        (None, "https://a.example/page?x#y", "https://a.example"),
        (None, "https://A.example", "https://a.example"),
        (None, "https://a.example:8443/", "https://a.example:8443"),
        (None, "https://a.example@evil.example/", None),
        (None, "about:blank", None),
        (None, None, None),
    ],
)
def test_origin_comes_from_its_header_or_else_from_the_referer(
    origin: str | None, referer: str | None, named: str | None
) -> None:
    assert sender_origin(origin, referer) == named


@pytest.mark.parametrize(
    ("address", "campaign"),
    [
        ("https://a/?utm_campaign=spring&utm_source=mail", "spring"),
        ("https://a/?utm_source=mail", "mail"),
        ("https://a/?utm_campaign=&utm_source=mail", "mail"),
        ("https://a/?utm_campaign=a%20b", "a b"),
        ("https://a/?x=utm_campaign", ""),
        ("https://a/utm_campaign=x", ""),
        ("https://a/?utm_campaign=" + "x" * 500, "x" * 128),
        ("https://a/?utm_campaign=a%00b", "ab"),
        ("https://a/?" + "x=1&" * 100 + "utm_campaign=x", ""),
    ],
)
def test_campaign_of_an_address(address: str, campaign: str) -> None:
    assert campaign_of(address) == campaign


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("de-AT,de;q=0.9", "de-AT"),
        ("en", "en"),
        ("*", ""),
        ("", ""),
        ("<script>", ""),
        ("zh-Hans-CN;q=1", "zh-Hans-CN"),
    ],
)
def test_preferred_language(header: str, language: str) -> None:
    assert preferred_language(header) == language
