"""Mails over TLS and STARTTLS: a real mail server whose certificate the test makes, trusted and not."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiosmtpd.smtp import AuthResult

from services.chat_routing.notify.fault import DeliveryFault
from services.chat_routing.notify.mail import Mailer, MailServer, Security, compose
from services.chat_routing.settings import ChatRoutingSettings
from shared.contracts.chat import OfflineMessageLeft
from shared.contracts.notifications import Delivery, MessageNews
from shared.runtime.settings import SettingsError
from tests.mail import Post, mail_server

SENDER, TEAM = "foyer@shop.example", "team@shop.example"


@asynccontextmanager
async def secured(security: Security, name: str, folder: Path) -> AsyncIterator[tuple[Post, MailServer]]:
    """A server whose certificate is for `name`, and how to reach it as 127.0.0.1."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(context)
    logins: list[Any] = []

    def authenticate(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        logins.append((data.login, data.password))
        return AuthResult(success=data.password == b"right", handled=False)

    post = Post()
    options: dict[str, Any] = {"authenticator": authenticate, "auth_required": True}
    if security == "tls":
        options |= {"ssl_context": context, "auth_require_tls": False, "auth_required": False}
    elif security == "none":
        options = {}
    else:
        options |= {"tls_context": context, "require_starttls": True}
    over = options.pop("ssl_context", None)
    async with mail_server(post, over, **options) as port:
        yield post, MailServer("127.0.0.1", port, security, SENDER, "foyer", "right", str(folder / "ca.pem"))


def mail() -> Any:
    left = OfflineMessageLeft(site="s_shop", visitor="v", id="m", at=1, name="Vera", email="v@x.example", text="Hello")
    delivery = Delivery(id="d", news=MessageNews(left), mail=True, target=TEAM)
    return compose(delivery, "Shop", (), SENDER)


@pytest.mark.parametrize("security", ["tls", "starttls"])
async def test_a_mail_goes_out_encrypted_and_logged_in(security: Security, tmp_path: Path) -> None:
    async with secured(security, "127.0.0.1", tmp_path) as (post, server):
        await Mailer(server).send(mail(), TEAM)
    assert post.receivers == [[TEAM]]
    assert "Hello" in post.mails[0].get_content()


@pytest.mark.parametrize("security", ["tls", "starttls"])
@pytest.mark.parametrize("fault", ["untrusted", "other name"])
async def test_a_server_that_cannot_prove_who_it_is_gets_nothing(
    security: Security, fault: str, tmp_path: Path
) -> None:
    name = "127.0.0.1" if fault == "untrusted" else "mail.shop.example"
    async with secured(security, name, tmp_path) as (post, there):
        system = MailServer("127.0.0.1", there.port, security, SENDER, "foyer", "right")
        with pytest.raises(DeliveryFault) as failed:
            await Mailer(system if fault == "untrusted" else there).send(mail(), TEAM)
    assert (failed.value.reason, failed.value.final) == ("SSLCertVerificationError", False)
    assert post.mails == []


async def test_a_server_without_starttls_gets_neither_mail_nor_password(tmp_path: Path) -> None:
    async with secured("none", "127.0.0.1", tmp_path) as (post, there):
        server = MailServer("127.0.0.1", there.port, "starttls", SENDER, "foyer", "right", there.ca_file)
        with pytest.raises(DeliveryFault) as failed:
            await Mailer(server).send(mail(), TEAM)
    assert failed.value.reason == "SMTPNotSupportedError"
    assert post.mails == []


async def test_a_wrong_password_is_a_fault_that_may_pass(tmp_path: Path) -> None:
    async with secured("starttls", "127.0.0.1", tmp_path) as (post, server):
        wrong = MailServer(server.host, server.port, "starttls", SENDER, "foyer", "wrong", server.ca_file)
        with pytest.raises(DeliveryFault) as failed:
            await Mailer(wrong).send(mail(), TEAM)
    assert (failed.value.reason, failed.value.final) == ("smtp_535", False)
    assert post.mails == []


def test_a_certificate_file_that_is_not_there_is_said_at_the_start() -> None:
    with pytest.raises(SettingsError, match="SMTP_CA_FILE"):
        ChatRoutingSettings(smtp_ca_file="no/such/file.pem")
