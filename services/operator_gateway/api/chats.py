"""Chats that are over or going on, and visitors: search, transcripts, history, export, erasure.

Every id in a path is looked at before it is used: a chat of another site is not found. Searching looks through a
bounded number of chats for one answer and says where to go on.
"""

from __future__ import annotations

from collections.abc import Iterable

from services.operator_gateway.api.desk import ban_view, inbox_item, visitor_named
from services.operator_gateway.api.problems import Refusal
from services.operator_gateway.api.routing import Call, File, Reply
from services.operator_gateway.api.transcripts import as_csv, as_text
from services.operator_gateway.live.requests import facts_of
from services.operator_gateway.views.visitors import Visitor
from shared.contracts.chat import ChatEvent, ChatSummary, address_of
from shared.contracts.desk_api import (
    MAX_CHATS,
    ChatPage,
    ChatQuery,
    HistoryQuery,
    InboxItem,
    TranscriptQuery,
    TranscriptView,
    VisitorExport,
    VisitorPage,
    VisitorProfile,
    VisitorQuery,
    VisitorView,
)
from shared.contracts.notify_api import TranscriptMail
from shared.contracts.rows import Row
from shared.contracts.streams import ForgetVisitor, SendTranscript
from shared.domain.visitor import Visitor as StoredVisitor
from shared.domain.visitor import nickname

MAX_LOOKED_AT = 1_000  # chats looked through for one answer
MAX_READ = 200  # transcripts read for one answer when a text is looked for
MAX_LINES = 10_000  # of a transcript: chat-routing takes no more
MAX_SCANS = 50  # pages of rows looked through for one answer when few of them are wanted
MAX_EXPORTED = 200  # chats of one visitor with their transcripts; and as many visits


async def search_chats(call: Call) -> ChatPage:
    """Chats, newest first."""
    query: ChatQuery = call.query
    site, transcripts = call.site.site, call.context.transcripts
    if query.visitor is not None:
        found = await transcripts.chats(site, query.visitor)
        page = [chat for chat in found if _fits(chat, query) and (query.until is None or chat.began_at < query.until)]
        hits = await _with_text(call, page, query.text)
        return ChatPage(tuple(hits[: query.limit]), hits[query.limit - 1].began_at if len(hits) > query.limit else None)
    hits, before, looked_at = [], query.until, 0
    while looked_at < (MAX_READ if query.text else MAX_LOOKED_AT):
        part = await transcripts.latest(site, before, MAX_CHATS)
        fresh = [chat for chat in part if _fits(chat, query)]
        for chat in await _with_text(call, fresh, query.text):
            hits.append(chat)
            if len(hits) == query.limit:
                return ChatPage(tuple(hits), chat.began_at)
        if len(part) < MAX_CHATS or (query.since is not None and part[-1].began_at < query.since):
            return ChatPage(tuple(hits))
        before, looked_at = part[-1].began_at, looked_at + len(part)
    return ChatPage(tuple(hits), before)


def _fits(chat: ChatSummary, query: ChatQuery) -> bool:
    return (
        (query.operator is None or any(one.id == query.operator for one in chat.operators))
        and (query.skill is None or chat.skill == query.skill)
        and (query.status is None or chat.status == query.status)
        and (query.since is None or chat.began_at >= query.since)
    )


async def _with_text(call: Call, chats: Iterable[ChatSummary], text: str | None) -> list[ChatSummary]:
    if text is None:
        return list(chats)
    wanted = text.casefold()
    return [chat for chat in chats if _mentions(await _lines(call, chat.chat), wanted)]


def _mentions(events: Iterable[ChatEvent], wanted: str) -> bool:
    return any(wanted in event.text.casefold() or wanted in event.by.name.casefold() for event in events)


async def get_transcript(call: Call) -> TranscriptView | Reply:
    """A transcript, as JSON, plain text or CSV."""
    query: TranscriptQuery = call.query
    chat = call.request.match_info["chat"]
    address = address_of(chat)
    if address is None or address[0] != call.site.site:
        raise Refusal("not_found")
    view = await _transcript(call, chat, address[1])
    if not view.events:
        raise Refusal("not_found")
    match query.format:
        case "text":
            return Reply(file=File(as_text(view.events).encode(), "text/plain", "transcript.txt"))
        case "csv":
            return Reply(file=File(as_csv(view.events).encode(), "text/csv", "transcript.csv"))
        case _:
            return view


async def mail_transcript(call: Call) -> None:
    """Mail a transcript to somebody; queued a moment after the answer, if a mail server is set."""
    body: TranscriptMail = call.body
    chat = call.request.match_info["chat"]
    address = address_of(chat)
    if address is None or address[0] != call.site.site or not await call.context.transcripts.before(chat, limit=1):
        raise Refusal("not_found")
    await call.context.tell(call.site.site, SendTranscript(call.site.site, address[1], chat, body.email))


async def _transcript(call: Call, chat: str, visitor: str) -> TranscriptView:
    return TranscriptView(chat, call.site.site, visitor, tuple(await _lines(call, chat)))


async def _lines(call: Call, chat: str) -> list[ChatEvent]:
    lines: list[ChatEvent] = []
    while len(lines) < MAX_LINES:
        part = await call.context.transcripts.after(chat, lines[-1].seq if lines else 0)
        if not part:
            break
        lines += part
    return lines


async def list_visitors(call: Call) -> VisitorPage:
    """Who is on the site now, for programs; the console's list is sorted and kept up to date on its socket."""
    query: VisitorQuery = call.query
    site, cursor, facts = call.site, query.cursor, facts_of(call.site)
    items: list[Row] = []
    for _ in range(MAX_SCANS):
        cursor, found = await call.context.snapshots.some(site.site, cursor, query.limit)
        rows = (Visitor(name, seen, talk).row(facts) for name, seen, talk in found)
        items += [row for row in rows if _is_wanted(row, query)]
        if cursor == "0" or len(items) >= query.limit:
            break
    return VisitorPage(
        items=tuple(items), server_time=call.context.clock.now_ms(), next=None if cursor == "0" else cursor
    )


def _is_wanted(row: Row, query: VisitorQuery) -> bool:
    return (
        (query.status is None or row.status == query.status)
        and (query.skill is None or row.skill == query.skill)
        and (query.country is None or row.country == query.country)
    )


async def get_visitor(call: Call) -> VisitorView:
    """Who it is, the pages of the present visit, earlier visits and chats."""
    query: HistoryQuery = call.query
    site, visitor, history = call.site.site, visitor_named(call), call.context.history
    known = await _known(call)
    visits = await history.visits(site, visitor, query.before, query.limit)
    return VisitorView(
        profile=_profile(visitor, known),
        pages=await history.navigation(site, visitor),
        visits=visits,
        chats=tuple((await call.context.transcripts.chats(site, visitor))[:MAX_CHATS]),
        next=int(visits[-1].visit) if len(visits) == query.limit else None,
    )


async def export_visitor(call: Call) -> VisitorExport:
    """All that is held about a visitor, to be handed out on request."""
    context, site, visitor = call.context, call.site.site, visitor_named(call)
    known = await _known(call)
    chats = (await context.transcripts.chats(site, visitor))[:MAX_EXPORTED]
    ban = await context.records.ban(site, visitor)
    return VisitorExport(
        profile=_profile(visitor, known),
        device=known.device,
        country=known.country,
        attributes={name: value for name, (value, _) in known.attrs.items()},
        pages=await context.history.navigation(site, visitor),
        visits=await context.history.visits(site, visitor, None, MAX_EXPORTED),
        chats=tuple(chats),
        transcripts=tuple([await _transcript(call, chat.chat, visitor) for chat in chats]),
        messages=await _messages(call, visitor),
        ban=None if ban is None else ban_view(visitor, ban),
    )


async def _messages(call: Call, visitor: str) -> tuple[InboxItem, ...]:
    found: list[InboxItem] = []
    before: str | None = None
    while part := await call.context.records.inbox(call.site.site, before, MAX_LOOKED_AT):
        found += [inbox_item(one.entry, one.message) for one in part if one.message.visitor == visitor]
        before = part[-1].entry
    return tuple(found)


async def erase_visitor(call: Call) -> None:
    """Erase everything about a visitor; begun when the answer is given."""
    await _known(call)
    entry = ForgetVisitor(call.site.site, visitor_named(call), call.context.clock.now_ms())
    await call.context.forget(entry)


async def _known(call: Call) -> StoredVisitor:
    known = await call.context.history.known(call.site.site, visitor_named(call))
    if known is None:
        raise Refusal("not_found")
    return known


def _profile(visitor: str, known: StoredVisitor) -> VisitorProfile:
    return VisitorProfile(
        visitor=visitor, number=known.number, nickname=nickname(known), visits=known.visits, present=known.live
    )
