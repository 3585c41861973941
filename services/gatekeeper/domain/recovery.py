"""The state restored from Postgres after the bus lost its data, and the alert about the loss."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from services.gatekeeper.domain import system
from services.gatekeeper.domain.state import PriceWatch, Progress, State, Tracked, key
from shared.contracts import Alert, StateRestored
from shared.gate import Appearance


def restore(known: StateRestored) -> State:
    """Return the gatekeeper's state from *known*, which comes from Postgres.

    An end that a tick announced and no bar confirmed counts as alerted; the next tick and bar decide.
    """
    tracked = {
        key(signal.symbol, signal.side): Tracked(
            signal=msgspec.structs.replace(signal, announced=""), told=known.told.get(signal.signal_id, ())
        )
        for signal in known.open_signals
        if signal.entry != signal.stop  # a signal without a risk cannot be followed
    }
    streaks = {
        symbol: Appearance(
            side="long" if side == "long" else "short", scan_id=scan_id, length=known.rows.get(symbol, 1)
        )
        for symbol, (scan_id, side) in known.appearances.items()
    }
    return State(
        progress=Progress(settled_scan=known.settled_scan, appearances=streaks, cooldowns=dict(known.cooldowns)),
        signals=tracked,
        prices=PriceWatch(fired=dict(known.price_alert_states)),
    )


def alerts(market: str, known: StateRestored, *, now: int) -> list[Alert]:
    """Return the undelivered alerts and the one about the loss; none where nothing was ever recorded."""
    return [*known.untold, _loss(market, known, now=now)] if known.settled_scan else []


def _loss(market: str, known: StateRestored, *, now: int) -> Alert:
    scan = datetime.fromtimestamp(known.settled_scan / 1_000, UTC).strftime("%H:%M UTC")
    return system.alert(
        market,
        f"restored:{known.version}",
        "restored",
        f"Redis has lost its data: restored from the database, up to the scan of {scan}",
        (
            f"restored: {len(known.open_signals)} open signals, {len(known.cooldowns)} cooldowns, "
            f"{len(known.price_alert_states)} fired price alerts, {len(known.delivered)} deliveries",
            f"sent again where no delivery is recorded: {len(known.untold)} alerts",
            "lost: work in progress, and alerts that mutes and quiet hours held back",
        ),
        occurred_at=known.settled_scan,
        now=now,
    )
