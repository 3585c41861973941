"""The lifecycle of an open signal: the closed bar decides, ticks announce ends early and label it live."""

from __future__ import annotations

import math
from typing import Final

import msgspec

from services.gatekeeper.domain.state import Tracked
from shared import ids
from shared.contracts import HOUR_MS, SCAN_MS, Alert, Analysis, LifecycleBody, LifecycleEvent, OpenSignal, Side
from shared.settings import LifecycleSettings, Thresholds

DANGER: Final = 0.75  #: of the way to the stop
CAUTION: Final = 0.50
MOVED: Final = 0.40  #: of the way to the target
ROUNDING: Final = 1e-9  #: of the risk, so that 100.8 counts as 40 % of the way from 100 to 102 in floats


def direction(signal: OpenSignal) -> float:
    """Return 1 for a long, −1 for a short."""
    return 1.0 if signal.side == "long" else -1.0


def has_bar(analysis: Analysis) -> bool:
    """Return whether *analysis* has no problem and carries a closed bar of positive, finite prices."""
    prices = analysis.bar[:4]
    return not analysis.problem and len(prices) == 4 and all(math.isfinite(price) and price > 0 for price in prices)


def is_sound(side: Side, entry: float, stop: float, target: float) -> bool:
    """Return whether the prices make a trade: stop < entry < target for a long, the reverse for a short."""
    if not all(math.isfinite(price) and price > 0 for price in (entry, stop, target)):
        return False
    return stop < entry < target if side == "long" else target < entry < stop


def in_r(signal: OpenSignal, price: float) -> float:
    """Return the result at *price*, in R."""
    return direction(signal) * (price - signal.entry) / abs(signal.entry - signal.stop)


def label(signal: OpenSignal, price: float) -> LifecycleEvent | None:
    """Return the signal's label at *price*: stop, danger, caution, moved, target, or None."""
    gain = in_r(signal, price) + ROUNDING
    loss = ROUNDING - in_r(signal, price)
    reward = in_r(signal, signal.target)
    if loss >= 1.0:
        return "stop"
    if gain >= reward:
        return "target"
    if loss >= CAUTION:
        return "danger" if loss >= DANGER else "caution"
    atr_in_r = signal.atr / abs(signal.entry - signal.stop)
    moved = gain >= MOVED * reward or gain >= atr_in_r > 0
    return "moved" if moved else None


def on_tick(tracked: Tracked, price: float, at: int) -> tuple[Tracked, list[LifecycleBody]]:
    """Return the signal after a tick, and the events to alert.

    Each event comes once in a signal's life, and no caution after danger.  A touched stop or target is
    announced early; ticks then make no event until the bar that contains *at* has decided.
    """
    signal = tracked.signal
    if at <= signal.scan_id or signal.announced or not (math.isfinite(price) and price > 0):
        return tracked, []
    event = label(signal, price)
    text = event or ""
    if event in ("stop", "target"):
        tracked = msgspec.structs.replace(
            tracked, announced_scan=at // SCAN_MS * SCAN_MS + SCAN_MS, announced_price=price
        )
        signal = msgspec.structs.replace(signal, announced=text)
    if signal.label != text:
        signal = msgspec.structs.replace(signal, label=text)
    if signal is not tracked.signal:
        tracked = msgspec.structs.replace(tracked, signal=signal)
    if event is None or event in tracked.told or (event == "caution" and "danger" in tracked.told):
        return tracked, []
    body = _body(signal, event, price, early=event in ("stop", "target"))
    return msgspec.structs.replace(tracked, told=(*tracked.told, event)), [body]


def on_bar(tracked: Tracked, analysis: Analysis | None, scan_id: int) -> tuple[Tracked, LifecycleBody | None]:
    """Return the signal after the bar that closed at *scan_id*, and its end if the bar touched one.

    Stop and target inside one bar count as the stop.  A bar that contradicts an early end revokes it;
    without a bar the early end stands.
    """
    signal = tracked.signal
    if scan_id <= signal.scan_id:
        return tracked, None
    if analysis is None or not has_bar(analysis):
        return tracked, _announced_end(tracked, scan_id)
    _, high, low, close = analysis.bar[:4]
    best, worst = (high, low) if signal.side == "long" else (low, high)
    end = "stop" if in_r(signal, worst) <= -1.0 or _reached(signal, worst, signal.stop, -1) else ""
    if not end and _reached(signal, best, signal.target, 1):
        end = "target"
    bounds = in_r(signal, signal.target)
    signal = msgspec.structs.replace(
        signal,
        best_r=max(signal.best_r, min(in_r(signal, best), bounds)),
        worst_r=min(signal.worst_r, max(in_r(signal, worst), -1.0)),
        announced="" if tracked.announced_scan <= scan_id else signal.announced,
    )
    tracked = msgspec.structs.replace(tracked, signal=signal, last_close=close)
    if end == "stop":
        return tracked, _body(signal, "stop", signal.stop)
    if end == "target":
        return tracked, _body(signal, "target", signal.target)
    return tracked, None


def _reached(signal: OpenSignal, price: float, level: float, way: int) -> bool:
    """Return whether *price* is at *level* or beyond it, in the direction of profit (*way* 1) or of loss (−1)."""
    return way * direction(signal) * (price - level) >= 0


def _announced_end(tracked: Tracked, scan_id: int) -> LifecycleBody | None:
    signal = tracked.signal
    if not signal.announced or tracked.announced_scan > scan_id:
        return None
    event: LifecycleEvent = "stop" if signal.announced == "stop" else "target"
    return _body(signal, event, tracked.announced_price, reason="bar missing")


def on_analysis(
    tracked: Tracked,
    analysis: Analysis | None,
    scan_id: int,
    *,
    qualified: bool,
    limits: Thresholds,
    rules: LifecycleSettings,
) -> tuple[Tracked, LifecycleBody | None]:
    """Return the signal after the scan's judgement, and its end if it is invalidated or expired.

    *qualified* says whether the analysis passed all gates.  A scan without an analysis neither
    counts as weak nor ends the streak of weak ones.
    """
    signal = tracked.signal
    if analysis is not None and has_bar(analysis) and scan_id > signal.scan_id:
        close = analysis.bar[3]
        if qualified and analysis.side != signal.side:
            return tracked, _body(signal, "invalidated", close, reason="other side qualifies")
        weak = is_weak(analysis, signal, limits, rules)
        signal = msgspec.structs.replace(signal, weak_scans=signal.weak_scans + 1 if weak else 0)
        tracked = msgspec.structs.replace(tracked, signal=signal)
        if signal.weak_scans >= rules.invalidation_scans:
            return tracked, _body(signal, "invalidated", close, reason="score fell")
    if scan_id - signal.scan_id >= rules.expiry_hours * HOUR_MS:
        close = analysis.bar[3] if analysis is not None and has_bar(analysis) else tracked.last_close
        return tracked, _body(signal, "expired", close or signal.entry)
    return tracked, None


def is_weak(analysis: Analysis, signal: OpenSignal, limits: Thresholds, rules: LifecycleSettings) -> bool:
    """Return whether the score of the signal's side has fallen so far that enough such scans invalidate it."""
    return bool(_own_score(analysis, signal) < limits.score - rules.invalidation_margin)


def _own_score(analysis: Analysis, signal: OpenSignal) -> float:
    if analysis.side == signal.side:
        return analysis.score
    return analysis.long_score if signal.side == "long" else analysis.short_score


def _body(
    signal: OpenSignal,
    event: LifecycleEvent,
    price: float,
    *,
    reason: str = "",
    early: bool = False,
) -> LifecycleBody:
    result = in_r(signal, price)
    return LifecycleBody(
        signal_id=signal.signal_id,
        event=event,
        side=signal.side,
        entry=signal.entry,
        stop=signal.stop,
        target=signal.target,
        price=price,
        result_r=result,
        best_r=max(signal.best_r, result),
        worst_r=min(signal.worst_r, result),
        opened_scan=signal.scan_id,
        reason=reason,
        early=early,
        worth=signal.worth,
    )


def with_chart(body: LifecycleBody, chart: bytes) -> LifecycleBody:
    """Return *body* with *chart*, the bars of the last analysis."""
    return msgspec.structs.replace(body, chart=chart)


def alert(tracked: Tracked, body: LifecycleBody, *, at: int, scan_id: int, now: int) -> Alert:
    """Return the alert for *body*; a tick and the bar that confirms it give the same id."""
    return Alert(
        alert_id=ids.lifecycle_alert_id(body.signal_id, body.event),
        kind="lifecycle",
        body=body,
        occurred_at=at,
        created_at=now,
        scan_id=scan_id,
        symbol=tracked.signal.symbol,
        side=body.side,
        parent_id=tracked.signal.alert_id,
        estimated=tracked.signal.estimated,
    )
