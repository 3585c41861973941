"""An hour of simulated market at 60× with random faults from the whole list; are the windows true at the end?

That is a minute of wall time, and 80 s more to mend; then all windows are compared with the
exchange's own bars, which is what an undisturbed fetcher holds.  Every kind of fault is played at
least once, in an order of the seed's.  Prints the faults played, the scans, what was missing, the
peak weight a minute as the simulator counted it, and how many of the windows' values differ from
the exchange's own (the aim is none).
Run: python -m benchmarks.feed_soak [--symbols 20] [--speed 60] [--minutes 60] [--seed 1]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import time
from collections import Counter

import numpy as np

from benchmarks.feed import feed_of
from services.simulator.faults.faults import KINDS
from shared.contracts import INTERVALS, ScanOpened, Stream
from tests.integration.fetcher.conftest import Feed
from tests.integration.fetcher.test_faults import truth

MEND_MINUTES = 80  #: of the exchange's clock after the last fault: every symbol has had its hourly check


async def soak(feed: Feed, arguments: argparse.Namespace) -> None:
    """Play faults for the hour, let the market be whole again, compare."""
    chance = random.Random(arguments.seed)
    await feed.settings(grace_seconds=1.0)
    feed.start_fetcher(SEVENGATE_LOG_LEVEL="error")
    first = await feed.scan(patience=60)
    symbols = list(first.symbols)
    end = time.monotonic() + arguments.minutes * 60 / arguments.speed
    order = chance.sample(sorted(KINDS), len(KINDS))
    played = 0
    while time.monotonic() < end:
        name = order[played % len(order)]
        played += 1
        length = chance.uniform(60, 400)  # of the exchange's clock
        await feed.fault(name, chance.choice([None, chance.choice(symbols)]), length)
        await asyncio.sleep(arguments.minutes * 60 / arguments.speed / max(40, len(order)))
    await feed.clear()
    await asyncio.sleep(MEND_MINUTES * 60 / arguments.speed)
    scans = [message for message in await feed.all(Stream.SCANS) if isinstance(message, ScanOpened)]
    opened = await feed.scan(scans[-1].scan_id)
    different, missing = await compare(feed, opened, symbols)
    status = await feed.status()
    why = Counter(reason for scan in scans for reason in scan.missing.values())
    doubled = len(scans) - len({scan.scan_id for scan in scans})
    print(json.dumps(status["faults_played"]))
    print(f"faults played: {played} of {len(KINDS)} kinds; scans: {len(scans)}, opened twice: {doubled}")
    print(f"symbol-scans missing: {sum(why.values())} {dict(why)}; degraded: {sum(bool(s.degraded) for s in scans)}")
    print(f"windows compared: {len(symbols) - len(missing)} symbols × 4 intervals; values that differ: {different}")
    print(f"not in the last scan: {missing}; refused by the exchange: {status['refused']}")
    print(f"peak weight a minute, counted by the simulator: {status['weight_peak_1m']} of 2400 (share allowed: 0.8)")


async def compare(feed: Feed, opened: ScanOpened, symbols: list[str]) -> tuple[int, list[str]]:
    """Return how many values of closed bars differ from the exchange's, and who is not there."""
    snapshots = await feed.snapshots(opened.scan_id)
    different = 0
    for symbol in set(symbols) & set(snapshots):
        for interval, length in INTERVALS.items():
            held = snapshots[symbol].bars[interval].matrix
            closed = held[:, held[0] + length <= opened.scan_id]
            expected = (await truth(feed, symbol, interval, opened.scan_id))[:, -closed.shape[1] :]
            wrong = ~np.isclose(closed, expected, rtol=1e-9, atol=0, equal_nan=True)
            if wrong.any():
                print(f"  {symbol} {interval}: {int(wrong.sum())} values, bars {sorted(set(np.nonzero(wrong)[1]))[:5]}")
            different += int(wrong.sum())
    return different, sorted(set(symbols) - set(snapshots))


async def main() -> None:
    """Start what is needed, run, stop it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--symbols", type=int, default=20)
    parser.add_argument("--speed", type=float, default=60.0)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    async with feed_of(arguments.symbols, arguments.speed) as feed:
        await soak(feed, arguments)


if __name__ == "__main__":
    asyncio.run(main())
