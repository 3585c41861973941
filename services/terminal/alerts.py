"""The alerts as they leave, one line each, and whether they arrived."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

from services.terminal import following
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


def headline(alert: Alert) -> str:
    """Return *alert* in one line."""
    match alert.body:
        case SignalBody(side=side, analysis=analysis):
            fmqs = analysis.fmqs.value if analysis.fmqs is not None else None
            quality = f" fmqs {fmqs:.0f}" if fmqs is not None else ""
            return (
                f"SIGNAL {side} {alert.symbol} score {analysis.score:.0f}{quality}"
                f" confidence {analysis.confidence:.0f} {analysis.regime}{_levels(analysis.levels)}"
            )
        case GroupBody(side=side, members=members):
            names = ", ".join(member.symbol for member in members[:5])
            return f"GROUP {side} {len(members)} coins: {names}{', …' if len(members) > 5 else ''}"
        case LifecycleBody() as body:
            return f"{body.event.upper()} {body.side} {alert.symbol} at {body.price:g} ({body.result_r:+.2f} R)"
        case PriceBody(price_alert=wanted, price=price):
            return f"PRICE {alert.symbol} {wanted.condition} {wanted.value:g}: {price:g}"
        case AnomalyBody() as body:
            return f"ANOMALY {alert.symbol} {body.headline}"
        case SystemBody() as body:
            return f"SYSTEM {body.headline}"


def _levels(levels: object) -> str:

    if not isinstance(levels, TradeLevels):
        return ""
    weak = " WEAK" if levels.weak else ""
    return (
        f" entry {levels.entry:g} stop {levels.stop:g} target {levels.target:g} R:R {levels.reward_to_risk:.1f}{weak}"
    )


def exchange_time(milliseconds: int) -> str:
    """Return a time of the exchange's clock as `MM-DD HH:MM`."""
    return datetime.fromtimestamp(milliseconds / 1_000, UTC).strftime("%m-%d %H:%M")


class AlertLines:
    """Follows the bus and tells each alert and each arrival."""

    def __init__(self, tell: Callable[[str, str], None], *, started: float) -> None:
        self._tell = tell
        self._started = started
        self._waiting: dict[str, Alert] = {}
        self._seen: set[str] = set()
        self.alerts = 0
        self.delivered = 0
        self.first_alert_seconds: float | None = None
        self.first_delivery_seconds: float | None = None

    async def follow(self, bus: Bus) -> None:
        """Tell what is on the bus, and go on until cancelled."""
        after = {Stream.ALERTS: "0-0", Stream.DELIVERIES: "0-0"}
        while True:
            for stream, entry_id, message in await following.news(bus, after):
                after[stream] = entry_id
                self.take(message)

    def take(self, message: object) -> None:
        """Tell *message* if it is an alert, or the first success of one."""
        if isinstance(message, Alert):
            self._alert(message)
        elif isinstance(message, DeliveryReport):
            self._report(message)

    def _alert(self, alert: Alert) -> None:
        if alert.alert_id in self._seen:
            return  # what a tick had told is confirmed by its bar, under the same id
        self._seen.add(alert.alert_id)
        self.alerts += 1
        self._waiting[alert.alert_id] = alert
        notes = f"  held back: {alert.held_by}" if alert.held_by else ""
        notes += "  (estimated)" if alert.estimated else ""
        self._tell(f"{exchange_time(alert.occurred_at)}  {headline(alert)}{notes}", STYLES.get(alert.kind, ""))
        if self.first_alert_seconds is None and alert.kind in ("signal", "group"):
            self.first_alert_seconds = time.monotonic() - self._started
            self._tell(f"the first signal came {self.first_alert_seconds:.1f} s after the start", "bold")

    def _report(self, report: DeliveryReport) -> None:
        if report.status != "sent":
            if report.status in ("rejected", "unknown", "expired"):
                reason = report.reason or report.detail
                self._tell(f"{report.status}: {report.alert_id} to {report.destination} ({reason})", "yellow")
            return
        self.delivered += 1
        alert = self._waiting.pop(report.alert_id, None)
        if alert is None or self.first_delivery_seconds is not None:
            return
        self.first_delivery_seconds = time.monotonic() - self._started
        self._tell(f"the first alert was delivered to {report.destination!r} ({report.channel})", "bold")
