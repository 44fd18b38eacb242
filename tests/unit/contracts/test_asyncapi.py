"""The documents in docs/protocol/ say what the types say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from shared.contracts.asyncapi import DOCUMENTS, rendered
from shared.contracts.operators import ANSWERS, REQUESTS, SERVER_EVENTS

FOLDER = Path(__file__).resolve().parents[3] / "docs" / "protocol"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_kept_document_is_the_types(name: str) -> None:
    kept = (FOLDER / f"asyncapi-{name}.json").read_bytes()
    assert kept == rendered(name), f"run: python -m shared.contracts {name} > docs/protocol/asyncapi-{name}.json"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_reference_leads_somewhere(name: str) -> None:
    document = msgspec.json.decode(rendered(name))
    references = list(_references(document))
    assert references
    for reference in references:
        place: Any = document
        for part in reference.removeprefix("#/").split("/"):
            place = place[part.replace("~1", "/").replace("~0", "~")]


def test_every_event_is_documented_with_its_answer() -> None:
    document = msgspec.json.decode(rendered("operators"))
    assert set(document["operations"]) == set(REQUESTS) | set(SERVER_EVENTS)
    assert set(ANSWERS) == set(REQUESTS)


def _references(value: Any) -> Any:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for item in value.values():
            yield from _references(item)
    elif isinstance(value, list):
        for item in value:
            yield from _references(item)
