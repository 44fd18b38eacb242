"""Skill rules, canned replies, bans and the inbox of a site.

Rules are part of the site's record, so they are at work on every service as soon as it is. Bans and the inbox belong to
chat-routing: what is asked here is in its stream when the answer is given, and done a moment later.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import UNSET
from msgspec.structs import asdict, replace

from services.operator_gateway import accounts
from services.operator_gateway.accounts import Rejected
from services.operator_gateway.api.problems import Refusal
from services.operator_gateway.api.routing import Call
from shared.contracts.chat import Actor, BarVisitor, LiftBar, OfflineMessageLeft
from shared.contracts.chat_records import Ban, DoneMessage
from shared.contracts.desk_api import (
    MAX_BANS,
    BanBody,
    BanList,
    BanView,
    CannedBody,
    CannedList,
    CannedPatch,
    CannedReply,
    EntryId,
    InboxItem,
    InboxPage,
    InboxQuery,
    RuleBody,
    RuleList,
    RulesBody,
)
from shared.contracts.ids import VisitorId
from shared.contracts.sites import Condition, Site, SkillRule
from shared.contracts.streams import CloseMessage

# --- rules --------------------------------------------------------------------------------------------------------


async def list_rules(call: Call) -> RuleList:
    """The rules in the order in which they are tried."""
    return _rules_of(call.site)


async def replace_rules(call: Call) -> RuleList:
    """Other rules, in this order, instead of all that there are."""
    body: RulesBody = call.body
    rules = tuple(_rule(item) for item in body.items)
    return await _store_rules(call, lambda site: accounts.set_rules(site, rules))


async def add_rule(call: Call) -> RuleList:
    """One rule more, tried after the others."""
    rule = _rule(call.body)
    return await _store_rules(call, lambda site: accounts.set_rules(site, (*site.rules, rule)))


async def remove_rule(call: Call) -> None:
    """One rule less."""
    rule = call.request.match_info["rule"]
    await _store_rules(call, lambda site: accounts.remove_rule(site, rule))


async def _store_rules(call: Call, change: Callable[[Site], Site | Rejected]) -> RuleList:
    return _rules_of(await call.stored(await call.context.store.update_site(call.site.site, change, call.expected)))


def _rule(body: RuleBody) -> SkillRule:
    conditions = tuple(Condition(c.subject, c.pattern, c.attribute) for c in body.conditions)
    return SkillRule(body.rule or f"r{secrets.token_hex(4)}", body.skill, conditions)


def _rules_of(site: Site) -> RuleList:
    return RuleList(site.rules, site.default_skill, site.version)


# --- canned replies -----------------------------------------------------------------------------------------------


async def list_canned(call: Call) -> CannedList:
    """All canned replies of the site."""
    return CannedList(tuple(await call.context.canned.of(call.site.site)))


async def add_canned(call: Call) -> CannedReply:
    """One canned reply more."""
    body: CannedBody = call.body
    reply = CannedReply(
        canned=secrets.token_hex(6), shortcut=body.shortcut, text=body.text, title=body.title, version=1
    )
    result = await call.context.canned.put(call.site.site, reply, 0)
    if result != "ok":
        raise Refusal(result)
    return reply


async def change_canned(call: Call) -> CannedReply:
    """Another shortcut, text or title."""
    body: CannedPatch = call.body
    old = await _canned(call)
    changes = {name: value for name, value in asdict(body).items() if value is not UNSET}
    new = replace(old, **changes, version=old.version + 1)
    if await call.context.canned.put(call.site.site, new, old.version) != "ok":
        raise Refusal("conflict", retry_after_s=1)
    return new


async def remove_canned(call: Call) -> None:
    """One canned reply less."""
    old = await _canned(call)
    if await call.context.canned.remove(call.site.site, old.canned, old.version) != "ok":
        raise Refusal("conflict", retry_after_s=1)


async def _canned(call: Call) -> CannedReply:
    reply = await call.context.canned.get(call.site.site, call.request.match_info["canned"])
    if reply is None:
        raise Refusal("not_found")
    if call.expected not in (None, reply.version):
        raise Refusal("stale_version")
    return reply


# --- bans ---------------------------------------------------------------------------------------------------------


async def list_bans(call: Call) -> BanList:
    """Who may not ask for a chat, until when and why."""
    now_ms = call.context.clock.now_ms()
    bans = await call.context.records.bans(call.site.site)
    views = [ban_view(visitor, ban) for visitor, ban in bans.items() if ban.until > now_ms]
    return BanList(tuple(sorted(views, key=lambda ban: ban.at, reverse=True)))


async def add_ban(call: Call) -> BanView:
    """Bar a visitor. It is in force a moment after the answer."""
    body: BanBody = call.body
    site, now_ms = call.site.site, call.context.clock.now_ms()
    known = await call.context.records.bans(site)
    if len(known) >= MAX_BANS and body.visitor not in known:
        raise Refusal("too_many")
    by = actor(call)
    command = BarVisitor(
        site=site, visitor=body.visitor, by=by, id=secrets.token_hex(8), reason=body.reason, ban_s=body.ban_s
    )
    await call.context.tell(site, command)
    ban = Ban(until=now_ms + body.ban_s * 1000, at=now_ms, by=by, reason=body.reason)
    return ban_view(body.visitor, ban)


async def lift_ban(call: Call) -> None:
    """The visitor may ask again, a moment after the answer."""
    site, visitor = call.site.site, visitor_named(call)
    if await call.context.records.ban(site, visitor) is None:
        raise Refusal("not_found")
    await call.context.tell(site, LiftBar(site=site, visitor=visitor, by=actor(call), id=secrets.token_hex(8)))


def ban_view(visitor: str, ban: Ban) -> BanView:
    """A ban as it is shown."""
    return BanView(visitor=visitor, until=ban.until, at=ban.at, by=ban.by, reason=ban.reason, name=ban.name)


def visitor_named(call: Call) -> str:
    """The visitor in the path, in the form under which it is stored."""
    return named_in_path(call, "visitor", VisitorId).lower()


def named_in_path(call: Call, name: str, kind: Any) -> str:
    """A part of the path that goes into a key or a command; one of another form names nothing."""
    try:
        return str(msgspec.convert(call.request.match_info[name], kind))
    except msgspec.ValidationError:
        raise Refusal("not_found") from None


def actor(call: Call) -> Actor:
    """The caller as the one who does something."""
    return Actor("operator", call.actor.operator, call.actor.name)


# --- the inbox ----------------------------------------------------------------------------------------------------


async def list_inbox(call: Call) -> InboxPage:
    """Messages of the offline form, newest first."""
    query: InboxQuery = call.query
    site, records = call.site.site, call.context.records
    if query.done:
        finished = await records.inbox_done(site, query.before, query.limit)
        ends = finished[-1][0] if finished else None
        items = tuple(_done_item(done) for _, done in finished)
    else:
        waiting = await records.inbox(site, query.before, query.limit)
        ends = waiting[-1].entry if waiting else None
        items = tuple(inbox_item(one.entry, one.message) for one in waiting)
    unread = (await records.unread((site,)))[site]
    return InboxPage(items, unread, ends if len(items) == query.limit else None)


async def finish_message(call: Call) -> None:
    """The message has been dealt with: it leaves the inbox a moment after the answer."""
    site, entry = call.site.site, named_in_path(call, "message", EntryId)
    message = await call.context.records.inbox_message(site, entry)
    if message is None:
        raise Refusal("not_found")
    await call.context.tell(site, CloseMessage(site, entry, actor(call), message))


def _done_item(done: DoneMessage) -> InboxItem:
    return replace(inbox_item(done.id, done.message), done=True, done_by=done.by, done_at=done.at)


def inbox_item(entry: str, message: OfflineMessageLeft) -> InboxItem:
    """A message that waits as it is shown."""
    return InboxItem(
        message=entry,
        at=message.at,
        visitor=message.visitor,
        name=message.name,
        email=message.email,
        text=message.text,
        done=False,
        skill=message.skill,
        chat=message.chat,
    )
