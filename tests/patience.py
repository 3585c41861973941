"""How long a test waits for what has to come: the machine may be slow, and busy with other suites."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable
from typing import Any, Final

PATIENCE_S: Final = 240.0  #: wall time; a whole test has 600 s (pyproject.toml)


async def until(found: Callable[[], Any], seconds: float = PATIENCE_S) -> Any:
    """Return what *found*, a function or coroutine function, answers once that is true; fail after *seconds*."""
    deadline = time.monotonic() + seconds
    while True:
        result = found()
        if inspect.isawaitable(result):
            result = await result
        if result:
            return result
        assert time.monotonic() < deadline, "it did not come in time"
        await asyncio.sleep(0.02)
