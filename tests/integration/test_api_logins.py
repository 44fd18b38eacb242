"""Logging in over HTTP: one answer for every failure, cookies that no other site can use, logins that end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from http.cookies import SimpleCookie
from typing import Any

import pytest

from services.operator_gateway.api import cookies
from services.operator_gateway.passwords import Passwords, PasswordsBusy
from shared.contracts.sites import Operator
from shared.storage.clients import Clients
from shared.storage.directory_store import Written
from tests.gateway_api import CHEAP, PASSWORD, Api, serving

SESSION, ME = "/api/v1/session", "/api/v1/me"


@pytest.fixture
async def api(clients: Clients) -> AsyncIterator[Api]:
    async with serving(clients) as served:
        yield served


@pytest.fixture
async def ann(api: Api) -> Operator:
    return await api.operator(await api.site(), email="Ann@X.example", name="Ann")


def said(answer: Any) -> dict[str, Any]:
    """The answer without what differs from request to request."""
    return {**answer.json, "request_id": ""}


def given(email: str, password: str = PASSWORD) -> dict[str, str]:
    return {"email": email, "password": password}


async def test_login_gives_a_token_that_works(api: Api, ann: Operator) -> None:
    answer = await api.call("POST", SESSION, body=given(" ann@x.EXAMPLE "))
    assert answer.status == 200
    assert answer.json["operator"] == {"id": ann.operator, "name": "Ann", "email": "Ann@X.example", "owner": False}
    assert answer.json["expires_at"] == api.clock.now_ms() + 8 * 3_600_000
    me = await api.call("GET", ME, answer.json["token"])
    assert me.json["operator"] == answer.json["operator"]
    assert me.json["csrf"] == answer.json["csrf"]
    assert me.json["collector_url"] == "https://collect.example"
    assert me.json["geoip"] == {"attribution": "Country data by Somebody", "date": "2026-01"}
    assert [(site["role"], site["primary_skill"]) for site in me.json["sites"]] == [("operator", "general")]
    assert "token" not in me.json  # a program has one already


async def test_every_failed_login_gets_the_same_answer(api: Api, ann: Operator) -> None:
    disabled = await api.operator(disabled=True)
    wrong = await api.call("POST", SESSION, body=given("ann@x.example", "wrong password"))
    unknown = await api.call("POST", SESSION, body=given("nobody@x.example"))
    off = await api.call("POST", SESSION, body=given(disabled.email))
    assert said(wrong) == said(unknown) == said(off)
    assert (wrong.status, wrong.code) == (401, "invalid_login")
    assert "Set-Cookie" not in wrong.headers
    for name in wrong.headers:
        assert name in unknown.headers


async def test_every_failed_login_costs_one_hash(api: Api, ann: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[str] = []
    verify = Passwords._verify

    def noted(self: Passwords, secret: str, password: str) -> str:
        hashed.append(secret)
        return verify(self, secret, password)

    monkeypatch.setattr(Passwords, "_verify", noted)
    for email in ("ann@x.example", "nobody@x.example", "@", "\u0130\u0000"):
        await api.call("POST", SESSION, body=given(email, "wrong password"))
    assert len(hashed) == 4
    assert all(secret.startswith("$argon2id$") for secret in hashed)


async def test_guessing_is_locked_out_and_the_owner_still_gets_in(api: Api, ann: Operator) -> None:
    for _ in range(5):
        assert (await api.call("POST", SESSION, body=given("ann@x.example", "wrong"))).status == 401
    locked = await api.call("POST", SESSION, body=given("ann@x.example"))
    assert (locked.status, locked.code) == (429, "locked_out")
    assert int(locked.headers["Retry-After"]) == 2
    elsewhere = await api.call("POST", SESSION, body=given("ann@x.example"), X_Test_Address="198.51.100.7")
    assert elsewhere.status == 200
    api.clock.advance(2_000)
    assert (await api.call("POST", SESSION, body=given("ann@x.example"))).status == 200


async def test_an_unknown_address_is_locked_out_alike(api: Api) -> None:
    answers = [await api.call("POST", SESSION, body=given("nobody@x.example")) for _ in range(6)]
    assert [answer.status for answer in answers] == [401] * 5 + [429]


async def test_parallel_guesses_get_no_more_than_their_share(api: Api, ann: Operator) -> None:
    answers = await asyncio.gather(
        *(api.call("POST", SESSION, body=given("ann@x.example", f"guess {i}")) for i in range(20))
    )
    assert sum(answer.status == 401 for answer in answers) == 5


async def test_too_many_hashes_at_once_are_refused_and_not_held_against_anybody(api: Api, ann: Operator) -> None:
    api.passwords._room = 0
    for _ in range(6):
        answer = await api.call("POST", SESSION, body=given("ann@x.example"))
        assert (answer.status, answer.code) == (503, "busy")
    api.passwords._room = 4
    assert (await api.call("POST", SESSION, body=given("ann@x.example"))).status == 200


async def test_hashes_leave_the_loop_free_and_their_room_comes_back() -> None:
    passwords = Passwords(CHEAP, parallel=1, max_waiting=1)
    try:
        secret = await passwords.hash("word")
        results = await asyncio.gather(*(passwords.verify(secret, "word") for _ in range(5)), return_exceptions=True)
        assert sum(isinstance(result, PasswordsBusy) for result in results) == 3
        assert [result for result in results if not isinstance(result, PasswordsBusy)] == [True, True]
        leaver = asyncio.create_task(passwords.verify(secret, "word"))
        await asyncio.sleep(0)
        leaver.cancel()
        assert await passwords.verify(secret, "word")
        assert not await passwords.verify("", "nobody has this password")
        assert not await passwords.verify("not a hash", "word")
    finally:
        passwords.close()


async def test_password_of_weaker_parameters_is_hashed_again(api: Api, ann: Operator) -> None:
    weak = Passwords(replace(CHEAP, memory_cost=16))
    secret = await weak.hash(PASSWORD)
    weak.close()
    await api.store.update_operator(ann.operator, lambda o: o, secret=secret)
    answer = await api.call("POST", SESSION, body=given("ann@x.example"))
    assert answer.status == 200
    assert "m=8," in await api.store.secret(ann.operator)
    assert (await api.call("GET", ME, answer.json["token"])).status == 200


# --- cookies ---


async def test_browser_gets_a_cookie_that_scripts_and_other_sites_cannot_use(api: Api, ann: Operator) -> None:
    local = await api.call("POST", SESSION, body=given("ann@x.example"))
    public = await api.call("POST", SESSION, body=given("ann@x.example"), Host="console.example")
    morsel = SimpleCookie(local.headers["Set-Cookie"])["foyer_session"]
    assert (morsel["httponly"], morsel["samesite"], morsel["path"], morsel["secure"]) == (True, "Strict", "/", "")
    assert morsel["domain"] == ""
    assert 13 * 86_400 < int(morsel["max-age"]) <= 14 * 86_400
    morsel = SimpleCookie(public.headers["Set-Cookie"])["__Host-foyer_session"]
    assert (morsel["httponly"], morsel["samesite"], morsel["path"], morsel["secure"]) == (True, "Strict", "/", True)
    assert morsel["domain"] == ""


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("localhost:8200", cookies.LOCAL_NAME),
        ("127.0.0.1", cookies.LOCAL_NAME),
        ("[::1]:8200", cookies.LOCAL_NAME),
        ("demo.localhost", cookies.LOCAL_NAME),
        ("localhost.evil.example", cookies.SECURE_NAME),
        ("evil.example:1@localhost", cookies.LOCAL_NAME),
        ("[", cookies.SECURE_NAME),
        ("192.168.0.7", cookies.SECURE_NAME),
    ],
)
def test_only_this_machine_may_do_without_tls(host: str, name: str) -> None:
    class Request:
        pass

    request: Any = Request()
    request.host = host
    assert cookies._name(request, secure=False) == name
    assert cookies._name(request, secure=True) == cookies.SECURE_NAME


async def test_the_unprotected_cookie_counts_on_this_machine_only(api: Api, ann: Operator) -> None:
    token = await api.login(ann)
    assert (await api.call("GET", ME, Cookie=f"foyer_session={token}")).status == 200
    assert (await api.call("GET", ME, Cookie=f"foyer_session={token}", Host="console.example")).status == 401
    assert (await api.call("GET", ME, Cookie=f"__Host-foyer_session={token}", Host="console.example")).status == 200


async def test_a_cookie_alone_changes_nothing(api: Api, ann: Operator) -> None:
    token = await api.login(ann)
    cookie = f"foyer_session={token}"
    csrf = (await api.call("GET", ME, Cookie=cookie)).json["csrf"]
    for wrong in ({}, {"X_CSRF_Token": ""}, {"X_CSRF_Token": csrf[:-1]}, {"X_CSRF_Token": "\u00fc"}):
        answer = await api.call("PATCH", ME, body={"name": "Mallory"}, Cookie=cookie, **wrong)
        assert (answer.status, answer.code) == (403, "csrf")
    other = await api.login(await api.operator())
    others = (await api.call("GET", ME, other)).json["csrf"]
    assert (await api.call("PATCH", ME, body={"name": "M"}, Cookie=cookie, X_CSRF_Token=others)).code == "csrf"
    assert (await api.call("PATCH", ME, body={"name": "Anna"}, Cookie=cookie, X_CSRF_Token=csrf)).status == 200


@pytest.mark.parametrize("place", ["cross-site", "same-site"])
async def test_another_website_can_neither_log_in_nor_change(api: Api, ann: Operator, place: str) -> None:
    answer = await api.call("POST", SESSION, body=given("ann@x.example"), Sec_Fetch_Site=place)
    assert (answer.status, answer.code) == (403, "cross_site")
    form = await api.call("POST", SESSION, body=given("ann@x.example"), Content_Type="text/plain")
    assert (form.status, form.code) == (415, "content_type")


async def test_a_header_that_is_no_login_is_not_overlooked_for_a_cookie(api: Api, ann: Operator) -> None:
    token = await api.login(ann)
    for header in ("Bearer nonsense", "Basic YTpi", "Bearer", ""):
        answer = await api.call("GET", ME, Cookie=f"foyer_session={token}", Authorization=header)
        assert (answer.status, answer.code) == (401, "unauthorized")
        assert answer.headers["WWW-Authenticate"] == "Bearer"


async def test_a_browser_logs_in_again_over_an_old_login_and_the_old_one_ends(api: Api, ann: Operator) -> None:
    async with api.browser() as browser:
        async with browser.post(api.url + SESSION, json=given("ann@x.example")) as first:
            old = (await first.json())["token"]
        async with browser.post(api.url + SESSION, json=given("ann@x.example")) as second:
            assert second.status == 200
        async with browser.get(api.url + ME) as me:
            told = await me.json()
            assert me.status == 200
        assert (await api.call("GET", ME, old)).status == 401
        signed_in = await api.sessions.redeem(told["token"])  # the socket's ticket after a page reload
        assert signed_in is not None
        assert signed_in.operator.operator == ann.operator
        async with browser.delete(api.url + SESSION, headers={"X-CSRF-Token": told["csrf"]}) as out:
            assert out.status == 204
        assert not [cookie for cookie in browser.cookie_jar if cookie.key == "foyer_session"]
        async with browser.get(api.url + ME) as gone:
            assert gone.status == 401


# --- one's own account ---


async def test_a_changed_password_ends_all_other_logins(api: Api, ann: Operator) -> None:
    mine, other = await api.login(ann), await api.login(ann)
    wrong = await api.call("POST", f"{ME}/password", mine, {"password": "wrong", "new_password": "another horse"})
    assert (wrong.status, wrong.code) == (403, "wrong_password")
    answer = await api.call("POST", f"{ME}/password", mine, {"password": PASSWORD, "new_password": "another horse"})
    assert answer.status == 200
    assert [(await api.call("GET", ME, token)).status for token in (mine, other, answer.json["token"])] == [
        401,
        401,
        200,
    ]
    assert (await api.call("POST", SESSION, body=given("ann@x.example"))).status == 401
    assert (await api.call("POST", SESSION, body=given("ann@x.example", "another horse"))).status == 200


async def test_logging_out_everywhere_ends_all(api: Api, ann: Operator) -> None:
    tokens = [await api.login(ann) for _ in range(3)]
    assert (await api.call("DELETE", f"{ME}/sessions", tokens[0])).status == 204
    assert [(await api.call("GET", ME, token)).status for token in tokens] == [401] * 3


async def test_disabled_sites_are_not_among_mine(api: Api, ann: Operator) -> None:
    token = await api.login(ann)
    site = ann.memberships[0].site
    written = await api.store.update_site(site, lambda s: s.__class__(site=s.site, name=s.name, disabled=True))
    assert isinstance(written, Written)
    assert (await api.call("GET", ME, token)).json["sites"] == []
