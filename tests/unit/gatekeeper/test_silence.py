"""What is held back from everybody, and what is said when the market falls silent."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from services.gatekeeper import handler
from services.gatekeeper.domain import inhibition
from services.gatekeeper.domain import muting as silence
from services.gatekeeper.domain.state import State
from services.gatekeeper.handler import Handled, JudgingContext
from shared.config.environment import MARKET
from shared.config.sections import QuietHours
from shared.contracts import Alert, Mute, SystemBody
from shared.settings import RuntimeSettings
from tests.unit.gatekeeper.facts import SCAN, STEP, opened


def wall(clock: str) -> int:
    """Return a winter day's wall time in UTC as ms."""
    hour, minute = map(int, clock.split(":"))
    return int(datetime(2026, 1, 15, hour, minute, tzinfo=UTC).timestamp() * 1_000)


def alert(**more: Any) -> Alert:
    """Return an alert; its body does not matter here."""
    usual: dict[str, Any] = {"alert_id": "a", "kind": "signal", "symbol": "AAAUSDT", "side": "long"}
    body = SystemBody(code="recovered", headline="")
    return Alert(**{**usual, **more}, body=body, occurred_at=0, created_at=0)


def test_what_holds_an_alert_back_is_named() -> None:
    """Of several mutes the one that ends last, else the quiet hours; a mute at one destination is not asked."""
    rules = RuntimeSettings(quiet_hours=QuietHours(start="22:00", end="07:00"))
    mutes = tuple(Mute(mute_id=name, until=wall(end)) for name, end in (("first", "01:00"), ("last", "02:00")))
    elsewhere = Mute(mute_id="phone's", until=wall("23:00"), destination="phone")
    assert silence.held_by(alert(), (*mutes, elsewhere), rules, wall("00:30")) == "mute last"
    assert silence.held_by(alert(), (*mutes, elsewhere), rules, wall("02:00")) == silence.QUIET
    assert silence.held_by(alert(), (*mutes, elsewhere), rules, wall("07:00")) == ""


def codes(outcome: Handled) -> list[str]:
    """Return the codes of the system alerts of *outcome*."""
    bodies = [message.body for _, message in outcome.outputs if isinstance(message, Alert)]
    return [body.code for body in bodies if isinstance(body, SystemBody)]


@pytest.mark.parametrize("degraded", ["", "exchange gap"])
def test_one_incident_is_told_once_and_its_end_once(degraded: str) -> None:
    """However often one looks, and whether or not a degraded scan follows the silence: two alerts in all."""
    limit = inhibition.stale_limit_ms(1.0, 60.0)
    state, sent = State(), list[str]()
    for now, heard in ((10_000, 1), (70_000, 1), (90_000, 1), (95_000, 94_000), (99_000, 94_000)):
        outcome = handler.watch_staleness(
            state, JudgingContext(MARKET, RuntimeSettings(), now), heard_wall=heard, limit_ms=limit
        )
        state, sent = outcome.state, sent + codes(outcome)
    assert sent == ["stale data"]
    for number, reason in enumerate((degraded, "", "")):
        scan = opened("AAAUSDT", scan_id=SCAN + number * STEP, degraded=reason)
        world = JudgingContext(MARKET, RuntimeSettings(), 100_000)
        outcome = handler.settle_scan(state, scan, {}, world, opened_wall=100_000)
        state, sent = outcome.state, sent + codes(outcome)
    assert sent == ["stale data", "recovered"]
    assert inhibition.stale_limit_ms(0.0, 60.0) is None
