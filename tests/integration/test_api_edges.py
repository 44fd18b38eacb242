"""The API's edges: every answer has its headers, nothing is echoed, sizes are bounded, the document is true."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from services.operator_gateway.api import Limits
from services.operator_gateway.api.mount import DOCUMENT_PATH
from services.operator_gateway.api.problems import CODES
from services.operator_gateway.api.table import PREFIX, ROUTES
from shared.embedded import EmbeddedValkey
from shared.storage.clients import Clients, RedisSettings
from tests.eventually import eventually
from tests.gateway_api import PASSWORD, Api, serving

CHECKED_IN = Path(__file__).parents[2] / "docs" / "protocol" / "openapi-gateway.json"
SESSION = "/api/v1/session"
IN_PATH = {"site": "s_00000000", "operator": "o_00000000", "skill": "none"}


@pytest.fixture
async def api(clients: Clients) -> AsyncIterator[Api]:
    async with serving(clients, Limits(body_bytes=2_000, body_s=0.2)) as served:
        yield served


async def test_every_answer_has_its_headers(api: Api) -> None:
    token = await api.login(await api.operator())
    answers = [
        await api.call("GET", "/api/v1/me", token),
        await api.call("GET", "/api/v1/me"),
        await api.call("GET", "/api/v1/nothing"),
        await api.call("PUT", "/api/v1/me", token),
        await api.call("GET", DOCUMENT_PATH),
        await api.call("DELETE", SESSION, token),
    ]
    assert [answer.status for answer in answers] == [200, 401, 404, 405, 200, 204]
    ids = set()
    for answer in answers:
        ids.add(answer.headers["X-Request-Id"])
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
        if answer.status >= 400:
            assert answer.headers["Content-Type"].startswith("application/problem+json")
            assert answer.json["request_id"] == answer.headers["X-Request-Id"]
            assert answer.json["status"] == answer.status
    assert len(ids) == len(answers)
    assert answers[3].headers["Allow"] == "GET, PATCH"


async def test_every_request_is_counted_once_by_its_outcome(api: Api) -> None:
    token = await api.login(await api.operator())
    for path, sent in (
        ("/api/v1/me", token),
        ("/api/v1/me", None),
        ("/api/v1/nothing", token),
        ("/api/v1/sites/s_0", token),
    ):
        await api.call("GET", path, sent)
    assert [api.outcomes(outcome) for outcome in ("ok", "unauthorized", "not_found")] == [1, 1, 2]


async def test_a_fault_of_our_own_is_counted_and_says_nothing(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    token = await api.login(await api.operator())

    async def broken() -> bool:
        raise RuntimeError("secret detail")

    with monkeypatch.context() as patch:
        patch.setattr(api.directory, "catch_up", broken)
        answer = await api.call("GET", "/api/v1/me", token)
    assert (answer.status, answer.code) == (500, "internal")
    assert b"secret" not in answer.raw
    assert api.outcomes("internal") == 1
    api.registry = CollectorRegistry()  # it was meant


async def test_a_foreign_request_id_is_not_taken_over(api: Api) -> None:
    answer = await api.call("GET", "/api/v1/me", X_Request_Id="mine")
    assert answer.headers["X-Request-Id"] != "mine"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "empty"),
        (b"{", 400, "not_json"),
        (b"\xff\xfe", 400, "not_json"),
        (b'{"email":"\xff","password":"x"}', 400, "not_json"),
        (b'{"email":"\\ud800","password":"x"}', 400, "not_json"),
        (b"[" * 1_999, 422, "invalid"),
        (b'{"email":"a@b","password":"x","x":' + b"[" * 1_900 + b"}", 422, "invalid"),
        (b'{"email":"a@b"}', 422, "invalid"),
        (b'{"email":["a@b"],"password":0}', 422, "invalid"),
        (b'{"email":"a@b","password":""}', 422, "invalid"),
        (b" " * 2_001, 413, "too_large"),
    ],
)
async def test_a_bad_body_is_refused_by_name(api: Api, body: bytes, status: int, code: str) -> None:
    answer = await api.call("POST", SESSION, body=body)
    assert (answer.status, answer.code) == (status, code)


async def test_a_body_is_bounded_before_it_is_decoded_and_compressed_ones_are_refused(api: Api) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b" " * 1_000

    async with api.http.post(api.url + SESSION, data=endless()) as response:
        assert response.status == 413
    packed = await api.call("POST", SESSION, body=b"\x1f\x8b", Content_Encoding="gzip")
    assert (packed.status, packed.code) == (415, "content_encoding")


async def test_a_slow_body_is_given_up(api: Api) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(api.url.rpartition(":")[2]))
    writer.write(
        f"POST {SESSION} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{{".encode()
    )
    answer = await reader.read()  # until the server closes
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"code":"timeout"' in answer
    writer.close()
    await writer.wait_closed()


async def test_with_redis_away_the_answer_is_503_and_all_is_well_after_its_return(tmp_path: Path) -> None:
    server = EmbeddedValkey(tmp_path, fsync="always").start()
    clients = Clients(RedisSettings(server.url))
    try:
        async with serving(clients) as api:
            ann = await api.operator()
            token = await api.login(ann)
            assert (await api.call("GET", "/api/v1/me", token)).status == 200
            server.kill()
            for answer in (
                await api.call("GET", "/api/v1/me", token),
                await api.call("POST", SESSION, body={"email": ann.email, "password": PASSWORD}),
            ):
                assert (answer.status, answer.code) == (503, "unavailable")
                assert int(answer.headers["Retry-After"]) >= 1
            server.start()

            async def back() -> bool:
                return (await api.call("GET", "/api/v1/me", token)).status == 200

            await eventually(back)
    finally:
        await clients.close()
        server.stop()


async def test_the_document_is_the_one_checked_in_and_names_every_route(api: Api) -> None:
    served = await api.call("GET", DOCUMENT_PATH)
    assert served.raw.decode() == CHECKED_IN.read_text(encoding="utf-8"), "make it again: see docs/api.md"
    document = served.json
    assert document["openapi"] == "3.1.0"
    named = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    assert named == {(route.method, PREFIX + route.path) for route in ROUTES}


async def test_the_document_holds_together(api: Api) -> None:
    text = (await api.call("GET", DOCUMENT_PATH)).raw.decode()
    document = msgspec.json.decode(text)
    schemas = document["components"]["schemas"]
    assert set(re.findall(r'"#/components/schemas/(\w+)"', text)) <= set(schemas)
    operations = [operation for item in document["paths"].values() for operation in item.values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    for body in ("LoginBody", "SitePatch", "SiteSettingsPatch", "OperatorBody", "SkillBody"):
        assert schemas[body]["additionalProperties"] is False
    responses = [response for operation in operations for response in operation["responses"].items()]
    for status, response in responses:
        for code in re.findall(r"`(\w+)`: ", response["description"]):
            assert CODES[code][0] == int(status)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
async def test_answers_are_what_the_document_says(api: Api, route: object) -> None:
    """Every refusal that a route's shape implies is in its description."""
    document = (await api.call("GET", DOCUMENT_PATH)).json
    method, path = route.method, PREFIX + route.path  # type: ignore[attr-defined]
    described = document["paths"][path][method.lower()]["responses"]
    named = re.sub(r"\{(\w+)\}", lambda part: IN_PATH.get(part[1], "0-0"), path)
    for token, headers in ((None, {}), (None, {"Sec_Fetch_Site": "cross-site"})):
        answer = await api.call(method, named, token, **headers)
        assert str(answer.status) in described
        assert f"`{answer.code}`" in described[str(answer.status)]["description"]
