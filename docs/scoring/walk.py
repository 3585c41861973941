"""Walks the analysis over recorded bars and stores every vote: run it before report.py.

    python docs/scoring/walk.py BARS_FOLDER FUNDING.parquet OUT_FOLDER [--from-day 50] [--to-day 93]

Each symbol is analysed at every close with the very `analyse` that the service runs, over windows of up to
499 bars that end there, higher bars so far included.  Votes are stored as they were cast, before regimes make them
louder or quieter, so that rescore.py can compute the scores for any constants without walking anew.  Taker share,
quote volume, open interest and ratios are estimated by the replay's rule (services/simulator); funding is real where
the settlements cover it.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from services.analyzer.domain import score
from services.analyzer.domain.score import JUDGED, voters
from services.analyzer.handler import analyse
from services.simulator.replay import RecordedMarket
from services.simulator.tape import CLOSE, QUOTE, TAKER, VOLUME, aggregate
from shared.contracts import (
    INTERVALS,
    Analysis,
    Bars,
    Derivatives,
    MarketSnapshot,
    Points,
    Regime,
    pack,
)
from shared.settings import RuntimeSettings

Floats = npt.NDArray[np.float64]
DAY, FIVE, WINDOW = 288, 300_000, 499
ROWS = (0, 1, 2, 3, VOLUME, QUOTE, TAKER)
REGIMES: tuple[Regime, ...] = ("RANGING", "TRENDING", "VOLATILE")


def load(folder: Path) -> tuple[RecordedMarket, Floats, Floats]:
    """Return the market, its bars (9, symbols, bars) and its derivatives (5, symbols, bars)."""
    market = RecordedMarket(folder, 1_000)
    days = [market.day(number) for number in range((market.end - market.genesis) // (DAY * FIVE) + 1)]  # type: ignore[operator]
    bars = np.concatenate([day.bars for day in days], axis=2)
    derivatives = np.concatenate([day.derivatives for day in days], axis=2)
    count = int(np.isfinite(bars[CLOSE, 0]).nonzero()[0][-1]) + 1
    return market, bars[:, :, :count], derivatives[:, :, :count]


class Symbol:
    """One symbol's history, and its snapshots."""

    def __init__(self, name: str, tick: float, genesis: int, bars: Floats, derivatives: Floats, funding: Any) -> None:
        self.name, self.tick, self.genesis, self.bars, self.derivatives = name, tick, genesis, bars, derivatives
        self.first = int(np.isfinite(bars[CLOSE]).argmax())
        self.funding_at, self.funding_rate = funding
        self.higher: dict[str, Floats] = {}
        for interval, length in INTERVALS.items():
            width = length // FIVE
            whole = bars.shape[1] // width * width
            self.higher[interval] = aggregate(bars[:, None, :whole], width)[:, 0] if width > 1 else bars

    def matrix(self, interval: str, end: int) -> Floats:
        """Return up to 499 bars of *interval* that end with five-minute bar *end* (excluded), the last so far."""
        width = INTERVALS[interval] // FIVE  # type: ignore[index]
        whole, rest = divmod(end, width)
        first = max(whole + (rest > 0) - WINDOW, -(-self.first // width))
        rows = self.higher[interval][list(ROWS), first:whole]
        times = self.genesis + np.arange(first, whole + (rest > 0)) * float(width * FIVE)
        if rest:
            part = self.bars[:, end - rest : end]
            so_far = np.array(
                [part[0, 0], part[1].max(), part[2].min(), part[3, -1], *part[[VOLUME, QUOTE, TAKER]].sum(axis=1)]
            )
            rows = np.concatenate((rows, so_far[:, None]), axis=1)
        return np.concatenate((times[None], rows))

    def snapshot(self, end: int, btc: bytes, estimated: tuple[str, ...], *, derivatives: bool = True) -> MarketSnapshot:
        """Return what the fetcher would have sent for the close of bar *end* − 1."""
        scan_id = self.genesis + end * FIVE
        return MarketSnapshot(
            symbol=self.name,
            scan_id=scan_id,
            settings_version=1,
            tick_size=self.tick,
            bars={name: Bars.of(name, self.matrix(name, end)) for name in INTERVALS},
            btc_close=btc,
            derivatives=self._derivatives(end, scan_id) if derivatives else Derivatives(),
            estimated=estimated,
        )

    def _derivatives(self, end: int, scan_id: int) -> Derivatives:
        """Return the points not later than the scan less five minutes; values at index i are stamped at its close."""
        last = end - 1  # the point of bar last − 1 is stamped scan_id − 5 min
        series = self.derivatives[:, max(0, last - DAY) : last]
        stamps = scan_id - FIVE * np.arange(series.shape[1], 0, -1.0)
        settled = int(np.searchsorted(self.funding_at, scan_id, side="right"))
        real = settled >= 4
        hours = 8
        if real:
            hours = int(np.round((self.funding_at[settled - 1] - self.funding_at[settled - 2]) / 3_600_000))
        ahead = min(settled, len(self.funding_rate) - 1)
        rate = float(self.funding_rate[ahead]) if real else float(series[4, -1])
        past = self.funding_rate[settled - 3 : settled] if real else series[4, [-193, -97, -1]]
        return Derivatives(
            open_interest=Points.of(stamps, series[0]),
            global_ratio=Points.of(stamps, series[1]),
            top_ratio=Points.of(stamps, series[2]),
            funding_settled=Points.of(np.arange(3.0), past),
            funding_rate=rate,
            funding_at=scan_id - 15_000,
            funding_interval_hours=hours if hours in (1, 4, 8) else 8,
            estimated=True,
        )


def as_cast() -> None:
    """Make votes count as they were cast, in this process: neither louder nor with a ceiling."""
    score.LOUDNESS.update(dict.fromkeys(REGIMES, 1.0))
    score.CEILING.update(dict.fromkeys(REGIMES, 1.0))
    score.VOLATILE_VOLUME = 1.0  # type: ignore[misc]


def record(analysis: Analysis) -> list[float]:
    """Return one row of the numbers that the report needs."""
    frames = {frame.interval: frame for frame in analysis.timeframes}
    volume, levels, quality = analysis.volume, analysis.levels, analysis.fmqs
    if volume is None or quality is None:
        raise ValueError("a record without figures")
    long = analysis.side == "long"
    row = [
        analysis.scan_id,
        1.0 if long else -1.0,
        REGIMES.index(analysis.regime),
        nan(quality.value if long else analysis.fmqs_other),
        nan(analysis.fmqs_other if long else quality.value),
        float(frames["15m"].squeeze),
        float(frames["1h"].squeeze),
        nan(volume.ratio_3),
        nan(volume.taker_delta),
        nan(volume.obv_slope),
        sum(part.points for part in analysis.bonus if part.points > 0),
        -sum(part.points for part in analysis.bonus if part.points < 0),
        nan(levels.reward_to_risk) if levels else np.nan,
        nan(levels.stop) if levels else np.nan,
        nan(levels.target) if levels else np.nan,
        *analysis.bar[1:4],
    ]
    for interval in JUDGED:
        frame = frames[interval]
        row += [REGIMES.index(frame.regime), *(nan(frame.votes.get(name)) for name in voters())]
    return row


def columns() -> list[str]:
    """Return the names of a row's numbers; stop, target and ratio are those of the side before any loudness."""
    names = [
        "scan_id", "side", "regime", "fmqs_long", "fmqs_short", "squeeze_15m", "squeeze_1h", "ratio_3", "taker_delta",
        "obv_slope", "bonus_long", "bonus_short", "reward_to_risk", "stop", "target", "high", "low", "close",
    ]  # fmt: skip
    return names + [f"{interval} {name}" for interval in JUDGED for name in ("regime", *voters())]


def nan(value: float | None) -> float:
    return np.nan if value is None else float(value)


def funding_of(path: Path, name: str) -> tuple[Floats, Floats]:
    """Return the real settlements' times and rates of *name*."""
    table = pq.read_table(path, filters=[("symbol", "=", name)]).sort_by("funding_time")
    return table["funding_time"].to_numpy().astype(np.float64), table["funding_rate"].to_numpy()


class Market:
    """The recording: every symbol's snapshots."""

    def __init__(self, folder: Path, funding: Path) -> None:
        self.market, self.bars, self.derivatives = load(folder)
        self.funding = funding
        self.contracts = {contract.symbol: contract for contract in self.market.contracts}
        self.symbols: dict[str, Symbol] = {}

    def symbol(self, name: str) -> Symbol:
        """Return one symbol's history."""
        if name not in self.symbols:
            contract = self.contracts[name]
            bars, derivatives = self.bars[:, contract.row], self.derivatives[:, contract.row]
            funding = funding_of(self.funding, name)
            self.symbols = {name: Symbol(name, contract.tick, self.market.genesis, bars, derivatives, funding)}
        return self.symbols[name]

    def snapshot(self, name: str, scan_id: int) -> MarketSnapshot:
        """Return what the fetcher would have sent of symbol *name* at *scan_id*."""
        close = (scan_id - self.market.genesis) // FIVE
        btc = pack(self.bars[CLOSE, 0, max(0, close - WINDOW) : close])
        return self.symbol(name).snapshot(close, btc, self.market.estimated)


def walk(options: argparse.Namespace) -> None:
    """Analyse every symbol at every close of the span and write one array a symbol."""
    market = Market(options.bars, options.funding)
    options.out.mkdir(parents=True, exist_ok=True)
    settings = RuntimeSettings()
    as_cast()
    part, parts = (int(number) for number in options.part.split("/"))
    begin, end = options.from_day * DAY, min(options.to_day * DAY, market.bars.shape[2])
    ends = [
        close
        for close in range(begin + 1, end + 1)
        if (close - 1) // DAY % options.each_day == begin // DAY % options.each_day
    ]
    began = time.monotonic()
    for name in list(market.contracts)[part - 1 :: parts]:
        target = options.out / f"{name}.npz"
        if target.exists():
            continue
        rows, problems = [], 0
        for close in ends:
            answer = analyse(market.snapshot(name, market.market.genesis + close * FIVE), settings)
            if answer.problem:
                problems += 1
            else:
                rows.append(record(answer))
        np.savez_compressed(
            target, rows=np.array(rows, dtype=np.float64).reshape(-1, len(columns())), columns=columns()
        )
        print(f"{name} {len(rows)} analysed {problems} refused {time.monotonic() - began:.0f} s", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bars", type=Path)
    parser.add_argument("funding", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--from-day", type=int, default=50)
    parser.add_argument("--to-day", type=int, default=93)
    parser.add_argument("--each-day", type=int, default=1, help="2: every second day, 3: every third")
    parser.add_argument("--part", default="1/1", help="2/3: the second third of the symbols")
    walk(parser.parse_args())
