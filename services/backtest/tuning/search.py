"""Every combination of settings over the same bars: each coin is loaded once, and its signals followed to their ends.

A signal and its lifecycle are its coin's own business (docs/adr/0021), so that a coin needs no other to be settled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from services.backtest.coin_task import CoinResult, CoinTask, CoinWork, Stopped, walk
from services.backtest.kept import unpacked
from services.backtest.outcomes import OutcomeFollower
from services.backtest.recorded.survey import CoinSurvey
from services.backtest.reduce import reduce
from services.backtest.run import Backtest, BacktestPlan, Progress, processes, span_of, sum_of, tasks_of
from shared.contracts import SCAN_MS, Outcome
from shared.settings import RuntimeSettings


def search(
    plan: BacktestPlan, settings: Sequence[RuntimeSettings], coins: Sequence[CoinSurvey], progress: Progress
) -> list[Backtest]:
    """Return the signals of *plan* under each of *settings*, without near misses and controls; raises as `run`."""
    first, last = span_of(plan, coins)
    end = max(coin.end for coin in coins)
    asked = [(name, signals_of, (task, settings, end)) for name, task in tasks_of(plan, coins).items()]
    with processes(plan.workers) as each:
        walked = list(each(asked, "coins", progress))
    scans, observed = sum(one.scans for one in walked), sum_of(one.observed for one in walked)
    names = [coin.symbol for coin in coins]
    found = []
    for number in range(len(settings)):
        signals = sorted(
            (signal for one in walked for signal in one.signals[number]), key=lambda one: (one.scan_id, one.symbol)
        )
        found.append(Backtest(names, first, last, signals, {}, [], scans=scans, observed=observed))
    return found


@dataclass(frozen=True)
class CoinSignals:
    """One coin's part of a search."""

    signals: list[list[Outcome]]  #: of each combination
    scans: int
    observed: dict[str, int]


def signals_of(
    task: CoinTask, settings: Sequence[RuntimeSettings], end: int, stopped: Stopped = lambda: False
) -> CoinSignals:
    """Return the coin's signals under each of *settings*; the recordings of all coins end at *end*."""
    work = CoinWork(task)
    found = []
    for each in settings:
        work = work.under(each)
        result = walk(work, stopped)
        found.append(_signals(work.task, result, end))
    return CoinSignals(found, result.scans, result.observed)


def _signals(task: CoinTask, result: CoinResult, end: int) -> list[Outcome]:
    follower = OutcomeFollower({task.symbol: result.bars}, task.settings, near=lambda _: False, end=end)
    scans = range(task.first, task.last + 1, SCAN_MS)
    analyses = {scan_id: {task.symbol: unpacked(row)} for scan_id, row in result.rows.items()}
    settled = reduce(scans, lambda at: analyses.get(at, {}), task.settings, market=task.market, degraded=task.degraded)
    for one in settled:
        follower.take(one.decisions)
    return follower.signals
