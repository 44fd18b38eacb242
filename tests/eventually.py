"""Waiting for a condition instead of for the clock."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable
from typing import Any


async def eventually(condition: Callable[[], Any], within_s: float = 30.0, every_s: float = 0.01) -> Any:
    """The first truthy result of `condition`; an AssertionError inside it counts as not yet.

    Fails with the last error or result when `within_s` is over: a limit for the hopeless case, not a measurement.
    """
    deadline = time.monotonic() + within_s
    while True:
        failure: AssertionError | None = None
        result: Any = None
        try:
            answer = condition()
            result = await answer if inspect.isawaitable(answer) else answer
        except AssertionError as error:
            failure = error
        if failure is None and result:
            return result
        if time.monotonic() > deadline:
            raise failure or AssertionError(f"never became true, last was {result!r}")
        await asyncio.sleep(every_s)
