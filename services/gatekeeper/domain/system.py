"""Alerts about Sevengate itself."""

from __future__ import annotations

from shared import ids
from shared.contracts import Alert, SystemBody, SystemCode


def alert(
    market: str,
    name: str,
    code: SystemCode,
    headline: str,
    lines: tuple[str, ...] = (),
    *,
    occurred_at: int,
    now: int,
) -> Alert:
    """Return the system alert; *now* is wall clock, *occurred_at* the exchange's."""
    return Alert(
        alert_id=ids.system_alert_id(market, name),
        kind="system",
        body=SystemBody(code=code, headline=headline, lines=lines),
        occurred_at=occurred_at,
        created_at=now,
    )
