"""When an engagement changes by itself. The deadlines follow from the stored state, so a restart loses none of them.

A timer carries the version that it was set for. One that fires for a phase, an offer or an absence that is no longer
the present one is not among :func:`timers` any more and does nothing.
"""

from __future__ import annotations

from typing import Literal, assert_never

from msgspec import Struct

from services.chat_routing.domain.engagement import (
    Accepted,
    ChatDenied,
    ChatEnd,
    Chatting,
    Conference,
    Engagement,
    Forwarded,
    Invited,
    Kicked,
    Navigating,
    Phase,
    Redirected,
    Requested,
    offers,
)
from shared.contracts.sites import SiteSettings

TimerKind = Literal[
    "invite_ignored",
    "not_joined",
    "outcome_shown",
    "form_left",
    "queue",
    "offer",
    "forward",
    "silence",
    "away",
    "gone",
    "forget",
]


class Timer(Struct, frozen=True):
    """One deadline. `about` is the offer's id for `offer`, empty otherwise."""

    kind: TimerKind
    due_ms: int
    version: int
    about: str = ""


def timers(engagement: Engagement, settings: SiteSettings, resumed_at_ms: int) -> tuple[Timer, ...]:
    """All present deadlines. None counts from before `resumed_at_ms`: nobody could answer while nobody processed."""
    version = engagement.phase_version
    found = [
        Timer(kind, max(since_ms, resumed_at_ms) + after_ms, version)
        for kind, since_ms, after_ms in _of_phase(engagement, settings)
    ]
    found += [
        Timer("offer", max(offer.made_ms, resumed_at_ms) + settings.offer_ms, version, offer.offer)
        for offer in offers(engagement.phase)
        if not isinstance(engagement.phase, Forwarded)  # a forward has one deadline of its own
    ]
    return tuple(found + _of_absence(engagement, settings, resumed_at_ms))


def next_due_ms(engagement: Engagement, settings: SiteSettings, resumed_at_ms: int) -> int | None:
    """When to look at the engagement again, or None if time alone changes nothing."""
    return min((timer.due_ms for timer in timers(engagement, settings, resumed_at_ms)), default=None)


def _of_phase(engagement: Engagement, settings: SiteSettings) -> list[tuple[TimerKind, int, int]]:
    at_ms = engagement.phase_at_ms
    phase: Phase = engagement.phase
    match phase:
        case Navigating():
            return []
        case Invited():
            return [("invite_ignored", at_ms, settings.invite_ms)]
        case Accepted():
            return [("not_joined", at_ms, settings.join_ms)]
        case ChatDenied() | Kicked() | ChatEnd():
            return [("outcome_shown", at_ms, settings.outcome_shown_ms)]
        case Redirected():
            return [("form_left", at_ms, settings.form_ms)]
        case Requested():
            return [("queue", engagement.requested_ms, settings.queue_ms)]
        case Chatting() | Conference():
            return [("silence", engagement.spoke_ms, settings.chat_silence_ms)]
        case Forwarded():
            return [
                ("forward", at_ms, settings.forward_ms),
                ("silence", engagement.spoke_ms, settings.chat_silence_ms),
            ]
        case _:
            assert_never(phase)


def _of_absence(engagement: Engagement, settings: SiteSettings, resumed_at_ms: int) -> list[Timer]:
    if engagement.gone_since_ms is None:
        return []
    since_ms = max(engagement.gone_since_ms, resumed_at_ms)
    version = engagement.gone_since_ms  # a later absence is another one
    match engagement.phase:
        case Chatting() | Conference() | Forwarded():
            told = [] if engagement.gone_told else [Timer("away", since_ms + settings.chat_away_ms, version)]
            return [*told, Timer("gone", since_ms + settings.chat_gone_ms, version)]
        case Requested() | Accepted():
            return [Timer("gone", since_ms + settings.request_gone_ms, version)]
        case Navigating():
            denied_ms = engagement.denied_ms + settings.invite_cooldown_ms if engagement.denied_ms else 0
            kept_ms = max(since_ms + settings.visit_gap_ms, engagement.barred_until_ms, denied_ms)
            return [Timer("forget", kept_ms, version)]
        case _:
            return []
