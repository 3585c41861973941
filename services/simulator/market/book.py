"""The order book of a moment: it is not recorded anywhere, but drawn, the same for the same symbol and bar."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from services.simulator.instruments import BAR_MS, Contract, stable_hash
from services.simulator.market.tape import TAKER, VOLUME, Floats


@dataclass(frozen=True, slots=True)
class Book:
    """The best levels, best first; columns price and quantity."""

    at: int
    update: int
    bids: Floats
    asks: Floats


def draw_book(contract: Contract, hour: Floats, price: float, now: int, levels: int) -> Book:
    """Return *levels* a side around *price*; they lean towards the side that takers took in *hour*, the bars before."""
    number = now // BAR_MS
    draw = np.random.Generator(np.random.PCG64(stable_hash(contract.symbol) << 32 | number & 0xFFFFFFFF))
    tick, step = contract.tick, contract.step
    usual = max(float(np.nansum(hour[VOLUME])) / 12 / 60, step)
    share = np.nansum(hour[TAKER]) / max(np.nansum(hour[VOLUME]), step)
    lean = np.tanh(6.0 * (share - 0.5) + 0.5 * draw.standard_normal())
    sizes = usual * (1.0 + 0.1 * np.arange(levels)) * draw.gamma(1.5, 1.0, (2, levels))
    sizes[0] *= 1.0 + 0.6 * lean
    sizes[1] *= 1.0 - 0.6 * lean
    steps = np.cumsum(draw.integers(1, 3, (2, levels)), axis=1)
    best = round(price / tick)
    bids = np.maximum(best - steps[0] + steps[0][0], 1) * tick
    asks = (best + 1 + steps[1] - steps[1][0]) * tick
    whole = np.maximum(np.ceil(sizes / step), 1.0) * step
    return Book(
        now, number * 1_000_000 + now % BAR_MS, np.column_stack([bids, whole[0]]), np.column_stack([asks, whole[1]])
    )
