"""`make power`: cut the power of a running Sevengate many times; the figures at the end."""

from __future__ import annotations

import argparse
import asyncio
import math
import sys
import time

from tests.power import cuts
from tests.power.cuts import Costs


def report(costs: Costs, seconds: float) -> None:
    """Print what the cuts came to."""
    lost = ", ".join(f"{count} of {stream}" for stream, count in sorted(costs.lost.items()))
    print(f"\n{costs.cuts} power cuts, {seconds:.0f} s; at the end {costs.rows}")
    print(f"  the bus lost something at {costs.rolled_back} cuts, at most its last {costs.longest:.2f} s: {lost}")
    print(f"  of {costs.alerts} alerts: never sent {len(costs.untold)}, sent and not recorded {len(costs.unrecorded)},")
    print(f"  sent twice {len(costs.twice)}, reported unknown {costs.unknown}")
    print(f"  open signals that the gatekeeper does not follow: {len(costs.unfollowed)}")
    for text in costs.violations[:50]:
        print(f"  VIOLATION {text}")
    print(f"violations: {len(costs.violations)}")


def main() -> int:
    """Run it; return 0 when no invariant was violated."""
    parser = argparse.ArgumentParser(prog="python -m tests.power", description=__doc__)
    parser.add_argument("--cuts", type=int, default=50)
    parser.add_argument("--minutes", type=float, default=math.inf, help="no further cut after so long")
    parser.add_argument("--seed", type=int, default=1, help="of the market, and of when the power is cut")
    options = parser.parse_args()
    started = time.monotonic()
    costs = asyncio.run(cuts.run(options.cuts, seed=options.seed, minutes=options.minutes, say=True))
    report(costs, time.monotonic() - started)
    return 1 if costs.violations else 0


if __name__ == "__main__":
    sys.exit(main())
