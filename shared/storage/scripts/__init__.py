"""Lua files, one for each atomic action; the header of each names KEYS, ARGV and the result.

:func:`load` gives a :class:`Script` that runs by its hash and falls back to sending the text (a Redis that was
restarted or a new cluster node does not know the hash). A file whose header says "reads only" is run in a way that
needs no right to write its keys.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Any

from redis.exceptions import NoScriptError

Argument = str | bytes | int


class Script:
    """One Lua file."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self._text = text
        self._reads_only = "\n-- reads only\n" in text
        self._sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()

    def by_hash(self, keys: Sequence[str], arguments: Sequence[Argument]) -> tuple[Argument, ...]:
        """The command that runs it where it is known."""
        return ("EVALSHA_RO" if self._reads_only else "EVALSHA", self._sha, len(keys), *keys, *arguments)

    def by_text(self, keys: Sequence[str], arguments: Sequence[Argument]) -> tuple[Argument, ...]:
        """The command that runs it, and makes it known."""
        return ("EVAL_RO" if self._reads_only else "EVAL", self._text, len(keys), *keys, *arguments)

    async def __call__(self, client: Any, keys: Sequence[str], arguments: Sequence[Argument]) -> Any:
        """Run it. All `keys` share one hash tag. Raises what redis-py raises."""
        by_hash, by_text = (client.evalsha_ro, client.eval_ro) if self._reads_only else (client.evalsha, client.eval)
        try:
            return await by_hash(self._sha, len(keys), *keys, *arguments)
        except NoScriptError:
            return await by_text(self._text, len(keys), *keys, *arguments)


@cache
def load(name: str) -> Script:
    """The script of the file `name`.lua beside this module."""
    return Script(name, resources.files(__package__).joinpath(f"{name}.lua").read_text(encoding="utf-8"))
