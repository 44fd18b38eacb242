"""Bodies and answers of the HTTP API about notifications. Strict like :mod:`shared.contracts.control`."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from shared.contracts.ids import Email

HookUrl = Annotated[str, Meta(min_length=10, max_length=500, pattern=r"^https?://[^\s]+$(?!\n)")]
HookSecret = Annotated[str, Meta(min_length=16, max_length=128)]


class WebhookBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Where to post. Without `secret` the address keeps the one that it has; a new address gets one."""

    url: HookUrl
    secret: HookSecret | None = None


class NotificationsBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who hears of offline messages (`message_emails`, webhooks) and of chats that are over (the transcript)."""

    message_emails: Annotated[tuple[Email, ...], Meta(max_length=10)] = ()
    transcript_emails: Annotated[tuple[Email, ...], Meta(max_length=10)] = ()
    webhooks: Annotated[tuple[WebhookBody, ...], Meta(max_length=5)] = ()


class WebhookView(Struct, frozen=True, omit_defaults=True):
    """A webhook. `secret` only if it was made by this request: it is shown this once."""

    url: str
    secret: str | None = None


class NotificationsView(Struct, frozen=True):
    """The site's notifications. `version` is the site's."""

    message_emails: tuple[str, ...]
    transcript_emails: tuple[str, ...]
    webhooks: tuple[WebhookView, ...]
    version: int


class UndeliveredView(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A mail or webhook that was given up after so many attempts. `kind`: `message` (of the offline form) or `chat`."""

    entry: str
    kind: str
    mail: bool
    target: str
    reason: str
    attempts: int
    at: int
    visitor: str = ""
    chat: str = ""


class UndeliveredList(Struct, frozen=True):
    """All that is kept of the site."""

    items: tuple[UndeliveredView, ...]


class TranscriptMail(Struct, frozen=True, forbid_unknown_fields=True):
    """Where a transcript is to be mailed."""

    email: Email
