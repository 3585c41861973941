"""One name for what becomes of a coin's bar, whatever message tells of it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from shared.contracts import Alert, MutesChanged, ScanSettled, SystemBody
from shared.runtime.tracing import trace_of

CLOSE = 1_760_000_100_000
SETTLED = ScanSettled(
    scan_id=CLOSE, symbols=1, analysed=1, passed=0, alerts=0, missing=(), at_deadline=False,
    opened_at=CLOSE, settled_at=CLOSE, seconds=0.1,
)  # fmt: skip


def alert(scan_id: int = 0, symbol: str = "") -> Alert:
    """Return an alert about *symbol* at *scan_id*."""
    body = SystemBody(code="test", headline="a test")
    return Alert(alert_id="a", kind="system", body=body, occurred_at=1, created_at=1, scan_id=scan_id, symbol=symbol)


@pytest.mark.parametrize(
    ("message", "name"),
    [
        (alert(scan_id=CLOSE, symbol="BTCUSDT"), f"um:BTCUSDT:{CLOSE}"),
        (SimpleNamespace(analysis=SimpleNamespace(symbol="BTCUSDT", scan_id=CLOSE)), f"um:BTCUSDT:{CLOSE}"),
        (SETTLED, f"um:{CLOSE}"),
        (alert(), ""),
        (MutesChanged(version=1, mutes=()), ""),
    ],
    ids=["alert", "decision", "scan", "system alert", "settings"],
)
def test_the_trace_id_is_of_the_coin_and_the_close(message: Any, name: str) -> None:
    """Market, coin and close; without a coin the close alone; of no scan, none."""
    assert trace_of("um", message) == name
