"""The skill in a row: by the site's rules until there is a chat, the chat's own as long as that is shown."""

from __future__ import annotations

from services.operator_gateway.views.replica import SiteReplica
from services.operator_gateway.views.visitors import SiteFacts, Visitor
from shared.contracts.rows import Page, PresenceRow
from shared.contracts.sites import Condition, SkillRule
from shared.contracts.streams import RowChanged
from tests.unit.gateway_views.rows import SITE, engagement, full, presence

RULES = (
    SkillRule("gone", "removed", (Condition("address", "*"),)),
    SkillRule("prices", "sales", (Condition("address", "/prices*"),)),
    SkillRule("vip", "premium", (Condition("attribute", "gold", attribute="plan"),)),
)
NAMES = {"general": "General", "sales": "Sales", "premium": "Premium"}


class Counting(SiteFacts):
    """Facts that know how often they were asked."""

    asked = 0

    def needed_by(self, seen: PresenceRow) -> str:
        self.asked += 1
        return super().needed_by(seen)


def replica_of(row: PresenceRow) -> tuple[SiteReplica, Counting]:
    replica = SiteReplica(lambda *_: None)
    assert replica.apply("presence", full("v", 1, row)) == "applied"
    return replica, Counting("general", NAMES, RULES)


def the(replica: SiteReplica) -> Visitor:
    visitor = replica.get("v")
    assert visitor is not None
    return visitor


def change(replica: SiteReplica, seq: int, **fields: object) -> None:
    assert replica.apply("presence", RowChanged(SITE, seq, "v", seq, fields)) == "applied"


def test_a_visitor_without_a_chat_has_the_skill_of_the_first_rule_that_fits() -> None:
    replica, facts = replica_of(presence(1, page=Page("https://shop.test/prices/a", "Prices")))
    assert the(replica).row(facts).skill == "sales"


def test_another_page_and_another_attribute_change_the_skill_at_once() -> None:
    replica, facts = replica_of(presence(1))
    assert the(replica).row(facts).skill == "general"
    change(replica, 2, page={"url": "https://shop.test/prices", "title": "Prices"})
    assert the(replica).row(facts).skill == "sales"
    change(replica, 3, page={"url": "https://shop.test/", "title": "Home"}, attrs={"plan": "gold"})
    assert the(replica).row(facts).skill == "premium"


def test_rules_are_asked_again_only_when_something_changed_that_they_look_at() -> None:
    replica, facts = replica_of(presence(1))
    the(replica).skill(facts)
    change(replica, 2, pages=2, activity="idle", page={"url": "https://shop.test/", "title": "Another title"})
    assert the(replica).row(facts).skill == "general"
    assert facts.asked == 1
    change(replica, 3, country="AT")
    assert the(replica).skill(facts) == "general"
    assert facts.asked == 2


def test_nobody_asks_the_rules_about_visitors_that_nobody_looks_at() -> None:
    replica, facts = replica_of(presence(1))
    change(replica, 2, page={"url": "https://shop.test/prices", "title": "Prices"})
    assert facts.asked == 0


def test_a_chats_skill_stays_until_its_outcome_is_no_longer_shown() -> None:
    replica, facts = replica_of(presence(1, page=Page("https://shop.test/prices", "Prices")))
    shown = []
    for seq, status in enumerate(("chatting", "chat_end", "navigating"), 1):
        talk = engagement(version=seq, status=status, skill="premium")
        assert replica.apply("engagement", full("v", seq, talk)) == "applied"
        shown.append(the(replica).row(facts).skill)
    assert shown == ["premium", "premium", "sales"]


def test_facts_with_other_rules_are_other_facts() -> None:
    assert SiteFacts("general", NAMES, RULES) == SiteFacts("general", NAMES, RULES)
    assert SiteFacts("general", NAMES, RULES) != SiteFacts("general", NAMES, RULES[:1])
