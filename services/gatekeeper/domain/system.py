"""Alerts about Sevengate itself."""

from __future__ import annotations

from shared.contracts import Alert, SystemBody


def alert(alert_id: str, code: str, headline: str, lines: tuple[str, ...] = (), *, occurred_at: int, now: int) -> Alert:
    """Return the system alert; *now* is wall clock, *occurred_at* the exchange's."""
    return Alert(
        alert_id=f"system:{alert_id}",
        kind="system",
        body=SystemBody(code=code, headline=headline, lines=lines),
        occurred_at=occurred_at,
        created_at=now,
    )
