"""Scores computed from stored votes, for whole columns at once and with whatever constants score.py has now.

    python docs/scoring/rescore.py BARS_FOLDER FUNDING.parquet WALKED_FOLDER [--sample 120]

compares a sample of rows with a fresh analysis and fails where they differ.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from walk import REGIMES, Market

from services.analyzer.domain import score
from services.analyzer.domain.score import JUDGED, voters
from services.analyzer.handler import analyse
from shared.contracts import Analysis
from shared.settings import RuntimeSettings

Floats = npt.NDArray[np.float64]
SETTINGS: Final = RuntimeSettings()


@dataclass
class Walked:
    """One symbol's rows by name, and what follows from them."""

    symbol: str
    rows: Floats
    at: Mapping[str, int]
    computed: dict[str, Floats] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.computed = rescored(self)

    def __getitem__(self, name: str) -> Floats:
        return self.computed[name] if name in self.computed else self.rows[:, self.at[name]]

    def stored(self, name: str) -> Floats:
        """Return a stored column, also where it has been computed anew."""
        return self.rows[:, self.at[name]]


def load(folder: Path) -> list[Walked]:
    """Return every symbol that was walked."""
    walked = []
    for path in sorted(folder.glob("*.npz")):
        stored = np.load(path)
        if len(stored["rows"]):
            names = {str(name): at for at, name in enumerate(stored["columns"])}
            walked.append(Walked(path.stem, stored["rows"], names))
    return walked


def rescored(one: Walked) -> dict[str, Floats]:
    """Return side, score, fmqs, agreeing groups and each interval's side scores, as score.py defines them."""
    weights = {name: SETTINGS.analysis.timeframe_weights[name] for name in JUDGED}
    total = sum(weights.values())
    frames = {name: frame(one, name) for name in JUDGED}
    long = sum(weight * frames[name].long for name, weight in weights.items()) / total
    short = sum(weight * frames[name].short for name, weight in weights.items()) / total
    side = np.where(long >= short, 1.0, -1.0)
    bonus = np.minimum(score.BONUS_LIMIT, np.where(side > 0, one.stored("bonus_long"), one.stored("bonus_short")))
    agreeing = sum((frames[name].groups * side >= SETTINGS.analysis.group_agreement).astype(int) for name in JUDGED)
    changed = side != one.stored("side")
    return {
        "side": side,
        "score": np.minimum(100.0, np.maximum(long, short) + bonus),
        "fmqs": np.where(side > 0, one.stored("fmqs_long"), one.stored("fmqs_short")),
        "groups": (agreeing >= score.AGREEING_INTERVALS).sum(axis=0).astype(np.float64),
        **{f"{name} long": frames[name].long for name in JUDGED},
        **{f"{name} short": frames[name].short for name in JUDGED},
        # the levels that were stored are those of the other side
        **{name: np.where(changed, np.nan, one.stored(name)) for name in ("stop", "target", "reward_to_risk")},
    }


@dataclass(frozen=True)
class Frame:
    """One interval's side scores, shape (scans,), and group votes, shape (groups, scans), NaN where none votes."""

    long: Floats
    short: Floats
    groups: Floats


def frame(one: Walked, interval: str) -> Frame:
    """Return what the votes of *interval* come to."""
    names = list(voters())
    regimes = one.stored(f"{interval} regime").astype(int)
    cast = np.stack([one.stored(f"{interval} {name}") for name in names])
    loudness = by_regime(score.loudness, names)[:, regimes]
    ceiling = np.array([score.CEILING[regime] for regime in REGIMES])[regimes]
    votes = ceiling * np.clip(cast * loudness, -1.0, 1.0)
    own = np.where(np.isnan(votes), 0.0, np.array([voters()[name][1] for name in names])[:, None])
    members = np.array([[voters()[name][0] == group for name in names] for group in score.GROUPS], dtype=float)
    shares = members @ own
    heavy = by_regime(lambda group, regime: score.GROUP_WEIGHTS[regime][group], list(score.GROUPS))[:, regimes]
    heavy = np.where(shares > 0, heavy, 0.0)
    with np.errstate(invalid="ignore"):
        groups = members @ (own * np.nan_to_num(votes)) / shares
        weights = own * (members.T @ np.nan_to_num(heavy / heavy.sum(axis=0) / shares))
    long = 100.0 * (weights * np.nan_to_num(votes).clip(0, None)).sum(axis=0)
    short = -100.0 * (weights * np.nan_to_num(votes).clip(None, 0)).sum(axis=0)
    return Frame(long, short, groups)


def by_regime(value: Any, names: list[Any]) -> Floats:
    """Return value(name, regime), shape (names, regimes)."""
    return np.array([[value(name, regime) for regime in REGIMES] for name in names])


def fresh(analysis: Analysis) -> dict[str, float]:
    """Return of *analysis* what `rescored` computes."""
    frames = {one.interval: one for one in analysis.timeframes}
    value = analysis.fmqs.value if analysis.fmqs else None
    return {
        "side": 1.0 if analysis.side == "long" else -1.0,
        "score": analysis.score,
        "fmqs": np.nan if value is None else value,
        "groups": float(sum(group.agrees for group in analysis.groups)),
        **{f"{name} long": frames[name].long_score for name in JUDGED},
        **{f"{name} short": frames[name].short_score for name in JUDGED},
    }


def sampled(walked: list[Walked], count: int) -> Iterator[tuple[Walked, int]]:
    """Return rows of all symbols, spread evenly, half of them where the score is high."""
    for number, one in enumerate(walked):
        each = -(-count // len(walked))
        order = np.argsort(-one["score"])
        for place in range(each):
            spread = int((place + number / len(walked)) / each * len(one.rows))
            yield one, int(order[spread // 50]) if place % 2 else spread


def main(options: argparse.Namespace) -> int:
    """Compare; return 1 where a row differs."""
    market = Market(options.bars, options.funding)
    worst, count, sides = 0.0, 0, 0
    for one, at in sampled(load(options.walked), options.sample):
        found = fresh(analyse(market.snapshot(one.symbol, int(one["scan_id"][at])), SETTINGS))
        differences = [abs(found[name] - float(one[name][at])) for name in found]
        worst, count = max(worst, *np.nan_to_num(differences)), count + 1
        sides += found["side"] < 0
    print(f"{count} rows ({sides} short) compared with a fresh analysis: the largest difference is {worst:.1e}")
    return int(worst > 1e-6)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bars", type=Path)
    parser.add_argument("funding", type=Path)
    parser.add_argument("walked", type=Path)
    parser.add_argument("--sample", type=int, default=120)
    sys.exit(main(parser.parse_args()))
