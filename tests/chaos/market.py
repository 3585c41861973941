"""A seeded market for the chaos runs: bars, ticks and what an analyzer says of them, all from the seed alone."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Final

import msgspec
import numpy as np

from shared.contracts import (
    SCAN_MS,
    Analysis,
    AnomalyFigures,
    Bars,
    MarketSnapshot,
    PriceAlert,
    PriceTick,
    ScanOpened,
    Side,
)
from shared.settings import LifecycleSettings, RuntimeSettings
from tests.unit.gatekeeper import facts

START: Final = 1_760_000_100_000
SIDES: Final[tuple[Side, ...]] = ("long", "short")
TICK_OFFSETS: Final = (60_000, 140_000, 220_000, 285_000)  #: within a bar, the last 15 s before its close
#: Signals that open and end within a dozen scans: thresholds as shipped, times and the group's size lowered.
SETTINGS: Final = RuntimeSettings(lifecycle=LifecycleSettings(expiry_hours=0.5, cooldown_hours=0.25, group_size=4))


@dataclass(frozen=True)
class ChaosMarket:
    """What the exchange shows over *scans* closes."""

    seed: int
    symbols: int = 10
    scans: int = 12
    bars: dict[str, list[tuple[float, ...]]] = field(default_factory=dict)
    hot: dict[str, list[Side | None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for number in range(self.symbols):
            symbol = f"C{number:02d}USDT"
            source = random.Random(f"{self.seed}:{symbol}")
            self.bars[symbol] = _walk(source, self.scans)
            self.hot[symbol] = _moods(source, self.scans)

    def scan_id(self, index: int) -> int:
        """Return the close of bar *index*."""
        return START + index * SCAN_MS

    def expected(self, index: int) -> tuple[str, ...]:
        """Return the symbols of a scan; now and then one is missing."""
        out = (self.seed * 7 + index) % (self.symbols + 5)
        return tuple(symbol for number, symbol in enumerate(self.bars) if number != out)

    def opened(self, index: int) -> ScanOpened:
        """Return the beginning of scan *index*; one scan of a run is degraded."""
        symbols = self.expected(index)
        return ScanOpened(
            scan_id=self.scan_id(index),
            symbols=symbols,
            settings_version=1,
            opened_at=self.scan_id(index) + 500,
            missing={symbol: "gap" for symbol in self.bars if symbol not in symbols},
            degraded="exchange gap" if index == 4 + self.seed % 5 else "",
        )

    def snapshots(self, index: int) -> list[MarketSnapshot]:
        """Return one snapshot of each expected symbol; the bar is all that the analyzer here needs."""
        made = []
        for symbol in self.expected(index):
            opened, high, low, close, volume = self.bars[symbol][index]
            row = [self.scan_id(index) - SCAN_MS, opened, high, low, close, volume, volume * close, volume / 2]
            bars = Bars.of("5m", np.array(row).reshape(8, 1))
            made.append(
                MarketSnapshot(
                    symbol=symbol,
                    scan_id=self.scan_id(index),
                    settings_version=1,
                    tick_size=0.01,
                    bars={"5m": bars},
                    btc_close=b"",
                )
            )
        return made

    def ticks(self, index: int) -> list[PriceTick]:
        """Return the ticks within the bar that closes at scan *index*."""
        opens = self.scan_id(index) - SCAN_MS
        paths = {symbol: _path(bars[index]) for symbol, bars in self.bars.items()}
        return [
            PriceTick(at=opens + offset, prices={symbol: path[step] for symbol, path in paths.items()})
            for step, offset in enumerate(TICK_OFFSETS)
        ]

    def analyse(self, snapshot: MarketSnapshot) -> Analysis:
        """Return what the analyzer says: a pure function of the snapshot and the seed."""
        times, opened, high, low, close, volume, _, _ = snapshot.bars["5m"].matrix[:, -1]
        if int(times) + SCAN_MS != snapshot.scan_id:
            raise ValueError("a bar that is not the scan's")
        index = (snapshot.scan_id - START) // SCAN_MS
        mood = self.hot[snapshot.symbol][index]
        source = random.Random(f"{self.seed}:{snapshot.symbol}:{snapshot.scan_id}")
        made = facts.analysis(
            snapshot.symbol,
            snapshot.scan_id,
            mood or SIDES[source.randrange(2)],
            close=float(close),
            bar=tuple(float(value) for value in (opened, high, low, close, volume)),
            btc_excess=source.uniform(-0.05, 0.05),
        )
        if mood is None:
            score = source.uniform(20, 60)
            made = msgspec.structs.replace(made, score=score, long_score=score, short_score=score)
        if source.random() < 0.04:
            figures = AnomalyFigures(volume_z=source.uniform(4, 9), correlation=0.1, change_24h=0.05, rsi=60.0)
            made = msgspec.structs.replace(made, anomaly=figures)
        return made

    def price_alerts(self) -> tuple[PriceAlert, ...]:
        """Return some of each condition."""
        symbols = list(self.bars)
        first = {symbol: bars[0][0] for symbol, bars in self.bars.items()}
        asked = []
        for number, condition in enumerate(("above", "below", "crosses", "moves")):
            symbol = symbols[number % len(symbols)]
            shift = {"above": 1.006, "below": 0.994, "crosses": 1.002, "moves": 1.0}[condition]
            asked.append(
                PriceAlert(
                    price_alert_id=f"p{number}",
                    symbol=symbol,
                    condition=condition,  # type: ignore[arg-type]
                    value=0.01 if condition == "moves" else first[symbol] * shift,
                    window_seconds=900 if condition == "moves" else 0,
                    repeat=number % 2 == 1,
                    cooldown_seconds=600,
                )
            )
        return tuple(asked)


def _walk(source: random.Random, count: int) -> list[tuple[float, ...]]:
    price = source.uniform(5, 500)
    bars: list[tuple[float, ...]] = []
    for _ in range(count):
        close = price * (1 + source.gauss(0, 0.006))
        high = max(price, close) * (1 + abs(source.gauss(0, 0.002)))
        low = min(price, close) * (1 - abs(source.gauss(0, 0.002)))
        bars.append((price, high, low, close, source.uniform(10, 100)))
        price = close
    return bars


def _moods(source: random.Random, count: int) -> list[Side | None]:
    """Return blocks of scans in which the symbol qualifies for a side, or for none."""
    moods: list[Side | None] = []
    while len(moods) < count:
        mood: Side | None = source.choice((*SIDES, None))
        moods += [mood] * source.randint(1, 5)
    return moods[:count]


def _path(bar: tuple[float, ...]) -> tuple[float, ...]:
    """Return four prices within the bar, close to its extremes."""
    opened, high, low, close = bar[:4]
    first, second = (low, high) if close >= opened else (high, low)
    middle = (opened + close) / 2
    return (middle + 0.9 * (first - middle), middle + 0.9 * (second - middle), middle, close)
