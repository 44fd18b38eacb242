"""The closed sets of words about chats: codes of refusals, types of transcript lines, kinds of offers."""

from __future__ import annotations

from typing import Literal

RefusalCode = Literal[
    "already_invited",
    "engaged",
    "cooldown",
    "offer_expired",
    "taken",
    "not_owner",
    "missing_skill",
    "at_capacity",
    "target_offline",
    "self_forward",
    "not_in_chat",
    "banned",
    "stale_version",
    "not_found",
    "forbidden",
    "too_long",
    "too_many",
]

ChatEventType = Literal[
    "requested",
    "invited",
    "accepted",
    "denied",
    "started",
    "message",
    "joined",
    "left",
    "forwarded",
    "forward_declined",
    "away",
    "back",
    "redirected",
    "kicked",
    "ended",
    "rated",
]
OfferKind = Literal["request", "forward", "conference"]
