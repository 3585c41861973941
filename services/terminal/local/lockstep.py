"""The lockstep driver: the next close is not served before the last scan has settled."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

import httpx

from services.terminal.local import stream_tail
from shared.bus import Bus
from shared.contracts import ScanSettled, Stream

STEP_SECONDS: Final = 60.0  #: longest wait for the exchange's answer to one step
SETTLE_SECONDS: Final = 180.0  #: longest wait for a scan; above the gatekeeper's own deadline
SUBSCRIBE_SECONDS: Final = 0.5  #: subscriptions follow each other more quickly than this
UNSETTLED_STEPS: Final = 3  #: closes in a row without a scan, before it is an error


class NotSettledError(Exception):
    """Closes were served and no scan of them settled."""


async def drive(
    bus: Bus,
    exchange: str,
    *,
    closes: int | None = None,
    settled: Callable[[ScanSettled], None] | None = None,
    patience: float = SETTLE_SECONDS,
) -> int:
    """Step the exchange at *exchange* until *closes* scans have settled, or its recording ends; return how many.

    A close whose scan does not settle within *patience* seconds is skipped; `UNSETTLED_STEPS` in a row raise
    `NotSettledError`.
    """
    after = await bus.last_id(Stream.SCANS)
    count = unsettled = 0
    async with httpx.AsyncClient(base_url=exchange, timeout=STEP_SECONDS, trust_env=False) as client:
        while closes is None or count < closes:
            answer = await client.post("/sim/step")
            step = answer.raise_for_status().json()
            close = int(step["close"])
            scan, after = await _settled(bus, close, after, patience)
            unsettled = 0 if scan is not None else unsettled + 1
            if unsettled >= UNSETTLED_STEPS:
                raise NotSettledError(f"no scan settled after {unsettled} closes; the last one was {close}")
            if scan is not None:
                count += 1
                if settled is not None:
                    settled(scan)
            if step["ended"]:
                break  # the recording has no more
    return count


async def _settled(bus: Bus, close: int, after: str, patience: float) -> tuple[ScanSettled | None, str]:
    """Wait for the scan of *close*; return it and the position reached."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        for _, entry_id, event in await stream_tail.news(bus, {Stream.SCANS: after}):
            after = entry_id
            if isinstance(event, ScanSettled) and event.scan_id >= close:
                return event, after
    return None, after


async def exchange_ready(exchange: str, seconds: float) -> bool:
    """Return whether the fetcher has subscribed to the exchange's bars, all of them, within *seconds*."""
    deadline = time.monotonic() + seconds
    before = 0
    async with httpx.AsyncClient(base_url=exchange, timeout=5.0, trust_env=False) as client:
        while time.monotonic() < deadline:
            now = int((await client.get("/sim/status")).json()["kline_subscriptions"])
            if now and now == before:
                return True
            before = now
            await asyncio.sleep(SUBSCRIBE_SECONDS)
    return False
