"""Skill rules: the first that fits decides; patterns mean what their help says and cannot be made slow."""

from __future__ import annotations

import fnmatch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.sites import Condition, SkillRule
from shared.domain.skills import RuleFacts, SkillChoice, fits, resolve, wildcard

SKILLS = ("general", "sales", "german")
FACTS = RuleFacts(
    address="https://www.shop.example/pricing/teams?plan=2",
    referrer="https://search.example/",
    country="AT",
    language="de-AT",
    campaign="Spring",
    attributes={"plan": "Gold"},
)


def rule(name: str, skill: str, *conditions: Condition) -> SkillRule:
    return SkillRule(name, skill, conditions)


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        (Condition("address", "/pricing*"), True),
        (Condition("address", "/pricing"), False),
        (Condition("address", "www.shop.example/*"), True),
        (Condition("address", "https://WWW.shop.example/*"), True),
        (Condition("address", "*/teams?plan=2"), True),
        (Condition("referrer", "search.example/"), True),
        (Condition("referrer", "/"), True),
        (Condition("country", "at"), True),
        (Condition("country", "DE"), False),
        (Condition("language", "de"), True),
        (Condition("language", "d"), False),
        (Condition("campaign", "spring"), True),
        (Condition("attribute", "gold", "plan"), True),
        (Condition("attribute", "*", "colour"), False),
        (Condition("choice", "*"), False),
    ],
)
def test_conditions(condition, holds):
    assert fits(condition, FACTS) is holds


def test_first_rule_that_fits_decides_and_all_its_conditions_must_hold():
    rules = (
        rule("r1", "sales", Condition("address", "/pricing*"), Condition("country", "DE")),
        rule("r2", "german", Condition("language", "de")),
        rule("r3", "sales", Condition("address", "*")),
    )
    assert resolve(rules, "general", SKILLS, FACTS) == SkillChoice("german", "r2")
    assert resolve(rules[::-1], "general", SKILLS, FACTS) == SkillChoice("sales", "r3")
    assert resolve((), "general", SKILLS, FACTS) == SkillChoice("general", "default")


def test_rule_for_a_skill_that_is_gone_is_passed_over():
    rules = (rule("r1", "tarot", Condition("address", "*")),)
    assert resolve(rules, "general", SKILLS, FACTS).why == "default"


def test_choice_in_the_form_counts_after_the_rules_and_only_for_a_known_skill():
    assert resolve((), "general", SKILLS, RuleFacts(choice="sales")) == SkillChoice("sales", "choice")
    assert resolve((), "general", SKILLS, RuleFacts(choice="tarot")) == SkillChoice("general", "default")
    rules = (rule("r1", "german", Condition("choice", "sales")),)
    assert resolve(rules, "general", SKILLS, RuleFacts(choice="sales")) == SkillChoice("german", "r1")


@given(st.text("ab*", max_size=8), st.text("ab", min_size=1, max_size=12))
def test_wildcard_agrees_with_the_standard_library(pattern, text):
    assert wildcard(pattern, text) == fnmatch.fnmatchcase(text, pattern)


def test_hostile_pattern_is_not_slow():
    assert not wildcard("*a" * 128, "a" * 100 + "b" * 1948)
