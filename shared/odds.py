"""How probable the target is before the stop, what to expect of it, and how comparable setups went."""

from __future__ import annotations

import math
from bisect import bisect_right
from typing import Final

from shared.contracts import Comparable, RecordChanged, Side

RANGE_OF_WALK: Final = math.sqrt(8.0 / math.pi)  #: mean range of a random walk in standard deviations of its end
EDGE: Final = 1e-6  #: how near to 0 and 1 a forecast that is recalibrated may come
TERMS: Final = 64  #: of the series; more change nothing that a float shows unless almost no time is left
LEAST_TERM: Final = 1e-30  #: what is less changes nothing either
SOON: Final = 1e-3  #: variance over the squared width below which neither barrier can be met
BANDS: Final = (0.0, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 1_000.0)  #: of the reward before costs, in R
SPAN_DAYS: Final = 90  #: how far back outcomes count
SIMILAR_AT_LEAST: Final = 30  #: comparable setups, for a line on a card
NONE_YET: Final = "no record yet"


def target_first(stop: float, target: float, atr: float, hours: float) -> float:
    """Return the probability that a price without drift meets the target within *hours* and before the stop.

    *stop* and *target* are distances from the entry, *atr* the hourly average true range, all in price.  Given for
    ever it is stop ÷ (stop + target); a target not met in time counts as missed.  The hourly deviation is
    ATR ÷ √(8/π), the range of a random walk.
    Source: Darling & Siegert (1953), the first passage of a Wiener process through one of two barriers.
    """
    if not (stop > 0 and target > 0 and atr > 0 and hours > 0):
        return math.nan
    width = stop + target
    start = stop / width
    spread = (atr / RANGE_OF_WALK / width) ** 2 * hours
    if spread < SOON:
        return 0.0
    late = 0.0
    for n in range(1, TERMS + 1):
        left = math.exp(-0.5 * (n * math.pi) ** 2 * spread)
        if left < LEAST_TERM:
            break
        late += (-1.0) ** n / n * math.sin(n * math.pi * start) * left
    return min(1.0, max(0.0, start + 2.0 / math.pi * late))


def recalibrated(plain: float, intercept: float, slope: float) -> float:
    """Return the plain probability as a logistic line, fitted to what happened, says it."""
    if (intercept, slope) == (0.0, 1.0):
        return plain
    held = min(1.0 - EDGE, max(EDGE, plain))
    return 1.0 / (1.0 + math.exp(-(intercept + slope * math.log(held / (1.0 - held)))))


def expected_net(plain: float, probability: float, reward: float, cost: float) -> float:
    """Return what a trade is expected to earn in R, less *cost*; *reward* is that of the target before costs, in R.

    A price without drift earns nothing before costs, at any distances: what does not reach the target loses
    plain × reward ÷ (1 − plain) on average.  Only a probability other than the plain one makes a difference to that.
    """
    return reward * (probability - plain) / (1.0 - plain) - cost


def break_even(cost: float, reward: float) -> float:
    """Return the share of trades that must reach a target of *reward* R for none to be lost, *cost* R each paid."""
    return (1.0 + cost) / (1.0 + reward)


def band_of(reward: float) -> tuple[float, float]:
    """Return the band that *reward* lies in: at least, and below."""
    place = min(max(bisect_right(BANDS, reward), 1), len(BANDS) - 1)
    return BANDS[place - 1], BANDS[place]


def reward_of(entry: float, stop: float, target: float) -> float:
    """Return the reward before costs, in R; NaN where nothing is risked."""
    risk = abs(entry - stop)
    return abs(target - entry) / risk if risk > 0 else math.nan


def comparable_to(record: RecordChanged, side: Side, reward: float) -> Comparable | None:
    """Return how setups like this one went, None where too few are known."""
    return next((one for one in record.comparable if one.side == side and one.low <= reward < one.high), None)


def line_of(found: Comparable | None) -> str:
    """Return the record's line on an alert and a card."""
    if found is None:
        return NONE_YET
    return (
        f"like this: {found.hit_rate * 100:.0f} of 100 reach the target first, "
        f"{found.break_even * 100:.0f} are needed; {found.n} in {found.days} days"
    )
