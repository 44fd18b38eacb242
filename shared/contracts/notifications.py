"""What leaves Foyer by mail or webhook, as it stands in the queue `nq:{T}` until it is delivered."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from shared.contracts.chat import ChatId, OfflineMessageLeft


class MessageNews(Struct, frozen=True, tag="ol"):
    """A visitor left an offline message."""

    message: OfflineMessageLeft


class ChatNews(Struct, frozen=True, tag="ch"):
    """A chat is over; its transcript is read when the news is delivered, so that an erased one goes nowhere."""

    site: str
    visitor: str
    chat: ChatId
    status: str
    reason: str
    at: int


class Delivery(Struct, frozen=True, kw_only=True):
    """One thing for one receiver. `id` is the same at every attempt; `target`: an e-mail address or a URL.

    `asked`: somebody asked for this transcript at this address, so the site need not name it as a receiver.
    """

    id: str
    news: MessageNews | ChatNews
    mail: bool
    target: str
    asked: bool = False

    @property
    def about(self) -> tuple[str, str]:
        """Site and visitor."""
        news = self.news.message if isinstance(self.news, MessageNews) else self.news
        return news.site, news.visitor

    @property
    def site(self) -> str:
        """Whose news."""
        return self.about[0]


class Undelivered(Struct, frozen=True, kw_only=True):
    """An entry of `nd:{T}`: given up after so many attempts. No text of anybody: to try again, a transcript is read
    anew, and an offline message (`message` is its id) is looked up in the inbox."""

    id: str
    site: str
    kind: str
    target: str
    reason: str
    attempts: int
    at: int
    visitor: str = ""
    mail: bool = True
    asked: bool = False
    chat: ChatNews | None = None
    message: str = ""


encode_delivery = msgspec.msgpack.Encoder().encode
decode_delivery = msgspec.msgpack.Decoder(Delivery).decode
encode_undelivered = msgspec.msgpack.Encoder().encode
decode_undelivered = msgspec.msgpack.Decoder(Undelivered).decode
