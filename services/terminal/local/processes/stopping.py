"""Work that can be stopped: by Ctrl-C, SIGTERM or a closed terminal."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@asynccontextmanager
async def stop_signals() -> AsyncIterator[asyncio.Event]:
    """Yield an event that Ctrl-C, SIGTERM or a closed terminal sets; a SIGHUP that `nohup` ignores stays ignored."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    numbers = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    for number in numbers:
        loop.add_signal_handler(number, stop.set)
    try:
        yield stop
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


async def unless(stop: asyncio.Event, work: Coroutine[Any, Any, None]) -> bool:
    """Run *work* until it is done or *stop* is set; return whether it was done."""
    return not await run_until(stop, None, [work])


async def run_until(stop: asyncio.Event, seconds: float | None, work: list[Coroutine[Any, Any, None]]) -> bool:
    """Run *work* until one of its tasks ends, *stop* is set or *seconds* are over; return whether stop was set."""
    tasks = [asyncio.ensure_future(item) for item in work]
    stopping = asyncio.ensure_future(stop.wait())
    try:
        done, _ = await asyncio.wait({*tasks, stopping}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for task in done - {stopping}:
            task.result()  # raises what the task raised
    finally:
        for task in (*tasks, stopping):
            task.cancel()
        with suppress(Exception):
            await asyncio.gather(*tasks, stopping, return_exceptions=True)
    return stop.is_set()
