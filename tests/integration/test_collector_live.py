"""The visitors' live channel against a real Valkey and real sockets."""

from __future__ import annotations

import asyncio
import base64
import json
import os
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from services.collector.live.channel import Channel
from shared.contracts.streams import CollectorAlive, InEntry, TabAttached, TabDetached, TabEvents
from shared.storage.clients import Clients
from tests.collector_rig import FIREFOX, ORIGIN, SITE, CollectorRig, LiveClient, collector, event, make_site, new_id
from tests.eventually import eventually

GONE = "s_0000gone"


@pytest.fixture
async def rig(clients: Clients, redis_url: str) -> AsyncIterator[CollectorRig]:
    await make_site(clients)
    await make_site(clients, site=GONE, disabled=True)
    async with collector(clients, redis_url, alive_s=0.05) as running:
        yield running


async def of(rig: CollectorRig, kind: type[Any]) -> list[Any]:
    """The stored entries of one kind."""
    return [entry for entry in await rig.entries() if isinstance(entry, kind)]


async def attached_then_detached(rig: CollectorRig) -> tuple[TabAttached, TabDetached]:
    """The one channel's arrival and departure, as soon as both are stored."""

    async def both() -> bool:
        return len(await of(rig, TabDetached)) == 1

    await eventually(both)
    [arrival], [departure] = await of(rig, TabAttached), await of(rig, TabDetached)
    return arrival, departure


def masked(text: bytes) -> bytes:
    """A client's text frame; the mask is zeros."""
    size = bytes((0x80 | len(text),)) if len(text) < 126 else b"\xfe" + len(text).to_bytes(2, "big")
    return b"\x81" + size + b"\0\0\0\0" + text


async def test_hello_is_answered_after_presence_can_know(rig: CollectorRig) -> None:
    visitor, tab = new_id(), new_id()
    async with rig.live() as channel:
        answer = await channel.hello(visitor=visitor, tab=tab)
        assert (answer["type"], answer["id"], answer["visitor"], answer["status"]) == ("ok", "h", visitor, "navigating")
        assert answer["token"]
        [arrival] = await of(rig, TabAttached)
        assert (arrival.site, arrival.visitor, arrival.tab) == (SITE, visitor, tab)
    arrival, departure = await attached_then_detached(rig)
    assert (departure.tab, departure.collector, departure.channel) == (tab, arrival.collector, arrival.channel)


async def test_token_of_a_beacon_and_of_the_channel_are_the_same(rig: CollectorRig) -> None:
    visitor = new_id()
    async with rig.live() as channel:
        token = (await channel.hello(visitor=visitor))["token"]
    async with rig.live() as channel:
        assert (await channel.hello(visitor=visitor, token=token))["token"] == token
        assert (await channel.hello())["code"] == "hello_twice"
    async with rig.live() as channel:
        assert (await channel.hello(visitor=new_id(), token=token))["code"] == "token"
        assert (await channel.hello(visitor=new_id()))["type"] == "ok"  # may begin anew


async def test_without_a_visitor_the_channel_is_anonymous(rig: CollectorRig) -> None:
    tab = new_id()
    async with rig.live() as channel:
        answer = await channel.hello(tab=tab)
        assert (answer["visitor"], answer["token"]) == (tab, rig.token(tab))  # for a chat, if it asks for one
        await channel.ask({"type": "events", "id": "1", "sent": 5, "events": [event()]})
    [entry] = await of(rig, TabEvents)
    assert (entry.visitor, entry.anonymous) == (tab, True)


async def test_events_are_answered_once_stored_and_name_their_collector(rig: CollectorRig) -> None:
    async with rig.live() as channel:
        await channel.hello()
        answer = await channel.ask({"type": "events", "id": "e1", "sent": 5, "events": [event(), event(url="x:y")]})
        assert answer == {
            "type": "ok",
            "id": "e1",
            "accepted": 1,
            "rejected": [{"i": 1, "pointer": "/url", "code": "url_scheme"}],
        }
        [entry] = await of(rig, TabEvents)
        [arrival] = await of(rig, TabAttached)
        assert entry.collector == arrival.collector
        assert entry.client is not None
        assert entry.client.device.browser == "Firefox"


async def test_messages_take_effect_and_are_answered_in_their_order(rig: CollectorRig) -> None:
    async with rig.live() as channel:
        await channel.hello()
        for n in range(40):
            await channel.send({"type": "events", "id": str(n), "sent": 5, "events": [event("beat", n)]})
        assert [(await channel.next())["id"] for _ in range(40)] == [str(n) for n in range(40)]
    assert [entry.events[0].n for entry in await of(rig, TabEvents)] == list(range(40))


async def test_messages_that_arrive_in_one_read_are_answered_in_their_order(rig: CollectorRig) -> None:
    """The first batch is carried out inside the read, the others wait for it; so does what is not a batch."""
    async with rig.live() as channel:
        await channel.hello()
        messages: list[dict[str, Any]] = []
        for n in range(9):
            batch: list[dict[str, Any]] = [event("beat", n)]
            if n % 3 == 1:
                batch = [{"type": "page", "page": new_id(), "n": n, "at": 1, "url": "ftp://x/"}, *batch]
            messages.append({"type": "events", "id": f"e{n}", "sent": 5, "events": batch})
            messages.append({"type": "what", "id": f"w{n}"})
        writer = channel.socket._writer
        assert writer is not None
        writer.transport.write(b"".join(masked(json.dumps(message).encode()) for message in messages))
        answers = [await channel.next() for _ in messages]
    assert [answer["id"] for answer in answers] == [message["id"] for message in messages]
    events = answers[::2]
    assert [answer["accepted"] for answer in events] == [1] * 9
    assert ["rejected" in answer for answer in events] == [False, True, False] * 3
    assert [answer["code"] for answer in answers[1::2]] == ["unknown_type"] * 9
    assert [entry.events[0].n for entry in await of(rig, TabEvents)] == list(range(9))


async def test_each_wrong_message_is_answered_with_its_id(rig: CollectorRig) -> None:
    async with rig.live() as channel:
        first = await channel.ask({"type": "events", "id": "1", "sent": 5, "events": [event()]})
        assert (first["type"], first["id"], first["code"]) == ("error", "1", "hello_first")
        await channel.hello()
        unknown = await channel.ask({"type": "chat.dance", "id": "2"})
        assert (unknown["id"], unknown["code"]) == ("2", "unknown_type")
        invalid = await channel.ask({"type": "events", "id": "3", "sent": "x", "events": [event()]})
        assert (invalid["id"], invalid["code"], "/sent" in invalid["message"]) == ("3", "invalid", True)
        broken = await channel.ask("{")
        assert (broken["id"], broken["code"]) == ("", "not_json")


async def test_a_few_bad_frames_close_the_channel_for_good(rig: CollectorRig) -> None:
    async with rig.live() as channel:
        await channel.hello()
        for _ in range(5):
            assert (await channel.ask("nonsense"))["type"] == "error"
        assert await channel.next() == {"type": "close", "code": "bad_frames", "reconnect": False}
        assert await channel.close_code() == 4500
    await attached_then_detached(rig)


async def test_a_newer_trackers_messages_do_not_close_the_channel(rig: CollectorRig) -> None:
    async with rig.live() as channel:
        await channel.hello()
        for _ in range(10):
            assert (await channel.ask({"type": "chat.wave", "id": "1"}))["code"] == "unknown_type"
        assert (await channel.ask({"type": "events", "id": "2", "sent": 5, "events": [event()]}))["type"] == "ok"


@pytest.mark.parametrize("kind", ["hello", "events"])
async def test_deep_nesting_nul_and_lone_surrogates_are_harmless(rig: CollectorRig, kind: str) -> None:
    async with rig.live() as channel:
        assert (await channel.ask({"type": kind, "id": "1", "x": [[[[1]]]]}))["code"] == "nesting"
        assert (await channel.ask({"type": kind, "id": "1\0"}))["code"] == "nul"
        await channel.hello()
        page = event(title="a\ud800b")  # goes out as an escape, as from a browser
        assert (await channel.ask({"type": "events", "id": "1", "sent": 1, "events": [page]}))["type"] == "ok"
    [entry] = await of(rig, TabEvents)
    assert entry.events[0].title == "a\ufffdb"


async def test_a_frame_beyond_64_kib_closes_the_channel_and_events_end_at_16(rig: CollectorRig) -> None:
    async with rig.live() as channel:
        await channel.hello()
        large = {"type": "events", "id": "1", "sent": 1, "events": [event()], "x": "x" * 17_000}
        assert (await channel.ask(large))["code"] == "too_large"
        assert await of(rig, TabEvents) == []
        await channel.send({"type": "events", "id": "1", "x": "x" * 66_000})
        assert await channel.close_code() == 1009
    await attached_then_detached(rig)


GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
FINAL: list[tuple[dict[str, str], dict[str, str], str, int]] = [
    ({"Origin": "https://evil.example"}, {}, "forbidden", 4503),
    ({}, {"site": "s_ffffffff"}, "unknown_site", 4504),
    ({}, {"site": GONE}, "gone", 4510),
    ({"User-Agent": GOOGLEBOT}, {}, "bot", 4511),
]


@pytest.mark.parametrize(("headers", "fields", "code", "ws_code"), FINAL)
async def test_who_may_never_come_is_told_so(
    rig: CollectorRig, headers: dict[str, str], fields: dict[str, str], code: str, ws_code: int
) -> None:
    async with rig.live(**headers) as channel:
        answer = await channel.hello(**fields)
        assert (answer["type"], answer["code"]) == ("error", code)
        assert await channel.next() == {"type": "close", "code": code, "reconnect": False}
        assert await channel.close_code() == ws_code
    assert await of(rig, TabAttached) == []
    assert await of(rig, TabDetached) == []


async def test_a_page_without_an_origin_gets_no_channel(rig: CollectorRig) -> None:
    for origin in ("null", ""):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            async with rig.live(Origin=origin):
                pass
        assert refused.value.status == 403


async def test_a_socket_that_says_nothing_is_closed_and_may_come_back(clients: Clients, redis_url: str) -> None:
    await make_site(clients)
    async with collector(clients, redis_url, hello_s=0.2) as rig, rig.live() as channel:
        assert await channel.next() == {"type": "close", "code": "hello_timeout", "reconnect": True}
        assert await channel.close_code() == 4408


async def test_a_flood_is_told_to_slow_down_and_then_closed(clients: Clients, redis_url: str) -> None:
    await make_site(clients)
    async with collector(clients, redis_url, frames_per_s=1, frames_burst=20) as rig, rig.live() as channel:
        await channel.hello()
        for n in range(100):
            await channel.send({"type": "events", "id": str(n), "sent": 5, "events": [event("beat", n)]})
        answers = []
        while (answer := await channel.next())["type"] != "close":
            answers.append(answer)
        assert answer == {"type": "close", "code": "too_fast", "reconnect": True}
        refused = [answer for answer in answers if answer["type"] == "error"]
        assert refused
        assert all(answer["code"] == "too_fast" and answer["retry_after_s"] >= 1 for answer in refused)
        stored = [answer for answer in answers if answer["type"] == "ok"]
        assert len(stored) == len(await of(rig, TabEvents))


async def test_liveness_is_announced_for_partitions_with_channels_only(rig: CollectorRig) -> None:
    assert await of(rig, CollectorAlive) == []
    async with rig.live() as one, rig.live() as other:
        await one.hello()
        await other.hello()

        async def announced() -> list[InEntry]:
            return await of(rig, CollectorAlive)

        entries = await eventually(announced)
        [arrival, _] = await of(rig, TabAttached)
        assert {entry.collector for entry in entries} == {arrival.collector}
    assert await rig.metric("foyer_collector_live_channels") == 0


async def test_a_visitor_who_vanishes_without_a_word_is_reported(clients: Clients, redis_url: str) -> None:
    """A client cut off sends no close frame and answers no ping: only the heartbeat can tell."""
    await make_site(clients)
    async with collector(clients, redis_url, heartbeat_s=0.2) as rig:
        reader, writer = await asyncio.open_connection("127.0.0.1", rig.port)
        key = base64.b64encode(os.urandom(16)).decode()
        writer.write(
            (
                f"GET /v1/live HTTP/1.1\r\nHost: x\r\nOrigin: {ORIGIN}\r\nUser-Agent: {FIREFOX}\r\n"
                "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                f"Sec-WebSocket-Key: {key}\r\n\r\n"
            ).encode()
        )
        await reader.readuntil(b"\r\n\r\n")
        text = json.dumps({"type": "hello", "id": "1", "site": SITE, "tab": new_id()}).encode()
        writer.write(masked(text))
        await attached_then_detached(rig)
        writer.close()


async def test_a_channel_that_answers_pings_stays_until_it_does_not(clients: Clients, redis_url: str) -> None:
    """Events in between put the next ping off; each answered ping is followed by another one."""
    await make_site(clients)
    async with collector(clients, redis_url, heartbeat_s=1.0) as rig:
        fields = {"Origin": ORIGIN, "User-Agent": FIREFOX}
        async with rig.session.ws_connect(f"{rig.url}/v1/live", headers=fields, autoping=False) as socket:
            channel = LiveClient(socket)
            await channel.hello()
            for n in range(3):
                batch = {"type": "events", "id": "1", "sent": 5, "events": [event("beat", n)]}
                assert (await channel.ask(batch))["accepted"] == 1
                ping = await socket.receive()
                assert ping.type is aiohttp.WSMsgType.PING
                await socket.pong(ping.data)
            assert (await socket.receive()).type is aiohttp.WSMsgType.PING
            await attached_then_detached(rig)


async def test_draining_sends_every_visitor_elsewhere_and_reports_it(clients: Clients, redis_url: str) -> None:
    await make_site(clients)
    endings: list[tuple[Any, int | None]] = []

    async def visit(rig: CollectorRig, greeted: asyncio.Event) -> None:
        async with rig.live() as channel:
            await channel.hello()
            greeted.set()
            endings.append((await channel.next(), await channel.close_code()))

    async with collector(clients, redis_url) as rig:
        greeted = [asyncio.Event() for _ in range(20)]
        visits = [asyncio.create_task(visit(rig, event)) for event in greeted]
        await asyncio.gather(*(event.wait() for event in greeted))
    await asyncio.gather(*visits)
    assert endings == [({"type": "close", "code": "draining", "reconnect": True}, 4000)] * 20
    assert len(await of(rig, TabDetached)) == 20


async def test_channels_are_capped_for_each_address(clients: Clients, redis_url: str) -> None:
    await make_site(clients)
    trusted: dict[str, Any] = {"trusted_proxies": "127.0.0.0/8", "max_per_address": 2}
    async with collector(clients, redis_url, **trusted) as rig:
        forwarded = {"X-Forwarded-For": "203.0.113.9"}
        async with rig.live(**forwarded), rig.live(**forwarded):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                async with rig.live(**forwarded):
                    pass
            assert (refused.value.status, refused.value.headers and refused.value.headers["Retry-After"]) == (503, "5")
            async with rig.live(**{"X-Forwarded-For": "203.0.113.10"}) as other:
                assert (await other.hello())["type"] == "ok"


async def test_a_fault_of_ours_closes_the_channel_in_its_own_language(
    rig: CollectorRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It once answered the open WebSocket with an HTTP error, which is garbage there."""

    async def fails(*_arguments: object) -> None:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(Channel, "_hello", fails)
    async with rig.live() as channel:
        assert await channel.hello() == {"type": "close", "code": "internal", "reconnect": True}
        assert await channel.close_code() == 4001
