"""The whole analysis of one symbol at one scan: a snapshot in, what is to be known of it out."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from services.analyzer.domain import anomaly, confidence, divergence, fmqs, levels, opinions, pattern, regime, score
from services.analyzer.domain.anomaly import Benchmark
from services.analyzer.domain.futures import FuturesFigures, read_futures
from services.analyzer.domain.indicator import Reading, catalogue, compute_each
from services.analyzer.domain.indicators import bollinger
from services.analyzer.domain.numeric import Series, slope
from services.analyzer.domain.regime import RegimeFigures
from services.analyzer.domain.swings import Swings, find_swings
from services.analyzer.domain.window import Window, check
from shared.contracts import (
    INTERVALS,
    Analysis,
    Fmqs,
    Interval,
    MarketSnapshot,
    Side,
    TimeframeAnalysis,
    VolumeFigures,
    pack,
)
from shared.settings import AnalysisSettings

CHART_BARS: Final = 96
OBV_BARS: Final = 8
VOLUME_BARS: Final = 3
USUAL_BARS: Final = 288  #: five-minute bars before those three
LEAST_RANGE: Final = 1e-9  #: of the price: a market without any range is divided by this


@dataclass(slots=True)
class Stopwatch:
    """Milliseconds spent in each part, for the benchmark."""

    parts: dict[str, float] = field(default_factory=dict)
    last: float = field(default_factory=time.perf_counter)

    def lap(self, part: str) -> None:
        now = time.perf_counter()
        self.parts[part] = self.parts.get(part, 0.0) + (now - self.last) * 1_000
        self.last = now


@dataclass(frozen=True, slots=True)
class Chart:
    """One interval: its bars, everything computed over them, and how many of them have closed."""

    window: Window
    series: Mapping[str, Series]
    swings: Swings
    closed: int
    regime: RegimeFigures

    @property
    def atr(self) -> float:
        """ATR 14, never zero."""
        return max(float(self.series["atr"][-1]), LEAST_RANGE * float(self.window.close[-1]))


def problem_of(snapshot: MarketSnapshot) -> str:
    """Return why *snapshot* cannot be analysed, or nothing."""
    for problem in snapshot.problems:
        if problem != "zero volume":
            return problem
    for interval in INTERVALS:
        if interval not in snapshot.bars:
            return "insufficient history"
        if (found := check(interval, snapshot.bars[interval].matrix)) is not None:
            return found
    five = snapshot.bars["5m"].matrix
    return "" if int(five[0, -1]) + INTERVALS["5m"] == snapshot.scan_id else "stale"


def analyse(
    snapshot: MarketSnapshot, settings: AnalysisSettings, btc: Benchmark | None, watch: Stopwatch | None = None
) -> Analysis:
    """Return the analysis of *snapshot*; with `problem` set and nothing else where it cannot be analysed."""
    watch = watch or Stopwatch()
    if problem := problem_of(snapshot):
        return Analysis(
            symbol=snapshot.symbol,
            scan_id=snapshot.scan_id,
            settings_version=snapshot.settings_version,
            problem=problem,
            tick_size=snapshot.tick_size,
            estimated=snapshot.estimated,
        )
    return _conclude(snapshot, settings, draw_charts(snapshot, settings, watch), btc, watch)


def draw_charts(snapshot: MarketSnapshot, settings: AnalysisSettings, watch: Stopwatch) -> dict[Interval, Chart]:
    """Return everything computed over each interval's bars."""
    windows = [Window(interval, snapshot.bars[interval].matrix) for interval in INTERVALS]
    closed = [len(window) - (not window.is_closed(snapshot.scan_id)) for window in windows]
    if settings.bars == "closed":
        windows = [window.closed(snapshot.scan_id) for window in windows]
    watch.lap("scoring")
    series = compute_each(windows)
    watch.lap("indicators")
    charts = {
        window.interval: chart(window, values, count, settings.volatile_atr_ratio)
        for window, values, count in zip(windows, series, closed, strict=True)
    }
    watch.lap("regime")
    return charts


def chart(window: Window, series: Mapping[str, Series], closed: int, volatile_ratio: float) -> Chart:
    """Return what follows from one interval's bars and series."""
    swings = find_swings(window, closed=closed)
    judged = regime.judge(window, series, swings, closed=closed, volatile_ratio=volatile_ratio)
    return Chart(window, series, swings, closed, judged)


def _conclude(
    snapshot: MarketSnapshot,
    settings: AnalysisSettings,
    charts: Mapping[Interval, Chart],
    btc: Benchmark | None,
    watch: Stopwatch,
) -> Analysis:
    five, hour = charts["5m"], charts["1h"]
    price, scan_id = float(five.window.close[-1]), snapshot.scan_id
    drawn = levels.draw([(hour.window, hour.swings), (charts["4h"].window, charts["4h"].swings)], hour.atr, scan_id)
    watch.lap("levels")
    futures = read_futures(snapshot.derivatives, snapshot.depth, five.window, scan_id)
    said = opinions.futures_opinions(futures)
    timeframes = {interval: timeframe(interval, charts[interval], said, drawn, watch) for interval in INTERVALS}
    weights: dict[Interval, float] = {name: settings.timeframe_weights[name] for name in score.JUDGED}
    long, short = score.across(timeframes, weights)
    side: Side = "long" if long >= short else "short"
    bonus = score.bonus(timeframes, weights)
    groups = score.group_votes(timeframes, weights, side, settings.group_agreement)
    total = min(100.0, max(long, short) + score.bonus_points(bonus, side))
    quality = _fmqs(futures, side, settings)
    other = _fmqs(futures, "short" if side == "long" else "long", settings)
    watch.lap("scoring")
    plan = levels.plan(
        drawn,
        side,
        price,
        hour.atr,
        snapshot.tick_size,
        costs=settings.costs,
        weak_ratio=settings.weak_ratio,
    )
    watch.lap("levels")
    figures = anomaly.measure(five.window, btc)
    watch.lap("anomaly")
    believed = confidence.parts(
        side,
        timeframes,
        weights,
        groups,
        futures,
        quality,
        snapshot.sentiment,
        taker_known=futures.taker_ratio is not None,
        estimated=bool(snapshot.estimated) or snapshot.derivatives.estimated,
        scan_id=scan_id,
    )
    certainty = min(100.0, max(0.0, sum(believed.values())))
    analysis = Analysis(
        symbol=snapshot.symbol,
        scan_id=scan_id,
        settings_version=snapshot.settings_version,
        tick_size=snapshot.tick_size,
        bar=tuple(
            float(row[-1])
            for row in (
                five.window.open,
                five.window.high,
                five.window.low,
                five.window.close,
                five.window.volume,
            )
        ),
        side=side,
        score=total,
        long_score=long,
        short_score=short,
        bonus=bonus,
        confidence=certainty,
        confidence_parts=believed,
        regime=hour.regime.regime,
        timeframes=tuple(timeframes.values()),
        timeframe_weights={name: weights[name] for name in score.JUDGED},
        groups=groups,
        fmqs=quality,
        fmqs_other=other.value,
        levels=plan,
        strength=confidence.strength(total, quality.value, certainty, plan),
        volume=volume_figures(five.window, charts["15m"], zero="zero volume" in snapshot.problems),
        anomaly=figures,
        btc_excess=_excess(figures.change_24h, btc),
        sentiment=snapshot.sentiment,
        chart=pack(charts["15m"].window.newest(CHART_BARS)),
        estimated=snapshot.estimated,
        derivatives=futures.record(),
        timings=watch.parts,
    )
    watch.lap("scoring")
    return analysis


def timeframe(
    interval: Interval, drawing: Chart, futures_votes: Mapping[str, float], drawn: levels.Map, watch: Stopwatch
) -> TimeframeAnalysis:
    """Return one interval's votes, weights, scores and patterns."""
    found = pattern.find_all(drawing.window, closed=drawing.closed)
    diverges = divergence.rsi_divergence(drawing.swings, drawing.series["rsi"], last=drawing.closed - 1)
    if diverges:
        found[score.DIVERGENCE] = diverges
    watch.lap("patterns")
    reading = Reading(drawing.window, drawing.series, drawing.regime.regime, drawing.atr)
    votes = score.loud({**cast_votes(reading, drawing.regime, drawn), **futures_votes}, drawing.regime.regime)
    weights = score.weigh(votes, drawing.regime.regime)
    long, short = score.side_scores(votes, weights)
    newest = {name: None if math.isnan(value) else value for name, value in reading.newest.items()}
    newest |= {
        "bollinger_width": bollinger.width(newest),
        "wick_share": drawing.regime.wick_share,
        "wick_limit": drawing.regime.wick_limit,
    }
    watch.lap("scoring")
    return TimeframeAnalysis(
        interval=interval,
        regime=drawing.regime.regime,
        values=newest,
        votes=votes,
        weights=weights,
        long_score=long,
        short_score=short,
        patterns=found,
        squeeze=newest["squeeze_on"] == 1.0,
    )


def cast_votes(reading: Reading, figures: RegimeFigures, drawn: levels.Map) -> dict[str, float]:
    """Return the vote of every indicator and of the chart's structure; who has nothing to say is left out."""
    votes = {entry.name: entry.vote(reading) for entry in catalogue().values() if entry.vote is not None}
    votes |= opinions.chart_opinions(reading, figures, drawn)
    if max(reading.window.high[-OBV_BARS:].tolist()) == min(reading.window.low[-OBV_BARS:].tolist()):
        return dict.fromkeys(votes, 0.0)  # a market that does not move says nothing
    return {name: vote for name, vote in votes.items() if not math.isnan(vote)}


def volume_figures(five: Window, quarter: Chart, *, zero: bool) -> VolumeFigures:
    """Return what gate 4 looks at."""
    recent = five.volume[-VOLUME_BARS:].tolist()
    usual = five.volume[-VOLUME_BARS - USUAL_BARS : -VOLUME_BARS]
    usual_sum = float(np.add.reduce(usual))
    taken = 2.0 * sum(five.taker[-VOLUME_BARS:].tolist()) - sum(recent)
    mean = sum(quarter.window.volume[-OBV_BARS:].tolist()) / OBV_BARS
    return VolumeFigures(
        ratio_3=sum(recent) * len(usual) / (VOLUME_BARS * usual_sum) if usual_sum > 0 else None,
        taker_delta=None if math.isnan(taken) else taken,
        obv_slope=slope(quarter.series["obv"][-OBV_BARS:]) / mean if mean > 0 else None,
        zero_volume=zero or 0.0 in recent,
    )


def _fmqs(figures: FuturesFigures, side: Side, settings: AnalysisSettings) -> Fmqs:
    return fmqs.judge(
        figures,
        side,
        settings.fmqs_weights,
        funding_contradicts=settings.funding_contradicts,
        falls=settings.open_interest_falls,
    )


def _excess(change: float | None, btc: Benchmark | None) -> float | None:
    return None if change is None or btc is None else change - btc.change_24h
