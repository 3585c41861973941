"""One coin's part of a backtest, in a process of its own: analyse its scans, settle them, follow the outcomes."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from services.backtest.coin_work import CoinTask, CoinWork, Stopped, StoppedError
from services.backtest.outcomes import OutcomeFollower, other_coin, other_moment, other_side
from services.backtest.recorded.futures_data import observed_scans
from shared.contracts import Decision, LifecycleBody, Outcome


@dataclass
class CoinResult:
    """The results of one coin."""

    symbol: str
    outcomes: list[Outcome] = field(default_factory=list)  #: signals and near misses, oldest first
    controls: dict[str, tuple[Outcome | None, Outcome | None]] = field(default_factory=dict)
    #: by signal: the other side and another moment
    ends: list[LifecycleBody] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)  #: of the scans that mattered, where they were asked for
    scans: int = 0  #: with a bar
    analysed: int = 0  #: anew
    reused: int = 0  #: kept by an earlier run
    observed: dict[str, int] = field(default_factory=dict)  #: scans by what of them is recorded, see `observed_scans`


def prepare(task: CoinTask) -> int:
    """Analyse and keep the scans that gate 4 can pass; return how many were new."""
    work = CoinWork(task)
    work.analyse()
    return work.analysed


def run(task: CoinTask, keep_decisions: bool = False, stopped: Stopped = lambda: False) -> CoinResult:
    """Return what came of the coin's scans; what had to be analysed is kept."""
    result = CoinResult(task.symbol)
    work = CoinWork(task, stopped)
    follower = follower_of(work)
    with work.saving(), suppress(StoppedError):
        for settled in work.settled():
            follower.take(settled.decisions)
            result.ends += settled.ends
            result.decisions += settled.decisions if keep_decisions else ()
        result.analysed, result.reused = work.analysed, work.reused
        for signal in follower.begun:
            moment = other_moment(signal, follower, work.entry)
            result.controls[signal.outcome_id] = other_side(signal, follower), moment
    result.outcomes = follower.outcomes
    result.scans = len(work.scans())
    result.observed = observed_scans(work.history, task.first, min(task.last, work.history.end))
    return result


def follower_of(work: CoinWork) -> OutcomeFollower:
    """Return what follows the coin's decisions; near misses of a gate that refuses unseen are left out."""
    task = work.task
    is_known = (lambda _: True) if task.all_scores else (lambda gate: gate != "volume")
    return OutcomeFollower(work.bars, task.settings, near=is_known, end=task.end)


def entered(task: CoinTask, signals: Sequence[Outcome], stopped: Stopped = lambda: False) -> dict[str, Outcome | None]:
    """Return the controls of other coins' *signals* that are entered in this coin, by signal; None is no trade.

    Those at whose scan the coin cannot be entered are left out.
    """
    work = CoinWork(task, stopped)
    follower, found = follower_of(work), dict[str, Outcome | None]()
    with work.saving(), suppress(StoppedError):
        for signal in sorted(signals, key=lambda one: one.scan_id):
            entry = work.entry(signal.scan_id, signal.scan_id)
            if entry is not None:
                found[signal.outcome_id] = other_coin(signal, follower, task.symbol, entry)
    return found
