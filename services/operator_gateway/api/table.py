"""Every route of the API, with the rule that guards it. What is not in this table does not exist."""

from __future__ import annotations

from services.operator_gateway.api import logins, operators, sites
from services.operator_gateway.api.chat_table import CHAT_ROUTES
from services.operator_gateway.api.routing import Anyone, LoggedIn, OnSite, OwnerOnly, Route
from shared.contracts import control as c
from shared.contracts.sites import Skill

PREFIX = "/api/v1"
_SITE = "/sites/{site}"
_SKILL = f"{_SITE}/skills/{{skill}}"
_OPERATOR = f"{_SITE}/operators/{{operator}}"

ROUTES: tuple[Route, ...] = (
    Route("POST", "/session", Anyone(), logins.log_in, "Log in", "session", body=c.LoginBody, answer=c.LoginAnswer,
          codes=("invalid_login", "locked_out", "busy")),
    Route("DELETE", "/session", LoggedIn(), logins.log_out, "Log out", "session", status=204),
    Route("GET", "/me", LoggedIn(), logins.me, "Who is logged in", "session", answer=c.Me),
    Route("PATCH", "/me", LoggedIn(), logins.change_me, "Change one's name", "session", body=c.MePatch,
          answer=c.Account),
    Route("POST", "/me/password", LoggedIn(), logins.change_my_password, "Change one's password", "session",
          body=c.PasswordChange, answer=c.LoginAnswer, codes=("wrong_password", "locked_out", "busy")),
    Route("DELETE", "/me/sessions", LoggedIn(), logins.log_out_everywhere, "Log out everywhere", "session", status=204),

    Route("GET", "/sites", LoggedIn(), sites.list_sites, "The sites one may see", "sites", answer=c.SiteList),
    Route("POST", "/sites", OwnerOnly(), sites.create_site, "Create a site", "sites", body=c.SiteBody,
          answer=c.SiteView, status=201, codes=("too_many",)),
    Route("GET", _SITE, OnSite("operator"), sites.get_site, "One site", "sites", answer=c.SiteView),
    Route("PATCH", _SITE, OnSite("admin"), sites.change_site, "Change a site", "sites", body=c.SitePatch,
          answer=c.SiteView, versioned=True),
    Route("DELETE", _SITE, OnSite("admin"), sites.disable_site, "Switch a site off", "sites", status=204,
          versioned=True),

    Route("GET", f"{_SITE}/skills", OnSite("operator"), sites.list_skills, "A site's skills", "skills",
          answer=c.SkillList),
    Route("POST", f"{_SITE}/skills", OnSite("admin"), sites.add_skill, "Add a skill", "skills", body=c.SkillBody,
          answer=Skill, status=201, versioned=True, codes=("skill_taken", "too_many")),
    Route("PATCH", _SKILL, OnSite("admin"), sites.rename_skill, "Rename a skill", "skills", body=c.SkillPatch,
          answer=Skill, versioned=True),
    Route("DELETE", _SKILL, OnSite("admin"), sites.remove_skill, "Remove a skill", "skills", status=204,
          versioned=True, codes=("skill_in_use",)),

    Route("GET", f"{_SITE}/operators", OnSite("operator"), operators.list_operators, "A site's operators", "operators",
          query=c.OperatorQuery, answer=c.OperatorList),
    Route("POST", f"{_SITE}/operators", OnSite("admin"), operators.create_operator, "Add an operator", "operators",
          body=c.OperatorBody, answer=c.OperatorMade, status=201,
          codes=("email_taken", "already_member", "too_many", "busy")),
    Route("GET", _OPERATOR, OnSite("operator"), operators.get_operator, "One operator", "operators",
          answer=c.OperatorView),
    Route("PATCH", _OPERATOR, OnSite("admin"), operators.change_operator, "Change an operator", "operators",
          body=c.OperatorPatch, answer=c.OperatorView, versioned=True, codes=("email_taken", "last_admin")),
    Route("DELETE", _OPERATOR, OnSite("admin"), operators.remove_operator, "Take an operator's rights", "operators",
          status=204, versioned=True, codes=("last_admin",)),
    Route("POST", f"{_OPERATOR}/password", OnSite("admin"), operators.reset_password, "Reset a password", "operators",
          body=c.PasswordReset, body_optional=True, answer=c.PasswordMade, codes=("busy",)),
    Route("DELETE", f"{_OPERATOR}/sessions", OnSite("admin"), operators.log_out_operator, "Log an operator out",
          "operators", status=204),
    *CHAT_ROUTES,
)  # fmt: skip
