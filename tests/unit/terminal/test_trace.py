"""The way of an alert, from what the API says of it."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from services.terminal.commands.trace import as_table, trace

CLOSE = 1_760_000_100_000


def report(destination: str, channel: str, status: str, *, at: int, reason: str = "") -> dict[str, Any]:
    """Return one attempt as the API shows it."""
    fields = {"destination": destination, "channel": channel, "status": status, "at": at, "reason": reason}
    return fields | {"attempt": 1, "seconds": 0.1}


ALERT: dict[str, Any] = {
    "alert_id": f"binance-um:signal:BTCUSDT:long:{CLOSE}",
    "kind": "signal",
    "symbol": "BTCUSDT",
    "scan_id": CLOSE,
    "created_at": CLOSE + 900,
    "deliveries": [
        report("mail", "email", "sent", at=CLOSE + 2_000),
        report("phone", "telegram", "retrying", at=CLOSE + 1_000, reason="rate limited"),
    ],
}
SCAN = {"scan_id": CLOSE, "symbols": 150, "opened_at": CLOSE + 210, "settled_at": CLOSE + 890, "seconds": 0.68}


def test_the_way_goes_from_the_close_to_each_attempt() -> None:
    """Close, opening, settling, alert, and the attempts in the order of their times, for any order in the API."""
    found = trace(ALERT, SCAN, "binance-um")
    assert [step.stage for step in found.steps] == [
        "exchange",
        "fetcher",
        "gatekeeper",
        "gatekeeper",
        *["deliverer"] * 2,
    ]
    assert [step.at for step in found.steps] == sorted(step.at for step in found.steps)
    assert "phone (telegram), attempt 1: retrying: rate limited" in found.steps[4].what
    assert found.trace_id == f"binance-um:BTCUSDT:{CLOSE}"


def test_the_table_shows_the_time_between_moments_of_one_clock() -> None:
    """The opening is 210 ms after the close; the alert is compared with the settling, not with the exchange's clock."""
    console = Console(width=160, record=True, force_terminal=False)
    console.print(as_table(trace(ALERT, SCAN, "binance-um")))
    text = console.export_text()
    assert "+0.210 s" in text
    assert "+0.010 s" in text
    assert "2025-10-09 08:55:00.000" in text
    assert f"trace_id binance-um:BTCUSDT:{CLOSE}" in text


def test_an_alert_of_no_scan_has_its_deliveries_alone() -> None:
    """A system alert belongs to no close: its way begins where it was made, and no log line is promised."""
    found = trace({**ALERT, "kind": "system", "symbol": "", "scan_id": 0}, None, "binance-um")
    assert [step.stage for step in found.steps] == ["gatekeeper", "deliverer", "deliverer"]
    assert found.trace_id == ""
