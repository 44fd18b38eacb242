"""Which skill a visitor needs: the site's rules in their order, the first one that fits decides, else the default.

A pattern is text in which `*` stands for anything; upper and lower case are alike. An address or referrer is compared
without its scheme, and a pattern that begins with `/` with the path alone. A language fits its regional forms (`de`
fits `de-AT`). What is not known fits nothing, not even `*`. Read :func:`resolve`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct

from shared.contracts.rows import PresenceRow
from shared.contracts.sites import Condition, SkillRule

BY_DEFAULT = "default"
BY_CHOICE = "choice"


class RuleFacts(Struct, frozen=True, kw_only=True):
    """What rules can look at. `choice` is the skill chosen in the pre-chat form."""

    address: str = ""
    referrer: str = ""
    country: str = ""
    language: str = ""
    campaign: str = ""
    attributes: Mapping[str, str] = {}
    choice: str = ""


class SkillChoice(Struct, frozen=True):
    """The skill, and why: a rule's id, `choice` or `default`."""

    skill: str
    why: str


def resolve(rules: Iterable[SkillRule], default: str, skills: Iterable[str], facts: RuleFacts) -> SkillChoice:
    """The skill that this visitor needs. A rule whose skill the site no longer has is passed over.

    A choice in the form that no rule speaks of is taken as it is, if the site has that skill.
    """
    known = frozenset(skills)
    for rule in rules:
        if rule.skill in known and all(fits(condition, facts) for condition in rule.conditions):
            return SkillChoice(rule.skill, rule.rule)
    if facts.choice in known:
        return SkillChoice(facts.choice, BY_CHOICE)
    return SkillChoice(default, BY_DEFAULT)


def facts_of(row: PresenceRow | None, choice: str = "") -> RuleFacts:
    """What a visitor's row says, and the choice in the form."""
    if row is None:
        return RuleFacts(choice=choice)
    return RuleFacts(
        address=row.page.url,
        referrer=row.referrer,
        country=row.country,
        language=row.lang,
        campaign=row.campaign,
        attributes=row.attrs,
        choice=choice,
    )


def fits(condition: Condition, facts: RuleFacts) -> bool:
    """Whether one condition holds."""
    pattern = condition.pattern
    match condition.subject:
        case "address":
            return _address_fits(pattern, facts.address)
        case "referrer":
            return _address_fits(pattern, facts.referrer)
        case "country":
            return wildcard(pattern, facts.country)
        case "language":
            language = facts.language.replace("_", "-")
            return wildcard(pattern, language) or wildcard(f"{pattern}-*", language)
        case "campaign":
            return wildcard(pattern, facts.campaign)
        case "attribute":
            return wildcard(pattern, facts.attributes.get(condition.attribute, ""))
        case "choice":
            return wildcard(pattern, facts.choice)


def wildcard(pattern: str, text: str) -> bool:
    """Whether `text`, which must not be empty, fits `pattern`.

    By hand and not by a regular expression: patterns and texts come from outside, and this one cannot be made to take
    longer than the product of the two lengths.
    """
    if not text:
        return False
    pattern, text = pattern.casefold(), text.casefold()
    at, here, star, retry = 0, 0, -1, 0
    while here < len(text):
        if at < len(pattern) and pattern[at] == "*":
            star, retry, at = at, here, at + 1
        elif at < len(pattern) and pattern[at] == text[here]:
            at, here = at + 1, here + 1
        elif star >= 0:
            at, retry = star + 1, retry + 1
            here = retry
        else:
            return False
    return not pattern[at:].strip("*")


def _address_fits(pattern: str, address: str) -> bool:
    bare = address.partition("://")[2] or address
    if not pattern.startswith("/"):
        return wildcard(pattern.partition("://")[2] or pattern, bare)
    host, slash, path = bare.partition("/")
    return bool(host) and wildcard(pattern, f"{slash or '/'}{path}")
