"""The OpenAPI document, made from the route table and the types: it cannot say anything that the API does not do."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from services.operator_gateway.api.problems import CODES
from services.operator_gateway.api.routing import Anyone, LoggedIn, OnSite, OwnerOnly, Route, Rule
from services.operator_gateway.api.table import PREFIX
from shared.contracts.control import PATH_TYPES
from shared.contracts.desk_api import DESK_PATH_TYPES
from shared.contracts.problems import Problem

_REF = "#/components/schemas/{name}"
_PATH_TYPES = {**PATH_TYPES, **DESK_PATH_TYPES}
_ALWAYS = ("unavailable", "internal")
_WITH_BODY = ("empty", "not_json", "too_large", "content_type", "content_encoding", "invalid", "timeout")
_SECURITY: list[dict[str, list[str]]] = [{"bearer": []}, {"cookie": [], "csrf": []}]
_READ_SECURITY: list[dict[str, list[str]]] = [{"bearer": []}, {"cookie": []}]


def document(routes: Sequence[Route]) -> bytes:
    """OpenAPI 3.1 as JSON, the same bytes for the same routes."""
    types = [t for route in routes for t in (route.body, route.answer) if t is not None]
    schemas, components = msgspec.json.schema_components([*types, Problem], ref_template=_REF)
    refs = dict(zip([*types, Problem], schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(PREFIX + route.path, {})[route.method.lower()] = _operation(route, refs)
    described = {
        "openapi": "3.1.0",
        "info": {
            "title": "Foyer operator gateway",
            "version": "1",
            "description": "Times are milliseconds since the epoch. Refusals are RFC 9457 problems with a stable code.",
        },
        "paths": paths,
        "components": {"schemas": dict(sorted(components.items())), "securitySchemes": _schemes()},
    }
    return msgspec.json.format(msgspec.json.encode(described), indent=2) + b"\n"


def _schemes() -> dict[str, Any]:
    cookie = "__Host-foyer_session; foyer_session on a local machine without TLS"
    return {
        "bearer": {"type": "http", "scheme": "bearer", "description": "`token` of POST /session"},
        "cookie": {"type": "apiKey", "in": "cookie", "name": "__Host-foyer_session", "description": cookie},
        "csrf": {"type": "apiKey", "in": "header", "name": "X-CSRF-Token", "description": "`csrf` of GET /me"},
    }


def _operation(route: Route, refs: dict[Any, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.operation,
        "summary": route.summary,
        "description": f"{(route.handle.__doc__ or '').strip()}\n\nFor: {_said(route.rule)}.",
        "tags": [route.tag],
        "security": [] if isinstance(route.rule, Anyone) else _SECURITY if route.changes else _READ_SECURITY,
        "responses": _responses(route, refs),
    }
    if parameters := _parameters(route):
        operation["parameters"] = parameters
    if route.body is not None:
        content = {"application/json": {"schema": refs[route.body]}}
        operation["requestBody"] = {"required": not route.body_optional, "content": content}
    return operation


def _said(rule: Rule) -> str:
    match rule:
        case Anyone():
            return "anyone"
        case LoggedIn():
            return "every operator"
        case OwnerOnly():
            return "owners of the installation"
        case OnSite(least):
            return f"the site's {least}s" if least == "admin" else f"the site's {least}s and above"


def _parameters(route: Route) -> list[dict[str, Any]]:
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": msgspec.json.schema(_PATH_TYPES[name])}
        for name in re.findall(r"\{(\w+)\}", route.path)
    ]
    if route.query is not None:
        fields = msgspec.json.schema(route.query)["$defs"][route.query.__name__]["properties"]
        parameters += [{"name": name, "in": "query", "schema": schema} for name, schema in fields.items()]
    if route.versioned:
        text = "The version (ETag) that the change is based on; another one is refused with `stale_version`."
        parameters.append({"name": "If-Match", "in": "header", "description": text, "schema": {"type": "string"}})
    return parameters


def _responses(route: Route, refs: dict[Any, Any]) -> dict[str, Any]:
    done: dict[str, Any] = {"description": "Done."}
    if route.answer is not None:
        files = {media: {"schema": {"type": "string"}} for media in route.files}
        done["content"] = {"application/json": {"schema": refs[route.answer]}, **files}
    by_status: dict[int, list[str]] = {}
    for code in _codes(route):
        by_status.setdefault(CODES[code][0], []).append(code)
    problem = {"application/problem+json": {"schema": refs[Problem]}}
    return {str(route.status): done} | {
        str(status): {"description": " / ".join(f"`{code}`: {CODES[code][1]}" for code in codes), "content": problem}
        for status, codes in sorted(by_status.items())
    }


def _codes(route: Route) -> list[str]:
    """Every refusal that the route may answer."""
    codes = [*route.codes, *_ALWAYS]
    if not isinstance(route.rule, Anyone):
        codes.append("unauthorized")
    if isinstance(route.rule, OnSite):
        codes.append("not_found")
    if isinstance(route.rule, OwnerOnly) or (isinstance(route.rule, OnSite) and route.rule.least != "operator"):
        codes.append("forbidden")
    if route.changes:
        codes += ["cross_site"] if isinstance(route.rule, Anyone) else ["cross_site", "csrf"]
    if route.body is not None:
        codes += _WITH_BODY
    elif route.query is not None:
        codes.append("invalid")
    if route.versioned:
        codes += ["bad_version", "stale_version", "conflict"]
    return sorted(set(codes))
