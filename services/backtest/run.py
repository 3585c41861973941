"""A whole backtest: survey the files, analyse every coin, settle all scans in order, follow the outcomes."""

from __future__ import annotations

import multiprocessing
import signal
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from multiprocessing.synchronize import Event
from pathlib import Path
from types import FrameType
from typing import Any

from services.backtest import coin_task
from services.backtest.coin_work import CoinTask
from services.backtest.outcomes import with_lifecycles
from services.backtest.recorded.observed import Settlements
from services.backtest.recorded.recording import BITCOIN
from services.backtest.recorded.survey import CoinSurvey, degraded_scans, survey
from services.evaluator.domain import controls
from services.simulator.market.replay import recordings
from services.simulator.market.tape import NoBarsError
from shared.contracts import DAY_MS, Decision, LifecycleBody, Outcome
from shared.settings import RuntimeSettings

Progress = Callable[[str, int, int], None]  #: what is being done, how much of it, of how much
Asked = tuple[str, Callable[..., Any], tuple[Any, ...]]  #: a name, what is called, with what
Each = Callable[[Sequence[Asked], str, Progress], Iterator[Any]]  #: does pieces of work, yields answers


@dataclass(frozen=True)
class BacktestPlan:
    """The options of a backtest."""

    folder: Path  #: of recorded bars
    kept: Path  #: of analyses
    market: str
    settings: RuntimeSettings
    symbols: tuple[str, ...] = ()  #: none: all
    first: int | None = None  #: the first scan; None: as early as any coin can be analysed
    last: int | None = None  #: None: the end of the recordings
    funding: Mapping[str, Settlements] = field(default_factory=dict)
    all_scores: bool = False
    workers: int = 1


@dataclass
class Backtest:
    """The results of a backtest."""

    coins: list[str]
    first: int
    last: int
    outcomes: list[Outcome]
    ends: dict[str, LifecycleBody]  #: by signal_id
    decisions: list[Decision]  #: of what mattered, where they were asked for
    scans: int = 0  #: of all coins together
    analysed: int = 0
    reused: int = 0
    observed: dict[str, int] = field(default_factory=dict)  #: scans by what of them is recorded, not estimated


class EmptySpanError(ValueError):
    """No scan to look at; the message says why."""


def look_over(folder: Path, symbols: Sequence[str] = ()) -> tuple[list[CoinSurvey], list[str]]:
    """Return what *folder* holds and a sentence for each file that is left out; raises `NoBarsError` with none left."""
    paths = recordings(folder)
    if unknown := [name for name in symbols if name not in paths]:
        raise NoBarsError(f"{folder} has no file of {', '.join(unknown)}; it has {', '.join(sorted(paths))}")
    found, notes = [], list[str]()
    for symbol, path in paths.items():
        if symbols and symbol not in symbols:
            continue
        try:
            found.append(survey(symbol, path))
        except NoBarsError as error:
            notes.append(f"left out: {error}")
    if not found:
        raise NoBarsError("; ".join(notes))
    return found, notes


def run(
    plan: BacktestPlan, coins: Sequence[CoinSurvey], progress: Progress, *, keep_decisions: bool = False
) -> Backtest:
    """Return the results of the span's signals; raises `EmptySpanError`, `NoBarsError`."""
    with processes(plan.workers) as each:
        return _run(plan, coins, progress, each, keep_decisions=keep_decisions)


def tasks_of(plan: BacktestPlan, coins: Sequence[CoinSurvey]) -> dict[str, CoinTask]:
    """Return each coin's part of *plan*; raises `EmptySpanError`, `NoBarsError`."""
    first, last = span_of(plan, coins)
    degraded = degraded_scans(coins, first, last)
    has_bitcoin = BITCOIN in recordings(plan.folder)
    return {
        coin.symbol: CoinTask(
            symbol=coin.symbol,
            folder=plan.folder,
            kept=plan.kept,
            market=plan.market,
            settings=plan.settings,
            first=max(first, coin.first_scan),
            last=last,
            end=max(one.end for one in coins),
            degraded=degraded,
            settlements=plan.funding.get(coin.symbol),
            all_scores=plan.all_scores,
            has_bitcoin=has_bitcoin,
        )
        for coin in coins
    }


def _run(
    plan: BacktestPlan, coins: Sequence[CoinSurvey], progress: Progress, each: Each, *, keep_decisions: bool
) -> Backtest:
    first, last = span_of(plan, coins)
    tasks = tasks_of(plan, coins)
    asked = [(name, coin_task.run, (task, keep_decisions)) for name, task in tasks.items()]
    walked = sorted(each(asked, "coins", progress), key=lambda one: one.symbol)
    ends = {body.signal_id: body for one in walked for body in one.ends}
    outcomes = sorted((one for coin in walked for one in coin.outcomes), key=lambda one: (one.scan_id, one.symbol))
    signals = [one for one in outcomes if one.kind == "signal"]
    own = {name: pair for one in walked for name, pair in one.controls.items()}
    others = _other_coins(tasks, coins, signals, progress, each)
    for one in signals:
        side, moment = own[one.outcome_id]
        outcomes += [control for control in (side, others.get(one.outcome_id), moment) if control is not None]
    decisions = [decision for one in walked for decision in one.decisions]
    return Backtest(
        coins=[coin.symbol for coin in coins],
        first=first,
        last=last,
        outcomes=with_lifecycles(outcomes, {name: body.event for name, body in ends.items()}),
        ends=ends,
        decisions=sorted(decisions, key=lambda one: (one.analysis.scan_id, one.analysis.symbol)),
        scans=sum(one.scans for one in walked),
        analysed=sum(one.analysed for one in walked),
        reused=sum(one.reused for one in walked),
        observed=sum_of(one.observed for one in walked),
    )


def _other_coins(
    tasks: Mapping[str, CoinTask],
    coins: Sequence[CoinSurvey],
    signals: Sequence[Outcome],
    progress: Progress,
    each: Each,
) -> dict[str, Outcome | None]:
    """Return the control of each of *signals* in another coin: the first in seeded order that can be entered then."""
    orders = {
        one.outcome_id: iter(controls.coins(one, [coin.symbol for coin in coins if coin.has_bar(one.scan_id)]))
        for one in signals
    }
    found: dict[str, Outcome | None] = {}
    waiting = list(signals)
    while waiting:
        asked = defaultdict[str, list[Outcome]](list)
        for one in waiting:
            if (symbol := next(orders[one.outcome_id], None)) is not None:
                asked[symbol].append(one)
        work = [(name, coin_task.entered, (tasks[name], chosen)) for name, chosen in asked.items()]
        for entered in each(work, "controls", progress):
            found |= entered
        waiting = [one for chosen in asked.values() for one in chosen if one.outcome_id not in found]
    return found


def span_of(plan: BacktestPlan, coins: Sequence[CoinSurvey]) -> tuple[int, int]:
    """Return the first and the last scan; raises `EmptySpanError` with a sentence where there is none between."""
    earliest, end = min(coin.first_scan for coin in coins), max(coin.end for coin in coins)
    first = max(earliest, plan.first if plan.first is not None else earliest)
    last = min(end, plan.last if plan.last is not None else end)
    if first > last:
        days = (earliest - min(coin.first for coin in coins)) // DAY_MS
        raise EmptySpanError(
            f"no scan between --from and --to: the bars go from {iso(min(coin.first for coin in coins))} to {iso(end)},"
            f" and the first {days} days only fill the windows"
        )
    return first, last


def iso(moment: int) -> str:
    """Return *moment* as "2025-08-23 04:05"."""
    return datetime.fromtimestamp(moment / 1_000, UTC).strftime("%Y-%m-%d %H:%M")


def sum_of(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Return the sum of *counts*, key by key."""
    found: Counter[str] = Counter()
    for each in counts:
        found.update(each)
    return dict(found)


_stop: Event | None = None  #: of a worker process


def _begin_worker(stop: Event) -> None:
    """Keep the event that stops this worker: Ctrl-C is for the main process alone."""
    global _stop  # noqa: PLW0603 an initializer has no other place
    _stop = stop


@contextmanager
def _deaf_children() -> Iterator[None]:
    """Let processes that start in the block never hear Ctrl-C; this one hears it, or SIGTERM, once the block ends.

    The mask is for them, who inherit it.  Here any other thread may take a signal, so it is kept by a handler: a
    process that is left half started would say that its input has ended.
    """
    heard: list[tuple[int, FrameType | None]] = []
    handling = threading.current_thread() is threading.main_thread()
    kept = (signal.SIGINT, signal.SIGTERM) if handling else ()
    handlers = {each: signal.signal(each, lambda number, frame: heard.append((number, frame))) for each in kept}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        for each, handler in handlers.items():
            signal.signal(each, handler)
    for number, frame in heard[:1]:
        if callable(handler := handlers[signal.Signals(number)]):
            handler(number, frame)
        elif handler == signal.SIG_DFL:
            signal.raise_signal(number)


def _stopped() -> bool:
    return _stop is not None and _stop.is_set()


def _call(work: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    return work(*arguments, _stopped)


@contextmanager
def processes(count: int) -> Iterator[Each]:
    """Yield what does pieces of work in *count* processes and yields their answers as they come.

    One process is this one itself.  Ctrl-C comes through once every worker has kept what it had.
    """
    if count <= 1:
        yield _in_turn
        return
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    with ProcessPoolExecutor(count, context, _begin_worker, (stop,)) as pool:

        def each(asked: Sequence[Asked], what: str, progress: Progress) -> Iterator[Any]:
            with _deaf_children():
                waiting = [pool.submit(_call, work, arguments) for _, work, arguments in asked]
            for done, future in enumerate(as_completed(waiting), 1):
                yield future.result()
                progress(what, done, len(waiting))

        try:
            yield each
        except BaseException:
            stop.set()
            pool.shutdown(cancel_futures=True)
            raise


def _in_turn(asked: Sequence[Asked], what: str, progress: Progress) -> Iterator[Any]:
    for done, (_, work, arguments) in enumerate(asked, 1):
        yield work(*arguments, _stopped)
        progress(what, done, len(asked))
