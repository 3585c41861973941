"""Support, resistance, and the entry, stop and target that follow from them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Final

import numpy as np

from services.analyzer.domain.chart.swings import Swings
from services.analyzer.domain.chart.window import Window
from services.analyzer.domain.numeric import NewPlaces, NewSeries, Places, Series
from shared.contracts import INTERVALS, Level, Side, TradeLevels
from shared.kernels import kernel

CLUSTER: Final = 0.5  #: ATR: swing points nearer than this are one level
BEYOND: Final = 0.25  #: ATR: how far the stop lies beyond its level
NEAREST_STOP, FARTHEST_STOP, DEFAULT_STOP = 0.8, 2.5, 1.5  #: ATR
LEAST_TARGET: Final = 1.0  #: ATR
#: Beyond these the market goes in one of five cases within 24 h; how that was measured: docs/adr/0022.
FARTHEST_TARGET: Final = 4.0  #: ATR
FARTHEST_SWINGS: Final = 1.5  #: usual swings
KEPT: Final = 6  #: levels of each side in the record
RECENT: Final = 100.0  #: 1h bars: a touch so long ago counts 1 / e


@dataclass(frozen=True, slots=True)
class LevelMap:
    """Every level, by price, and how far the market usually swings."""

    prices: Series
    touches: Series
    last: Series  #: ms
    rank: Series  #: touches, the recent ones counting more
    swing_range: float  #: median distance from a swing to the opposite one, 1h


def draw(windows: Sequence[tuple[Window, Swings]], atr: float, now: int) -> LevelMap:
    """Return the levels of confirmed swing points, clustered within half an ATR; the first window is 1h."""
    prices = np.concatenate([part for _, swings in windows for part in (swings.highs, swings.lows)])
    times = np.concatenate([window.open_time[at] for window, s in windows for at in (s.high_at, s.low_at)])
    order = prices.argsort(kind="stable")
    prices, times = prices[order], times[order]
    if not len(prices):
        return LevelMap(prices, prices, prices, prices, 0.0)
    edges = np.empty(len(prices) + 1, dtype=np.intp)
    edges = edges[: 1 + fill_edges(prices, CLUSTER * atr, edges)]
    starts, touches = edges[:-1], (edges[1:] - edges[:-1]).astype(np.float64)
    rank = np.add.reduceat(np.exp((times - now) / (RECENT * INTERVALS["1h"])), starts)
    middle, last = np.add.reduceat(prices, starts) / touches, np.maximum.reduceat(times, starts)
    return LevelMap(middle, touches, last, rank, _usual(windows[0][1]))


@kernel
def fill_edges(prices: Series, width: float, edges: NewPlaces) -> int:
    """Fill *edges* with where each cluster of the sorted *prices* begins, and their end; return how many clusters.

    None is wider than *width*.
    """
    count, start = 0, 0
    for place in range(len(prices)):
        if place == 0 or prices[place] - prices[start] > width:
            edges[count] = start = place
            count += 1
    edges[count] = len(prices)
    return count


def _usual(swings: Swings) -> float:
    """Return the median distance between a swing and the next of the other kind."""
    moves = np.empty(len(swings.highs) + len(swings.lows))
    moves = moves[: fill_moves(swings.high_at, swings.highs, swings.low_at, swings.lows, moves)]
    if not len(moves):
        return 0.0
    moves.sort()
    middle = len(moves) // 2
    return (moves.item(middle) + moves.item(-middle - 1)) / 2.0


@kernel
def fill_moves(high_at: Places, highs: Series, low_at: Places, lows: Series, moves: NewSeries) -> int:
    """Fill *moves* with the distances from each swing to the next where that is of the other kind; return how many.

    A bar that is both is a high first.
    """
    count, high, low = 0, 0, 0
    while high < len(highs) and low < len(lows):
        was_high: bool = high_at[high] <= low_at[low]
        if was_high:
            high += 1
        else:
            low += 1
        now_high: bool = low == len(lows) or (high < len(highs) and high_at[high] <= low_at[low])
        if now_high != was_high:
            moves[count] = abs(highs[high] - lows[low - 1]) if now_high else abs(lows[low] - highs[high - 1])
            count += 1
    return count


def nearest(drawn: LevelMap, price: float) -> tuple[float | None, float | None]:
    """Return the nearest level below and above *price*."""
    place = int(drawn.prices.searchsorted(price))
    below = float(drawn.prices[place - 1]) if place > 0 else None
    above = float(drawn.prices[place]) if place < len(drawn.prices) else None
    return below, above


def plan(
    drawn: LevelMap, side: Side, price: float, atr: float, tick: float, *, costs: float, weak_ratio: float
) -> TradeLevels | None:
    """Return entry, stop and target for *side* at *price*, or None where no valid ones exist."""
    sign = 1.0 if side == "long" else -1.0
    stop, stop_reason = _stop(drawn, price, atr, sign)
    target, target_reason = _target(drawn, price, atr, sign)
    # each is rounded to where it makes the trade look worse, never better
    entry = to_tick(price, tick, up=sign > 0)
    stop, target = to_tick(stop, tick, up=sign < 0), to_tick(target, tick, up=sign < 0)
    if not (min(stop, target) > 0 and (target - entry) * sign > 0 and (entry - stop) * sign > 0):
        return None
    ratio = reward_to_risk(entry, stop, target, costs)
    supports, resistances = _record(drawn, price)
    return TradeLevels(
        entry=entry,
        stop=stop,
        target=target,
        reward_to_risk=ratio,
        weak=ratio < weak_ratio,
        atr=atr,
        stop_reason=stop_reason,
        target_reason=target_reason,
        cost_r=costs * entry / abs(entry - stop),
        supports=supports,
        resistances=resistances,
    )


def reward_to_risk(entry: float, stop: float, target: float, costs: float) -> float:
    """Return the ratio net of *costs*, a fraction of the entry for the round trip."""
    paid = costs * entry
    return (abs(target - entry) - paid) / (abs(entry - stop) + paid)


def _stop(drawn: LevelMap, price: float, atr: float, sign: float) -> tuple[float, str]:
    """Return the price beyond the nearest level, kept between 0.8 and 2.5 ATR away."""
    below, above = nearest(drawn, price)
    level = below if sign > 0 else above
    if level is None:
        return price - sign * DEFAULT_STOP * atr, "no level: 1.5 ATR"
    distance = abs(price - level) + BEYOND * atr
    if distance < NEAREST_STOP * atr:
        return price - sign * NEAREST_STOP * atr, "stop widened to 0.8 ATR: the level is too near"
    if distance > FARTHEST_STOP * atr:
        return price - sign * FARTHEST_STOP * atr, "level too far: 2.5 ATR"
    return price - sign * distance, "beyond support" if sign > 0 else "beyond resistance"


def _target(drawn: LevelMap, price: float, atr: float, sign: float) -> tuple[float, str]:
    """Return the next opposing level at least one ATR away, else one usual swing; no farther than the market goes."""
    distances = (drawn.prices - price) * sign
    beyond = distances[distances >= LEAST_TARGET * atr]
    if len(beyond):
        distance, reason = float(beyond.min()), "resistance" if sign > 0 else "support"
    else:
        distance, reason = max(drawn.swing_range, LEAST_TARGET * atr), "swing range"
    reach = _reach(drawn.swing_range, atr)
    return (price + sign * reach, "usual reach") if distance > reach else (price + sign * distance, reason)


def _reach(swing_range: float, atr: float) -> float:
    """Return how far a target may lie: what four of five moves of 24 h do not exceed, and at least one ATR."""
    farthest = FARTHEST_TARGET * atr
    return max(LEAST_TARGET * atr, min(farthest, FARTHEST_SWINGS * swing_range)) if swing_range else farthest


def to_tick(price: float, tick: float, *, up: bool) -> float:
    """Return *price* on the grid of *tick*, moved up or down; a price on the grid stays."""
    if tick <= 0:
        return price
    steps = price / tick
    nearest_step = round(steps)
    # a price that is on the grid but for its binary fraction must not be moved by a whole tick
    count = nearest_step if abs(steps - nearest_step) < 1e-6 else math.ceil(steps) if up else math.floor(steps)
    return float(count * _exact(tick))


@lru_cache(maxsize=1024)
def _exact(tick: float) -> Decimal:
    """Return *tick* as the exchange writes it."""
    return Decimal(repr(tick))


def _record(drawn: LevelMap, price: float) -> tuple[tuple[Level, ...], tuple[Level, ...]]:
    """Return the best supports and resistances by touches and recency."""
    order = (-drawn.rank).argsort(kind="stable")
    below = drawn.prices[order] < price
    supports, resistances = order[below][:KEPT].tolist(), order[~below][:KEPT].tolist()
    return tuple(_level(drawn, place) for place in supports), tuple(_level(drawn, place) for place in resistances)


def _level(drawn: LevelMap, place: int) -> Level:
    return Level(price=float(drawn.prices[place]), touches=int(drawn.touches[place]), last_touch=int(drawn.last[place]))
