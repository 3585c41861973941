"""Messages as the other services would send them."""

from __future__ import annotations

from typing import Any

import numpy as np

from shared.contracts import (
    SCAN_MS,
    Alert,
    Analysis,
    AnomalyFigures,
    Bars,
    Comparable,
    Decision,
    DeliveryReport,
    Fmqs,
    FmqsComponent,
    GroupVote,
    LifecycleBody,
    MarketSnapshot,
    PriceAlert,
    PriceBody,
    ScanOpened,
    ScanSettled,
    SignalBody,
    TimeframeAnalysis,
    TradeLevels,
    Verdict,
    pack,
)

SCAN = 1_757_000_100_000  #: 2025-09-04 15:35 UTC
GATES = ("score", "fmqs", "squeeze", "volume", "groups", "timeframes", "persistence")
LIKE_THIS = Comparable(side="long", low=2.0, high=2.5, n=412, hit_rate=0.31, break_even=0.34, days=90)


def chart(seed: int = 1) -> bytes:
    """Return 96 plausible 15m bars."""
    noise = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(noise.normal(0, 0.004, 96)))
    opened = np.concatenate([[100.0], close[:-1]])
    times = SCAN - 900_000 * np.arange(96, 0, -1)
    return pack(
        np.array([times, opened, np.maximum(opened, close) * 1.002, np.minimum(opened, close) * 0.998, close, close])
    )


def snapshot(symbol: str = "AAUSDT", scan_id: int = SCAN) -> MarketSnapshot:
    """Return a snapshot of a few five-minute bars."""
    bars = np.full((8, 3), 100.0)
    bars[0] = scan_id - SCAN_MS * np.arange(3, 0, -1)
    return MarketSnapshot(
        symbol=symbol,
        scan_id=scan_id,
        settings_version=1,
        tick_size=0.1,
        bars={"5m": Bars.of("5m", bars)},
        btc_close=b"",
    )


def analysis(symbol: str = "AAAUSDT", scan_id: int = SCAN, score: float = 72.0, **changes: Any) -> Analysis:
    """Return an analysis of a long setup."""
    values: dict[str, Any] = {
        "symbol": symbol,
        "scan_id": scan_id,
        "settings_version": 1,
        "bar": (100.0, 101.0, 99.0, 100.5, 1000.0),
        "score": score,
        "long_score": score,
        "short_score": 100 - score,
        "agreement": 61.0,
        "confidence": 38.0,
        "forecast": "plain",
        "expected_r": -0.1,
        "agreement_parts": {"timeframes": 40.0, "groups": 21.0},
        "regime": "TRENDING",
        "strength": 3,
        "timeframes": tuple(
            TimeframeAnalysis(
                interval=interval,
                regime="TRENDING",
                values={"rsi": 58.0},
                votes={"rsi": 0.3},
                weights={"rsi": 1.0},
                long_score=score,
                short_score=20.0,
                patterns={},
                squeeze=interval == "4h",
            )
            for interval in ("15m", "1h", "4h")
        ),
        "groups": (
            GroupVote(name="trend", votes={"1h": 0.5}, vote=0.5, agrees=True),
            GroupVote(name="momentum", votes={"1h": -0.2}, vote=-0.2, agrees=False),
        ),
        "fmqs": Fmqs(value=57.0, components={"funding": FmqsComponent(score=55.0, weight=0.25, age_seconds=60.0)}),
        "levels": TradeLevels(
            entry=100.5,
            stop=98.0,
            target=106.0,
            reward_to_risk=2.1,
            weak=False,
            atr=1.7,
            stop_reason="below support",
            target_reason="resistance",
            cost_r=0.06,
        ),
        "comparable": LIKE_THIS,
        "anomaly": AnomalyFigures(change_24h=0.034),
        "chart": chart(),
    }
    return Analysis(**(values | changes))


def decision(
    symbol: str = "AAAUSDT", scan_id: int = SCAN, *, score: float = 72.0, passed: bool = False, **changes: Any
) -> Decision:
    """Return a decision; one that did not pass failed at the last gate."""
    verdicts = tuple(
        Verdict(
            gate=gate,
            passed=passed or gate != "persistence",
            value=score if gate == "score" else 1.0,
            threshold=65.0 if gate == "score" else 1.0,
            distance=score - 65 if gate == "score" else 0.0,
            reason="ok" if passed or gate != "persistence" else "not in the scan before",
        )
        for gate in GATES
    )
    judged = changes.pop("analysis", None) or analysis(symbol, scan_id, score)
    values: dict[str, Any] = {
        "decision_id": f"{symbol}:{scan_id}",
        "analysis": judged,
        "verdicts": verdicts,
        "appeared": passed,
        "passed": passed,
        "outcome": "alerted" if passed else "rejected",
        "settings_version": 1,
        "signal_id": f"{symbol}:long:{scan_id}" if passed else "",
    }
    return Decision(**(values | changes))


def signal_alert(symbol: str = "AAAUSDT", scan_id: int = SCAN) -> Alert:
    """Return the alert of a signal."""
    signal_id = f"{symbol}:long:{scan_id}"
    body = SignalBody(
        signal_id=signal_id, side="long", analysis=analysis(symbol, scan_id), verdicts=decision(passed=True).verdicts
    )
    return Alert(
        alert_id=f"signal:{signal_id}",
        kind="signal",
        body=body,
        occurred_at=scan_id,
        created_at=scan_id,
        scan_id=scan_id,
        symbol=symbol,
        side="long",
    )


def lifecycle_alert(event: str, symbol: str = "AAAUSDT", opened: int = SCAN, **changes: Any) -> Alert:
    """Return a lifecycle alert of the signal of `signal_alert`."""
    signal_id = f"{symbol}:long:{opened}"
    values: dict[str, Any] = {
        "signal_id": signal_id,
        "event": event,
        "side": "long",
        "entry": 100.5,
        "stop": 98.0,
        "target": 106.0,
        "price": 106.0,
        "result_r": 2.2,
        "best_r": 2.2,
        "worst_r": -0.3,
        "opened_scan": opened,
    }
    return Alert(
        alert_id=f"lifecycle:{signal_id}:{event}",
        kind="lifecycle",
        body=LifecycleBody(**(values | changes)),
        occurred_at=opened + 2 * SCAN_MS,
        created_at=opened,
        scan_id=opened + 2 * SCAN_MS,
        symbol=symbol,
        side="long",
        parent_id=f"signal:{signal_id}",
    )


def price_alert_fired(price_alert_id: str, at: int = SCAN) -> Alert:
    """Return the alert of a price alert."""
    wanted = PriceAlert(price_alert_id=price_alert_id, symbol="AAAUSDT", condition="above", value=101.0)
    return Alert(
        alert_id=f"price:{price_alert_id}:{at}",
        kind="price",
        body=PriceBody(price_alert=wanted, price=101.5),
        occurred_at=at,
        created_at=at,
        symbol="AAAUSDT",
    )


def report(alert_id: str, destination: str = "phone", status: str = "sent", at: int = SCAN) -> DeliveryReport:
    """Return one attempt's report."""
    return DeliveryReport(
        report_id=f"{alert_id}:{destination}:1:{status}",
        alert_id=alert_id,
        destination=destination,
        channel="telegram",
        attempt=1,
        status=status,  # type: ignore[arg-type]
        at=at,
    )


def opened(scan_id: int = SCAN, symbols: tuple[str, ...] = ("AAAUSDT",)) -> ScanOpened:
    return ScanOpened(scan_id=scan_id, symbols=symbols, settings_version=1, opened_at=scan_id + 900)


def settled(scan_id: int = SCAN, symbols: int = 1, passed: int = 0) -> ScanSettled:
    return ScanSettled(
        scan_id=scan_id,
        symbols=symbols,
        analysed=symbols,
        passed=passed,
        alerts=passed,
        missing=(),
        at_deadline=False,
        opened_at=scan_id + 900,
        settled_at=scan_id + 2_000,
        seconds=1.1,
    )
