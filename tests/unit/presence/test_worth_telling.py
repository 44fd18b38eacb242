"""Chat-routing hears of a visitor only where a trigger looks at what changed."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from services.presence.domain.triggers import worth_telling
from shared.contracts.sites import Condition, Trigger
from shared.domain.visitor import Tab, View, Visitor

TIMED = Trigger(trigger="t", name="T", text="Hello", on_site_ms=500)
HERE = Visitor(
    number=1, live=True, visits=1, pages=1, tabs=(Tab(b"t" * 16, view=View(b"p" * 16, "https://a/1", "", 5)),)
)


def on(url: str, at: int) -> tuple[Tab, ...]:
    return (Tab(b"t" * 16, view=View(b"q" * 16, url, "", at)),)


HERE = Visitor(number=1, live=True, visits=1, pages=1, tabs=on("https://a/1", 5))


def test_a_site_without_triggers_tells_nothing() -> None:
    assert not worth_telling((), Visitor(), HERE)
    assert not worth_telling((replace(TIMED, enabled=False),), Visitor(), HERE)


def test_coming_going_on_and_leaving() -> None:
    assert worth_telling((TIMED,), Visitor(), HERE)
    assert worth_telling((TIMED,), HERE, replace(HERE, tabs=on("https://a/2", 9), pages=2))
    assert not worth_telling((TIMED,), HERE, replace(HERE, live=False))


@pytest.mark.parametrize(
    ("changes", "trigger", "told"),
    [
        ({"engaged_ms": 9, "input_at": 9}, TIMED, False),
        ({"activity": "idle"}, TIMED, False),
        ({"activity": "idle"}, replace(TIMED, idle_ms=500), True),
        ({"attrs": {"plan": ("gold", 1)}}, TIMED, False),
        ({"attrs": {"plan": ("gold", 1)}}, replace(TIMED, conditions=(Condition("attribute", "*", "plan"),)), True),
        ({"version": 4, "due": 7}, replace(TIMED, idle_ms=500), False),
    ],
)
def test_only_what_a_trigger_looks_at_is_told(changes: dict[str, Any], trigger: Trigger, told: bool) -> None:
    assert worth_telling((trigger,), HERE, replace(HERE, **changes)) is told
