"""Mails: plain text only, and nothing that a visitor wrote can become a header or another address.

The subject names the site, not the visitor. A visitor's address becomes Reply-To only if it is a plain one. Sending
happens in a thread (smtplib), with a deadline on every step. Read :func:`compose`.
"""

from __future__ import annotations

import asyncio
import re
import smtplib
import ssl
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from typing import Literal

from services.chat_routing.notify.fault import DeliveryFault
from shared.contracts.chat import ChatEvent
from shared.contracts.notifications import ChatNews, Delivery, MessageNews

SMTP_TIMEOUT_S = 10.0
Security = Literal["starttls", "tls", "none"]
# What every mail system takes for one plain address; anything cleverer is shown in the text and not answered to.
_PLAIN = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})*")


@dataclass(frozen=True, slots=True)
class MailServer:
    """The installation's mail server."""

    host: str
    port: int
    security: Security
    sender: str
    user: str = ""
    password: str = field(default="", repr=False)
    ca_file: str = ""

    def tls(self) -> ssl.SSLContext:
        """The certificate is checked, against `ca_file` where one is set. Raises OSError when that cannot be read."""
        return ssl.create_default_context(cafile=self.ca_file or None)


def plain_address(text: str) -> bool:
    """Whether `text` is one plain address and nothing else."""
    return len(text) <= 254 and _PLAIN.fullmatch(text) is not None


def one_line(text: str) -> str:
    """`text` without anything that ends a line, controls a terminal or turns the direction of writing."""
    kept = "".join(" " if unicodedata.category(char) in ("Cc", "Zl", "Zp") else char for char in text)
    return "".join(char for char in kept if unicodedata.category(char) != "Cf").strip()


def compose(delivery: Delivery, site_name: str, lines: Sequence[ChatEvent], sender: str) -> EmailMessage:
    """The mail. Raises DeliveryFault when an address is none."""
    if not plain_address(delivery.target) or not plain_address(sender):
        raise DeliveryFault("bad_address", final=True)
    news = delivery.news
    mail = EmailMessage(policy=SMTP)
    mail["From"] = Address(display_name=one_line(site_name)[:80], addr_spec=sender)
    mail["To"] = Address(addr_spec=delivery.target)
    mail["Date"] = datetime.fromtimestamp(_at(news) / 1000, UTC)
    mail["Message-ID"] = f"<{delivery.id}@{sender.rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"
    if isinstance(news, MessageNews):
        mail["Subject"] = f"New message on {one_line(site_name)[:80]}"
        if plain_address(news.message.email):
            mail["Reply-To"] = Address(addr_spec=news.message.email)
        mail.set_content(_message_text(news), cte="quoted-printable")
    else:
        about = "Your chat with" if delivery.asked else "Chat transcript of"
        mail["Subject"] = f"{about} {one_line(site_name)[:80]}"
        text = _said(line for line in lines if line.type == "message") if delivery.asked else _report(news, lines)
        mail.set_content(text, cte="quoted-printable")
    return mail


def _at(news: MessageNews | ChatNews) -> int:
    return news.message.at if isinstance(news, MessageNews) else news.at


def _message_text(news: MessageNews) -> str:
    left = news.message
    head = f"Name: {one_line(left.name)}\nE-mail: {one_line(left.email)}\nVisitor: {left.visitor}\n"
    return f"{head}Skill: {left.skill}\n\n{left.text}\n"


def _report(news: ChatNews, lines: Iterable[ChatEvent]) -> str:
    """For the site: how it ended, and every line."""
    return f"Chat {news.chat}: {news.status} {one_line(news.reason)}".rstrip() + "\n\n" + _said(lines)


def _said(lines: Iterable[ChatEvent]) -> str:
    shown = []
    for line in lines:
        when = datetime.fromtimestamp(line.at / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
        said = line.text.replace("\n", "\n    ") if line.text else f"({line.type})"
        shown.append(f"{when} {one_line(line.by.name or line.by.kind)}: {said}")
    return "\n".join(shown) + "\n"


class Mailer:
    """Sends one mail at a time through a connection of its own. Raises DeliveryFault."""

    def __init__(self, server: MailServer) -> None:
        self.server = server

    async def send(self, mail: EmailMessage, to: str) -> None:
        """Returns when the server has taken the mail."""
        await asyncio.to_thread(self._send, mail, to)

    def _send(self, mail: EmailMessage, to: str) -> None:
        server = self.server
        try:
            with self._connect() as smtp:
                if server.security == "starttls":
                    smtp.starttls(context=server.tls())
                if server.user:
                    smtp.login(server.user, server.password)
                smtp.send_message(mail, from_addr=server.sender, to_addrs=[to])
        except smtplib.SMTPRecipientsRefused as error:
            codes = [code for code, _ in error.recipients.values()]
            raise DeliveryFault("recipient_refused", final=all(500 <= code < 600 for code in codes)) from None
        except smtplib.SMTPResponseException as error:
            raise DeliveryFault(f"smtp_{error.smtp_code}") from None
        except (smtplib.SMTPException, OSError) as error:
            raise DeliveryFault(type(error).__name__) from None

    def _connect(self) -> smtplib.SMTP:
        server = self.server
        if server.security == "tls":
            return smtplib.SMTP_SSL(server.host, server.port, timeout=SMTP_TIMEOUT_S, context=server.tls())
        return smtplib.SMTP(server.host, server.port, timeout=SMTP_TIMEOUT_S)
