"""The whole analysis of one symbol at one scan: a snapshot in, what is to be known of it out."""

from __future__ import annotations

from services.analyzer.domain.radar.anomaly import Benchmark
from services.analyzer.domain.stages.agreement import measure_agreement
from services.analyzer.domain.stages.charts import draw_charts
from services.analyzer.domain.stages.conclusion import record, refused
from services.analyzer.domain.stages.outlook import weigh_outlook
from services.analyzer.domain.stages.quality import judge_quality
from services.analyzer.domain.stages.scores import score_sides
from services.analyzer.domain.stages.series import compute_series
from services.analyzer.domain.stages.trade import plan_trade
from services.analyzer.domain.stages.votes import cast_votes
from services.analyzer.domain.stages.windows import Request, open_windows, problem_of
from shared.contracts import NO_RECORD, Analysis, MarketSnapshot, RecordChanged
from shared.settings import AnalysisSettings


def analyse(
    snapshot: MarketSnapshot,
    settings: AnalysisSettings,
    btc: Benchmark | None,
    *,
    past: RecordChanged = NO_RECORD,
    hours: float = 24.0,
) -> Analysis:
    """Return the analysis of *snapshot*; with `problem` set and nothing else where it cannot be analysed.

    *past* is what earlier signals came to, *hours* how long a target has to be reached.
    """
    if problem := problem_of(snapshot):
        return refused(snapshot, problem)
    windows = open_windows(Request(snapshot, settings, btc, past, hours))
    series = compute_series(windows)
    charts = draw_charts(series)
    votes = cast_votes(charts)
    scores = score_sides(votes)
    quality = judge_quality(scores)
    trade = plan_trade(quality)
    agreement = measure_agreement(trade)
    outlook = weigh_outlook(agreement)
    return record(outlook)
