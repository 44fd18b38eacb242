"""The stored OpenAPI document says what the collector does."""

from __future__ import annotations

import json
from pathlib import Path

from services.collector.domain.refusals import PROBLEMS
from services.collector.openapi import OPERATIONS, document

ROOT = Path(__file__).resolve().parents[3]
# Said of every path or of none in particular.
GENERAL = {"bad_request", "not_found", "method", "internal"}


def test_the_stored_document_is_the_current_one() -> None:
    stored = (ROOT / "docs/protocol/openapi-collector.json").read_bytes()
    assert stored == document(), "make it again: python -m services.collector.openapi > docs/protocol/…"


def test_every_code_is_documented_and_every_documented_code_exists() -> None:
    documented = {code for methods in OPERATIONS.values() for described in methods.values() for code in described.codes}
    assert documented - GENERAL == set(PROBLEMS) - GENERAL


def test_every_reference_resolves() -> None:
    text = json.loads(document())
    schemas = set(text["components"]["schemas"])
    references = {part.split('"')[0] for part in json.dumps(text).split("#/components/schemas/")[1:]}
    assert references <= schemas
