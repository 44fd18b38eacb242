"""Who outside the console hears of messages and chats. Secrets of webhooks are shown once, when they are made."""

from __future__ import annotations

import secrets

from msgspec.structs import replace

from services.operator_gateway.api.desk import named_in_path
from services.operator_gateway.api.problems import Refusal
from services.operator_gateway.api.routing import Call
from shared.contracts.desk_api import EntryId
from shared.contracts.notifications import Undelivered
from shared.contracts.notify_api import (
    NotificationsBody,
    NotificationsView,
    UndeliveredList,
    UndeliveredView,
    WebhookView,
)
from shared.contracts.sites import Notifications, Site, Webhook
from shared.contracts.streams import SettleUndelivered


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


async def list_undelivered(call: Call) -> UndeliveredList:
    """Mails and webhooks that were given up, newest first. They are kept for 30 days."""
    found = await call.context.buried.of(call.site.site)
    return UndeliveredList(tuple(_undelivered(one.entry, one.undelivered) for one in found))


async def retry_undelivered(call: Call) -> None:
    """Try it again, a moment after the answer. A message that is no longer in the inbox cannot be sent: it stays."""
    await _settle(call, retry=True)


async def drop_undelivered(call: Call) -> None:
    """It is not to be sent any more."""
    await _settle(call, retry=False)


async def _settle(call: Call, *, retry: bool) -> None:
    site, entry = call.site.site, named_in_path(call, "entry", EntryId)
    if all(one.entry != entry for one in await call.context.buried.of(site)):
        raise Refusal("not_found")
    await call.context.tell(site, SettleUndelivered(site, entry, retry))


def _undelivered(entry: str, line: Undelivered) -> UndeliveredView:
    return UndeliveredView(
        entry=entry,
        kind=line.kind,
        mail=line.mail,
        target=line.target,
        reason=line.reason,
        attempts=line.attempts,
        at=line.at,
        visitor=line.visitor,
        chat=line.chat.chat if line.chat else "",
    )


def _view(site: Site, made: dict[str, str]) -> NotificationsView:
    now = site.notifications
    hooks = (WebhookView(hook.url, hook.secret if made.get(hook.url) == hook.secret else None) for hook in now.webhooks)
    return NotificationsView(now.message_emails, now.transcript_emails, tuple(hooks), site.version)
