"""Begin from what Postgres remembers after the bus lost everything, and say what is not known."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from services.gatekeeper.domain import system
from services.gatekeeper.domain.gates.verdict import Appearance
from services.gatekeeper.domain.state import Prices, Progress, State, Tracked, key
from shared.contracts import Alert, StateRestored


def restore(known: StateRestored) -> State:
    """Return the state that Postgres remembers.

    What a tick announced and no bar has confirmed is left to the next tick and bar: told it was.
    """
    tracked = {
        key(signal.symbol, signal.side): Tracked(
            signal=msgspec.structs.replace(signal, announced=""), told=known.told.get(signal.signal_id, ())
        )
        for signal in known.open_signals
        if signal.entry != signal.stop  # a signal without a risk cannot be followed
    }
    rows = {
        symbol: Appearance(
            side="long" if side == "long" else "short", scan_id=scan_id, length=known.rows.get(symbol, 1)
        )
        for symbol, (scan_id, side) in known.appearances.items()
    }
    return State(
        progress=Progress(settled_scan=known.settled_scan, appearances=rows, cooldowns=dict(known.cooldowns)),
        signals=tracked,
        prices=Prices(fired=dict(known.price_alert_states)),
    )


def alerts(known: StateRestored, *, now: int) -> list[Alert]:
    """Return what is still to be told, and the alert that the bus was lost; none where nothing was ever recorded."""
    return [*known.untold, _loss(known, now=now)] if known.settled_scan else []


def _loss(known: StateRestored, *, now: int) -> Alert:
    scan = datetime.fromtimestamp(known.settled_scan / 1_000, UTC).strftime("%H:%M UTC")
    return system.alert(
        f"restored:{known.version}",
        "restored",
        f"Redis has lost its data: the database knows all up to the scan of {scan}",
        (
            f"back: {len(known.open_signals)} open signals, {len(known.cooldowns)} cooldowns, "
            f"{len(known.price_alert_states)} price alerts already told, {len(known.delivered)} deliveries",
            f"sent where no delivery is recorded: {len(known.untold)} alerts",
            "not known: what was under way then, and what mutes and quiet hours held back",
        ),
        occurred_at=known.settled_scan,
        now=now,
    )
