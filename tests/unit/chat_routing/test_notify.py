"""Mails whose headers a visitor cannot touch, addresses that lead inside in any notation, and who gets what."""

from __future__ import annotations

import asyncio
import hmac
from email import message_from_bytes
from email.policy import default
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.chat_routing.notify.fault import DeliveryFault
from services.chat_routing.notify.hooks import Hooks, resolve, signature
from services.chat_routing.notify.mail import compose, one_line, plain_address
from services.chat_routing.notify.news import deliveries
from services.chat_routing.settings import ChatRoutingSettings
from shared.contracts.chat import SYSTEM, OfflineMessageLeft, StatusChanged
from shared.contracts.notifications import Delivery, MessageNews
from shared.contracts.sites import Notifications, Site, Webhook
from shared.domain.egress import destination, is_public
from shared.runtime.settings import SettingsError, load

HOOK = Webhook("https://hooks.example/in", "0123456789abcdef")
SITE = Site(
    site="s_shop",
    name="Shop",
    notifications=Notifications(message_emails=("a@x.example", "b@x.example"), webhooks=(HOOK,)),
)


def left(**fields: str) -> OfflineMessageLeft:
    values = {"name": "Vera", "email": "vera@home.example", "text": "Hello"} | fields
    return OfflineMessageLeft(site="s_shop", visitor="v1", id="m1", at=1_800_000_000_000, **values)


def mail_of(message: OfflineMessageLeft, to: str = "a@x.example", site: str = "Shop") -> bytes:
    delivery = Delivery(id="d1", news=MessageNews(message), mail=True, target=to)
    return compose(delivery, site, (), "foyer@shop.example").as_bytes()


@given(st.text(max_size=60), st.text(max_size=60), st.text(min_size=1, max_size=200), st.text(min_size=1, max_size=60))
def test_no_text_becomes_a_header_or_another_receiver(name: str, email: str, text: str, site: str) -> None:
    raw = mail_of(left(name=name, email=email, text=text), site=site)
    assert b"\n" not in raw.replace(b"\r\n", b"")
    mail = message_from_bytes(raw, policy=default)
    known = {"From", "To", "Date", "Message-ID", "Auto-Submitted", "Subject", "MIME-Version"}
    known |= {"Content-Type", "Content-Transfer-Encoding", "Reply-To"}
    assert set(mail.keys()) <= known
    assert len(mail.keys()) == len(set(mail.keys()))
    assert [one.addr_spec for one in mail["To"].addresses] == ["a@x.example"]
    assert mail["From"].addresses[0].addr_spec == "foyer@shop.example"
    assert mail.get_content_type() == "text/plain"
    assert not mail.is_multipart()


def test_a_forged_name_and_address_stay_text() -> None:
    evil = left(name="Eve\r\nBcc: all@x.example", email="e@x.example>,<all@x.example", text="a\r\n.\r\nMAIL FROM:<x>")
    mail = message_from_bytes(mail_of(evil), policy=default)
    assert mail["Bcc"] is None
    assert mail["Reply-To"] is None
    assert "Bcc: all@x.example" in mail.get_content()
    assert message_from_bytes(mail_of(left()), policy=default)["Reply-To"] == "vera@home.example"
    assert one_line("a\u202eb\nc\u2028d\x1b[1m") == "ab c d [1m"


def test_an_address_that_is_two_is_refused() -> None:
    for text in (
        "a@x.example,b@x.example",
        "a@x.example\n",
        "<a@x.example>",
        "a b@x.example",
        "a@",
        "a@x..example",
        "",
    ):
        assert not plain_address(text)
    with pytest.raises(DeliveryFault) as fault:
        mail_of(left(), to="a@x.example, b@x.example")
    assert fault.value.final


INSIDE = [
    *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1"),
    *("255.255.255.255", "192.0.0.8", "198.18.0.1", "192.88.99.1", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1"),
    *(
        "fec0::1",
        "::ffff:127.0.0.1",
        "::ffff:a9fe:a9fe",
        "::7f00:1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::1",
        "2002:7f00:1::",
    ),
    *("2001::1", "2001:db8::1", "ff02::1", "not an address"),
]


@pytest.mark.parametrize("address", INSIDE)
def test_an_address_inside_is_not_public(address: str) -> None:
    assert not is_public(address)


def test_public_addresses_are() -> None:
    assert is_public("93.184.216.34")
    assert is_public("2606:2800:220:1::1")
    assert is_public("::ffff:93.184.216.34")


@pytest.mark.parametrize(
    "host", ["127.1", "0177.0.0.1", "2130706433", "0x7f000001", "[::ffff:127.0.0.1]", "[::1]", "localhost", "0"]
)
async def test_every_notation_of_this_machine_is_refused(host: str) -> None:
    hooks = Hooks(frozenset())
    with pytest.raises(DeliveryFault) as fault:
        await hooks.post(f"https://{host}/in", HOOK.secret, "d1", {}, 0)
    assert fault.value.reason in ("private_address", "gaierror", "InvalidURL", "address_refused")


async def test_one_private_address_among_public_ones_is_refused() -> None:
    async def both(_host: str, _port: int) -> list[str]:
        return ["93.184.216.34", "10.0.0.1"]

    with pytest.raises(DeliveryFault, match="private_address"):
        await Hooks(frozenset(), both).post(HOOK.url, HOOK.secret, "d1", {}, 0)


async def test_a_name_that_never_resolves_runs_into_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(_host: str, _port: int) -> list[str]:
        await asyncio.Event().wait()
        return []

    monkeypatch.setattr("services.chat_routing.notify.hooks.POST_TIMEOUT_S", 0.01)
    with pytest.raises(DeliveryFault, match="timeout"):
        await Hooks(frozenset(), never).post(HOOK.url, HOOK.secret, "d1", {}, 0)


def test_http_and_odd_addresses_need_the_allow_list() -> None:
    nothing: frozenset[str] = frozenset()
    for url in ("http://x.example/", "ftp://x.example/", "https://u:p@x.example/", "https:///a", "https://x\\@y/"):
        assert destination(url, nothing) is None
    found = destination("http://crm.internal:8080/in", frozenset({"crm.internal:8080"}))
    assert found is not None and found.trusted
    assert destination("http://crm.internal:8081/in", frozenset({"crm.internal:8080"})) is None
    outside = destination("https://crm.internal.evil.example/", frozenset({"crm.internal"}))
    assert outside is not None and not outside.trusted


async def test_numbers_resolve_to_what_they_mean() -> None:
    assert await resolve("2130706433", 443) == ["127.0.0.1"]


def test_the_signature_is_over_time_and_body() -> None:
    expected = hmac.new(b"secret", b"17.{}", "sha256").hexdigest()
    assert signature("secret", 17, b"{}") == f"v1={expected}"


def test_each_receiver_is_one_delivery_and_a_repeat_has_the_same_ids() -> None:
    made = deliveries([left()], lambda _: SITE, mails=True)
    assert [one.target for one in made] == ["a@x.example", "b@x.example", HOOK.url]
    assert len({one.id for one in made}) == 3
    assert deliveries([left()], lambda _: SITE, mails=True) == made
    assert [one.target for one in deliveries([left()], lambda _: SITE, mails=False)] == [HOOK.url]
    assert deliveries([left()], lambda _: None, mails=True) == []


@pytest.mark.parametrize(
    ("before", "status", "told"),
    [("chatting", "chat_end", 1), ("conference", "kicked", 1), ("chat_end", "navigating", 0),
     ("chatting", "conference", 0), ("requested", "redirected", 0), ("invited", "chat_denied", 0)],
)  # fmt: skip
def test_only_a_chat_that_took_place_and_is_over_is_news(before: str, status: str, told: int) -> None:
    rest: dict[str, Any] = {"by": SYSTEM, "at": 1, "chat": "c1"}
    change = StatusChanged(site="s_shop", visitor="v1", before=before, status=status, **rest)  # type: ignore[arg-type]
    assert len(deliveries([change], lambda _: SITE, mails=True)) == told


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({"SMTP_HOST": "mail.example"}, "SMTP_FROM"),
        ({"SMTP_SECURITY": "ssl"}, "SMTP_SECURITY"),
        ({"SMTP_USER": "u"}, "SMTP_PASSWORD"),
        ({"SMTP_USER": "u", "SMTP_PASSWORD": "p", "SMTP_SECURITY": "none"}, "SMTP_SECURITY"),
        ({"WEBHOOK_ALLOW": "http://crm.internal"}, "WEBHOOK_ALLOW"),
    ],
)
def test_settings_that_do_not_fit_together_stop_the_start(environ: dict[str, str], named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        load(ChatRoutingSettings, environ)


def test_the_mail_password_is_in_no_message() -> None:
    environ = {"SMTP_HOST": "m", "SMTP_FROM": "a@b.c", "SMTP_USER": "u", "SMTP_PASSWORD": "hush"}
    settings = load(ChatRoutingSettings, environ)
    assert "hush" not in repr(settings)
    assert "hush" not in repr(settings.mail_server)
