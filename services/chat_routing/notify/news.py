"""Which outcomes of a commit become deliveries, and to whom. Pure: ids follow from the outcome alone."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable

from services.chat_routing.domain.engagement import ENDS
from shared.contracts.chat import OfflineMessageLeft, StatusChanged
from shared.contracts.notifications import ChatNews, Delivery, MessageNews
from shared.contracts.sites import Site

TALKED = ("chatting", "conference", "forwarded")  # a chat is over when one of these ends


def deliveries(outcomes: Iterable[object], site_of: Callable[[str], Site | None], *, mails: bool) -> list[Delivery]:
    """What these outcomes send. Without `mails` (no mail server is set) only webhooks."""
    found: list[Delivery] = []
    for outcome in outcomes:
        match outcome:
            case OfflineMessageLeft(site=key):
                site = site_of(key)
                if site is not None:
                    news = MessageNews(outcome)
                    name = f"{key} {outcome.visitor} {outcome.id} {outcome.at}"
                    found += _to_all(name, news, site, site.notifications.message_emails if mails else ())
            case StatusChanged(site=key) if outcome.before in TALKED and outcome.status in ENDS:
                site = site_of(key)
                if site is not None:
                    over = ChatNews(key, outcome.visitor, outcome.chat, outcome.status, outcome.reason, outcome.at)
                    found += _to_all(outcome.chat, over, site, site.notifications.transcript_emails if mails else ())
            case _:
                continue
    return found


def _to_all(name: str, news: MessageNews | ChatNews, site: Site, emails: Iterable[str]) -> list[Delivery]:
    targets = [(True, email) for email in emails] + [(False, hook.url) for hook in site.notifications.webhooks]
    return [Delivery(id=_id(name, target), news=news, mail=mail, target=target) for mail, target in targets]


def _id(name: str, target: str) -> str:
    return hashlib.sha256(f"{name}\n{target}".encode()).hexdigest()[:32]
