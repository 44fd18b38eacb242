"""Refused HTTP requests, the same on every port (RFC 9457). Nothing in them quotes the request."""

from __future__ import annotations

from msgspec import Struct


class FieldError(Struct, frozen=True, omit_defaults=True):
    """Where (JSON pointer, RFC 6901) and why a field is refused."""

    pointer: str
    code: str
    detail: str | None = None


class Problem(Struct, frozen=True, omit_defaults=True):
    """`type` is left out (about:blank): `code` is what a program reads, and stable."""

    title: str
    status: int
    code: str
    request_id: str
    detail: str | None = None
    errors: tuple[FieldError, ...] = ()
