"""Crawlers on a site: they are not on the list of visitors, but its owner may see who comes."""

from __future__ import annotations

from datetime import UTC, datetime

from services.operator_gateway.api.routing import Call
from shared.contracts.desk_api import BotCount, BotDay, BotQuery, BotReport
from shared.storage.visitors import DAY_MS


async def list_bots(call: Call) -> BotReport:
    """Requests of crawlers by day and name; a minute late."""
    query: BotQuery = call.query
    today = call.context.clock.now_ms() // DAY_MS
    found = await call.context.bots.days(call.site.site, today, query.days)
    return BotReport(tuple(_day(day, found[day]) for day in sorted(found, reverse=True)))


def _day(day: int, counts: dict[str, int]) -> BotDay:
    named = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    date = datetime.fromtimestamp(day * DAY_MS / 1000, UTC).date().isoformat()
    return BotDay(date, tuple(BotCount(name, count) for name, count in named))
