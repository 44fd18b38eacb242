"""The rules of sites, skills and accounts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from services.operator_gateway import accounts
from services.operator_gateway.accounts import Rejected
from shared.contracts.sites import Membership, Operator, Site, Skill

SITE = Site(site="s_0001", name="Shop", skills=(Skill("general", "General"), Skill("sales", "Sales")))


def person(ident: str, *roles: tuple[str, str], **fields: object) -> Operator:
    members = tuple(Membership(site=site, role=role) for site, role in roles)  # type: ignore[arg-type]
    return Operator(operator=ident, email=f"{ident}@x.example", name="P", memberships=members, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("https://shop.example", "https://shop.example"),
        (" HTTPS://Shop.Example:443/ ", "https://shop.example"),
        ("http://shop.example:80", "http://shop.example"),
        ("http://shop.example:443", "http://shop.example:443"),
        ("http://localhost:8300", "http://localhost:8300"),
        ("http://[::1]:8300", "http://[::1]:8300"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
        ("https://shop.example.", "https://shop.example."),
        ("null", None),
        ("", None),
        ("shop.example", None),
        ("//shop.example", None),
        ("ftp://shop.example", None),
        ("javascript://shop.example", None),
        ("https://", None),
        ("https://shop.example/path", None),
        ("https://shop.example?x", None),
        ("https://shop.example?", None),
        ("https://shop.example#", None),
        ("https://user@shop.example", None),
        ("https://:@shop.example", None),
        ("https://*.example", None),
        ("https://shop%2eexample", None),
        ("https://shop.example:0x50", None),
        ("https://shop.example:99999", None),
        ("https://[::1", None),
        ("https://a b.example", None),
        ("https://shop.example\\@evil.example", None),
        ("https://sh\top.example", None),
        ("https://" + "a" * 64 + ".example", None),
    ],
)
def test_an_origin_is_written_in_one_way_or_refused(text: str, origin: str | None) -> None:
    assert accounts.normal_origin(text) == origin


@given(st.text(max_size=60))
def test_no_text_breaks_the_origin_and_the_result_is_final(text: str) -> None:
    for candidate in (text, f"https://{text}"):
        origin = accounts.normal_origin(candidate)
        if origin is not None:
            assert origin.isascii()
            assert accounts.normal_origin(origin) == origin


def test_the_faulty_origin_is_pointed_at() -> None:
    assert accounts.normal_origins(["https://a.example", "HTTPS://A.example"]) == ("https://a.example",)
    rejected = accounts.normal_origins(["https://a.example", "nothing"])
    assert isinstance(rejected, Rejected)
    assert (rejected.code, rejected.pointer) == ("not_an_origin", "/origins/1")


ADMIN_A = person("o_admin_a", ("s_a", "admin"))
ADMIN_AB = person("o_admin_ab", ("s_a", "admin"), ("s_b", "admin"))
OWNER = person("o_owner", ("s_a", "admin"), owner=True)


@pytest.mark.parametrize(
    ("actor", "account", "may"),
    [
        (ADMIN_A, person("o_x", ("s_a", "operator")), True),
        (ADMIN_A, person("o_x", ("s_a", "admin")), True),
        (ADMIN_A, person("o_x", ("s_a", "operator"), ("s_b", "operator")), False),
        (ADMIN_AB, person("o_x", ("s_a", "operator"), ("s_b", "admin")), True),
        (ADMIN_A, person("o_x", ("s_b", "operator")), False),
        (ADMIN_A, person("o_x"), False),
        (ADMIN_A, OWNER, False),
        (OWNER, ADMIN_AB, True),
        (OWNER, person("o_x"), True),
        (person("o_s", ("s_a", "supervisor")), person("o_x", ("s_a", "operator")), False),
        (person("o_x", ("s_a", "operator")), person("o_x", ("s_a", "operator")), True),
    ],
)
def test_an_account_is_managed_by_those_who_rule_all_of_its_sites(
    actor: Operator, account: Operator, may: bool
) -> None:
    assert accounts.may_manage_account(actor, account) is may


def test_a_site_is_left_without_admin_by_its_last_active_one_only() -> None:
    last = person("o_1", ("s_a", "admin"), ("s_b", "operator"))
    demoted, off = person("o_1", ("s_a", "operator")), replace(last, disabled=True)
    away = person("o_2", ("s_a", "admin"), disabled=True)
    other = person("o_3", ("s_a", "admin"))
    left = accounts.sites_left_without_admin
    for changed in (demoted, off, accounts.without_membership(last, "s_a")):
        assert left(last, changed, [last, away]) == {"s_a"}
        assert left(last, changed, [last, away, other]) == set()
    assert left(last, accounts.without_membership(last, "s_b"), [last]) == set()
    assert left(off, demoted, [off]) == set()  # it had none before
    assert left(last, replace(last, name="N"), [last]) == set()


def test_skills_are_needed_by_default_and_by_people() -> None:
    sales = replace(person("o_1"), memberships=(Membership(site="s_0001", secondary_skills=("sales",)),))
    elsewhere = replace(person("o_1"), memberships=(Membership(site="s_0002", primary_skill="sales"),))
    assert _code(accounts.remove_skill(SITE, "general", [])) == "skill_in_use"
    assert _code(accounts.remove_skill(SITE, "sales", [sales])) == "skill_in_use"
    removed = accounts.remove_skill(SITE, "sales", [elsewhere])
    assert isinstance(removed, Site)
    assert [skill.skill for skill in removed.skills] == ["general"]
    assert _code(accounts.remove_skill(SITE, "none", [])) == "not_found"
    assert _code(accounts.add_skill(SITE, Skill("sales", "x"))) == "skill_taken"
    assert _code(accounts.set_default_skill(SITE, "none")) == "unknown_skill"
    full = replace(SITE, skills=tuple(Skill(f"k{i}", "K") for i in range(accounts.MAX_SKILLS)))
    assert _code(accounts.add_skill(full, Skill("more", "x"))) == "too_many"


def _code(result: object) -> str:
    assert isinstance(result, Rejected)
    return result.code


def test_disabling_voids_logins_and_enabling_does_not_bring_them_back() -> None:
    one = person("o_1")
    off = accounts.set_disabled(one, True)
    assert (off.disabled, off.generation) == (True, 1)
    assert accounts.set_disabled(off, True) == off
    assert accounts.set_disabled(off, False).generation == 1


def test_memberships_are_one_a_site_and_bounded() -> None:
    one = person("o_1", ("s_a", "operator"))
    changed = accounts.with_membership(one, Membership(site="s_a", role="admin"))
    assert isinstance(changed, Operator)
    assert [member.role for member in changed.memberships] == ["admin"]
    full = person("o_1", *[(f"s_{i}", "operator") for i in range(accounts.MAX_MEMBERSHIPS)])
    assert _code(accounts.with_membership(full, Membership(site="s_new"))) == "too_many"
