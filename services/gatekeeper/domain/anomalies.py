"""Anomalies: volume shocks decoupled from BTC, and which of them become an alert."""

from __future__ import annotations

from collections.abc import Iterable
from zlib import crc32

from services.gatekeeper.domain import anomaly_words
from shared import ids
from shared.contracts import HOUR_MS, Alert, Analysis, AnomalyBody, AnomalyFigures
from shared.settings import AnomalySettings


def is_anomaly(figures: AnomalyFigures, rules: AnomalySettings) -> bool:
    """Return whether the volume is unusually high and the correlation with BTC low."""
    return figures.exceeds(rules.volume_z, rules.correlation)


def choose(
    analyses: Iterable[Analysis],
    cooldowns: dict[str, int],
    recent: tuple[int, ...],
    scan_id: int,
    rules: AnomalySettings,
) -> list[Analysis]:
    """Return the anomalies to alert at *scan_id*, strongest first, within the cooldowns and the limit per hour.

    *recent* are the scans of earlier anomaly alerts, one entry each.
    """
    free = rules.per_hour - sum(scan > scan_id - HOUR_MS for scan in recent)
    found = [
        analysis
        for analysis in analyses
        if not analysis.problem
        and is_anomaly(analysis.anomaly, rules)
        and cooldowns.get(f"anomaly:{analysis.symbol}", 0) <= scan_id
    ]
    found.sort(key=lambda analysis: (-(analysis.anomaly.volume_z or 0.0), analysis.symbol))
    return found[: max(0, free)]


def alert(market: str, analysis: Analysis, *, now: int, last_form: int | None = None) -> Alert:
    """Return the anomaly alert for *analysis*; plain text, the channels escape it.

    *last_form* is the form of the coin's last anomaly alert, None without one.
    """
    alert_id = ids.anomaly_alert_id(market, analysis.symbol, analysis.scan_id)
    form = form_of(alert_id, last_form)
    body = AnomalyBody(
        figures=analysis.anomaly,
        price=analysis.bar[3] if len(analysis.bar) > 3 else 0.0,
        headline=anomaly_words.headline(analysis.symbol, analysis.anomaly, form),
        pull=anomaly_words.tension(analysis.anomaly, form),
        question=anomaly_words.question(analysis.anomaly, form),
        chart=analysis.chart,
        aftermath=analysis.aftermath,
    )
    return Alert(
        alert_id=alert_id,
        kind="anomaly",
        body=body,
        occurred_at=analysis.scan_id,
        created_at=now,
        scan_id=analysis.scan_id,
        symbol=analysis.symbol,
        estimated=analysis.estimated,
    )


def form_of(alert_id: str, last_form: int | None) -> int:
    """Return an anomaly alert's form: fixed by its id and *last_form*, and never equal to *last_form*."""
    drawn = crc32(alert_id.encode())
    if last_form is None:
        return drawn % anomaly_words.FORMS
    return (last_form + 1 + drawn % (anomaly_words.FORMS - 1)) % anomaly_words.FORMS
