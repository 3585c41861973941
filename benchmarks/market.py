"""Does the seeded market move like real ones?  The same figures of both, side by side.

Run: python -m benchmarks.market [FOLDER of recorded five-minute bars] [--days 30] [--seeds 2]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from services.simulator.market.replay import RecordedMarket
from services.simulator.market.seeded import SeededMarket
from services.simulator.market.tape import CLOSE, HIGH, LOW, VOLUME, Floats, Source


def bars_of(source: Source, first: int, days: int) -> Floats:
    """Return whole days of bars, shape (9, rows, n)."""
    return np.concatenate([source.day(number).bars for number in range(first + days)][first:], axis=2)


def autocorrelation(rows: Floats, lag: int) -> float:
    """Return the median over the rows."""
    return float(np.median([np.corrcoef(row[:-lag], row[lag:])[0, 1] for row in rows]))


def figures(bars: Floats) -> dict[str, float]:
    """Return what traders would recognise a market by."""
    close, volume = np.log(bars[CLOSE]), np.log(bars[VOLUME] + 1e-9)
    moves = np.diff(close, axis=1)
    unit = moves.var(axis=1)
    found = {
        f"variance ratio {lag}": float(np.median((close[:, lag:] - close[:, :-lag]).var(axis=1) / (lag * unit)))
        for lag in (12, 48, 288)
    }
    size = np.abs(moves)
    found["range / |return|"] = float(np.median(np.log(bars[HIGH] / bars[LOW]).mean(axis=1) / size.mean(axis=1)))
    found["kurtosis"] = float(np.median(((moves - moves.mean(axis=1, keepdims=True)) ** 4).mean(axis=1) / unit**2))
    found |= {f"|return| autocorrelation {lag}": autocorrelation(size, lag) for lag in (1, 12)}
    found |= {f"log volume autocorrelation {lag}": autocorrelation(volume, lag) for lag in (1, 12)}
    found["log volume deviation"] = float(np.median(volume.std(axis=1)))
    found["daily volatility"] = float(np.median(moves.std(axis=1)) * 288**0.5)
    found["daily volatility of BTC"] = float(moves[0].std() * 288**0.5)
    found["correlation with BTC"] = float(np.median([np.corrcoef(moves[0], row)[0, 1] for row in moves[1:]]))
    pairs = zip(volume[:, 1:], size, strict=True)
    found["volume with |return|"] = float(np.median([np.corrcoef(one, other)[0, 1] for one, other in pairs]))
    return found


def main() -> None:
    """Print a table, one column a market."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--seeds", type=int, default=2)
    arguments = parser.parse_args()
    columns = {}
    if arguments.folder is not None:
        columns["recorded"] = figures(bars_of(RecordedMarket(arguments.folder, 40), 1, arguments.days))
    for seed in range(1, arguments.seeds + 1):
        columns[f"seed {seed}"] = figures(bars_of(SeededMarket(40, seed, 1_768_222_800_000), 10, arguments.days))
    print(f"{'':32}" + "".join(f"{name:>12}" for name in columns))
    for name in next(iter(columns.values())):
        print(f"{name:32}" + "".join(f"{column[name]:12.3f}" for column in columns.values()))


if __name__ == "__main__":
    main()
