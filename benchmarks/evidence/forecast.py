"""How well forecasts separate the setups that reach their target first: the former confidence, and the present one."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np
from scipy import stats

from benchmarks.evidence.market import Market
from benchmarks.evidence.questions import Sample
from services.analyzer.domain.chart.window import Window
from services.analyzer.domain.indicators.atr import ranges
from services.backtest.recorded.recording import CoinHistory
from services.backtest.walk import without_holes
from services.evaluator.domain import controls
from services.evaluator.domain.calibration import Bin, Calibration, brier, calibrate, reliability, skill
from services.evaluator.domain.statistics import Days, Estimate, day_of, mean_by_days
from services.fetcher.domain.bars import CLOSE, OPEN_TIME
from shared.contracts import DAY_MS, HOUR_MS, Floats, Outcome, Side
from shared.odds import target_first

EVERY: Final = 6 * HOUR_MS  #: between two entries that nothing has chosen, of a coin
WARM_MS: Final = 5 * DAY_MS  #: before the first of them, so that its ATR is right
FEWER_DAYS: Final = 40  #: for a recalibration that the product would not try yet


@dataclass(frozen=True)
class Forecasts:
    """Forecasts beside what happened: 1 where the target came first; all arrays have one length."""

    forecast: Floats
    happened: Floats
    days: Days  #: ascending

    @classmethod
    def of(cls, trades: Sequence[Outcome], forecast: Floats | None = None) -> Forecasts:
        """Return those of ended *trades*, by their plain forecast or *forecast*, one each."""
        forecasts = np.array([one.forecast for one in trades]) if forecast is None else forecast
        order = np.argsort([one.scan_id for one in trades], kind="stable")
        happened = np.array([float(one.result == "target") for one in trades])
        return cls(forecasts[order], happened[order], day_of([one.scan_id for one in trades])[order])

    @property
    def brier(self) -> float:
        """Mean squared error."""
        return brier(self.forecast, self.happened)

    @property
    def skill(self) -> float:
        """Share of the base rate's Brier score that they save."""
        return skill(self.forecast, self.happened)

    @property
    def auc(self) -> float:
        """How often a setup that reached its target had the higher forecast of two; ties count half."""
        ranks = stats.rankdata(self.forecast)
        won = self.happened == 1.0
        pairs = won.sum() * (~won).sum()
        return float((ranks[won].sum() - won.sum() * (won.sum() + 1) / 2) / pairs) if pairs else float("nan")

    @property
    def table(self) -> tuple[Bin, ...]:
        """Their reliability."""
        return reliability(self.forecast, self.happened)

    def worse_than(self, other: Forecasts) -> Estimate:
        """Return by how much the squared error is above that of *other*, which is of the same trades."""
        losses = (self.forecast - self.happened) ** 2 - (other.forecast - other.happened) ** 2
        return mean_by_days(losses, self.days)


@dataclass(frozen=True)
class Reliability:
    """The forecast of before and of now, and its recalibration."""

    before: Forecasts  #: agreement in per cent, which was called confidence
    now: Forecasts  #: the probability of a price without drift
    everything: Forecasts  #: now, of signals, near misses and controls
    unselected: Forecasts  #: now, of entries that nothing has chosen
    recalibrations: dict[str, Calibration]


def forecasts(sample: Sample, histories: Mapping[str, CoinHistory]) -> Reliability:
    """Return both forecasts of the signals, and what recalibration by outcomes comes to."""
    signals = sample.signals
    now = Forecasts.of(signals)
    followed = [one for one in sample.backtest.outcomes if one.result and one.entry > 0 and one.kind != "anomaly"]
    everything = Forecasts.of(followed)
    unselected = Forecasts.of(list(entries_at_random(sample.market, histories, signals)))
    return Reliability(
        before=Forecasts.of(signals, np.array([one.agreement / 100.0 for one in signals])),
        now=now,
        everything=everything,
        unselected=unselected,
        recalibrations={
            "signals": calibrate(now.forecast, now.happened, now.days),
            f"signals, were {FEWER_DAYS} days enough": _calibrated(now, FEWER_DAYS),
            f"signals, near misses and controls, were {FEWER_DAYS} days enough": _calibrated(everything, FEWER_DAYS),
            "entries that nothing has chosen": calibrate(unselected.forecast, unselected.happened, unselected.days),
        },
    )


def _calibrated(known: Forecasts, least_days: int) -> Calibration:
    return calibrate(known.forecast, known.happened, known.days, least_days=least_days)


def entries_at_random(
    market: Market, histories: Mapping[str, CoinHistory], signals: Sequence[Outcome]
) -> Iterator[Outcome]:
    """Yield ended trades of every coin each six hours, on a seeded side, with a seeded signal's distances in ATR.

    They need only an ATR, not full windows, so they begin weeks before the first signal can.
    """
    for symbol, history in histories.items():
        for scan_id, price, atr in _moments(history):
            seed = zlib.crc32(f"{symbol}/{scan_id}".encode())
            model = signals[seed % len(signals)]
            side: Side = "long" if seed >> 16 & 1 else "short"
            trade = controls.at(model, "other moment", symbol, scan_id, price, atr, side=side)
            distances = abs(trade.entry - trade.stop), abs(trade.target - trade.entry)
            forecast = target_first(*distances, atr, market.settings.outcomes.hours)
            ended = market.ended(msgspec.structs.replace(trade, forecast=forecast))
            if controls.is_trade(trade) and ended.result:
                yield ended


def _moments(history: CoinHistory) -> Iterator[tuple[int, float, float]]:
    """Yield a scan each six hours with the close and the ATR 14 of 1h."""
    hours = without_holes(history.bars["1h"])
    atr, _ = ranges(Window("1h", hours))
    for column, opened in enumerate(hours[OPEN_TIME]):
        scan_id = int(opened) + HOUR_MS
        if scan_id % EVERY == 0 and scan_id >= history.first + WARM_MS and atr[column] > 0:
            yield scan_id, float(hours[CLOSE, column]), float(atr[column])
