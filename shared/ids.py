"""Every id of one market, made in this one place: the market, then a name that is unique within it.

So BTCUSDT of two exchanges never meet.  Ids are deterministic: the same facts give the same id.  Those of 0.1.0 had no
market before them; a signal that was open then keeps its id, and its alerts follow that form.
"""

from __future__ import annotations

from typing import Literal

Side = Literal["long", "short"]


def within(market: str, name: str) -> str:
    """Return the id of *name* in *market*."""
    return f"{market}:{name}"


def decision_id(market: str, symbol: str, scan_id: int) -> str:
    return within(market, f"{symbol}:{scan_id}")


def trace_id(market: str, symbol: str, scan_id: int) -> str:
    """Return the name in log lines of *symbol* at *scan_id*; without a symbol, of the whole scan."""
    return decision_id(market, symbol, scan_id) if symbol else within(market, str(scan_id))


def signal_id(market: str, symbol: str, side: Side, scan_id: int) -> str:
    """Return the id of the signal that opens at *scan_id*."""
    return within(market, f"{symbol}:{side}:{scan_id}")


def signal_alert_id(signal: str) -> str:
    """Return the id of the alert about the signal *signal* alone."""
    return _of_signal("signal", signal)


def lifecycle_alert_id(signal: str, event: str) -> str:
    """Return the id of the alert about *event* of the signal *signal*."""
    return f"{_of_signal('lifecycle', signal)}:{event}"


def group_id(market: str, side: Side, scan_id: int) -> str:
    """Return the id of the group of *side* at *scan_id*; its alert has the same."""
    return within(market, f"group:{side}:{scan_id}")


def price_alert_alert_id(market: str, price_alert_id: str, at: int) -> str:
    return within(market, f"price:{price_alert_id}:{at}")


def anomaly_alert_id(market: str, symbol: str, scan_id: int) -> str:
    return within(market, f"anomaly:{symbol}:{scan_id}")


def system_alert_id(market: str, name: str) -> str:
    return within(market, f"system:{name}")


def _of_signal(kind: str, signal: str) -> str:
    """Return "MARKET:*kind*:SYMBOL:side:scan" for "MARKET:SYMBOL:side:scan"; the market may be absent from both."""
    *market, symbol, side, scan = signal.rsplit(":", 3)
    return ":".join((*market, kind, symbol, side, scan))
