"""When a scan may open no signal, and the system alerts about it."""

from __future__ import annotations

from services.gatekeeper.domain import system
from shared.contracts import Alert, ScanOpened
from shared.settings import ScanSettings

BACKLOG = "backlog"
NO_DATA = "no market data"
STALE_LEAST_S = 20.0  #: wall clock, at any speed of the exchange's clock


def reason(scan: ScanOpened, *, opened_wall: int, now: int, rules: ScanSettings) -> str:
    """Return why *scan* may open no signal, empty when it may.

    *opened_wall* is when the bus received it, *now* the present; both wall clock, ms.
    """
    if scan.degraded:
        return scan.degraded
    return BACKLOG if now - opened_wall > rules.stale_after_seconds * 1_000 else ""


def change(market: str, before: str, after: str, *, scan_id: int, now: int) -> Alert | None:
    """Return the system alert when signals stop or start again; None when neither happens.

    *before* and *after* are `reason`'s results of two scans.
    """
    if bool(before) == bool(after):
        return None
    if after:
        return system.alert(
            market, f"stale:{scan_id}", "stale data", f"No signals for now: {after}", occurred_at=scan_id, now=now
        )
    return system.alert(
        market, f"recovered:{scan_id}", "recovered", "Signals again: the data is sound", occurred_at=scan_id, now=now
    )


def stale_limit_ms(speed: float, stale_seconds: float) -> int | None:
    """Return the wall time without ticks and scans, ms, after which the market's data is stale.

    None in lockstep, where the exchange's clock stands between steps.
    """
    if speed <= 0:
        return None
    return int(max(STALE_LEAST_S, stale_seconds / speed) * 1_000)


def stale_alert(market: str, heard_wall: int, *, occurred_at: int, now: int) -> Alert:
    """Return the system alert that no data has come since *heard_wall*."""
    seconds = (now - heard_wall) // 1_000
    return system.alert(
        market,
        f"silent:{occurred_at}",
        "stale data",
        f"No market data for {seconds} s: no signals until it is back and sound",
        occurred_at=occurred_at,
        now=now,
    )
