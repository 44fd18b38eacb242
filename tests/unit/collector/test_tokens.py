"""Tokens: bound to site and visitor, hard to guess, and still good while the secret is being changed."""

from __future__ import annotations

import base64

import pytest

from services.collector.domain.tokens import VisitorTokens

OLD, NEW = "a" * 40, "b" * 40


def test_a_token_fits_its_site_and_visitor_only() -> None:
    tokens = VisitorTokens(NEW)
    token = tokens.mint("s_1", "v1")
    assert tokens.fits(token, "s_1", "v1")
    assert not tokens.fits(token, "s_2", "v1")
    assert not tokens.fits(token, "s_1", "v2")
    assert not VisitorTokens(OLD).fits(token, "s_1", "v1")


def test_site_and_visitor_cannot_be_shifted_into_each_other() -> None:
    tokens = VisitorTokens(NEW)
    assert tokens.mint("s_1", "2v") != tokens.mint("s_12", "v")


@pytest.mark.parametrize("token", ["", "v1.", "v2.x", "ä", "\ud800", "x" * 512])
def test_nonsense_does_not_fit(token: str) -> None:
    assert not VisitorTokens(NEW).fits(token, "s_1", "v1")


def test_a_token_has_256_bits() -> None:
    version, _, digest = VisitorTokens(NEW).mint("s_1", "v1").partition(".")
    assert version == "v1"
    assert len(base64.urlsafe_b64decode(digest + "=")) == 32


def test_tokens_of_the_previous_secret_are_taken_and_new_ones_made_with_the_new() -> None:
    old = VisitorTokens(OLD).mint("s_1", "v1")
    both = VisitorTokens(NEW, (OLD,))
    assert both.fits(old, "s_1", "v1")
    assert both.mint("s_1", "v1") == VisitorTokens(NEW).mint("s_1", "v1") != old
