"""Crawlers: counted by name and day, shown to the site's owner, and never more names than there is room for."""

from __future__ import annotations

import aiohttp
from prometheus_client import CollectorRegistry

from services.collector.agents import agent_classifier
from services.collector.bots import MAX_SITES, BotCounts
from services.collector.outcomes import Outcomes
from services.presence.commit import bounded
from shared.contracts.streams import MAX_BOT_NAMES, OTHER_BOTS, BotsSeen, TabEvents
from tests.collector_rig import SITE, batch, collector, make_site, new_id, pixel_path
from tests.eventually import eventually
from tests.stack import EMAIL, PASSWORD, Stack

GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
GPTBOT = "Mozilla/5.0 AppleWebKit/537.36 (compatible; GPTBot/1.2; +https://openai.com/gptbot)"


def test_a_crawler_is_called_what_it_calls_itself():
    classify = agent_classifier()
    names = {
        GOOGLEBOT: "Googlebot",
        "curl/8.5.0": "curl",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 HeadlessChrome/140.0.0.0 Safari/537.36": "HeadlessChrome",
        GPTBOT: "GPTBot",
        "python-requests/2.32": "python-requests",
    }
    assert {text: classify(text).name for text in names} == names
    assert all(classify(text).bot for text in names)
    assert len(classify("x" * 300 + "bot").name) <= 32


def test_a_day_has_room_for_so_many_names():
    seen = {f"bot{i}": i + 1 for i in range(3 * MAX_BOT_NAMES)}
    counts = bounded(seen, {"known"})
    assert len({"known", *counts}) <= MAX_BOT_NAMES + 1
    assert sum(counts.values()) == sum(seen.values())
    assert counts[f"bot{3 * MAX_BOT_NAMES - 1}"] == 3 * MAX_BOT_NAMES, "the busiest keep their names"
    again = bounded({"one more": 1, "known": 1}, {"known", *counts})
    assert again == {OTHER_BOTS: 1, "known": 1}


async def test_crawlers_reach_the_stream_as_counts_when_the_collector_stops(clients, redis_url):
    await make_site(clients)
    async with collector(clients, redis_url) as rig:
        for _ in range(3):
            assert (await rig.post(batch(visitor=new_id()), {"User-Agent": GOOGLEBOT})).status == 204
        assert (await rig.post(batch(), {"User-Agent": "curl/8.5.0"})).status == 204
        assert (await rig.post(batch())).status == 204
        # Every channel counts: the picture, and a live channel, which a crawler that runs scripts may open.
        assert (await rig.request("GET", pixel_path(batch()), {"User-Agent": GPTBOT})).status == 200
        async with rig.live(**{"User-Agent": GPTBOT}) as live:
            assert (await live.hello())["code"] == "bot"
            assert await live.close_code() == 4511
        async with rig.live(**{"User-Agent": GPTBOT, "Origin": "https://elsewhere.example"}) as live:
            assert (await live.hello())["code"] == "forbidden"  # no site's crawler: nobody is told
        assert await rig.metric('foyer_collector_bots_total{name="GPTBot"}') == 2
        assert await rig.metric('foyer_collector_bots_total{name="Googlebot"}') == 3
    found = await rig.entries()
    [seen] = [entry for entry in found if isinstance(entry, BotsSeen)]
    assert (seen.site, seen.counts) == (SITE, {"Googlebot": 3, "curl": 1, "GPTBot": 2})
    assert sum(isinstance(entry, TabEvents) for entry in found) == 1


class Refusing:
    """An intake whose Redis is away."""

    def now_ms(self):
        return 0

    async def append(self, site, entry):
        return "unavailable"


async def test_what_redis_does_not_take_is_told_later_and_stays_bounded():
    outcomes = Outcomes(registry := CollectorRegistry())
    counts = BotCounts(Refusing(), outcomes)  # type: ignore[arg-type]
    for n in range(MAX_SITES + 10):
        for name in range(3):
            counts.saw(f"s_{n}", f"bot{name}")
    await counts.tell()
    assert counts._seen == {f"s_{n}": {f"bot{name}": 1 for name in range(3)} for n in range(MAX_SITES)}
    for name in range(2 * MAX_BOT_NAMES):
        counts.saw("s_0", f"other{name}")
    assert len(counts._seen["s_0"]) <= MAX_BOT_NAMES + 1
    [family] = [one for one in registry.collect() if one.name == "foyer_collector_bots"]
    assert len(family.samples) <= MAX_BOT_NAMES + 1
    assert sum(sample.value for sample in family.samples) == 3 * (MAX_SITES + 10) + 2 * MAX_BOT_NAMES


async def test_the_owner_sees_who_came(tmp_path):
    services = ("presence", "collector", "operator_gateway")
    async with Stack(tmp_path, services=services) as stack, aiohttp.ClientSession() as session:
        headers = {"Origin": "http://127.0.0.1", "User-Agent": GOOGLEBOT}
        async with session.post(f"{stack.collector}/v1/e", json=batch(site=stack.site), headers=headers) as answer:
            assert answer.status == 204
        assert await stack.first("collector").stop() == 0
        login = {"email": EMAIL, "password": PASSWORD}
        async with session.post(f"{stack.gateway}/api/v1/session", json=login) as answer:
            token = (await answer.json())["token"]

        async def days():
            url = f"{stack.gateway}/api/v1/sites/{stack.site}/bots?days=2"
            async with session.get(url, headers={"Authorization": f"Bearer {token}"}) as answer:
                assert answer.status == 200, await answer.text()
                return (await answer.json())["days"]

        await eventually(lambda: _seen(days))


async def _seen(days):
    found = await days()
    assert len(found) == 2
    return [{"name": "Googlebot", "requests": 1}] in [day["bots"] for day in found]
