"""Made-up bars for the analyzer's tests."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from services.analyzer.domain.chart.window import Window
from shared.contracts import INTERVALS, Bars, Depth, Derivatives, Interval, MarketSnapshot, Points, Sentiment, pack

Floats = npt.NDArray[np.float64]
MIDNIGHT = 1_757_376_000_000  #: a UTC midnight, ms


def matrix(
    count: int = 499, *, seed: int = 1, interval: Interval = "5m", start: int = MIDNIGHT, scale: float = 0.004
) -> Floats:
    """Return a random walk of *count* consistent bars as a snapshot's matrix, on a tick of 0.01."""
    random = np.random.default_rng(seed)
    close = np.round(100.0 * np.exp(np.cumsum(random.normal(0, scale, count))), 2)
    opened = np.concatenate(([100.0], close[:-1]))
    high = np.round(np.maximum(opened, close) * (1 + np.abs(random.normal(0, scale / 2, count))), 2)
    low = np.round(np.minimum(opened, close) * (1 - np.abs(random.normal(0, scale / 2, count))), 2)
    high, low = np.maximum(high, np.maximum(opened, close)), np.minimum(low, np.minimum(opened, close))
    volume = np.round(random.lognormal(6, 0.6, count), 3)
    taker = np.round(volume * np.clip(0.5 + random.normal(0, 0.08, count), 0, 1), 3)
    times = start + np.arange(count) * float(INTERVALS[interval])
    return np.stack([times, opened, high, low, close, volume, volume * close, taker])


def window(count: int = 499, *, seed: int = 1, interval: Interval = "5m") -> Window:
    """Return a random walk as a window."""
    return Window(interval, matrix(count, seed=seed, interval=interval))


def flat(count: int = 499, *, price: float = 50.0, volume: float = 10.0) -> Window:
    """Return bars in which nothing moves."""
    rows = matrix(count)
    rows[1:5], rows[5], rows[7] = price, volume, volume / 2
    return Window("5m", rows)


def aggregated(five: Floats, interval: Interval) -> Floats:
    """Return *five* (five-minute bars from a midnight on) as bars of *interval*, the last one so far."""
    width = INTERVALS[interval] // INTERVALS["5m"]
    parts = [five[:, at : at + width] for at in range(0, five.shape[1], width)]
    rows = [
        [part[0, 0], part[1, 0], part[2].max(), part[3].min(), part[4, -1], *part[5:].sum(axis=1)] for part in parts
    ]
    return np.array(rows).T


def snapshot(*, seed: int = 1, extra: int = 7, drift: float = 0.0, derivatives: bool = True) -> MarketSnapshot:
    """Return a whole snapshot whose higher bars end *extra* five-minute bars after a four-hour close."""
    count = 48 * 310 + extra
    five = matrix(count, seed=seed, scale=0.002)
    lift = np.exp(drift * np.arange(count))
    five[1:5] *= lift
    scan_id = int(five[0, -1]) + INTERVALS["5m"]
    times = scan_id - 300_000.0 * np.arange(288, 0, -1)
    random = np.random.default_rng(seed)
    figures = Derivatives(
        open_interest=Points.of(times, 1e6 * np.exp(np.cumsum(random.normal(0, 0.002, 288)))),
        global_ratio=Points.of(times, np.exp(random.normal(0.4, 0.05, 288))),
        top_ratio=Points.of(times, np.exp(random.normal(0.3, 0.05, 288))),
        funding_settled=Points.of(times[-3:], [0.0001, 0.0001, 0.00012]),
        funding_rate=0.00008,
        funding_at=scan_id - 20_000,
        funding_interval_hours=8,
    )
    btc = matrix(499, seed=seed + 1000)[4]
    return MarketSnapshot(
        symbol="AUSDT",
        scan_id=scan_id,
        settings_version=1,
        tick_size=0.01,
        bars={
            interval: Bars.of(interval, (five if interval == "5m" else aggregated(five, interval))[:, -499:])
            for interval in INTERVALS
        },
        btc_close=pack(btc),
        derivatives=figures if derivatives else Derivatives(),
        depth=Depth(at=scan_id - 9_000, bids=pack([100.0, 6.0] * 20), asks=pack([100.1, 4.0] * 20)),
        sentiment=Sentiment(value=50, label="Neutral", at=scan_id - 3_600_000, fetched_at=0),
    )
