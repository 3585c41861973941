"""Volume shocks decoupled from BTC, told as a person would."""

from __future__ import annotations

import math
from collections.abc import Iterable

from shared.contracts import Alert, Analysis, AnomalyBody, AnomalyFigures
from shared.settings import AnomalySettings

HOUR_MS = 3_600_000


def is_anomaly(figures: AnomalyFigures, rules: AnomalySettings) -> bool:
    """Return whether the volume is out of the ordinary while BTC does not explain it."""
    z, correlation = figures.volume_z, figures.correlation
    if z is None or correlation is None or not (math.isfinite(z) and math.isfinite(correlation)):
        return False
    return z >= rules.volume_z and abs(correlation) < rules.correlation


def choose(
    analyses: Iterable[Analysis], cooldowns: dict[str, int], told: tuple[int, ...], scan_id: int, rules: AnomalySettings
) -> list[Analysis]:
    """Return what may be told at *scan_id*: strongest first, within the cooldowns and the limit per hour."""
    free = rules.per_hour - sum(scan > scan_id - HOUR_MS for scan in told)
    found = [
        analysis
        for analysis in analyses
        if not analysis.problem
        and is_anomaly(analysis.anomaly, rules)
        and cooldowns.get(f"anomaly:{analysis.symbol}", 0) <= scan_id
    ]
    found.sort(key=lambda analysis: (-(analysis.anomaly.volume_z or 0.0), analysis.symbol))
    return found[: max(0, free)]


def alert(analysis: Analysis, *, now: int) -> Alert:
    """Return the post on *analysis*; plain text, the channels escape it."""
    body = AnomalyBody(
        figures=analysis.anomaly,
        price=analysis.bar[3] if len(analysis.bar) > 3 else 0.0,
        headline=headline(analysis),
        pull=pull(analysis),
        question=question(analysis),
        chart=analysis.chart,
    )
    return Alert(
        alert_id=f"anomaly:{analysis.symbol}:{analysis.scan_id}",
        kind="anomaly",
        body=body,
        occurred_at=analysis.scan_id,
        created_at=now,
        scan_id=analysis.scan_id,
        symbol=analysis.symbol,
        estimated=analysis.estimated,
    )


def headline(analysis: Analysis) -> str:
    """Return what is unusual."""
    figures = analysis.anomaly
    move = f", {figures.change_24h:+.1%} on the day" if figures.change_24h is not None else ""
    return (
        f"{analysis.symbol} just traded {figures.volume_z or 0.0:.1f} standard deviations more than usual in five "
        f"minutes{move}, and BTC does not explain it (correlation {figures.correlation or 0.0:+.2f})."
    )


def pull(analysis: Analysis) -> str:
    """Return what pulls the other way."""
    figures = analysis.anomaly
    rising = (figures.change_24h or 0.0) >= 0
    if figures.rsi is not None and (figures.rsi >= 70 if rising else figures.rsi <= 30):
        return f"RSI is already at {figures.rsi:.0f}: part of the move may be behind it."
    if figures.hurst is not None and figures.hurst < 0.5 - 2 * (figures.hurst_error or 0.0):
        return f"Its moves have tended to revert lately (Hurst {figures.hurst:.2f})."
    if figures.residual_z is not None and abs(figures.residual_z) < 2:
        return "The price has hardly left its usual range while the volume came."
    return f"The regime is {analysis.regime.lower()}, which does not say how long this lasts."


def question(analysis: Analysis) -> str:
    """Return the one question to leave the reader with."""
    figures = analysis.anomaly
    if figures.residual_z is not None and abs(figures.residual_z) < 2:
        return "Somebody building a position, or two large hands passing coins?"
    if (figures.change_24h or 0.0) >= 0:
        return "News that has not reached everyone, or a squeeze that ends with the last short?"
    return "Somebody who knows more, or just somebody who had to sell?"
