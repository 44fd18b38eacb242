"""Sites, skills and operators over HTTP: what is stored is what was said, and rules hold."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from msgspec.structs import replace

from shared.contracts.sites import Membership, Operator, Site
from shared.storage.clients import Clients
from tests.gateway_api import PASSWORD, Api, serving

SITES = "/api/v1/sites"


@pytest.fixture
async def api(clients: Clients) -> AsyncIterator[Api]:
    async with serving(clients) as served:
        yield served


@dataclass(frozen=True)
class Shop:
    """A site, its admin and the admin's token."""

    site: Site
    admin: Operator
    token: str

    @property
    def path(self) -> str:
        return f"{SITES}/{self.site.site}"


@pytest.fixture
async def shop(api: Api) -> Shop:
    site = await api.site()
    admin = await api.operator(site, "admin")
    return Shop(site, admin, await api.login(admin))


# --- sites ---


async def test_an_owner_makes_a_site_and_is_its_admin(api: Api) -> None:
    token = await api.login(await api.operator(owner=True))
    body = {
        "name": "Shop",
        "origins": ["HTTPS://Shop.Example:443/", "https://shop.example", "http://localhost:8300"],
        "settings": {"idle_ms": 5_000},
    }
    made = await api.call("POST", SITES, token, body)
    assert made.status == 201
    site = made.json
    assert site["origins"] == ["https://shop.example", "http://localhost:8300"]
    assert (site["settings"]["idle_ms"], site["settings"]["leave_grace_ms"]) == (5_000, 15_000)
    assert (site["role"], site["version"], site["disabled"]) == ("admin", 1, False)
    assert site["created_at"] == api.clock.now_ms()
    assert site["embed"] == (
        f'<script async src="https://collect.example/t/v1.js" data-site="{site["site"]}"></script>'
    )
    assert (await api.call("GET", f"{SITES}/{site['site']}", token)).json == site
    assert (await api.call("GET", SITES, token)).json == {"items": [site]}
    assert [s["site"] for s in (await api.call("GET", "/api/v1/me", token)).json["sites"]] == [site["site"]]


async def test_only_own_sites_are_listed(api: Api, shop: Shop) -> None:
    await api.site("Elsewhere")
    listed = (await api.call("GET", SITES, shop.token)).json["items"]
    assert [(site["site"], site["role"]) for site in listed] == [(shop.site.site, "admin")]


async def test_a_patch_changes_what_it_names_only(api: Api, shop: Shop) -> None:
    before = (await api.call("GET", shop.path, shop.token)).json
    answer = await api.call(
        "PATCH", shop.path, shop.token, {"settings": {"silence_ms": 9_000}, "default_skill": "sales"}
    )
    assert answer.status == 200
    settings = {**before["settings"], "silence_ms": 9_000}
    assert answer.json == {**before, "settings": settings, "default_skill": "sales", "version": 2}
    assert answer.headers["ETag"] == '"2"'
    same = await api.call("PATCH", shop.path, shop.token, {})
    assert same.json["version"] == 2


async def test_an_outdated_change_is_refused(api: Api, shop: Shop) -> None:
    tag = (await api.call("GET", shop.path, shop.token)).headers["ETag"]
    assert (await api.call("PATCH", shop.path, shop.token, {"name": "A"}, If_Match=tag)).status == 200
    late = await api.call("PATCH", shop.path, shop.token, {"name": "B"}, If_Match=tag)
    assert (late.status, late.code) == (412, "stale_version")
    assert (await api.call("GET", shop.path, shop.token)).json["name"] == "A"
    for bad in ('"x"', "-1", '"1", "2"', "9" * 40):
        assert (await api.call("PATCH", shop.path, shop.token, {"name": "B"}, If_Match=bad)).code == "bad_version"
    assert (await api.call("PATCH", shop.path, shop.token, {"name": "B"}, If_Match="*")).status == 200


async def test_of_parallel_changes_of_one_version_one_is_taken(api: Api, shop: Shop) -> None:
    answers = await asyncio.gather(
        *(api.call("PATCH", shop.path, shop.token, {"name": f"{i}"}, If_Match='"1"') for i in range(8))
    )
    assert sorted(answer.status for answer in answers) == [200] + [412] * 7


async def test_deleting_a_site_switches_it_off_and_it_can_come_back(api: Api, shop: Shop) -> None:
    assert (await api.call("DELETE", shop.path, shop.token)).status == 204
    assert (await api.call("GET", shop.path, shop.token)).json["disabled"] is True
    assert (await api.call("PATCH", shop.path, shop.token, {"disabled": False})).json["disabled"] is False


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({"origins": ["https://ok.example", "https://*.example"]}, "/origins/1", "not_an_origin"),
        ({"origins": ["javascript://x.example"]}, "/origins/0", "not_an_origin"),
        ({"origins": ["https://x.example/path"]}, "/origins/0", "not_an_origin"),
        ({"origins": ["https://a:b@x.example"]}, "/origins/0", "not_an_origin"),
        ({"origins": "https://x.example"}, "/origins", "type"),
        ({"origins": ["https://x.example"] * 51}, "/origins", "too_many"),
        ({"default_skill": "french"}, "/default_skill", "unknown_skill"),
        ({"settings": {"idle_ms": 1}}, "/settings/idle_ms", "range"),
        ({"settings": {"no_such_setting": 1}}, "/settings", "unknown_field"),
        ({"settings": {"consent_required": 1}}, "/settings/consent_required", "type"),
        ({"name": ""}, "/name", "too_short"),
        ({"name": " \t"}, "/name", "format"),
        ({"name": "turned \u202eround"}, "/name", "format"),
        ({"name": "a\x00b"}, "/name", "format"),
        ({"name": "x" * 121}, "/name", "too_long"),
        ({"nmae": "x"}, "", "unknown_field"),
        ({"created_at": 1}, "", "unknown_field"),
        ([], "", "type"),
        (None, "", "type"),
    ],
)
async def test_what_is_wrong_is_pointed_at_and_never_quoted(
    api: Api, shop: Shop, body: object, pointer: str, code: str
) -> None:
    answer = await api.call("PATCH", shop.path, shop.token, b"null" if body is None else body)
    assert (answer.status, answer.code) == (422, "invalid")
    [error] = answer.json["errors"]
    assert (error["pointer"], error["code"]) == (pointer, code)
    for word in ("evil", "nmae", "no_such_setting", "french", "javascript", "x.example"):
        assert word not in answer.raw.decode()
    assert (await api.call("GET", shop.path, shop.token)).json["version"] == 1


# --- skills ---


async def test_skills_come_are_renamed_and_go(api: Api, shop: Shop) -> None:
    path = f"{shop.path}/skills"
    made = await api.call("POST", path, shop.token, {"skill": "german", "name": "Deutsch"})
    assert (made.status, made.json) == (201, {"skill": "german", "name": "Deutsch"})
    again = await api.call("POST", path, shop.token, {"skill": "german", "name": "x"})
    assert (again.status, again.json["errors"][0]["pointer"]) == (409, "/skill")
    assert (await api.call("PATCH", f"{path}/german", shop.token, {"name": "German"})).json["name"] == "German"
    assert (await api.call("GET", path, shop.token)).json["items"][-1] == {"skill": "german", "name": "German"}
    assert (await api.call("DELETE", f"{path}/german", shop.token)).status == 204
    for method, body in (("DELETE", None), ("PATCH", {"name": "x"})):
        assert (await api.call(method, f"{path}/german", shop.token, body)).code == "not_found"


async def test_a_skill_that_is_needed_stays(api: Api, shop: Shop) -> None:
    assert (await api.call("DELETE", f"{shop.path}/skills/general", shop.token)).code == "skill_in_use"
    me = f"{shop.path}/operators/{shop.admin.operator}"
    assert (await api.call("PATCH", me, shop.token, {"secondary_skills": ["sales"]})).status == 200
    assert (await api.call("DELETE", f"{shop.path}/skills/sales", shop.token)).code == "skill_in_use"


# --- operators ---


async def test_a_new_operator_gets_a_password_that_is_shown_once(api: Api, shop: Shop) -> None:
    path = f"{shop.path}/operators"
    made = await api.call("POST", path, shop.token, {"email": "Bob@x.example", "name": "Bob", "primary_skill": "sales"})
    assert made.status == 201
    bob, password = made.json["operator"], made.json["password"]
    assert len(password) >= 16
    assert (bob["email"], bob["role"], bob["primary_skill"], bob["max_chats"]) == (
        "Bob@x.example",
        "operator",
        "sales",
        3,
    )
    assert (await api.call("GET", f"{path}/{bob['id']}", shop.token)).json == bob
    login = await api.call("POST", "/api/v1/session", body={"email": "bob@x.example", "password": password})
    assert login.status == 200
    body = {"email": "c@x.example", "name": "C", "password": PASSWORD}
    assert "password" not in (await api.call("POST", path, shop.token, body)).json


async def test_of_twenty_parallel_invitations_one_account_comes(api: Api, shop: Shop) -> None:
    body = {"email": "bob@x.example", "name": "Bob", "password": PASSWORD}
    answers = await asyncio.gather(*(api.call("POST", f"{shop.path}/operators", shop.token, body) for _ in range(20)))
    assert sorted(answer.status for answer in answers) == [201] + [409] * 19
    assert {answer.code for answer in answers if answer.status == 409} == {"email_taken"}
    listed = (await api.call("GET", f"{shop.path}/operators", shop.token)).json["items"]
    assert len(listed) == 2


async def test_pages_of_operators_have_each_once(api: Api, shop: Shop) -> None:
    for _ in range(6):
        await api.operator(shop.site)
    seen: list[str] = []
    after = ""
    while True:
        page = (await api.call("GET", f"{shop.path}/operators?limit=3&after={after}", shop.token)).json
        seen += [operator["id"] for operator in page["items"]]
        if "next" not in page:
            break
        after = page["next"]
    assert len(seen) == len(set(seen)) == 7
    wrong = await api.call("GET", f"{shop.path}/operators?limit=0", shop.token)
    assert (wrong.status, wrong.json["errors"][0]["pointer"]) == (422, "/limit")


async def test_operators_see_colleagues_without_their_addresses(api: Api, shop: Shop) -> None:
    token = await api.login(await api.operator(shop.site))
    listed = (await api.call("GET", f"{shop.path}/operators", token)).json["items"]
    assert len(listed) == 2
    assert all("email" not in operator and "disabled" not in operator for operator in listed)
    token = await api.login(await api.operator(shop.site, "supervisor"))
    listed = (await api.call("GET", f"{shop.path}/operators", token)).json["items"]
    assert all("email" in operator for operator in listed)


async def test_rights_and_account_change_together(api: Api, shop: Shop) -> None:
    bob = await api.operator(shop.site)
    path = f"{shop.path}/operators/{bob.operator}"
    body = {"role": "supervisor", "primary_skill": "sales", "secondary_skills": ["general", "sales", "general"]}
    changed = await api.call("PATCH", path, shop.token, body | {"max_chats": 7, "name": "Robert"})
    assert changed.status == 200
    stored = await api.store.operator(bob.operator)
    assert stored is not None
    [member] = stored.memberships
    assert (member.role, member.primary_skill, member.secondary_skills) == ("supervisor", "sales", ("general",))
    assert (member.max_chats, stored.name, stored.email) == (7, "Robert", bob.email)
    for wrong, pointer in (
        ({"primary_skill": "x"}, "/primary_skill"),
        ({"secondary_skills": ["x"]}, "/secondary_skills/0"),
    ):
        answer = await api.call("PATCH", path, shop.token, wrong)
        assert (answer.status, answer.json["errors"][0]["pointer"]) == (422, pointer)
    taken = await api.call("PATCH", path, shop.token, {"email": shop.admin.email.upper()})
    assert (taken.status, taken.code) == (409, "email_taken")


async def test_disabling_ends_the_logins_and_keeps_out(api: Api, shop: Shop) -> None:
    bob = await api.operator(shop.site)
    token = await api.login(bob)
    path = f"{shop.path}/operators/{bob.operator}"
    assert (await api.call("PATCH", path, shop.token, {"disabled": True})).json["disabled"] is True
    assert (await api.call("GET", "/api/v1/me", token)).status == 401
    login = {"email": bob.email, "password": PASSWORD}
    assert (await api.call("POST", "/api/v1/session", body=login)).status == 401
    assert (await api.call("PATCH", path, shop.token, {"disabled": False})).status == 200
    assert (await api.call("GET", "/api/v1/me", token)).status == 401  # an old login does not come back
    assert (await api.call("POST", "/api/v1/session", body=login)).status == 200


async def test_a_reset_password_ends_the_logins(api: Api, shop: Shop) -> None:
    bob = await api.operator(shop.site)
    token = await api.login(bob)
    answer = await api.call("POST", f"{shop.path}/operators/{bob.operator}/password", shop.token)
    assert answer.status == 200
    assert (await api.call("GET", "/api/v1/me", token)).status == 401
    login = {"email": bob.email, "password": answer.json["password"]}
    assert (await api.call("POST", "/api/v1/session", body=login)).status == 200
    assert (await api.call("POST", "/api/v1/session", body={**login, "password": PASSWORD})).status == 401


async def test_admins_of_one_site_cannot_take_over_accounts_of_another(api: Api, shop: Shop) -> None:
    elsewhere = await api.site("Elsewhere")
    both = await api.operator(shop.site)
    members = (*both.memberships, Membership(site=elsewhere.site, role="admin"))
    await api.store.update_operator(both.operator, lambda o: replace(o, memberships=members))
    owner = await api.operator(shop.site, owner=True)
    for target in (both, owner):
        path = f"{shop.path}/operators/{target.operator}"
        refused = [
            await api.call("POST", f"{path}/password", shop.token, {"password": "mine from now on"}),
            await api.call("DELETE", f"{path}/sessions", shop.token),
            await api.call("PATCH", path, shop.token, {"email": "mine@x.example"}),
            await api.call("PATCH", path, shop.token, {"disabled": True}),
        ]
        assert [answer.code for answer in refused] == ["forbidden"] * 4
        assert (await api.call("PATCH", path, shop.token, {"max_chats": 1})).status == 200
    # nor bring accounts that are not theirs to manage onto their site
    stranger = await api.operator(elsewhere)
    answer = await api.call("POST", f"{shop.path}/operators", shop.token, {"email": stranger.email, "name": "x"})
    assert answer.code == "email_taken"


async def test_an_admin_of_both_sites_shares_an_operator_without_touching_the_password(api: Api, shop: Shop) -> None:
    second = await api.site("Second")
    bob = await api.operator(shop.site)
    owner = await api.login(await api.operator(owner=True))
    path = f"{SITES}/{second.site}/operators"
    joined = await api.call("POST", path, owner, {"email": bob.email, "name": "ignored", "role": "supervisor"})
    assert joined.status == 201
    assert "password" not in joined.json
    stored = await api.store.operator(bob.operator)
    assert stored is not None
    assert [member.role for member in stored.memberships] == ["operator", "supervisor"]
    assert stored.name == bob.name
    assert (await api.call("POST", path, owner, {"email": bob.email, "name": "x"})).code == "already_member"
    assert (await api.call("DELETE", f"{path}/{bob.operator}", owner)).status == 204
    assert (await api.call("GET", f"{path}/{bob.operator}", owner)).code == "not_found"


async def test_a_site_keeps_its_last_admin(api: Api, shop: Shop) -> None:
    me = f"{shop.path}/operators/{shop.admin.operator}"
    refused = [
        await api.call("PATCH", me, shop.token, {"role": "operator"}),
        await api.call("PATCH", me, shop.token, {"disabled": True}),
        await api.call("DELETE", me, shop.token),
    ]
    assert [(answer.status, answer.code) for answer in refused] == [(409, "last_admin")] * 3
    await api.operator(shop.site, "admin")
    assert (await api.call("DELETE", me, shop.token)).status == 204
    assert (await api.call("GET", shop.path, shop.token)).status == 404
