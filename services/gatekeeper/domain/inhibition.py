"""When no signal may come of a scan, and the one alert that says so."""

from __future__ import annotations

from services.gatekeeper.domain import system
from shared.contracts import Alert, ScanOpened
from shared.settings import Scanning

BACKLOG = "backlog"
SILENCE = "no market data"
STALE_LEAST_S = 20.0  #: wall clock, whatever the clock's speed


def reason(scan: ScanOpened, *, opened_wall: int, now: int, rules: Scanning) -> str:
    """Return why *scan* may raise no signal, empty when it may.

    *opened_wall* is when the bus got it and *now* the present, both wall clock.
    """
    if scan.degraded:
        return scan.degraded
    return BACKLOG if now - opened_wall > rules.stale_after_seconds * 1_000 else ""


def change(before: str, after: str, *, scan_id: int, now: int) -> Alert | None:
    """Return the alert for a change from one reason to another; one on the way in, one on the way out."""
    if bool(before) == bool(after):
        return None
    if after:
        return system.alert(
            f"stale:{scan_id}", "stale data", f"No signals for now: {after}", occurred_at=scan_id, now=now
        )
    return system.alert(
        f"recovered:{scan_id}", "recovered", "Signals again: the data is sound", occurred_at=scan_id, now=now
    )


def silent_limit_ms(speed: float, stale_seconds: float) -> int | None:
    """Return after how much wall time without ticks and scans the market's data counts as stale.

    None in lockstep, where the exchange's clock stands until somebody steps it.
    """
    if speed <= 0:
        return None
    return int(max(STALE_LEAST_S, stale_seconds / speed) * 1_000)


def silence(heard_wall: int, *, occurred_at: int, now: int) -> Alert:
    """Return the alert that no data comes since *heard_wall*."""
    seconds = (now - heard_wall) // 1_000
    return system.alert(
        f"silent:{occurred_at}",
        "stale data",
        f"No market data for {seconds} s: no signals until it is back and sound",
        occurred_at=occurred_at,
        now=now,
    )
