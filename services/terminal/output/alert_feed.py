"""The alerts, one line each, and whether they were delivered."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

from services.terminal.local import stream_tail
from services.terminal.output.prices import price
from shared.bus import Bus
from shared.contracts import (
    Alert,
    AnomalyBody,
    DeliveryReport,
    GroupBody,
    LifecycleBody,
    PriceBody,
    SignalBody,
    Stream,
    SystemBody,
    TradeLevels,
)

STYLES = {"signal": "bold green", "group": "bold green", "lifecycle": "cyan", "anomaly": "magenta", "price": "yellow"}


def probability(confidence: float | None) -> str:
    """Return how probable the target is, nothing where it is not known."""
    return "" if confidence is None else f" confidence {confidence:.0f}%"


def headline(alert: Alert) -> str:
    """Return *alert* in one line."""
    match alert.body:
        case SignalBody(side=side, analysis=analysis):
            fmqs = analysis.fmqs.value if analysis.fmqs is not None else None
            quality = f" fmqs {fmqs:.0f}" if fmqs is not None else ""
            return (
                f"SIGNAL {side} {alert.symbol} score {analysis.score:.0f}{quality}"
                f"{probability(analysis.confidence)} {analysis.regime}{_levels(analysis.levels, analysis.tick_size)}"
            )
        case GroupBody(side=side, members=members):
            names = ", ".join(member.symbol for member in members[:5])
            return f"GROUP {side} {len(members)} coins: {names}{', …' if len(members) > 5 else ''}"
        case LifecycleBody() as body:
            return f"{body.event.upper()} {body.side} {alert.symbol} at {price(body.price)} ({body.result_r:+.2f} R)"
        case PriceBody(price_alert=wanted, price=current):
            return f"PRICE {alert.symbol} {wanted.condition} {price(wanted.value)}: {price(current)}"
        case AnomalyBody() as body:
            return f"ANOMALY {alert.symbol} {body.headline}"
        case SystemBody() as body:
            return f"SYSTEM {body.headline}"


def _levels(levels: object, tick: float) -> str:
    if not isinstance(levels, TradeLevels):
        return ""
    entry, stop, target = (price(value, tick) for value in (levels.entry, levels.stop, levels.target))
    weak = " WEAK" if levels.weak else ""
    return f" entry {entry} stop {stop} target {target} R:R {levels.reward_to_risk:.1f}{weak}"


def exchange_time(milliseconds: int) -> str:
    """Return a time of the exchange's clock as `MM-DD HH:MM`."""
    return datetime.fromtimestamp(milliseconds / 1_000, UTC).strftime("%m-%d %H:%M")


class AlertFeed:
    """Follows the bus and prints each alert and the first delivery."""

    def __init__(self, show: Callable[[str, str], None], *, started: float) -> None:
        self._show = show
        self._started = started
        self._waiting: dict[str, Alert] = {}
        self._seen: set[str] = set()
        self.alerts = 0
        self.delivered = 0
        self.first_alert_seconds: float | None = None
        self.first_delivery_seconds: float | None = None

    async def follow(self, bus: Bus) -> None:
        """Show what is on the bus, and go on until cancelled."""
        after = {Stream.ALERTS: "0-0", Stream.DELIVERIES: "0-0"}
        while True:
            for stream, entry_id, message in await stream_tail.news(bus, after):
                after[stream] = entry_id
                self.take(message)

    def take(self, message: object) -> None:
        """Show *message* if it is an alert, or the first success of one."""
        if isinstance(message, Alert):
            self._alert(message)
        elif isinstance(message, DeliveryReport):
            self._report(message)

    def _alert(self, alert: Alert) -> None:
        if alert.alert_id in self._seen:
            return  # the closed bar confirms a live alert under the same id
        self._seen.add(alert.alert_id)
        self.alerts += 1
        self._waiting[alert.alert_id] = alert
        notes = f"  held back: {alert.held_by}" if alert.held_by else ""
        notes += "  (estimated)" if alert.estimated else ""
        self._show(f"{exchange_time(alert.occurred_at)}  {headline(alert)}{notes}", STYLES.get(alert.kind, ""))
        if self.first_alert_seconds is None and alert.kind in ("signal", "group"):
            self.first_alert_seconds = time.monotonic() - self._started
            self._show(f"the first signal came {self.first_alert_seconds:.1f} s after the start", "bold")

    def _report(self, report: DeliveryReport) -> None:
        if report.status != "sent":
            if report.status in ("rejected", "unknown", "expired"):
                reason = report.reason or report.detail
                self._show(f"{report.status}: {report.alert_id} to {report.destination} ({reason})", "yellow")
            return
        self.delivered += 1
        alert = self._waiting.pop(report.alert_id, None)
        if alert is None or self.first_delivery_seconds is not None:
            return
        self.first_delivery_seconds = time.monotonic() - self._started
        self._show(f"the first alert was delivered to {report.destination!r} ({report.channel})", "bold")
