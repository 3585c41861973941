"""Every combination of settings over the same bars: each coin is loaded once, and its signals followed to their ends.

A signal and its lifecycle are its coin's own business (docs/adr/0021), so that a coin needs no other to be settled.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from services.backtest.coin_work import CoinTask, CoinWork, Stopped, StoppedError
from services.backtest.outcomes import OutcomeFollower
from services.backtest.recorded.futures_data import observed_scans
from services.backtest.recorded.survey import CoinSurvey
from services.backtest.run import Backtest, BacktestPlan, Progress, processes, span_of, sum_of, tasks_of
from shared.contracts import Outcome
from shared.settings import RuntimeSettings


def search(
    plan: BacktestPlan, settings: Sequence[RuntimeSettings], coins: Sequence[CoinSurvey], progress: Progress
) -> list[Backtest]:
    """Return the signals of *plan* under each of *settings*, without near misses and controls; raises as `run`."""
    first, last = span_of(plan, coins)
    asked = [(name, signals_of, (task, settings)) for name, task in tasks_of(plan, coins).items()]
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


def signals_of(task: CoinTask, settings: Sequence[RuntimeSettings], stopped: Stopped = lambda: False) -> CoinSignals:
    """Return the coin's signals under each of *settings*."""
    work = CoinWork(task, stopped)
    found = []
    with work.saving(), suppress(StoppedError):
        for each in settings:
            work = work.under(each)
            follower = OutcomeFollower(work.bars, each, near=lambda _: False, end=task.end)
            for one in work.settled():
                follower.take(one.decisions)
            found.append(follower.signals)
    observed = observed_scans(work.history, task.first, min(task.last, work.history.end))
    return CoinSignals(found, len(work.scans()), observed)
