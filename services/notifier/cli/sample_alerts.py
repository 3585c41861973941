"""A sample of each kind of alert, made from a seeded random walk: for test alerts, pictures and tests."""

from __future__ import annotations

from typing import Any, Final

import msgspec
import numpy as np

from shared import ids
from shared.config.environment import MARKET
from shared.contracts import (
    Aftermath,
    Alert,
    AlertBody,
    AlertKind,
    Analysis,
    AnomalyBody,
    AnomalyFigures,
    BonusPart,
    Comparable,
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
    Worth,
    pack,
)

SCAN: Final = 1_767_268_800_000  #: 1 January 2026, 12:00 UTC
BARS: Final = 96
TEST: Final = "test:"  #: how the names of test alerts begin
QUARTER_MS: Final = 900_000
PARTS: Final = {"score": 38.0, "groups": 16.0, "timeframes": 14.0, "FMQS": 11.0}
FMQS: Final = Fmqs(
    value=66.0,
    components={
        "funding": FmqsComponent(score=58.0, weight=0.25, age_seconds=120.0),
        "open_interest": FmqsComponent(score=74.0, weight=0.30, age_seconds=310.0),
        "skew": FmqsComponent(score=61.0, weight=0.20, age_seconds=310.0),
        "taker": FmqsComponent(score=69.0, weight=0.25, age_seconds=0.0),
    },
)

COMPARABLE: Final = Comparable(side="long", low=2.0, high=2.5, n=412, hit_rate=0.31, break_even=0.34, days=90)
FOLLOWED: Final = {  #: hours -> median, lower and upper quarter, share that went on, and at other moments
    1: (0.0011, -0.0092, 0.0104, 0.51, 0.50),
    4: (-0.0023, -0.0207, 0.0188, 0.47, 0.50),
    24: (-0.0104, -0.0561, 0.0470, 0.43, 0.49),
}


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


def levels(side: Side, scan_id: int) -> TradeLevels:
    """Return a trade with two levels on each side of it."""
    sign, entry = (1.0 if side == "long" else -1.0), 142.0
    return TradeLevels(
        entry=entry,
        stop=round(entry - sign * 2.1, 2),
        target=round(entry + sign * 4.6, 2),
        reward_to_risk=2.01,
        weak=False,
        atr=1.31,
        stop_reason="below support" if side == "long" else "above resistance",
        target_reason="next level",
        cost_r=0.09,
        supports=(Level(price=139.6, touches=4, last_touch=scan_id), Level(price=136.9, touches=2, last_touch=scan_id)),
        resistances=(
            Level(price=144.4, touches=3, last_touch=scan_id),
            Level(price=147.0, touches=5, last_touch=scan_id),
        ),
    )


def groups(sign: float) -> tuple[GroupVote, ...]:
    """Return the groups' votes, all but one of which agree with *sign*."""
    votes = {
        "trend": 0.72,
        "momentum": 0.55,
        "volume": 0.48,
        "derivatives": 0.31,
        "price action": 0.12,
        "structure": 0.4,
    }
    return tuple(
        GroupVote(
            name=name,
            votes=dict.fromkeys(("15m", "1h", "4h"), sign * vote),
            vote=sign * vote,
            agrees=vote > 0.2,
        )
        for name, vote in votes.items()
    )


def analysis(symbol: str = "SOLUSDT", side: Side = "long", scan_id: int = SCAN) -> Analysis:
    """Return an analysis with everything that a card shows."""
    sign = 1.0 if side == "long" else -1.0
    frames = (
        timeframe("5m", "VOLATILE", -sign, 12),
        timeframe("15m", "TRENDING", sign, 62),
        timeframe("1h", "TRENDING", sign, 54),
        timeframe("4h", "RANGING", sign, 23),
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
        agreement=sum(PARTS.values()),
        agreement_parts=PARTS,
        confidence=28.0,
        forecast="plain",
        expected_r=-0.09,
        comparable=msgspec.structs.replace(COMPARABLE, side=side),
        regime="TRENDING",
        timeframes=frames,
        timeframe_weights={"15m": 0.25, "1h": 0.40, "4h": 0.35},
        groups=groups(sign),
        fmqs=FMQS,
        fmqs_other=34.0,
        levels=levels(side, scan_id),
        strength=4,
        volume=VolumeFigures(ratio_3=1.84, taker_delta=5_210.0 * sign, obv_slope=0.31 * sign),
        anomaly=AnomalyFigures(volume_z=2.1, change_24h=0.034 * sign, rsi=61.4, correlation=0.71, beta=1.2),
        btc_excess=0.021 * sign,
        sentiment=Sentiment(value=54, label="Neutral", at=scan_id, fetched_at=scan_id),
        chart=chart(drift=0.0006 * sign),
    )


def verdicts() -> tuple[Verdict, ...]:
    """Return every gate's verdict, all passed."""
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
        signal_id=ids.signal_id(MARKET, symbol, side, scan_id),
        side=side,
        analysis=analysis(symbol, side, scan_id),
        verdicts=verdicts(),
    )
    return _alert(
        ids.signal_alert_id(body.signal_id), "signal", body, created_at, scan_id=scan_id, symbol=symbol, side=side
    )


def lifecycle(event: LifecycleEvent = "target", symbol: str = "SOLUSDT", *, created_at: int = SCAN) -> Alert:
    """Return an event of the sample signal's life."""
    won = event in ("target", "moved")
    opened = ids.signal_id(MARKET, symbol, "long", SCAN)
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
        worth=Worth(cost_r=0.09, comparable=COMPARABLE),
    )
    parent = ids.signal_alert_id(opened)
    return _alert(
        ids.lifecycle_alert_id(opened, event),
        "lifecycle",
        body,
        created_at,
        symbol=symbol,
        side="long",
        parent_id=parent,
    )


def group(*, created_at: int = SCAN) -> Alert:
    """Return a market-wide move."""
    coins = ("SOL", "AVAX", "LINK", "币安人生", "NEAR", "DOGE", "ARB", "SUI", "APT")
    members = tuple(
        GroupMember(
            symbol=f"{coin}USDT",
            signal_id=ids.signal_id(MARKET, f"{coin}USDT", "long", SCAN),
            score=84.0 - 1.7 * rank,
            btc_excess=0.034 - 0.006 * rank,
            reward_to_risk=2.4 - 0.14 * rank,
            strength=max(2, 5 - rank // 2),
            regime="VOLATILE" if rank % 4 == 3 else "TRENDING",
            weak=rank > 6,
            entry=10.0 + rank,
            stop=9.7 + rank,
            target=10.8 + rank,
            cost_r=0.0014 * (10.0 + rank) / 0.3,
            confidence=28.0 + rank % 4,
            comparable=COMPARABLE if rank % 3 else None,
        )
        for rank, coin in enumerate(coins)
    )
    body = GroupBody(group_id=ids.group_id(MARKET, "long", SCAN), side="long", members=members)
    return _alert(ids.group_id(MARKET, "long", SCAN), "group", body, created_at, side="long")


def price(*, created_at: int = SCAN) -> Alert:
    """Return a price alert that fired."""
    wanted = PriceAlert(price_alert_id="p1", symbol="BTCUSDT", condition="above", value=100_000.0, note="six figures")
    body = PriceBody(price_alert=wanted, price=100_012.4, reference=98_800.0)
    return _alert(ids.price_alert_alert_id(MARKET, "p1", SCAN), "price", body, created_at, scan_id=0, symbol="BTCUSDT")


def aftermath() -> tuple[Aftermath, ...]:
    """Return what followed earlier anomalies."""
    return tuple(
        Aftermath(
            hours=hours,
            n=412,
            days=90,
            median=median,
            low=low,
            high=high,
            went_on=went_on,
            others_n=412,
            others_went_on=others_went_on,
        )
        for hours, (median, low, high, went_on, others_went_on) in FOLLOWED.items()
    )


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
        headline="Volume is 6.3 standard deviations above normal, +18.4 % on the day; BTC has no part in it.",
        pull="RSI at 74.2 overbought, but Hurst 0.61 says the trend has memory: that's the tension.",
        question="Would you enter with the trend here, or wait for RSI to cool off?",
        chart=chart(23, 0.4127, 0.002),
        aftermath=aftermath(),
    )
    name = "币安人生USDT"
    return _alert(
        ids.anomaly_alert_id(MARKET, name, SCAN), "anomaly", body, created_at, symbol=name, estimated=("derivatives",)
    )


def system(*, created_at: int = SCAN) -> Alert:
    """Return an alert about Sevengate itself."""
    headline = "⚠ No data from the exchange for 60 s"
    body = SystemBody(code="stale data", headline=headline, lines=("REST takes over.",))
    return _alert(ids.system_alert_id(MARKET, f"stale data:{SCAN}"), "system", body, created_at, scan_id=0)


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
