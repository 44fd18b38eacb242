"""What may be done to sites, skills and accounts: rules without I/O that the HTTP API and the command line share.

Functions take frozen records and give new ones, or a :class:`Rejected` that says what is wrong where.
"""

from __future__ import annotations

import ipaddress
import re
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from msgspec.structs import replace

from shared.contracts.sites import ROLE_RANK, Membership, Operator, Role, Site, Skill, SkillRule, Trigger

MAX_SKILLS = 200
MAX_RULES = 200
MAX_TRIGGERS = 50
MAX_MEMBERSHIPS = 500
MAX_ORIGINS = 50
_HOST = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_.])?")
# What no origin contains, though a lenient parser would drop it or stop there.
_NOT_IN_ORIGINS = re.compile(r"[\s\x00-\x1f\x7f?#*%\\]")
DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Rejected:
    """The change breaks a rule. `pointer` names the field of the request that is at fault, if one is."""

    code: str
    detail: str
    pointer: str = ""


def new_site_key() -> str:
    """A site key: public, so short is enough; a taken one is noticed on writing."""
    return f"s_{secrets.token_hex(4)}"


def new_operator_id() -> str:
    """An operator's id."""
    return f"o_{secrets.token_hex(6)}"


def new_password() -> str:
    """A password of 96 random bits."""
    return secrets.token_urlsafe(12)


def normal_origin(text: str) -> str | None:
    """The origin as browsers write it (lower case, no default port, punycode), or None if it is none."""
    text = text.strip(" ")
    if _NOT_IN_ORIGINS.search(text):
        return None
    try:
        parts = urlsplit(text)
        host, port = _normal_host(parts.hostname or ""), parts.port
    except (ValueError, UnicodeError):
        return None
    if host is None or parts.scheme not in DEFAULT_PORTS or parts.path not in ("", "/") or "@" in parts.netloc:
        return None
    suffix = "" if port is None or port == DEFAULT_PORTS[parts.scheme] else f":{port}"
    return f"{parts.scheme}://{host}{suffix}"


def _normal_host(host: str) -> str | None:
    """Name or address in the browser's form. Raises ValueError or UnicodeError."""
    if ":" in host:
        return f"[{ipaddress.IPv6Address(host).compressed}]"
    name = host.encode("idna").decode("ascii").lower()
    return name if _HOST.fullmatch(name) else None


def normal_origins(texts: Sequence[str], pointer: str = "/origins") -> tuple[str, ...] | Rejected:
    """Each once, in the given order."""
    origins: dict[str, None] = {}
    for index, text in enumerate(texts):
        origin = normal_origin(text)
        if origin is None:
            return Rejected(
                "not_an_origin", "an origin is scheme, host and port: https://example.com", f"{pointer}/{index}"
            )
        origins[origin] = None
    if len(origins) > MAX_ORIGINS:
        return Rejected("too_many", f"a site has at most {MAX_ORIGINS} origins", pointer)
    return tuple(origins)


def includes(role: Role, least: Role) -> bool:
    """Whether `role` has the rights of `least`."""
    return ROLE_RANK[role] >= ROLE_RANK[least]


def has_role(membership: Membership | None, least: Role) -> bool:
    """Whether these rights include those of `least`."""
    return membership is not None and includes(membership.role, least)


def role_on(operator: Operator, site: str) -> Role | None:
    """What the operator is on `site` as far as administration goes: an owner is an admin everywhere."""
    member = operator.membership(site)
    return "admin" if operator.owner else member.role if member else None


def may_manage_account(actor: Operator, account: Operator) -> bool:
    """Whether `actor` may change what is the account's on every site: password, e-mail, name, being disabled.

    An admin of one site must not take over an account that has rights elsewhere, nor anyone an owner's.
    """
    if actor.owner or actor.operator == account.operator:
        return True
    if account.owner or not account.memberships:  # who works nowhere is nobody's to manage but an owner's
        return False
    return all(has_role(actor.membership(m.site), "admin") for m in account.memberships)


def add_skill(site: Site, skill: Skill) -> Site | Rejected:
    """The site with one skill more."""
    if any(s.skill == skill.skill for s in site.skills):
        return Rejected("skill_taken", "the site has a skill with this id", "/skill")
    if len(site.skills) >= MAX_SKILLS:
        return Rejected("too_many", f"a site has at most {MAX_SKILLS} skills")
    return replace(site, skills=(*site.skills, skill))


def rename_skill(site: Site, skill: str, name: str) -> Site | Rejected:
    """The site with the skill called `name`; its id stays."""
    if not any(s.skill == skill for s in site.skills):
        return Rejected("not_found", "the site has no such skill")
    return replace(site, skills=tuple(Skill(s.skill, name) if s.skill == skill else s for s in site.skills))


def remove_skill(site: Site, skill: str, operators: Iterable[Operator]) -> Site | Rejected:
    """The site without the skill, unless somebody or something still needs it."""
    if not any(s.skill == skill for s in site.skills):
        return Rejected("not_found", "the site has no such skill")
    if skill == site.default_skill:
        return Rejected("skill_in_use", "it is the site's default skill")
    if any(rule.skill == skill for rule in site.rules):
        return Rejected("skill_in_use", "a rule of the site gives it")
    if any(trigger.skill == skill for trigger in site.triggers):
        return Rejected("skill_in_use", "a trigger of the site invites for it")
    for operator in operators:
        member = operator.membership(site.site)
        if member and skill in (member.primary_skill, *member.secondary_skills):
            return Rejected("skill_in_use", "an operator of the site has it")
    return replace(site, skills=tuple(s for s in site.skills if s.skill != skill))


def set_rules(site: Site, rules: tuple[SkillRule, ...]) -> Site | Rejected:
    """The site with these skill rules, in this order."""
    known, names = {s.skill for s in site.skills}, set[str]()
    for index, rule in enumerate(rules):
        if rule.skill not in known:
            return Rejected("unknown_skill", "the site has no such skill", f"/items/{index}/skill")
        if rule.rule in names:
            return Rejected("rule_taken", "two rules have this id", f"/items/{index}/rule")
        if any(c.subject == "attribute" and not c.attribute for c in rule.conditions):
            return Rejected("no_attribute", "say which attribute", f"/items/{index}/conditions")
        names.add(rule.rule)
    if len(rules) > MAX_RULES:
        return Rejected("too_many", f"a site has at most {MAX_RULES} rules")
    return replace(site, rules=rules)


def add_trigger(site: Site, trigger: Trigger) -> Site | Rejected:
    """The site with one trigger more."""
    if any(one.trigger == trigger.trigger for one in site.triggers):
        return Rejected("trigger_taken", "the site has a trigger with this id", "/trigger")
    if len(site.triggers) >= MAX_TRIGGERS:
        return Rejected("too_many", f"a site has at most {MAX_TRIGGERS} triggers")
    return _sensible(site, trigger) or replace(site, triggers=(*site.triggers, trigger))


def change_trigger(site: Site, trigger: str, change: Callable[[Trigger], Trigger]) -> Site | Rejected:
    """The site with this trigger changed, in its place."""
    index = next((at for at, one in enumerate(site.triggers) if one.trigger == trigger), None)
    if index is None:
        return Rejected("not_found", "the site has no such trigger")
    new = change(site.triggers[index])
    changed = (*site.triggers[:index], new, *site.triggers[index + 1 :])
    return _sensible(site, new) or replace(site, triggers=changed)


def remove_trigger(site: Site, trigger: str) -> Site | Rejected:
    """The site without the trigger."""
    left = tuple(one for one in site.triggers if one.trigger != trigger)
    if len(left) == len(site.triggers):
        return Rejected("not_found", "the site has no such trigger")
    return replace(site, triggers=left)


def _sensible(site: Site, trigger: Trigger) -> Rejected | None:
    if trigger.skill and not any(skill.skill == trigger.skill for skill in site.skills):
        return Rejected("unknown_skill", "the site has no such skill", "/skill")
    for index, condition in enumerate(trigger.conditions):
        if condition.subject == "attribute" and not condition.attribute:
            return Rejected("no_attribute", "name the attribute", f"/conditions/{index}/attribute")
        if condition.subject == "choice":
            return Rejected("no_choice", "a trigger has no form to choose in", f"/conditions/{index}/subject")
    return None


def remove_rule(site: Site, rule: str) -> Site | Rejected:
    """The site without the rule."""
    left = tuple(one for one in site.rules if one.rule != rule)
    if len(left) == len(site.rules):
        return Rejected("not_found", "the site has no such rule")
    return replace(site, rules=left)


def set_default_skill(site: Site, skill: str) -> Site | Rejected:
    """The site with another default skill."""
    if not any(s.skill == skill for s in site.skills):
        return Rejected("unknown_skill", "the site has no such skill", "/default_skill")
    return replace(site, default_skill=skill)


def checked_membership(site: Site, membership: Membership) -> Membership | Rejected:
    """The membership with each skill once, if the site has them all."""
    known = {s.skill for s in site.skills}
    if membership.primary_skill not in known:
        return Rejected("unknown_skill", "the site has no such skill", "/primary_skill")
    secondary = tuple(dict.fromkeys(s for s in membership.secondary_skills if s != membership.primary_skill))
    for index, skill in enumerate(secondary):
        if skill not in known:
            return Rejected("unknown_skill", "the site has no such skill", f"/secondary_skills/{index}")
    return replace(membership, secondary_skills=secondary)


def with_membership(operator: Operator, membership: Membership) -> Operator | Rejected:
    """The operator with these rights on the membership's site, instead of earlier ones there."""
    others = tuple(m for m in operator.memberships if m.site != membership.site)
    if len(others) >= MAX_MEMBERSHIPS:
        return Rejected("too_many", f"an operator works on at most {MAX_MEMBERSHIPS} sites")
    return replace(operator, memberships=(*others, membership))


def without_membership(operator: Operator, site: str) -> Operator:
    """The operator without rights on `site`."""
    return replace(operator, memberships=tuple(m for m in operator.memberships if m.site != site))


def set_disabled(operator: Operator, disabled: bool) -> Operator:
    """The account on or off; switching it off ends its logins."""
    if operator.disabled == disabled:
        return operator
    return replace(operator, disabled=disabled, generation=operator.generation + disabled)


def logged_out(operator: Operator) -> Operator:
    """The operator with every login so far ended."""
    return replace(operator, generation=operator.generation + 1)


def sites_left_without_admin(old: Operator, new: Operator, operators: Iterable[Operator]) -> set[str]:
    """The sites whose only active admin `old` is and `new` is not. One pass: there are thousands of operators."""
    left = _administered(old) - _administered(new)
    for other in operators:
        if not left:
            break
        if other.operator != old.operator:
            left -= _administered(other)
    return left


def _administered(operator: Operator) -> set[str]:
    if operator.disabled:
        return set()
    return {member.site for member in operator.memberships if member.role == "admin"}
