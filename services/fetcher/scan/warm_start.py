"""Windows and derivatives from the newest snapshots on the bus, so that a restart fetches only the rest."""

from __future__ import annotations

import asyncio

import structlog

from services.fetcher.domain.instruments import Instrument
from services.fetcher.domain.market_state import Market
from shared.bus import Bus
from shared.contracts import FULL_BARS, INTERVALS, SCAN_MS, Floats, Interval, MarketSnapshot, Stream

log = structlog.get_logger()


async def restore(market: Market, bus: Bus, first: str) -> None:
    """Load the snapshots from the entry *first* on; empty: there are none."""
    if not first:
        return
    restored = [take_up(market, kept) for kept in (await _newest_snapshots(bus, first)).values()]
    log.info("windows restored from the bus", symbols=sum(restored))


def take_up(market: Market, kept: MarketSnapshot) -> bool:
    """Load the windows and derivatives of *kept*; return whether its coin is watched."""
    coin = market.coins.get(kept.symbol)
    if coin is None:
        return False
    closed = {
        interval: bars.matrix[:, bars.matrix[0] + INTERVALS[interval] <= kept.scan_id]
        for interval, bars in kept.bars.items()
        if interval in INTERVALS
    }
    coin.windows.load({name: bars for name, bars in closed.items() if _is_whole(bars, name, coin.instrument)})
    coin.derivatives.restore(kept.derivatives)
    # a wick's mark price is not on the bus, its verdict is
    quarantined = "quarantined" in kept.problems
    coin.windows.distrusted = {kept.scan_id - SCAN_MS: "restored"} if quarantined else {}
    coin.depth = kept.depth
    return True


def _is_whole(bars: Floats, interval: Interval, instrument: Instrument) -> bool:
    """Return whether *bars* are a full window, or all since the listing; an older version's windows were shorter."""
    length = INTERVALS[interval]
    enough = bars.shape[1] >= FULL_BARS - 1  # the bar so far had a place in it
    return enough or bool(bars.size and bars[0, 0] - length < instrument.onboard_date)


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
