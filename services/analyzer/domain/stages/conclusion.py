"""Last stage: everything that was found, as the message that leaves."""

from __future__ import annotations

from typing import Final

from services.analyzer.domain.chart.volume_figures import volume_figures
from services.analyzer.domain.radar import anomaly
from services.analyzer.domain.radar.anomaly import Benchmark
from services.analyzer.domain.scoring.sides import JUDGED
from services.analyzer.domain.stages.outlook import Outlook
from shared.contracts import Analysis, MarketSnapshot, pack

CHART_BARS: Final = 96


def refused(snapshot: MarketSnapshot, problem: str) -> Analysis:
    """Return the analysis of a snapshot that cannot be analysed: why, and nothing else."""
    return Analysis(
        symbol=snapshot.symbol,
        scan_id=snapshot.scan_id,
        settings_version=snapshot.settings_version,
        problem=problem,
        tick_size=snapshot.tick_size,
        estimated=snapshot.estimated,
        unavailable=snapshot.unavailable,
    )


def record(outlook: Outlook) -> Analysis:
    """Return the analysis; what no judgement needs (the radar's figures, gate 4's, the chart) is worked out here."""
    agreement, trade = outlook.agreement, outlook.agreement.trade
    quality, scores = trade.quality, trade.quality.scores
    charts, snapshot = scores.votes.charts, scores.votes.charts.request.snapshot
    five, quarter = charts.by_interval["5m"].window, charts.by_interval["15m"]
    figures = anomaly.measure(five, charts.request.btc)
    return Analysis(
        symbol=snapshot.symbol,
        scan_id=snapshot.scan_id,
        settings_version=snapshot.settings_version,
        tick_size=snapshot.tick_size,
        bar=five.last,
        side=scores.side,
        score=scores.score,
        long_score=scores.long,
        short_score=scores.short,
        bonus=scores.bonus,
        agreement=agreement.value,
        agreement_parts=dict(agreement.parts),
        regime=charts.by_interval["1h"].regime.regime,
        timeframes=tuple(scores.timeframes.values()),
        timeframe_weights={name: scores.weights[name] for name in JUDGED},
        groups=scores.groups,
        fmqs=quality.fmqs,
        fmqs_other=quality.other,
        levels=trade.levels,
        strength=agreement.strength,
        volume=volume_figures(five, quarter.window, quarter.series["obv"], zero="zero volume" in snapshot.problems),
        anomaly=figures,
        btc_excess=_excess(figures.change_24h, charts.request.btc),
        sentiment=snapshot.sentiment,
        chart=pack(quarter.window.newest(CHART_BARS)),
        estimated=snapshot.estimated,
        unavailable=snapshot.unavailable,
        derivatives=scores.votes.futures.record(),
        confidence=outlook.confidence,
        forecast=outlook.forecast,
        expected_r=outlook.expected_r,
        record_version=charts.request.record.version,
        comparable=outlook.comparable,
        young=charts.young,
    )


def _excess(change: float | None, btc: Benchmark | None) -> float | None:
    return None if change is None or btc is None else change - btc.change_24h
