"""Controls of a signal: trades of the same distances in ATR that no gate has selected.

The other side at the same close, a seeded other coin at the same close, and the same coin at a seeded close of the
next 24 hours.  The seed is the signal's id, so every computation gives the same control.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import Final

import msgspec

from shared.contracts import SCAN_MS, Outcome, OutcomeKind, Side

SCANS_A_DAY: Final = 288


def other_side(signal: Outcome) -> Outcome:
    """Return the same trade on the other side."""
    side: Side = "short" if signal.side == "long" else "long"
    return at(signal, "other side", signal.symbol, signal.scan_id, signal.entry, signal.atr, side=side)


def coins(signal: Outcome, symbols: Iterable[str]) -> list[str]:
    """Return the other coins of *symbols* in seeded order; the control takes the first one that was analysed."""
    return sorted(set(symbols) - {signal.symbol}, key=lambda name: (_seed(signal, name), name))


def other_moment(signal: Outcome) -> int:
    """Return the scan at which the control of another moment is entered, or the first one after it that has a bar."""
    return signal.scan_id + (1 + _seed(signal, "moment") % SCANS_A_DAY) * SCAN_MS


def planned(signal: Outcome) -> Outcome:
    """Return the control of another moment before it is entered: its entry is 0, its distances are in ATR."""
    stop, target = distances(signal)
    return msgspec.structs.replace(
        signal,
        outcome_id=f"{signal.subject_id}#other moment",
        kind="other moment",
        scan_id=other_moment(signal),
        entry=0.0,
        stop=stop,
        target=target,
        atr=1.0,
    )


def at(
    signal: Outcome,
    kind: OutcomeKind,
    symbol: str,
    scan_id: int,
    price: float,
    atr: float,
    *,
    side: Side | None = None,
) -> Outcome:
    """Return the control entered at *price*, the distances of *signal* measured in the ATR of its own coin and time.

    *signal* may be a `planned` control as well.
    """
    side = side or signal.side
    way = 1.0 if side == "long" else -1.0
    stop, target = distances(signal)
    return msgspec.structs.replace(
        signal,
        outcome_id=f"{signal.subject_id}#{kind}",
        kind=kind,
        symbol=symbol,
        side=side,
        scan_id=scan_id,
        entry=price,
        stop=price - way * stop * atr,
        target=price + way * target * atr,
        atr=atr,
    )


def distances(signal: Outcome) -> tuple[float, float]:
    """Return the distances of stop and target from the entry, in ATR."""
    return abs(signal.entry - signal.stop) / signal.atr, abs(signal.target - signal.entry) / signal.atr


def is_trade(control: Outcome) -> bool:
    """Return whether all prices are above zero: a wide stop or target may not be."""
    return min(control.stop, control.target) > 0


def _seed(signal: Outcome, name: str) -> int:
    return zlib.crc32(f"{signal.subject_id}/{name}".encode())
