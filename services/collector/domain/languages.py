"""The language that a browser prefers, from Accept-Language: the first tag, if it looks like one."""

from __future__ import annotations

import re
from functools import lru_cache

_TAG = re.compile(r"\s*([A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,3})\s*(?:[,;]|$)")


@lru_cache(maxsize=1024)
def preferred_language(accept_language: str) -> str:
    """`de-AT` of `de-AT,de;q=0.9,en;q=0.5`; empty if there is none."""
    match = _TAG.match(accept_language)
    return match[1] if match else ""
