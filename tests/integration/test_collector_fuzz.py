"""Requests made from the collector's own OpenAPI document, right and wrong: each answer is one that it names.

Bodies and queries are drawn from the schemas by a seeded generator and spoiled at random places; 400 requests a route.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from shared.storage.clients import Clients
from tests.collector_rig import SITE, Answer, CollectorRig, batch, collector, make_site

DOCUMENT = json.loads((Path(__file__).resolve().parents[2] / "docs/protocol/openapi-collector.json").read_bytes())
EACH, AT_ONCE = 400, 20
MARK = "zebra-in-the-input"  # answers never echo what they refuse
ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 2**53, 2**63, 2**200, 1e308, 0.5, "", " ", MARK, [], {}, [[[[[[]]]]]], {"": {}}),
    *("\x00", "\ud800", "\u202e" + MARK, "javascript:" + MARK, "x" * 5_000, ["x"] * 60, {"a" * 70: MARK}),
)
ALPHABET = "abz019-_./:?#@%&=é漢\u202e '\"<>"


class Requests:
    """Draws values of the document's schemas. `wrong`: how often a value is spoiled."""

    def __init__(self, seed: int, wrong: float) -> None:
        self._random = random.Random(seed)
        self._wrong = wrong

    def value(self, schema: dict[str, Any]) -> Any:
        """A value of `schema`, or an odd one in its place."""
        if self._random.random() < self._wrong:
            return self._random.choice(ODD)
        if "$ref" in schema:
            return self.value(DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
        for several in ("anyOf", "oneOf"):
            if several in schema:
                return self.value(self._random.choice(schema[several]))
        if "enum" in schema:
            return self._random.choice(schema["enum"])
        if "const" in schema:
            return schema["const"]
        kinds = {"object": self._object, "array": self._array, "string": self._string, "integer": self._integer}
        make = kinds.get(schema.get("type", ""))
        return make(schema) if make else self._random.choice((None, True, 1.5, "x"))

    def _object(self, schema: dict[str, Any]) -> dict[str, Any]:
        required = schema.get("required", ())
        fields = {
            name: self.value(of)
            for name, of in schema.get("properties", {}).items()
            if (self._random.random() < 0.7 if name not in required else self._random.random() > self._wrong)
        }
        if isinstance(schema.get("additionalProperties"), dict):
            fields |= {f"a{i}": self.value(schema["additionalProperties"]) for i in range(self._random.randrange(3))}
        return {**fields, MARK: 1} if self._random.random() < self._wrong else fields

    def _array(self, schema: dict[str, Any]) -> list[Any]:
        if "prefixItems" in schema:
            return [self.value(of) for of in schema["prefixItems"]]
        count = self._random.randint(schema.get("minItems", 0), min(schema.get("maxItems", 3), 4))
        return [self.value(schema.get("items") or {}) for _ in range(count)]

    def _string(self, schema: dict[str, Any]) -> str:
        pattern = schema.get("pattern", "")
        if "{8}-" in pattern:
            digits = f"{self._random.getrandbits(128):032x}"
            return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
        if pattern.startswith("^s_") or "site" in schema.get("title", "").lower():
            return SITE
        count = self._random.randint(schema.get("minLength", 0), min(schema.get("maxLength", 40), 40))
        return "".join(self._random.choice(ALPHABET) for _ in range(count))

    def _integer(self, schema: dict[str, Any]) -> int:
        return self._random.randint(schema.get("minimum", -5), min(schema.get("maximum", 10**6), 10**6))

    def body(self, schema: dict[str, Any]) -> bytes:
        """A JSON text of a value, nearly always whole and in UTF-8."""
        value = self.value(schema)
        if isinstance(value, dict) and "site" in value and self._random.random() > self._wrong:
            value["site"] = SITE
        text = json.dumps(value, ensure_ascii=self._random.random() < 0.5).encode(errors="surrogatepass")
        return text[: self._random.randrange(len(text))] if self._random.random() < self._wrong / 2 else text

    def query(self, parameters: list[dict[str, Any]]) -> str:
        """A query for them."""
        pairs = [(one["name"], self.value(one["schema"])) for one in parameters if self._random.random() > self._wrong]
        return urlencode([(name, str(value)) for name, value in pairs], errors="replace")


@pytest.fixture
async def rig(clients: Clients, redis_url: str) -> AsyncIterator[CollectorRig]:
    await make_site(clients)
    limits: dict[str, Any] = {f"{name}_per_s": 1e9 for name in ("address", "newcomers", "visitor", "site", "chat")}
    async with collector(clients, redis_url, **limits) as running:
        yield running


async def ask(rig: CollectorRig, path: str, method: str, operation: dict[str, Any], requests: Requests) -> Answer:
    """One request that the document describes, more or less."""
    query = requests.query([{**one, "schema": quick(one)} for one in operation.get("parameters", [])])
    target = f"{path}?{query}" if query else path
    if "requestBody" not in operation:
        return await rig.request(method.upper(), target)
    content = operation["requestBody"]["content"]
    return await rig.post(requests.body(content["text/plain"]["schema"]), path=target)


def quick(parameter: dict[str, Any]) -> dict[str, Any]:
    """Waiting is not what is tried here."""
    schema: dict[str, Any] = parameter["schema"]
    return {**schema, "maximum": 0, "minimum": 0} if parameter["name"] == "wait" else schema


def checked(answer: Answer, operation: dict[str, Any]) -> None:
    """Fails if the document does not know such an answer."""
    assert str(answer.status) in operation["responses"], (answer.status, answer.body)
    assert answer.headers["X-Request-Id"]
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    if answer.status >= 400:
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert MARK not in answer.body.decode()
        described = operation["responses"][str(answer.status)]["description"]
        assert f"`{answer.json['code']}`" in described, answer.json


ROUTES = [
    (path, method)
    for path, operations in DOCUMENT["paths"].items()
    for method in operations
    if not path.startswith("/t/") and path != "/v1/live"
]


@pytest.mark.parametrize(("path", "method"), ROUTES)
@pytest.mark.parametrize("wrong", [0.0, 0.05, 0.3])
async def test_every_answer_is_one_that_the_document_names(
    rig: CollectorRig, path: str, method: str, wrong: float
) -> None:
    operation, requests = DOCUMENT["paths"][path][method], Requests(7, wrong)
    seen = set()
    for _ in range(EACH // AT_ONCE):
        answers = await asyncio.gather(*(ask(rig, path, method, operation, requests) for _ in range(AT_ONCE)))
        for answer in answers:
            checked(answer, operation)
            seen.add(answer.status)
    if wrong == 0.05 and "requestBody" in operation:
        assert len(seen) >= 2, "the generator reaches different answers"
    assert (await rig.post(batch())).status == 204
