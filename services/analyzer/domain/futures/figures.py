"""What the futures market says of one symbol, as figures with their ages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from services.analyzer.domain.chart.window import Window
from services.analyzer.domain.numeric import Series, moments, slope
from shared.contracts import HOUR_MS, INTERVALS, Depth, Derivatives, Points, unpack

POINTS: Final = 5  #: over which open interest is compared
RATIO_FRESH_MS: Final = 15 * 60_000
FUNDING_HOURS: Final = (1, 4, 8)
SETTLEMENTS: Final = 3  #: over which funding has a trend
LEAST_POINTS: Final = 30  #: for a z-score
TAKER_BARS: Final = 12  #: five-minute bars of taker flow: an hour


@dataclass(frozen=True, slots=True)
class FuturesFigures:
    """Derivatives of one symbol at one scan; None where not known or not fresh."""

    funding_8h: float | None = None  #: 8-hour equivalent
    funding_interval: float | None = None  #: hours
    funding_trend: float | None = None  #: last settlements' slope, per settlement, 8-hour equivalent
    funding_rising: bool = False
    funding_falling: bool = False
    funding_age: float | None = None  #: seconds
    open_interest: float | None = None  #: coins
    open_interest_change: float | None = None  #: fraction, first to last of five points
    open_interest_slope: float | None = None  #: fraction a point, over the same points
    price_change: float | None = None  #: fraction, over the same time
    open_interest_age: float | None = None
    global_ratio: float | None = None
    global_z: float | None = None
    top_ratio: float | None = None
    top_z: float | None = None
    ratio_age: float | None = None
    taker_ratio: float | None = None  #: bought / sold by takers over an hour
    imbalance: float | None = None  #: (bids − asks) / (bids + asks) over 20 levels
    imbalance_age: float | None = None

    def record(self) -> dict[str, float | None]:
        """Return the figures for the stored record."""
        names = [name for name in self.__slots__ if name not in ("funding_rising", "funding_falling")]
        return {name: getattr(self, name) for name in names}


def read_futures(derivatives: Derivatives, depth: Depth | None, five: Window, scan_id: int) -> FuturesFigures:
    """Return the figures that are fresh at *scan_id*; *five* are the closed five-minute bars."""
    figures: dict[str, float | bool | None] = {}
    figures.update(_funding(derivatives, scan_id))
    figures.update(_open_interest(derivatives.open_interest, five, scan_id))
    figures.update(_ratios(derivatives, scan_id))
    figures["taker_ratio"] = taker_ratio(five)
    if depth is not None:
        figures["imbalance"] = _imbalance(depth)
        figures["imbalance_age"] = (scan_id - depth.at) / 1_000
    return FuturesFigures(**figures)  # type: ignore[arg-type]


def _funding(derivatives: Derivatives, scan_id: int) -> dict[str, float | bool | None]:
    rate, at, hours = derivatives.funding_rate, derivatives.funding_at, derivatives.funding_interval_hours
    if rate is None or at is None or not hours or scan_id - at > hours * HOUR_MS:
        return {}
    equivalent = rate * 8.0 / hours
    past = _settled(derivatives.funding_settled, hours)
    before = float(past[-1]) if len(past) else equivalent
    return {
        "funding_8h": equivalent,
        "funding_interval": float(hours),
        "funding_trend": slope(past) if len(past) == SETTLEMENTS else None,
        "funding_rising": equivalent > before,
        "funding_falling": equivalent < before,
        "funding_age": max(0.0, (scan_id - at) / 1_000),
    }


def _settled(points: Points, hours: int) -> Series:
    """Return the last three settlements as 8-hour equivalents.

    Each covers the time since the one before it: the exchange changes a contract's interval now and then.  Where that
    is not known or no interval of the exchange's (a settlement is missing), the present one of *hours* is taken.
    """
    times, rates = points.arrays()
    steps = [round(step / HOUR_MS) for step in np.diff(times[-SETTLEMENTS - 1 :])]
    covered = [step if step in FUNDING_HOURS else hours for step in steps]
    past: Series = rates[-SETTLEMENTS:]
    return past * 8.0 / np.array([hours] * (len(past) - len(covered)) + covered, dtype=np.float64)


def _open_interest(points: Points, five: Window, scan_id: int) -> dict[str, float | bool | None]:
    times, values = points.arrays()
    if len(values) < POINTS or scan_id - times[-1] > RATIO_FRESH_MS or values[-POINTS] <= 0:
        return {}
    recent = values[-POINTS:]
    return {
        "open_interest": float(recent[-1]),
        "open_interest_change": float(recent[-1] / recent[0] - 1.0),
        "open_interest_slope": slope(recent / recent[0]),
        "price_change": _price_change(five, float(times[-POINTS]), float(times[-1])),
        "open_interest_age": max(0.0, float(scan_id - times[-1]) / 1_000),
    }


def _price_change(five: Window, start: float, end: float) -> float | None:
    """Return the close's change between two stamps, by the bars that closed at them."""
    closes = five.open_time + INTERVALS["5m"]
    first, last = closes.searchsorted((start, end), side="right") - 1
    return float(five.close[last] / five.close[first] - 1.0) if first >= 0 else None


def _ratios(derivatives: Derivatives, scan_id: int) -> dict[str, float | bool | None]:
    crowd, crowd_z, crowd_age = _z_score(derivatives.global_ratio, scan_id)
    top, top_z, _ = _z_score(derivatives.top_ratio, scan_id)
    return {"global_ratio": crowd, "global_z": crowd_z, "top_ratio": top, "top_z": top_z, "ratio_age": crowd_age}


def _z_score(points: Points, scan_id: int) -> tuple[float | None, float | None, float | None]:
    """Return the newest value, its z-score against all points, and its age in seconds."""
    times, values = points.arrays()
    if len(values) == 0 or scan_id - times[-1] > RATIO_FRESH_MS:
        return None, None, None
    age = max(0.0, float(scan_id - times[-1]) / 1_000)
    mean, deviation = moments(values)
    z = (float(values[-1]) - mean) / deviation if len(values) >= LEAST_POINTS and deviation > 0 else None
    return float(values[-1]), z, age


def taker_ratio(five: Window) -> float | None:
    """Return what takers bought over what they sold in the last hour; None without taker data or trades."""
    bought = sum(five.taker[-TAKER_BARS:].tolist())
    sold = sum(five.volume[-TAKER_BARS:].tolist()) - bought
    return bought / sold if sold > 0 and bought > 0 else None


def _imbalance(depth: Depth) -> float | None:
    bids, asks = _coins(depth.bids), _coins(depth.asks)
    return (bids - asks) / (bids + asks) if bids + asks > 0 else None


def _coins(levels: bytes) -> float:
    pairs: Series = unpack(levels).reshape(-1, 2)
    return float(pairs[:20, 1].sum())
