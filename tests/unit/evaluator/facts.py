"""Facts for the evaluator's tests: trades, bars, decisions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
import numpy as np

from services.evaluator.domain.first_touch import TouchProgress, begin
from shared.config.environment import MARKET
from shared.contracts import SCAN_MS, Decision, Floats, Outcome, Side, Verdict
from shared.ids import signal_id
from tests.unit.gatekeeper import facts as gatekeeper

SCAN = 1_760_011_200_000 + 300_000  #: five minutes past noon, UTC
GATES = ("score", "fmqs", "squeeze", "volume", "groups", "timeframes", "persistence")
COST_RATE = 0.0007


def trade(side: Side = "long", *, symbol: str = "AAAUSDT", scan_id: int = SCAN, **changes: Any) -> Outcome:
    """Return a signal that was begun: entry 100, stop 1 away, target 2 away, ATR 1."""
    way = 1.0 if side == "long" else -1.0
    name = signal_id(MARKET, symbol, side, scan_id)
    made = Outcome(
        outcome_id=name,
        kind="signal",
        subject_id=name,
        symbol=symbol,
        side=side,
        scan_id=scan_id,
        entry=100.0,
        stop=100.0 - way,
        target=100.0 + 2.0 * way,
        atr=1.0,
        forecast=1 / 3,
        score=80.0,
        strength=4,
        settings_version=1,
    )
    return msgspec.structs.replace(made, **changes)


def progress(outcome: Outcome) -> TouchProgress:
    """Return the progress at the entry, with the costs as shipped."""
    return begin(outcome, hours=24, cost_rate=COST_RATE)


def bars(prices: Iterable[tuple[float, float, float, float]], *, after: int = SCAN, funding: float = 0.0) -> Floats:
    """Return closed bars (open, high, low, close) that follow *after*; *funding* is settled at each one's opening."""
    rows = [(after + SCAN_MS * (number + 1), *four, funding) for number, four in enumerate(prices)]
    return np.array(rows, dtype=np.float64).reshape(-1, 6).T


def still(count: int, price: float = 100.0) -> list[tuple[float, float, float, float]]:
    """Return *count* bars that do not move."""
    return [(price, price, price, price)] * count


def ended(outcome: Outcome, net: float, **changes: Any) -> Outcome:
    """Return *outcome* ended with *net* R; a gain is a target."""
    values = {"result": "target" if net > 0 else "stop", "ended_at": outcome.scan_id + SCAN_MS, "r_net": net}
    return msgspec.structs.replace(outcome, **{**values, "r_gross": net, **changes})


def decision(
    symbol: str = "AAAUSDT",
    scan_id: int = SCAN,
    side: Side = "long",
    *,
    refused: tuple[str, ...] = ("score", "groups"),
    signal: bool = False,
    **changes: Any,
) -> Decision:
    """Return a decision; refused by two gates, hence nothing to follow, by default."""
    refused = () if signal else refused
    verdicts = tuple(
        Verdict(gate=gate, passed=gate not in refused, value=1.0, threshold=1.0, distance=0.0, reason="passed")
        for gate in GATES
    )
    return Decision(
        decision_id=f"{symbol}:{scan_id}",
        analysis=gatekeeper.analysis(symbol, scan_id, side, **changes),
        verdicts=verdicts,
        appeared=not set(refused) - {"persistence"},
        passed=not refused,
        outcome="alerted" if signal else "rejected",
        settings_version=1,
        signal_id=signal_id(MARKET, symbol, side, scan_id) if signal else "",
    )
