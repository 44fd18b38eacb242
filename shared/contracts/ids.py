"""Bounded string and number types that every other contract is built from.

A value that decodes has passed its limit, so code behind the edge never measures a string again.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, UnsetType

MAX_SAFE_INT = 2**53 - 1  # the largest integer that every JSON client holds exactly

# `$` also fits before a last newline, hence `(?!\n)` wherever the length does not rule that out.
UUID_PATTERN = r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"

Uuid = Annotated[str, Meta(min_length=36, max_length=36, pattern=UUID_PATTERN)]
SiteKey = Annotated[str, Meta(min_length=4, max_length=34, pattern=r"^s_[0-9a-z]+$(?!\n)")]
OperatorId = Annotated[str, Meta(min_length=4, max_length=34, pattern=r"^o_[0-9a-z]+$(?!\n)")]
SkillId = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[a-z0-9][a-z0-9_-]*$(?!\n)")]
# A visitor is the browser's uuid; one without an identifier (Global Privacy Control) is known by its tab's uuid.
VisitorId = Uuid
# Client-made ids of views, commands and messages: opaque, short.
ClientId = Annotated[str, Meta(min_length=1, max_length=64)]
ShortText = Annotated[str, Meta(max_length=256)]
Name = Annotated[str, Meta(min_length=1, max_length=120)]
Email = Annotated[str, Meta(min_length=3, max_length=254, pattern=r"^[^@\s\x00-\x1f]+@[^@\s\x00-\x1f]+$(?!\n)")]
Url = Annotated[str, Meta(max_length=2048)]
CountryCode = Annotated[str, Meta(min_length=2, max_length=2, pattern=r"^[A-Z]{2}$")]
TimestampMs = Annotated[int, Meta(ge=0, le=MAX_SAFE_INT)]  # milliseconds since the epoch, by the server's clock
DurationMs = Annotated[int, Meta(ge=0, le=MAX_SAFE_INT)]
Counter = Annotated[int, Meta(ge=0, le=MAX_SAFE_INT)]
# Left out or a text: null, 0, [] and {} are errors, so that no loose comparison can ever take one for a token.
TokenText = Annotated[str, Meta(max_length=512)] | UnsetType
