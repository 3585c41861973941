"""How the score is spread over scans that nothing has chosen, and what share each gate lets through by itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Final

import numpy as np

from services.backtest.coin_work import CoinTask, CoinWork
from services.backtest.recorded.recording import BITCOIN
from services.backtest.recorded.survey import CoinSurvey
from services.backtest.run import BacktestPlan
from shared.contracts import SCAN_MS, Floats, Regime
from shared.gate import Appearance
from shared.gates import GATES

STEP: Final = 173  #: scans between two of a coin: a prime, so that every hour of the day occurs
POINTS: Final = (50.0, 90.0, 99.0, 99.9)  #: per cent


@dataclass(frozen=True)
class Row:
    """One scan of one coin."""

    scan_id: int
    score: float
    regime: Regime
    passed: frozenset[str]  #: the gates that judge it by itself


@dataclass(frozen=True)
class Spread:
    """The score's distribution in one regime or in all."""

    name: str
    n: int
    share: float
    points: Floats  #: the score at each of `POINTS`
    passing: float  #: share at or above gate 1's threshold


def sample(plan: BacktestPlan, coins: Sequence[CoinSurvey], first: int, last: int) -> list[Row]:
    """Return every 173rd scan of each coin, between *first* and *last*."""
    tasks = [
        CoinTask(
            symbol=coin.symbol,
            folder=plan.folder,
            kept=plan.kept,
            market=plan.market,
            settings=plan.settings,
            first=max(first, coin.first_scan) + number % STEP * SCAN_MS,
            last=min(last, coin.end),
            end=coin.end,
            degraded={},
            settlements=plan.funding.get(coin.symbol),
            has_bitcoin=any(other.symbol == BITCOIN for other in coins),
        )
        for number, coin in enumerate(coins)
    ]
    with ProcessPoolExecutor(plan.workers, get_context("spawn")) as pool:
        return [row for rows in pool.map(_rows, tasks) for row in rows]


def _rows(task: CoinTask) -> list[Row]:
    return list(_scans(CoinWork(task), task))


def _scans(work: CoinWork, task: CoinTask) -> Iterator[Row]:
    limits = task.settings.thresholds_for(task.symbol)
    for scan_id in range(task.first, task.last + 1, STEP * SCAN_MS):
        analysis = work.walker.analyse(scan_id)
        if analysis is None or analysis.problem:
            continue
        alone = Appearance(side=analysis.side, scan_id=scan_id, length=0)
        judging = {name: gate for name, gate in GATES.items() if not gate.looks_back}
        passed = frozenset(name for name, gate in judging.items() if gate.verdict(analysis, limits, alone).passed)
        yield Row(scan_id, analysis.score, analysis.regime, passed)


def spreads(rows: Sequence[Row], threshold: float) -> list[Spread]:
    """Return the distribution over all *rows* and in each regime."""
    parts: Mapping[str, Sequence[Row]] = {
        "all": rows,
        **{name: [row for row in rows if row.regime == name] for name in ("TRENDING", "RANGING", "VOLATILE")},
    }
    return [
        Spread(
            name=name,
            n=len(part),
            share=len(part) / len(rows),
            points=np.percentile([row.score for row in part], POINTS),
            passing=float(np.mean([row.score >= threshold for row in part])),
        )
        for name, part in parts.items()
        if part
    ]


def passing(rows: Sequence[Row]) -> dict[str, float]:
    """Return the share of *rows* that each gate lets through by itself."""
    return {
        name: sum(name in row.passed for row in rows) / len(rows)
        for name, gate in GATES.items()
        if rows and not gate.looks_back
    }
