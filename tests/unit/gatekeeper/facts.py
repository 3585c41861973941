"""Facts for the gatekeeper's tests: an analysis that passes all gates by default."""

from __future__ import annotations

from typing import Any

import msgspec

from shared import ids
from shared.config.environment import MARKET
from shared.contracts import (
    Analysis,
    AnomalyFigures,
    Fmqs,
    GroupVote,
    Interval,
    OpenSignal,
    ScanOpened,
    Side,
    TimeframeAnalysis,
    TradeLevels,
    VolumeFigures,
)

SCAN = 1_760_000_100_000  #: a five-minute close
STEP = 300_000
INTERVALS: tuple[Interval, ...] = ("15m", "1h", "4h")


def analysis(symbol: str = "AAAUSDT", scan_id: int = SCAN, side: Side = "long", **changes: Any) -> Analysis:
    """Return an analysis that passes gates 1 to 6 with the thresholds as shipped."""
    sign = 1.0 if side == "long" else -1.0
    close = float(changes.pop("close", 100.0))
    made = Analysis(
        symbol=symbol,
        scan_id=scan_id,
        settings_version=1,
        tick_size=0.01,
        bar=(close, close, close, close, 10.0),
        side=side,
        score=80.0,
        long_score=80.0 if side == "long" else 10.0,
        short_score=80.0 if side == "short" else 10.0,
        agreement=70.0,
        confidence=40.0,
        timeframes=tuple(timeframe(interval, side) for interval in INTERVALS),
        groups=tuple(
            GroupVote(name=name, votes={}, vote=0.5 * sign, agrees=True)
            for name in ("trend", "momentum", "volume", "price action", "structure")
        ),
        fmqs=Fmqs(value=60.0, components={}),
        levels=levels(side, close),
        strength=4,
        volume=VolumeFigures(ratio_3=2.0, taker_delta=5.0 * sign, obv_slope=0.3 * sign),
        anomaly=AnomalyFigures(volume_z=0.1, correlation=0.8),
        btc_excess=0.01,
    )
    return msgspec.structs.replace(made, **changes)


def timeframe(interval: Interval, side: Side, *, score: float = 80.0, squeeze: bool = False) -> TimeframeAnalysis:
    """Return one interval that reaches *score* on *side*."""
    return TimeframeAnalysis(
        interval=interval,
        regime="TRENDING",
        values={},
        votes={},
        weights={},
        long_score=score if side == "long" else 10.0,
        short_score=score if side == "short" else 10.0,
        patterns={},
        squeeze=squeeze,
    )


def levels(side: Side, close: float) -> TradeLevels:
    """Return a stop 1 % away and a target 2 % away."""
    sign = 1.0 if side == "long" else -1.0
    return TradeLevels(
        entry=close,
        stop=close * (1 - 0.01 * sign),
        target=close * (1 + 0.02 * sign),
        reward_to_risk=1.8,
        weak=False,
        atr=close * 0.01,
        stop_reason="swing",
        target_reason="swing",
    )


def opened(*symbols: str, scan_id: int = SCAN, **changes: Any) -> ScanOpened:
    """Return the beginning of a scan of *symbols*."""
    made = ScanOpened(scan_id=scan_id, symbols=symbols, settings_version=1, opened_at=scan_id + 1_000)
    return msgspec.structs.replace(made, **changes)


def signal(side: Side = "long", *, symbol: str = "AAAUSDT", scan_id: int = SCAN, **changes: Any) -> OpenSignal:
    """Return an open signal: entry 100, stop 1 away, target 2 away, ATR 1."""
    sign = 1.0 if side == "long" else -1.0
    made = OpenSignal(
        signal_id=ids.signal_id(MARKET, symbol, side, scan_id),
        alert_id=ids.signal_alert_id(ids.signal_id(MARKET, symbol, side, scan_id)),
        symbol=symbol,
        side=side,
        scan_id=scan_id,
        entry=100.0,
        stop=100.0 - sign,
        target=100.0 + 2 * sign,
        atr=1.0,
        score=80.0,
    )
    return msgspec.structs.replace(made, **changes)
