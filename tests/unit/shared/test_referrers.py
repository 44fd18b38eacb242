"""Where visits come from."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.rows import Source
from shared.domain.referrers import ASSISTANTS, SEARCH, SOCIAL, source_of

HERE = "https://www.shop.example/shoes"


@pytest.mark.parametrize(
    ("referrer", "source"),
    [
        ("", Source("direct")),
        ("https://shop.example/", Source("internal")),
        ("https://www.shop.example/cart", Source("internal")),
        ("https://www.google.com/", Source("search", "Google")),
        ("https://www.google.co.uk/search?q=shoes", Source("search", "Google")),
        ("https://google.de", Source("search", "Google")),
        ("https://de.search.yahoo.com/", Source("search", "Yahoo")),
        ("https://yandex.com.tr/", Source("search", "Yandex")),
        ("https://cn.bing.com/", Source("search", "Bing")),
        ("https://gemini.google.com/app", Source("ai", "Gemini")),
        ("https://chatgpt.com/", Source("ai", "ChatGPT")),
        ("https://www.perplexity.ai/search", Source("ai", "Perplexity")),
        ("https://l.facebook.com/l.php", Source("social", "Facebook")),
        ("https://t.co/abc", Source("social", "X")),
        ("https://mail.google.com/", Source("referral", "mail.google.com")),
        ("https://docs.google.com/", Source("referral", "docs.google.com")),
        ("https://google.com.evil.example/", Source("referral", "google.com.evil.example")),
        ("https://notfacebook.com/", Source("referral", "notfacebook.com")),
        ("https://facebook.com@evil.example/", Source("referral", "evil.example")),
        ("https://WWW.Blog.Example:8080/a", Source("referral", "blog.example")),
        ("http://[2001:db8::1]:80/", Source("referral", "[2001:db8::1]")),
    ],
)
def test_a_referrer_says_where_the_visit_came_from(referrer, source):
    assert source_of(HERE, referrer, "") == source


def test_a_campaign_counts_more_than_the_referrer():
    assert source_of(HERE, "https://www.google.com/", "spring") == Source("campaign", "spring")
    assert source_of(HERE, "", "chatgpt.com") == Source("ai", "ChatGPT")


@given(st.text(), st.text(), st.text())
def test_any_text_has_a_source_with_a_bounded_name(landing, referrer, campaign):
    assert len(source_of(landing, referrer, campaign).name) <= 64


def test_no_host_is_listed_twice():
    hosts = [*SEARCH, *SOCIAL, *ASSISTANTS]
    assert len(hosts) == len(set(hosts))
    assert all(host == host.lower().strip() for host in hosts)
