"""Settings of chat-routing, from the environment."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast, get_args

from services.chat_routing.notify.mail import MailServer, Security, plain_address
from shared.runtime.settings import SettingsError, setting


@dataclass(frozen=True)
class ChatRoutingSettings:
    """One process of chat-routing. Behaviour (graces, offers, queues) is set per site, not here."""

    redis_url: str = setting("REDIS_URL", "redis://127.0.0.1:7380/0", help="Redis or Valkey, 7.0 or newer", secret=True)
    partitions: int = setting(
        "PARTITIONS", 16, help="number of partitions, fixed at installation", minimum=1, maximum=1024
    )
    admin_host: str = setting("CHAT_ROUTING_ADMIN_HOST", "127.0.0.1", help="address of health and metrics")
    admin_port: int = setting(
        "CHAT_ROUTING_ADMIN_PORT", 9102, help="port of health and metrics", minimum=0, maximum=65535
    )
    instance: str = setting("CHAT_ROUTING_INSTANCE", "", help="name of this instance; made up when empty")
    smtp_host: str = setting("SMTP_HOST", "", help="mail server; without one no mail is sent")
    smtp_port: int = setting("SMTP_PORT", 587, help="port of the mail server", minimum=1, maximum=65535)
    smtp_security: str = setting("SMTP_SECURITY", "starttls", help="starttls, tls or none")
    smtp_user: str = setting("SMTP_USER", "", help="login at the mail server; empty for none")
    smtp_password: str = setting("SMTP_PASSWORD", "", help="password at the mail server", secret=True)
    smtp_ca_file: str = setting("SMTP_CA_FILE", "", help="certificates to trust instead of the system's (PEM)")
    smtp_from: str = setting("SMTP_FROM", "", help="address that mails come from")
    webhook_allow: tuple[str, ...] = setting(
        "WEBHOOK_ALLOW", (), help="hosts (host or host:port) that webhooks may reach without TLS or in private networks"
    )
    log_level: str = setting("LOG_LEVEL", "INFO", help="DEBUG, INFO, WARNING or ERROR")

    def __post_init__(self) -> None:
        """Raises SettingsError when settings do not fit together."""
        problems = list(self._mail_problems())
        problems += [f"WEBHOOK_ALLOW: {host!r} is not host or host:port" for host in self.webhook_allow if "/" in host]
        if problems:
            raise SettingsError("\n".join(problems))

    def _mail_problems(self) -> Iterator[str]:
        if self.smtp_security not in get_args(Security):
            yield f"SMTP_SECURITY: {self.smtp_security!r} is not one of {', '.join(get_args(Security))}"
        if self.smtp_host and not plain_address(self.smtp_from):
            yield "SMTP_FROM: a mail server is set, so mails need a plain address to come from"
        if bool(self.smtp_user) != bool(self.smtp_password):
            yield "SMTP_USER, SMTP_PASSWORD: set both or none"
        if self.smtp_ca_file and not Path(self.smtp_ca_file).is_file():
            yield f"SMTP_CA_FILE: there is no file {self.smtp_ca_file}"
        if self.smtp_user and self.smtp_security == "none":
            yield "SMTP_SECURITY: a password is not sent without TLS"

    @property
    def mail_server(self) -> MailServer | None:
        """The mail server, if there is one."""
        if not self.smtp_host:
            return None
        return MailServer(
            self.smtp_host,
            self.smtp_port,
            cast("Security", self.smtp_security),
            self.smtp_from,
            self.smtp_user,
            self.smtp_password,
            self.smtp_ca_file,
        )
