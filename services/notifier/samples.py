"""A sample of each kind of alert, made from a seeded random walk: for test alerts, pictures and tests."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from shared.contracts import (
    Alert,
    AlertBody,
    AlertKind,
    Analysis,
    AnomalyBody,
    AnomalyFigures,
    BonusPart,
    Fmqs,
    FmqsComponent,
    GroupBody,
    GroupMember,
    GroupVote,
    Interval,
    Level,
    LifecycleBody,
    LifecycleEvent,
    PriceAlert,
    PriceBody,
    Regime,
    Sentiment,
    Side,
    SignalBody,
    SystemBody,
    TimeframeAnalysis,
    TradeLevels,
    Verdict,
    VolumeFigures,
    pack,
    signal_id,
)

SCAN: Final = 1_767_268_800_000  #: 1 January 2026, 12:00 UTC
BARS: Final = 96
TEST: Final = "system:test:"  #: how the ids of test alerts begin
QUARTER_MS: Final = 900_000
PARTS: Final = {"score": 38.0, "groups": 16.0, "timeframes": 14.0, "FMQS": 11.0}


def chart(seed: int = 7, last: float = 142.0, drift: float = 0.0006, *, entry: float = 0.0) -> bytes:
    """Return 96 bars of 15m, matrix (6, 96), that end at *last* and passed *entry* 24 bars before."""
    random = np.random.default_rng(seed)
    path = np.cumsum(random.normal(drift, 0.0042, BARS) + 0.006 * np.sin(np.arange(BARS) / 9.0) / 3)
    if entry:
        path[-24:] += np.linspace(0, np.log(last / entry) - (path[-1] - path[-25]), 24)
    close = last * np.exp(path - path[-1])
    opened = np.concatenate(([close[0] * 0.999], close[:-1]))
    spread = np.abs(random.normal(0, 0.0025, (2, BARS)))
    high = np.maximum(opened, close) * (1 + spread[0])
    low = np.minimum(opened, close) * (1 - spread[1])
    volume = 1_000 * np.exp(random.normal(0, 0.4, BARS)) * (1 + 60 * np.abs(np.log(close / opened)))
    times = SCAN - QUARTER_MS * np.arange(BARS, 0, -1)
    return pack(np.stack([times, opened, high, low, close, volume]))


def timeframe(interval: Interval, regime: Regime, sign: float, lean: float) -> TimeframeAnalysis:
    """Return one interval that leans towards *sign* by *lean* points."""
    votes = {"ema": 0.8, "supertrend": 1.0, "macd": 0.5, "rsi": 0.3, "obv": 0.6, "adx": 0.4}
    values = {
        "rsi": 50 + 11.4 * sign,
        "macd_histogram": 0.42 * sign,
        "adx": 27.8,
        "supertrend_direction": sign,
        "mfi": 50 + 14.0 * sign,
        "stoch_rsi_k": 50 + 22 * sign,
        "atr": 1.31,
        "volume_ratio": 1.84,
        "squeeze_on": 0.0,
    }
    return TimeframeAnalysis(
        interval=interval,
        regime=regime,
        values=dict(values),
        votes={name: sign * vote for name, vote in votes.items()},
        weights=dict.fromkeys(votes, 1 / len(votes)),
        long_score=50 + lean * sign / 2,
        short_score=50 - lean * sign / 2,
        patterns={"engulfing": sign},
        squeeze=False,
    )


def analysis(symbol: str = "SOLUSDT", side: Side = "long", scan_id: int = SCAN) -> Analysis:
    """Return an analysis with everything that a card shows."""
    sign = 1.0 if side == "long" else -1.0
    entry, atr = 142.0, 1.31
    levels = TradeLevels(
        entry=entry,
        stop=round(entry - sign * 2.1, 2),
        target=round(entry + sign * 4.6, 2),
        reward_to_risk=2.01,
        weak=False,
        atr=atr,
        stop_reason="below support" if side == "long" else "above resistance",
        target_reason="next level",
        supports=(Level(price=139.6, touches=4, last_touch=scan_id), Level(price=136.9, touches=2, last_touch=scan_id)),
        resistances=(
            Level(price=144.4, touches=3, last_touch=scan_id),
            Level(price=147.0, touches=5, last_touch=scan_id),
        ),
    )
    frames = (
        timeframe("5m", "VOLATILE", -sign, 12),
        timeframe("15m", "TRENDING", sign, 62),
        timeframe("1h", "TRENDING", sign, 54),
        timeframe("4h", "RANGING", sign, 23),
    )
    names = ("trend", "momentum", "volume", "derivatives", "price action", "structure")
    groups = tuple(
        GroupVote(
            name=name,
            votes={frame.interval: sign * vote for frame in frames[1:]},
            vote=sign * vote,
            agrees=vote > 0.2,
        )
        for name, vote in zip(names, (0.72, 0.55, 0.48, 0.31, 0.12, 0.4), strict=True)
    )
    return Analysis(
        symbol=symbol,
        scan_id=scan_id,
        settings_version=1,
        tick_size=0.01,
        bar=(141.6, 142.3, 141.4, 142.0, 18_300.0),
        side=side,
        score=78.4,
        long_score=78.4 if side == "long" else 21.6,
        short_score=21.6 if side == "long" else 78.4,
        bonus=(BonusPart(name="engulfing", interval="1h", points=3.0 * sign),),
        confidence=sum(PARTS.values()),
        confidence_parts=PARTS,
        regime="TRENDING",
        timeframes=frames,
        timeframe_weights={"15m": 0.25, "1h": 0.40, "4h": 0.35},
        groups=groups,
        fmqs=Fmqs(
            value=66.0,
            components={
                "funding": FmqsComponent(score=58.0, weight=0.25, age_seconds=120.0),
                "open_interest": FmqsComponent(score=74.0, weight=0.30, age_seconds=310.0),
                "skew": FmqsComponent(score=61.0, weight=0.20, age_seconds=310.0),
                "taker": FmqsComponent(score=69.0, weight=0.25, age_seconds=0.0),
            },
        ),
        fmqs_other=34.0,
        levels=levels,
        strength=4,
        volume=VolumeFigures(ratio_3=1.84, taker_delta=5_210.0 * sign, obv_slope=0.31 * sign),
        anomaly=AnomalyFigures(volume_z=2.1, change_24h=0.034 * sign, rsi=61.4, correlation=0.71, beta=1.2),
        btc_excess=0.021 * sign,
        sentiment=Sentiment(value=54, label="Neutral", at=scan_id, fetched_at=scan_id),
        chart=chart(drift=0.0006 * sign),
    )


def verdicts() -> tuple[Verdict, ...]:
    """Return the seven gates, all passed."""
    figures = {
        "score": (78.4, 65.0),
        "fmqs": (66.0, 50.0),
        "squeeze": (0.0, 0.0),
        "volume": (1.84, 1.2),
        "groups": (5.0, 5.0),
        "timeframes": (3.0, 2.0),
        "persistence": (1.0, 1.0),
    }
    return tuple(
        Verdict(gate=gate, passed=True, value=value, threshold=limit, distance=value - limit, reason="passed")
        for gate, (value, limit) in figures.items()
    )


def signal(symbol: str = "SOLUSDT", side: Side = "long", *, created_at: int = SCAN, scan_id: int = SCAN) -> Alert:
    """Return a signal."""
    body = SignalBody(
        signal_id=signal_id(symbol, side, scan_id),
        side=side,
        analysis=analysis(symbol, side, scan_id),
        verdicts=verdicts(),
    )
    return _alert(
        f"signal:{symbol}:{side}:{scan_id}", "signal", body, created_at, scan_id=scan_id, symbol=symbol, side=side
    )


def lifecycle(event: LifecycleEvent = "target", symbol: str = "SOLUSDT", *, created_at: int = SCAN) -> Alert:
    """Return what became of the sample signal."""
    won = event in ("target", "moved")
    opened = signal_id(symbol, "long", SCAN)
    body = LifecycleBody(
        signal_id=opened,
        event=event,
        side="long",
        entry=142.0,
        stop=139.9,
        target=146.6,
        price=146.6 if won else 139.9,
        result_r=2.19 if won else -1.0,
        best_r=2.3 if won else 0.6,
        worst_r=-0.4 if won else -1.0,
        opened_scan=SCAN - 24 * QUARTER_MS,
        chart=chart(11, 146.6 if won else 139.9, entry=142.0),
    )
    parent = f"signal:{symbol}:long:{SCAN}"
    return _alert(
        f"lifecycle:{opened}:{event}", "lifecycle", body, created_at, symbol=symbol, side="long", parent_id=parent
    )


def group(*, created_at: int = SCAN) -> Alert:
    """Return a market-wide move."""
    coins = ("SOL", "AVAX", "LINK", "币安人生", "NEAR", "DOGE", "ARB", "SUI", "APT")
    members = tuple(
        GroupMember(
            symbol=f"{coin}USDT",
            signal_id=signal_id(f"{coin}USDT", "long", SCAN),
            score=84.0 - 1.7 * rank,
            btc_excess=0.034 - 0.006 * rank,
            reward_to_risk=2.4 - 0.14 * rank,
            strength=max(2, 5 - rank // 2),
            regime="VOLATILE" if rank % 4 == 3 else "TRENDING",
            weak=rank > 6,
            entry=10.0 + rank,
            stop=9.7 + rank,
            target=10.8 + rank,
        )
        for rank, coin in enumerate(coins)
    )
    body = GroupBody(group_id=f"long:{SCAN}", side="long", members=members)
    return _alert(f"group:long:{SCAN}", "group", body, created_at, side="long")


def price(*, created_at: int = SCAN) -> Alert:
    """Return a price alert that fired."""
    wanted = PriceAlert(price_alert_id="p1", symbol="BTCUSDT", condition="above", value=100_000.0, note="six figures")
    body = PriceBody(price_alert=wanted, price=100_012.4, reference=98_800.0)
    return _alert(f"price:p1:{SCAN}", "price", body, created_at, scan_id=0, symbol="BTCUSDT")


def anomaly(*, created_at: int = SCAN) -> Alert:
    """Return an anomaly."""
    figures = AnomalyFigures(
        volume_z=6.3,
        change_24h=0.184,
        rsi=74.2,
        correlation=0.12,
        beta=0.4,
        residual_z=3.8,
        hurst=0.61,
        hurst_error=0.05,
        quote_volume=4_310_000.0,
    )
    body = AnomalyBody(
        figures=figures,
        price=0.4127,
        headline="Volume 6.3 deviations above its usual, and BTC has no part in it.",
        pull="RSI 74 pulls the other way.",
        question="News, a listing, or a squeeze?",
        chart=chart(23, 0.4127, 0.002),
    )
    name = "币安人生USDT"
    return _alert(f"anomaly:{name}:{SCAN}", "anomaly", body, created_at, symbol=name, estimated=("derivatives",))


def system(*, created_at: int = SCAN) -> Alert:
    """Return a word about Sevengate itself."""
    headline = "⚠ No data from the exchange for 60 s"
    body = SystemBody(code="stale data", headline=headline, lines=("REST takes over.",))
    return _alert(f"system:stale data:{SCAN}", "system", body, created_at, scan_id=0)


def _alert(
    alert_id: str, kind: AlertKind, body: AlertBody, created_at: int, *, scan_id: int = SCAN, **more: Any
) -> Alert:
    """Return *body* as an alert of the sample's scan."""
    return Alert(
        alert_id=alert_id,
        kind=kind,
        body=body,
        occurred_at=scan_id or SCAN,
        created_at=created_at,
        scan_id=scan_id,
        **more,
    )
