"""The public HTTP contract, row by row, against a real Valkey and real sockets."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from services.collector.openapi import OPERATIONS
from shared.contracts.streams import ForgetVisitor, TabEvents
from shared.storage.clients import Clients
from shared.storage.directory_store import DirectoryStore
from tests.collector_rig import ORIGIN, SITE, CollectorRig, batch, collector, event, make_site, new_id, pixel_path
from tests.eventually import eventually

GONE = "s_0000gone"


@pytest.fixture
async def rig(clients: Clients, redis_url: str) -> AsyncIterator[CollectorRig]:
    await make_site(clients)
    await make_site(clients, site=GONE, disabled=True)
    async with collector(clients, redis_url) as running:
        yield running


def nested(depth: int) -> dict[str, Any]:
    """A batch with an unknown field, so that the whole is `depth` deep."""
    value: Any = 1
    for _ in range(depth - 1):
        value = [value]
    return batch(x=value)


BODIES: list[tuple[str, Any, int, str]] = [
    ("empty", b"", 400, "empty"),
    ("blank", b"  \n", 400, "empty"),
    ("not JSON", b"hello", 400, "not_json"),
    ("truncated", json.dumps(batch()).encode()[:-1], 400, "not_json"),
    ("two values", json.dumps(batch()).encode() + b"{}", 400, "not_json"),
    ("bad UTF-8", json.dumps(batch()).encode().replace(b'"A"', b'"\xff"'), 400, "encoding"),
    ("bad UTF-8 in a field we ignore", b'{"x":"\xc3\x28"}', 400, "encoding"),
    ("NUL escaped", batch(event(title="a\0b")), 400, "nul"),
    ("NUL raw", json.dumps(batch()).encode() + b"\0", 400, "nul"),
    ("5 deep", nested(5), 400, "nesting"),
    ("very deep", b'{"x":' + b"[" * 7000 + b"]" * 7000 + b"}", 400, "nesting"),
    ("an array", [], 422, "invalid"),
    ("a number", 1, 422, "invalid"),
    ("no events", batch(events=[]), 422, "invalid"),
    ("51 events", batch(*[event(n=n) for n in range(51)]), 422, "invalid"),
    ("tab is no uuid", batch(tab="x"), 422, "invalid"),
    ("token null", batch(token=None, visitor=new_id()), 422, "invalid"),
    ("token 0", batch(token=0, visitor=new_id()), 422, "invalid"),
    ("token list", batch(token=[], visitor=new_id()), 422, "invalid"),
    ("wrong token", batch(token="v1.x", visitor=new_id()), 403, "token"),
    ("empty token", batch(token="", visitor=new_id()), 403, "token"),
    ("unknown site", batch(site="s_ffffffff"), 404, "unknown_site"),
    ("disabled site", batch(site=GONE), 410, "gone"),
    ("17 KiB", batch(x="x" * 17_000), 413, "too_large"),
]


@pytest.mark.parametrize(("body", "status", "code"), [row[1:] for row in BODIES], ids=[row[0] for row in BODIES])
async def test_a_wrong_body_gets_its_answer_and_stores_nothing(
    rig: CollectorRig, body: Any, status: int, code: str
) -> None:
    answer = await rig.post(body)
    assert (answer.status, answer.json["code"]) == (status, code)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.json["request_id"] == answer.headers["X-Request-Id"]
    assert answer.json["status"] == status
    assert await rig.entries() == []


ENVELOPES: list[tuple[dict[str, Any], str, str]] = [
    ({"site": 5}, "/site", "type"),
    ({"site": "S!"}, "/site", "too_short"),
    ({"tab": "0" * 36}, "/tab", "format"),
    ({"sent": -1}, "/sent", "range"),
    ({"sent": 1.5}, "/sent", "type"),
    ({"sent": None}, "/sent", "type"),
    ({"visitor": "me"}, "/visitor", "too_short"),
    ({"token": {}}, "/token", "type"),
    ({"events": {}}, "/events", "type"),
    ({"events": []}, "/events", "too_few"),
]


@pytest.mark.parametrize(("fields", "pointer", "code"), ENVELOPES)
async def test_an_invalid_envelope_is_pointed_at(
    rig: CollectorRig, fields: dict[str, Any], pointer: str, code: str
) -> None:
    answer = await rig.post(batch(**fields))
    assert answer.status == 422
    assert answer.json["errors"] == [{"pointer": pointer, "code": code}]


async def test_a_missing_field_is_named(rig: CollectorRig) -> None:
    body = batch()
    del body["tab"]
    answer = await rig.post(body)
    assert (answer.status, answer.json["errors"]) == (422, [{"pointer": "/tab", "code": "required"}])


EVENTS: list[tuple[dict[str, Any], str, str]] = [
    ({"url": "javascript:alert(1)"}, "/url", "url_scheme"),
    ({"url": "file:///etc/passwd"}, "/url", "url_scheme"),
    ({"url": None}, "/url", "required"),
    ({"url": "https://x/" + "x" * 2048}, "/url", "too_long"),
    ({"referrer": "data:text/html,x"}, "/referrer", "url_scheme"),
    ({"title": "x" * 257}, "/title", "too_long"),
    ({"type": "boo"}, "/type", "value"),
    ({"page": "1"}, "/page", "too_short"),
    ({"n": -1}, "/n", "range"),
    ({"n": True}, "/n", "type"),
    ({"at": "1"}, "/at", "type"),
    ({"attrs": {f"a{i}": 1 for i in range(21)}}, "/attrs", "too_many"),
    ({"attrs": {"a": "x" * 257}}, "/attrs", "too_long"),
    ({"screen": [1]}, "/screen", "type"),
    ({"screen": [1, -1]}, "/screen/1", "range"),
]


@pytest.mark.parametrize(("fields", "pointer", "code"), EVENTS)
async def test_a_wrong_event_is_named_and_the_others_are_stored(
    rig: CollectorRig, fields: dict[str, Any], pointer: str, code: str
) -> None:
    good, bad = event(n=1), {**event(n=2), **fields}
    answer = await rig.post(batch(good, bad))
    assert answer.status == 200
    assert answer.json == {"accepted": 1, "rejected": [{"i": 1, "pointer": pointer, "code": code}]}
    [entry] = await rig.entries()
    assert isinstance(entry, TabEvents)
    assert [stored.n for stored in entry.events] == [1]


async def test_rejections_come_in_the_batchs_numbering(rig: CollectorRig) -> None:
    answer = await rig.post(batch(event(url="ftp://x"), event(), {"type": "page"}, event(url="x:y")))
    assert answer.json["accepted"] == 1
    assert [wrong["i"] for wrong in answer.json["rejected"]] == [0, 2, 3]


async def test_nothing_valid_stores_nothing_and_is_no_error(rig: CollectorRig) -> None:
    answer = await rig.post(batch(event(url="ftp://x")))
    assert (answer.status, answer.json["accepted"]) == (200, 0)
    assert await rig.entries() == []


async def test_a_good_batch_is_stored_before_it_is_answered(rig: CollectorRig) -> None:
    sent = batch(event(title="T"))
    answer = await rig.post(sent, {"Content-Type": "application/json"})
    assert (answer.status, answer.body) == (204, b"")
    [entry] = await rig.entries()
    assert isinstance(entry, TabEvents)
    assert (entry.site, entry.tab, entry.visitor, entry.anonymous) == (SITE, sent["tab"], sent["tab"], True)
    assert entry.events[0].title == "T"


ORIGINS: list[tuple[dict[str, str], int]] = [
    ({"Origin": ORIGIN}, 204),
    ({"Origin": "", "Referer": f"{ORIGIN}/page?x"}, 204),
    ({"Origin": "", "Referer": ORIGIN}, 204),
    ({"Origin": "null"}, 403),
    ({"Origin": "null", "Referer": ORIGIN}, 403),
    ({"Origin": ""}, 403),
    ({"Origin": "", "Referer": "nonsense"}, 403),
    ({"Origin": f"{ORIGIN}.evil.example"}, 403),
    ({"Origin": "https://evil-shop.example"}, 403),
    ({"Origin": "http://shop.example"}, 403),
    ({"Origin": f"{ORIGIN}:8443"}, 403),
    ({"Origin": "", "Referer": f"{ORIGIN}@evil.example/"}, 403),
    ({"Origin": "", "Referer": f"https://evil.example/{ORIGIN}"}, 403),
    ({"Origin": "https://evil.example", "Referer": f"{ORIGIN}/"}, 403),
]


@pytest.mark.parametrize(("headers", "status"), ORIGINS)
async def test_only_the_sites_exact_origin_may_send(rig: CollectorRig, headers: dict[str, str], status: int) -> None:
    answer = await rig.post(batch(), headers)
    assert answer.status == status
    if status == 403:
        assert answer.json["code"] == "forbidden"


REQUESTS: list[tuple[str, str, dict[str, Any], int, str, dict[str, str]]] = [
    ("GET", "/v1/e", {}, 405, "method", {"Allow": "POST, OPTIONS"}),
    ("DELETE", "/v1/e.gif", {}, 405, "method", {"Allow": "GET, HEAD, OPTIONS"}),
    ("POST", "/t/v1.js", {"data": b""}, 405, "method", {"Allow": "GET, HEAD, OPTIONS"}),
    ("POST", "/v1/e", {"data": b"<a/>", "headers": {"Content-Type": "text/xml"}}, 415, "content_type", {}),
    (
        "POST",
        "/v1/e",
        {"data": b"x", "headers": {"Content-Type": "text/plain", "Content-Encoding": "gzip"}},
        415,
        "content_encoding",
        {"Accept-Encoding": "identity"},
    ),
    ("GET", "/", {}, 404, "not_found", {}),
    ("GET", "/t/../settings.py", {}, 404, "not_found", {}),
    ("GET", "/metrics", {}, 404, "not_found", {}),
    ("GET", "/v1/live", {}, 426, "upgrade_required", {"Upgrade": "websocket"}),
    ("GET", "/v1/site", {}, 422, "invalid", {}),
    ("GET", "/v1/site?key=s_ffffffff", {}, 404, "unknown_site", {}),
    ("GET", f"/v1/site?key={GONE}", {}, 410, "gone", {}),
]


@pytest.mark.parametrize(("method", "path", "more", "status", "code", "expected"), REQUESTS)
async def test_a_wrong_request_gets_its_answer(
    rig: CollectorRig, method: str, path: str, more: dict[str, Any], status: int, code: str, expected: dict[str, str]
) -> None:
    answer = await rig.request(method, path, **more)
    assert (answer.status, answer.json["code"]) == (status, code)
    assert answer.headers["X-Request-Id"]
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert {name: answer.headers[name] for name in expected} == expected


async def test_preflight_allows_json(rig: CollectorRig) -> None:
    answer = await rig.request("OPTIONS", "/v1/e", {"Access-Control-Request-Method": "POST"})
    assert answer.status == 204
    assert answer.headers["Access-Control-Allow-Headers"] == "Authorization, Content-Type"
    assert "POST" in answer.headers["Access-Control-Allow-Methods"]


async def test_answers_never_quote_the_input(rig: CollectorRig) -> None:
    marker = "Zebra123"
    for body in (batch(site=marker), batch(event(type=marker)), batch(**{marker: marker}, events=marker)):
        assert marker.encode() not in (await rig.post(body)).body
    assert marker.encode() not in (await rig.request("GET", f"/{marker}")).body


async def test_first_contact_gives_a_token_that_is_accepted_from_then_on(rig: CollectorRig) -> None:
    visitor = new_id()
    first = await rig.post(batch(visitor=visitor))
    assert first.status == 200
    token = first.json["token"]
    assert (await rig.post(batch(visitor=visitor, token=token))).status == 204
    assert (await rig.post(batch(visitor=visitor.upper(), token=token))).status == 204
    assert (await rig.post(batch(visitor=new_id(), token=token))).json["code"] == "token"


async def test_a_known_visitors_token_is_not_told_to_whoever_knows_the_id(rig: CollectorRig) -> None:
    """Else an id, which operators see, would be as good as a token, which opens chats."""
    now = int(time.time() * 1000)
    early, seen, back, left, gone_at_once = (new_id() for _ in range(5))
    await rig.known(early, now - 240_000)
    await rig.known(gone_at_once, now - 1000, live=False)
    await rig.known(seen, now - 301_000)
    await rig.known(back, now - 1000, visits=2)
    await rig.known(left, now - 301_000, live=False)
    for visitor in (early, gone_at_once):
        assert (await rig.post(batch(visitor=visitor))).json["token"] == rig.token(visitor)
    for visitor in (seen, back, left):
        assert (await rig.post(batch(visitor=visitor))).status == 204
        async with rig.live() as channel:
            answer = await channel.hello(visitor=visitor)
            assert (answer["type"], "token" in answer) == ("ok", False)
        assert (await rig.post(batch(visitor=visitor, token=rig.token(visitor)))).status == 204


async def test_a_token_of_another_site_does_not_fit(rig: CollectorRig, clients: Clients) -> None:
    await make_site(clients, site="s_0000other")
    visitor = new_id()

    async def known() -> bool:
        return (await rig.post(batch(site="s_0000other"))).status == 204

    await eventually(known)
    token = (await rig.post(batch(visitor=visitor, site="s_0000other"))).json["token"]
    assert (await rig.post(batch(visitor=visitor, token=token))).status == 403


async def test_a_crawler_gets_204_and_is_counted_but_not_stored(rig: CollectorRig) -> None:
    googlebot = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
    assert (await rig.post(batch(), {"User-Agent": googlebot})).status == 204
    assert await rig.entries() == []
    assert await rig.metric('foyer_collector_inputs_total{channel="http",outcome="bot"}') == 1


async def test_what_a_page_claims_about_itself_is_ignored(rig: CollectorRig) -> None:
    claims: dict[str, Any] = {"ip": "8.8.8.8", "ua": "Nokia", "country": "AQ", "received_ms": 1, "anonymous": False}
    await rig.post(batch(event(**claims), **claims), {"Accept-Language": "de-AT,de;q=0.9"})
    [entry] = await rig.entries()
    assert isinstance(entry, TabEvents)
    assert entry.client is not None
    assert (entry.client.country, entry.client.device.browser, entry.client.lang) == ("", "Firefox", "de-AT")
    assert entry.received_ms > 1_700_000_000_000
    assert entry.anonymous


async def test_the_pixel_takes_a_batch(rig: CollectorRig) -> None:
    answer = await rig.request("GET", pixel_path(batch()), {"Origin": "", "Referer": f"{ORIGIN}/"})
    assert (answer.status, answer.headers["Content-Type"], len(answer.body)) == (200, "image/gif", 43)
    assert len(await rig.entries()) == 1


@pytest.mark.parametrize("path", ["/v1/e.gif", "/v1/e.gif?d=%ff", "/v1/e.gif?d=!!!", pixel_path([]), pixel_path(1)])
async def test_the_pixel_is_a_picture_whatever_it_is_sent(rig: CollectorRig, path: str) -> None:
    answer = await rig.request("GET", path)
    assert (answer.status, answer.body[:6], len(answer.body)) == (200, b"GIF89a", 43)
    assert answer.headers["X-Request-Id"]


async def test_public_settings_of_a_site(rig: CollectorRig) -> None:
    answer = await rig.request("GET", f"/v1/site?key={SITE}")
    assert (answer.json["site"], answer.json["consent_required"], answer.json["online"]) == (SITE, False, False)
    assert answer.json["form"] == {"name": "required", "email": "off", "question": "optional", "skills": []}
    assert answer.headers["Cache-Control"] == "public, max-age=30"
    assert (await rig.request("GET", f"/v1/site?key={SITE}", {"Origin": ""})).status == 200
    assert (await rig.request("GET", f"/v1/site?key={SITE}", {"Origin": "https://evil.example"})).status == 403


async def test_forgetting_needs_the_visitors_token(rig: CollectorRig) -> None:
    visitor = new_id()
    token = (await rig.post(batch(visitor=visitor))).json["token"]
    wish = {"site": SITE, "visitor": visitor}
    for wrong, status in (({}, 403), ({"token": "v1.x"}, 403), ({"token": None}, 422), ({"visitor": 1}, 422)):
        assert (await rig.post({**wish, **wrong}, path="/v1/forget")).status == status
    assert (await rig.post({**wish, "token": token}, path="/v1/forget")).status == 202
    entry = (await rig.entries())[-1]
    assert isinstance(entry, ForgetVisitor)
    assert entry.visitor == visitor


async def test_switching_a_site_off_is_seen_at_once(rig: CollectorRig, clients: Clients) -> None:
    assert (await rig.post(batch())).status == 204
    store = DirectoryStore(clients)
    await store.update_site(SITE, site_off)

    async def gone() -> bool:
        return (await rig.post(batch())).status == 410

    await eventually(gone)


def site_off(site: Any) -> Any:
    return msgspec.structs.replace(site, disabled=True)


async def test_every_input_has_exactly_one_outcome(rig: CollectorRig) -> None:
    bodies: list[Any] = [
        batch(),
        b"x",
        b"",
        [],
        batch(site="s_ffffffff"),
        batch(event(url="x:y")),
        batch(x="x" * 17_000),
    ]
    for body in bodies:
        await rig.post(body)
    async with rig.session.get(f"http://127.0.0.1:{rig.running.admin_port}/metrics") as answer:
        lines = [line for line in (await answer.text()).splitlines() if line.startswith("foyer_collector_inputs_total")]
    assert sum(float(line.rpartition(" ")[2]) for line in lines) == len(bodies)
    assert not any('outcome="internal"' in line for line in lines)


async def test_what_is_documented_is_what_is_served(rig: CollectorRig) -> None:
    for path, methods in OPERATIONS.items():
        if "{" in path:
            continue
        answer = await rig.request("PATCH", path)
        allowed = set(answer.headers["Allow"].split(", ")) - {"HEAD", "OPTIONS"}
        assert (answer.status, allowed) == (405, set(methods))
