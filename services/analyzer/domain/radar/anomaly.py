"""The radar's figures: volume shocks, and how far a coin goes its own way."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from services.analyzer.domain.chart.window import Window
from services.analyzer.domain.indicators.rsi import wilder_rsi
from services.analyzer.domain.numeric import Series, moments
from services.analyzer.domain.radar.hurst import hurst
from shared.contracts import AnomalyFigures

BARS: Final = 288  #: five-minute bars in a day


@dataclass(frozen=True, slots=True)
class Benchmark:
    """BTC's last 288 five-minute log returns, centred, and its day's return: the same for a whole scan."""

    returns: Series
    centred: Series
    square: float
    change_24h: float


def benchmark(closes: Series) -> Benchmark | None:
    """Return what *closes* of BTC say, or None where they are too few or not finite."""
    if len(closes) <= BARS or not np.isfinite(closes[-BARS - 1 :]).all() or closes[-BARS - 1 :].min() <= 0:
        return None
    returns = np.diff(np.log(closes[-BARS - 1 :]))
    centred = returns - returns.mean()
    return Benchmark(returns, centred, float(centred @ centred), float(closes[-1] / closes[-1 - BARS] - 1.0))


def measure(five: Window, btc: Benchmark | None) -> AnomalyFigures:
    """Return the figures over the closed five-minute bars."""
    if len(five) <= BARS:
        return AnomalyFigures()
    logs = np.log(five.close)
    returns = logs[1:] - logs[:-1]
    correlation, beta, residual = _against(returns[-BARS:], btc)
    exponent = hurst(returns)
    rsi = float(five.shared(wilder_rsi)[-1])
    quote = _quote(five)
    return AnomalyFigures(
        volume_z=_volume_z(quote),
        change_24h=float(five.close[-1] / five.close[-1 - BARS] - 1.0),
        rsi=None if math.isnan(rsi) else rsi,
        correlation=correlation,
        beta=beta,
        residual_z=residual,
        hurst=exponent[0] if exponent else None,
        hurst_error=exponent[1] if exponent else None,
        quote_volume=float(quote[-1]),
    )


def _quote(five: Window) -> Series:
    """Return the quote volume, estimated by the typical price where the exchange did not say."""
    missing = np.isnan(five.quote_volume)
    return np.where(missing, five.turnover, five.quote_volume) if np.count_nonzero(missing) else five.quote_volume


def _volume_z(quote: Series) -> float | None:
    """Return the last log quote volume's z-score against the 288 bars before; bars without trades count as 1 USDT."""
    logs = np.log(np.maximum(quote[-BARS - 1 :], 1.0))
    mean, deviation = moments(logs[:-1])
    return (float(logs[-1]) - mean) / deviation if deviation > 1e-9 else None


def _against(returns: Series, btc: Benchmark | None) -> tuple[float | None, float | None, float | None]:
    """Return correlation and beta to BTC, and the last residual's z-score."""
    if btc is None or btc.square <= 0:
        return None, None, None
    centred = returns - np.add.reduce(returns) / len(returns)
    square = float(centred @ centred)
    if square <= 0:
        return None, None, None
    product = float(centred @ btc.centred)
    beta = product / btc.square
    residuals = centred - beta * btc.centred
    _, spread = moments(residuals)
    correlation = max(-1.0, min(1.0, product / math.sqrt(square * btc.square)))
    return correlation, beta, float(residuals[-1]) / spread if spread > 1e-12 else None
