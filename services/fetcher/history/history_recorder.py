"""The history from the bus: the scans' data is collected in memory and written once an hour.

A month's file is written as a whole: every five minutes that would be thousands of times what is new.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import numpy as np
import pandas as pd
from redis.exceptions import RedisError

from services.fetcher.history.store import NOTHING, BadFileError, History, merged
from services.fetcher.scan.leader_state import NAME, SOURCE_FIELD
from shared.bus import RedisBus
from shared.contracts import COLUMNS, SCAN_MS, MarketSnapshot, Stream

SCANS_A_WRITE: Final = 12
LOST_S: Final = 5.0  #: between two attempts to reach a bus that is away


def observed_rows(snapshot: MarketSnapshot) -> pd.DataFrame:
    """Return the snapshot's five-minute bars with the futures figures at their opens."""
    rows = pd.DataFrame(snapshot.bars["5m"].matrix.T, columns=list(COLUMNS))
    derivatives = snapshot.derivatives
    for name in ("open_interest", "global_ratio", "top_ratio", "funding_settled"):
        times, values = getattr(derivatives, name).arrays()
        grid = times - times % SCAN_MS  # settlements are stamped some ms late
        rows[name] = rows["open_time"].map(dict(zip(grid.tolist(), values.tolist(), strict=True)))
    at_scan = rows["open_time"] == snapshot.scan_id - SCAN_MS
    for name in ("funding_rate", "mark_price"):
        value = getattr(derivatives, name)
        rows[name] = np.where(at_scan, np.nan if value is None else value, np.nan)
    return rows


class HistoryRecorder:
    """Collects snapshots; writes them on request."""

    def __init__(self, history: History) -> None:
        self.new = 0  #: bars that were written and had not been there
        self._history = history
        self._waiting: dict[str, pd.DataFrame] = {}

    def claim(self, source: str) -> None:
        """Make sure that bars of *source* may be written here; raises `BadFileError`."""
        self._history.claim(source)

    def take(self, snapshot: MarketSnapshot) -> None:
        """Keep the data of *snapshot* until it is written."""
        held = self._waiting.get(snapshot.symbol, NOTHING)
        self._waiting[snapshot.symbol] = merged(held, observed_rows(snapshot))

    @property
    def unwritten(self) -> bool:
        """Whether anything waits."""
        return bool(self._waiting)

    def write(self) -> list[str]:
        """Write what waits; return why something could not be written, which then goes on waiting."""
        complaints: list[str] = []
        for symbol in list(self._waiting):
            try:
                self.new += self._history.merge(symbol, self._waiting[symbol])
                del self._waiting[symbol]
            except (BadFileError, OSError) as error:
                complaints.append(f"{symbol}: {error}")
        return complaints


async def record(
    bus: RedisBus,
    recorder: HistoryRecorder,
    stopping: asyncio.Event,
    *,
    scans: int = 0,
    report: Callable[[str], None] = print,
) -> None:
    """Follow the snapshots until *stopping* or until *scans* of them are taken (0: never); then write what waits.

    A bus that was there once is waited for; so is room on the disk.
    """
    after, seen, waiting = "0-0", set[int](), set[int]()
    try:
        while not stopping.is_set():  # a cancelled read may go on: redis-py's timeouts can swallow it
            try:
                page = await bus.tail({Stream.SNAPSHOTS: after}, count=64)
            except (RedisError, OSError) as error:
                if not seen:
                    raise
                report(f"waiting for the bus: {error}")
                await asyncio.sleep(LOST_S)
                continue
            if not page and scans and len(seen) >= scans:
                return
            if page:
                recorder.claim(await source_of(bus))
            for _, entry_id, message in page:
                after = entry_id
                if isinstance(message, MarketSnapshot):
                    if message.scan_id not in waiting and len(waiting) >= SCANS_A_WRITE and write(recorder, report):
                        waiting.clear()
                    recorder.take(message)
                    waiting.add(message.scan_id)
            if waiting and not seen:
                report("recording; written once an hour and at the end")
            seen |= waiting
    finally:
        if seen:
            write(recorder, report)


async def source_of(bus: RedisBus) -> str:
    """Return the source of the bars on the bus, as their fetcher noted it; without a note the market itself."""
    state = await bus.load_state(NAME)
    return state.fields.get(SOURCE_FIELD, bus.market.encode()).decode()


def write(recorder: HistoryRecorder, report: Callable[[str], None]) -> bool:
    """Write what waits and report it; return whether all of it could be written."""
    complaints = recorder.write()
    for complaint in complaints:
        report(f"not written: {complaint}")
    report(f"{recorder.new} new bars")
    return not complaints
