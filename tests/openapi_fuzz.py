"""Requests that schemathesis draws from an OpenAPI document, right and wrong ones, sent to a running server.

Each answer must be one that the document describes for that operation: its status, its headers, its type and its
schema, and no 5xx. Read :func:`explore`; it blocks, so a test calls it in a thread beside the server's event loop.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

Operation = schemathesis.APIOperation[Any, Any, Any, Any]
CHECKS: list[Any] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
MODES = {"right": schemathesis.GenerationMode.POSITIVE, "wrong": schemathesis.GenerationMode.NEGATIVE}
TIMEOUT_S = 30  # a request that hangs is a failure as well


def operations(document: dict[str, Any]) -> dict[str, Operation]:
    """The document's operations by their names, such as `POST /v1/e`."""
    schema = schemathesis.openapi.from_dict(document)
    results: list[Any] = list(schema.get_all_operations())
    return {operation.label: operation for operation in (result.ok() for result in results)}


def explore(
    operation: Operation,
    mode: str,
    url: str,
    *,
    examples: int,
    adapt: Callable[[Any], None] = lambda case: None,
    headers: dict[str, str] | None = None,
) -> list[int]:
    """Send `examples` requests of one operation and check each answer; the statuses that came back.

    `adapt` may put names that exist into a case, so that requests get past the first refusal.
    """
    seen: list[int] = []

    @seed(1)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=MODES[mode]))
    def one(case: Any) -> None:
        adapt(case)
        answer = case.call(base_url=url, headers=headers, timeout=TIMEOUT_S, allow_redirects=False)
        # "Not now, repeat it" is no failure of the server: on a busy machine it is the right answer.
        later = answer.status_code == 503 and answer.json()["code"] in ("try_again", "unavailable")
        case.validate_response(answer, checks=CHECKS[1:] if later else CHECKS)
        seen.append(answer.status_code)

    try:
        one()
    except Unsatisfiable:  # nothing about such a request can be wrong: it has neither parameters nor a body
        assert mode == "wrong"
    return seen
