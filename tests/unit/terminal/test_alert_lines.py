"""The lines that `demo` and `up` tell."""

from __future__ import annotations

import time

import msgspec

from services.terminal.output.alert_feed import AlertFeed
from shared.contracts import Alert, DeliveryReport, DeliveryStatus, LifecycleBody


def stop(*, early: bool) -> Alert:
    body = LifecycleBody(
        signal_id="SOLUSDT:long:300000",
        event="stop",
        side="long",
        entry=100.0,
        stop=98.0,
        target=104.0,
        price=98.0,
        result_r=-1.0,
        best_r=0.2,
        worst_r=-1.0,
        opened_scan=300_000,
        early=early,
    )
    return Alert(
        alert_id="lifecycle:SOLUSDT:long:300000:stop",
        kind="lifecycle",
        body=body,
        occurred_at=600_000,
        created_at=0,
        symbol="SOLUSDT",
    )


def report(status: DeliveryStatus) -> DeliveryReport:
    return DeliveryReport(
        report_id=f"x:demo:1:{status}",
        alert_id=stop(early=True).alert_id,
        destination="demo",
        channel="webhook",
        attempt=1,
        status=status,
        at=0,
        reason="gone",
    )


def test_an_alert_that_is_confirmed_is_told_once() -> None:
    """A stop that a tick announced and a bar confirmed has one id: one line, one alert."""
    told: list[str] = []
    lines = AlertFeed(lambda text, _: told.append(text), started=time.monotonic())
    lines.take(stop(early=True))
    lines.take(stop(early=False))
    assert told == ["01-01 00:10  STOP long SOLUSDT at 98 (-1.00 R)"]
    assert lines.alerts == 1


def test_only_what_was_sent_counts_as_delivered() -> None:
    """A rejected delivery shows its reason and does not count."""
    told: list[str] = []
    lines = AlertFeed(lambda text, _: told.append(text), started=time.monotonic())
    lines.take(stop(early=False))
    lines.take(report("rejected"))
    assert lines.delivered == 0
    assert "rejected" in told[-1]
    assert "gone" in told[-1]
    lines.take(report("sent"))
    assert lines.delivered == 1
    assert lines.first_delivery_seconds is not None


def test_what_rests_on_estimates_is_told_as_such() -> None:
    """A replay's bars lack what the exchange observes; the line says so."""
    told: list[str] = []
    lines = AlertFeed(lambda text, _: told.append(text), started=time.monotonic())
    lines.take(msgspec.structs.replace(stop(early=False), estimated=("taker",)))
    assert told[0].endswith("(estimated)")
