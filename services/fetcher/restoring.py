"""Windows and derivatives out of the newest snapshots on the bus, so that a restart fetches only the rest."""

from __future__ import annotations

import asyncio

import structlog

from services.fetcher.market import Market
from shared.bus import Bus
from shared.contracts import INTERVALS, SCAN_MS, MarketSnapshot, Stream

log = structlog.get_logger()


async def restore(market: Market, bus: Bus, first: str) -> None:
    """Take up what the snapshots from the entry *first* on hold; empty: there are none."""
    if not first:
        return
    restored = [_take_up(market, kept) for kept in (await _newest_snapshots(bus, first)).values()]
    log.info("windows restored from the bus", symbols=sum(restored))


def _take_up(market: Market, kept: MarketSnapshot) -> bool:
    coin = market.coins.get(kept.symbol)
    if coin is None:
        return False
    closed = {
        interval: bars.matrix[:, bars.matrix[0] + INTERVALS[interval] <= kept.scan_id]
        for interval, bars in kept.bars.items()
        if interval in INTERVALS
    }
    coin.windows.load(closed)
    coin.derivatives.restore(kept.derivatives)
    # what the mark price said of a wick is not on the bus, what came of it is
    quarantined = "quarantined" in kept.problems
    coin.windows.distrusted = {kept.scan_id - SCAN_MS: "restored"} if quarantined else {}
    coin.depth = kept.depth
    return True


async def _newest_snapshots(bus: Bus, first: str) -> dict[str, MarketSnapshot]:
    milliseconds, _, sequence = first.partition("-")
    after = f"{milliseconds}-{int(sequence) - 1}" if int(sequence) else f"{int(milliseconds) - 1}-{2**64 - 1}"
    found: dict[str, MarketSnapshot] = {}
    while page := await bus.tail({Stream.SNAPSHOTS: after}, count=64, block_ms=0):
        for _, entry_id, message in page:
            after = entry_id
            if isinstance(message, MarketSnapshot):
                found[message.symbol] = message
        await asyncio.sleep(0)
    return found
