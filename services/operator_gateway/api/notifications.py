"""Who outside the console hears of messages and chats. Secrets of webhooks are shown once, when they are made."""

from __future__ import annotations

import secrets

from msgspec.structs import replace

from services.operator_gateway.api.routing import Call
from shared.contracts.notify_api import NotificationsBody, NotificationsView, WebhookView
from shared.contracts.sites import Notifications, Site, Webhook


async def get_notifications(call: Call) -> NotificationsView:
    """The receivers."""
    return _view(call.site, {})


async def replace_notifications(call: Call) -> NotificationsView:
    """Other receivers instead of all that there are."""
    body: NotificationsBody = call.body
    made = {hook.url: secrets.token_urlsafe(32) for hook in body.webhooks if hook.secret is None}

    def change(site: Site) -> Site:
        known = {hook.url: hook.secret for hook in site.notifications.webhooks}
        given = {hook.url: hook.secret or known.get(hook.url) or made[hook.url] for hook in body.webhooks}
        wanted = Notifications(
            message_emails=tuple(dict.fromkeys(body.message_emails)),
            transcript_emails=tuple(dict.fromkeys(body.transcript_emails)),
            webhooks=tuple(Webhook(url, secret) for url, secret in given.items()),
        )
        return replace(site, notifications=wanted)

    return _view(await call.stored(await call.context.store.update_site(call.site.site, change, call.expected)), made)


def _view(site: Site, made: dict[str, str]) -> NotificationsView:
    now = site.notifications
    hooks = (WebhookView(hook.url, hook.secret if made.get(hook.url) == hook.secret else None) for hook in now.webhooks)
    return NotificationsView(now.message_emails, now.transcript_emails, tuple(hooks), site.version)
