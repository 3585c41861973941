"""FMQS, the futures market's quality score: does it agree with a side?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final, Literal

from services.analyzer.domain.futures.figures import FuturesFigures
from services.analyzer.domain.numeric import clip
from shared.contracts import Fmqs, FmqsComponent, MarketInput, Side

CAP: Final = 49.0
BASE_RATE: Final = 0.0001  #: the exchange's base funding per 8 hours
BASE_SPAN: Final = 0.0004
FULL_CHANGE: Final = 0.01  #: change of open interest at which the sign table speaks in full
SKEW_PER_SIGMA: Final = 20.0
TAKER_FULL: Final = math.log(1.25)  #: ratio of bought to sold at which the taker component is full

FmqsPart = Literal["funding", "open_interest", "skew", "taker"]

#: (price goes the side's way, open interest rises) -> component
SIGN_TABLE: Final[dict[tuple[bool, bool], float]] = {
    (True, True): 100.0,  # new money with the side
    (True, False): 30.0,  # the other side covers: no new money
    (False, True): 0.0,  # new money against the side
    (False, False): 45.0,  # the side's own money leaves
}


#: what each component needs from the exchange
NEEDS: Final[dict[FmqsPart, MarketInput]] = {
    "funding": "funding",
    "open_interest": "open interest",
    "skew": "long/short ratio",
    "taker": "taker flow",
}


def judge(
    figures: FuturesFigures,
    side: Side,
    weights: Mapping[FmqsPart, float],
    *,
    funding_contradicts: float,
    falls: float,
    unavailable: Sequence[MarketInput] = (),
) -> Fmqs:
    """Return FMQS for *side*: the weighted mean of its fresh components, capped when the market contradicts.

    A component that is not fresh, or *unavailable* at this exchange, leaves its weight to the others and says so.
    """
    sign = 1.0 if side == "long" else -1.0
    components = _components(figures, sign, weights, unavailable)
    fresh = [(part.score, part.weight) for part in components.values() if part.score is not None]
    total = sum(weight for _, weight in fresh)
    if len(fresh) < 2 or total <= 0:
        return Fmqs(value=None, components=components)
    value = sum(score * weight for score, weight in fresh) / total
    reason = contradiction(figures, sign, funding_contradicts, falls)
    return Fmqs(
        value=min(value, CAP) if reason else value,
        components=components,
        capped_by=reason,
    )


def _components(
    figures: FuturesFigures, sign: float, weights: Mapping[FmqsPart, float], unavailable: Sequence[MarketInput]
) -> dict[str, FmqsComponent]:
    """Return each component with its weight, its age, and why it does not count where it does not."""
    scores: dict[FmqsPart, tuple[float | None, float | None]] = {
        "funding": (funding(figures, sign), figures.funding_age),
        "open_interest": (open_interest(figures, sign), figures.open_interest_age),
        "skew": (skew(figures, sign), figures.ratio_age),
        "taker": (taker(figures, sign), 0.0),
    }
    return {
        str(name): _component(score, weights[name], age, available=NEEDS[name] not in unavailable)
        for name, (score, age) in scores.items()
    }


def _component(score: float | None, weight: float, age: float | None, *, available: bool) -> FmqsComponent:
    if not available:
        return FmqsComponent(score=None, weight=weight, age_seconds=None, detail="not available at this exchange")
    detail = "not fresh" if score is None else ""
    return FmqsComponent(score=score, weight=weight, age_seconds=age, detail=detail)


def funding(figures: FuturesFigures, sign: float) -> float | None:
    """Return 50 at the base rate, 0 where the side pays 0.05 % per 8 hours."""
    if figures.funding_8h is None:
        return None
    return 50.0 + sign * (clip(50.0 - 50.0 * (figures.funding_8h - BASE_RATE) / BASE_SPAN, 0.0, 100.0) - 50.0)


def open_interest(figures: FuturesFigures, sign: float) -> float | None:
    """Return the sign table's word for price and open interest, in full from a change of 1 % on."""
    change, price = figures.open_interest_change, figures.price_change
    if change is None or price is None:
        return None
    if change == 0 or price == 0:
        return 50.0
    said = SIGN_TABLE[(price * sign > 0, change > 0)]
    return 50.0 + (said - 50.0) * clip(abs(change) / FULL_CHANGE, 0.0, 1.0)


def skew(figures: FuturesFigures, sign: float) -> float | None:
    """Return 50 less 20 for each standard deviation that the crowd leans the side's way."""
    if figures.global_z is None:
        return None
    return clip(50.0 - sign * SKEW_PER_SIGMA * figures.global_z, 0.0, 100.0)


def taker(figures: FuturesFigures, sign: float) -> float | None:
    """Return 50 where takers buy as much as they sell, 100 at 1.25 times, by the logarithm."""
    if figures.taker_ratio is None:
        return None
    return 50.0 + 50.0 * sign * clip(math.log(figures.taker_ratio) / TAKER_FULL)


def contradiction(figures: FuturesFigures, sign: float, funding_contradicts: float, falls: float) -> str:
    """Return why the futures market contradicts the side, or nothing."""
    rate = figures.funding_8h
    moving = figures.funding_rising if sign > 0 else figures.funding_falling
    if rate is not None and sign * rate >= funding_contradicts and moving:
        return "funding contradicts"
    change, price = figures.open_interest_change, figures.price_change
    if change is not None and price is not None and change <= -falls and price * sign > 0:
        return "open interest falls"
    return ""
