"""Which outcomes of a commit become deliveries, and to whom. Pure: ids follow from the outcome alone."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable

from services.chat_routing.domain.engagement import ENDS
from shared.contracts.chat import OfflineMessageLeft, StatusChanged, TranscriptWanted
from shared.contracts.notifications import ChatNews, Delivery, MessageNews, Undelivered
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
            case TranscriptWanted(site=key, email=email) if mails:
                over = ChatNews(key, outcome.visitor, outcome.chat, outcome.status, outcome.reason, outcome.at)
                ident = _id(f"{outcome.chat} {outcome.at}", email)
                found.append(Delivery(id=ident, news=over, mail=True, target=email, asked=True))
            case _:
                continue
    return found


def revived(undelivered: Undelivered, message: OfflineMessageLeft | None) -> Delivery | None:
    """What was given up, to be tried again; None if what it told of is no longer there."""
    news = undelivered.chat or (None if message is None else MessageNews(message))
    if news is None:
        return None
    return Delivery(
        id=undelivered.id, news=news, mail=undelivered.mail, target=undelivered.target, asked=undelivered.asked
    )


def _to_all(name: str, news: MessageNews | ChatNews, site: Site, emails: Iterable[str]) -> list[Delivery]:
    targets = [(True, email) for email in emails] + [(False, hook.url) for hook in site.notifications.webhooks]
    return [Delivery(id=_id(name, target), news=news, mail=mail, target=target) for mail, target in targets]


def _id(name: str, target: str) -> str:
    return hashlib.sha256(f"{name}\n{target}".encode()).hexdigest()[:32]
