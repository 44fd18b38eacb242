"""The routes about chats, with the rules that guard them; part of the table of all routes."""

from __future__ import annotations

from services.operator_gateway.api import bots, chats, desk, notifications, triggers
from services.operator_gateway.api.routing import OnSite, Route
from shared.contracts import desk_api as d
from shared.contracts import notify_api as n
from shared.contracts import trigger_api as t
from shared.contracts.sites import Trigger

_SITE = "/sites/{site}"
_CANNED = f"{_SITE}/canned/{{canned}}"
_TRIGGER = f"{_SITE}/triggers/{{trigger}}"
_UNDELIVERED = f"{_SITE}/undelivered/{{entry}}"
_VISITOR = f"{_SITE}/visitors/{{visitor}}"

CHAT_ROUTES: tuple[Route, ...] = (
    Route("GET", f"{_SITE}/rules", OnSite("operator"), desk.list_rules, "A site's skill rules", "rules",
          answer=d.RuleList),
    Route("PUT", f"{_SITE}/rules", OnSite("admin"), desk.replace_rules, "Replace all skill rules", "rules",
          body=d.RulesBody, answer=d.RuleList, versioned=True, codes=("rule_taken",)),
    Route("POST", f"{_SITE}/rules", OnSite("admin"), desk.add_rule, "Add a skill rule", "rules", body=d.RuleBody,
          answer=d.RuleList, status=201, versioned=True, codes=("rule_taken", "too_many")),
    Route("DELETE", f"{_SITE}/rules/{{rule}}", OnSite("admin"), desk.remove_rule, "Remove a skill rule", "rules",
          status=204, versioned=True),

    Route("GET", f"{_SITE}/triggers", OnSite("operator"), triggers.list_triggers, "A site's triggers", "triggers",
          answer=t.TriggerList),
    Route("POST", f"{_SITE}/triggers", OnSite("admin"), triggers.add_trigger, "Add a trigger", "triggers",
          body=t.TriggerBody, answer=Trigger, status=201, versioned=True, codes=("trigger_taken", "too_many")),
    Route("PATCH", _TRIGGER, OnSite("admin"), triggers.change_trigger, "Change a trigger", "triggers",
          body=t.TriggerPatch, answer=Trigger, versioned=True),
    Route("DELETE", _TRIGGER, OnSite("admin"), triggers.remove_trigger, "Remove a trigger", "triggers", status=204,
          versioned=True),

    Route("GET", f"{_SITE}/notifications", OnSite("admin"), notifications.get_notifications, "Mails and webhooks",
          "notifications", answer=n.NotificationsView),
    Route("PUT", f"{_SITE}/notifications", OnSite("admin"), notifications.replace_notifications,
          "Replace mails and webhooks", "notifications", body=n.NotificationsBody, answer=n.NotificationsView,
          versioned=True),

    Route("GET", f"{_SITE}/undelivered", OnSite("admin"), notifications.list_undelivered,
          "Mails and webhooks that were given up", "notifications", answer=n.UndeliveredList),
    Route("POST", _UNDELIVERED, OnSite("admin"), notifications.retry_undelivered, "Try one again", "notifications",
          status=204),
    Route("DELETE", _UNDELIVERED, OnSite("admin"), notifications.drop_undelivered, "Drop one", "notifications",
          status=204),

    Route("GET", f"{_SITE}/canned", OnSite("operator"), desk.list_canned, "A site's canned replies", "canned",
          answer=d.CannedList),
    Route("POST", f"{_SITE}/canned", OnSite("supervisor"), desk.add_canned, "Add a canned reply", "canned",
          body=d.CannedBody, answer=d.CannedReply, status=201, codes=("too_many",)),
    Route("PATCH", _CANNED, OnSite("supervisor"), desk.change_canned, "Change a canned reply", "canned",
          body=d.CannedPatch, answer=d.CannedReply, versioned=True),
    Route("DELETE", _CANNED, OnSite("supervisor"), desk.remove_canned, "Remove a canned reply", "canned", status=204,
          versioned=True),

    Route("GET", f"{_SITE}/bans", OnSite("supervisor"), desk.list_bans, "Who is banned", "bans", answer=d.BanList),
    Route("POST", f"{_SITE}/bans", OnSite("supervisor"), desk.add_ban, "Ban a visitor", "bans", body=d.BanBody,
          answer=d.BanView, status=202, codes=("too_many",)),
    Route("DELETE", f"{_SITE}/bans/{{visitor}}", OnSite("supervisor"), desk.lift_ban, "Lift a ban", "bans", status=204),

    Route("GET", f"{_SITE}/inbox", OnSite("operator"), desk.list_inbox, "Offline messages", "inbox",
          query=d.InboxQuery, answer=d.InboxPage),
    Route("PATCH", f"{_SITE}/inbox/{{message}}", OnSite("operator"), desk.finish_message, "An offline message is done",
          "inbox", body=d.InboxPatch, status=204),

    Route("GET", f"{_SITE}/bots", OnSite("operator"), bots.list_bots, "Crawlers", "bots", query=d.BotQuery,
          answer=d.BotReport),

    Route("GET", f"{_SITE}/chats", OnSite("operator"), chats.search_chats, "Search chats", "chats", query=d.ChatQuery,
          answer=d.ChatPage),
    Route("GET", f"{_SITE}/chats/{{chat}}", OnSite("operator"), chats.get_transcript, "A transcript", "chats",
          query=d.TranscriptQuery, answer=d.TranscriptView, files=("text/plain", "text/csv")),

    Route("POST", f"{_SITE}/chats/{{chat}}/mail", OnSite("operator"), chats.mail_transcript, "Mail a transcript",
          "chats", body=n.TranscriptMail, status=204),

    Route("GET", f"{_SITE}/visitors", OnSite("operator"), chats.list_visitors, "Who is on the site now", "visitors",
          query=d.VisitorQuery, answer=d.VisitorPage),
    Route("GET", _VISITOR, OnSite("operator"), chats.get_visitor, "A visitor's history", "visitors",
          query=d.HistoryQuery, answer=d.VisitorView),
    Route("GET", f"{_VISITOR}/export", OnSite("admin"), chats.export_visitor, "All that is held about a visitor",
          "visitors", answer=d.VisitorExport),
    Route("DELETE", _VISITOR, OnSite("admin"), chats.erase_visitor, "Erase a visitor", "visitors", status=204),
)  # fmt: skip
