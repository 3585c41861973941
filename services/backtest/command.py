"""The command line: options, the run with its progress, and the printed report."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from services.backtest import holdout, request, trials
from services.backtest.distributed.spread import spread
from services.backtest.kept import KeptError
from services.backtest.recorded.recording import FundingFileError, read_funding
from services.backtest.recorded.survey import CoinSurvey
from services.backtest.reporting import page, report
from services.backtest.request import AsJson, Bars, Funding, RequestError, Since, Symbols, Until, Workers
from services.backtest.run import Backtest, BacktestPlan, EmptySpanError, look_over, run, span_of
from services.backtest.trials import TrialLog
from services.evaluator.domain.record import record
from services.simulator.market.tape import NoBarsError
from shared.config.config_file import ConfigError
from shared.config.environment import Environment
from shared.contracts import DAY_MS, SCAN_MS

EXPECTED = (NoBarsError, FundingFileError, RequestError, EmptySpanError, KeptError, ConfigError, OSError)
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command()
def backtest(
    bars: Bars = None,
    funding: Funding = None,
    since: Since = "",
    until: Until = "",
    symbols: Symbols = "",
    changes: Annotated[list[str] | None, typer.Option("--set", help="A setting, such as thresholds.score=72.")] = None,
    split: Annotated[list[str] | None, typer.Option(help="A day: the figures before it and from it on.")] = None,
    all_scores: Annotated[bool, typer.Option("--all-scores", help="Analyse every scan, not only loud ones.")] = False,
    with_holdout: Annotated[bool, typer.Option("--holdout", help="Look at the last third too; it is counted.")] = False,
    list_trials: Annotated[bool, typer.Option("--trials", help="List what was tried so far.")] = False,
    as_json: AsJson = False,
    html: Annotated[Path | None, typer.Option(help="Write one self-contained page.")] = None,
    workers: Workers = "0",
) -> None:
    """Show the results of the signals over recorded bars."""
    console = Console(stderr=True, highlight=False)
    environment = Environment()
    log = TrialLog(environment.data_dir / "backtest" / "trials.jsonl")
    if list_trials:
        known = log.all()
        typer.echo(json.dumps(trials.as_records(known)) if as_json else "\n".join(trials.as_lines(known)))
        return
    began = time.monotonic()
    with answering(console):
        folder = request.folder(bars)
        plan, coins, notes = plan_of(environment, folder, funding, since, until, symbols, changes or [], workers)
        plan, begins, said = kept_from_holdout(plan, coins, asked=with_holdout)
        notes += [f"{sentence} (--holdout looks at it)" for sentence in said]
        plan = replace(plan, all_scores=all_scores)
        parts = _parts(plan, coins, split or [], begins if with_holdout else None)
        found, spread_said = _found(plan, coins, environment, console, over_rq=workers == request.RQ)
        notes += [report.observed(found), *spread_said]
        made = _report(found, plan, coins, log, parts=parts, notes=notes, began=began, begins=begins)
        if html is not None:
            html.write_text(page.as_html(made), encoding="utf-8")
            console.print(f"wrote {html}", markup=False)
    typer.echo(json.dumps(report.as_json(made)) if as_json else report.as_text(made))


def _found(
    plan: BacktestPlan, coins: list[CoinSurvey], environment: Environment, console: Console, *, over_rq: bool
) -> tuple[Backtest, list[str]]:
    """Run *plan* with its progress shown; return also what there is to say of the rq workers."""
    with shown_progress(console) as progress:
        said = spread(plan, [plan.settings], coins, environment, progress) if over_rq else []
        return run(plan, coins, progress), said


@contextmanager
def answering(console: Console) -> Iterator[None]:
    """Turn what ends a run in the block into a sentence and an exit status; SIGTERM stops it as Ctrl-C does."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except BrokenProcessPool:
        console.print("sevengate: a worker ended by itself, for want of memory perhaps: try fewer --workers")
        raise typer.Exit(1) from None
    except EXPECTED as error:
        console.print(f"sevengate: {error}", style="bold red", markup=False)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        console.print("stopped; what was analysed is kept, and the same command goes on from there")
        raise typer.Exit(130) from None


def plan_of(
    environment: Environment,
    bars: Path,
    funding: Path | None,
    since: str,
    until: str,
    symbols: str,
    changes: list[str],
    workers: str,
) -> tuple[BacktestPlan, list[CoinSurvey], list[str]]:
    """Return what is to be done, of which coins, and what there is to say of the files."""
    if not bars.is_dir():
        raise RequestError(f"--bars {bars}: there is no such folder")
    settings = request.settings(environment.config, changes)
    wanted = request.symbols(symbols)
    coins, notes = look_over(bars, wanted)
    settlements = read_funding(funding) if funding is not None else {}
    plan = BacktestPlan(
        folder=bars.resolve(),
        kept=environment.data_dir.resolve() / "backtest" / "analyses",
        market=environment.market,
        settings=settings,
        symbols=wanted,
        first=request.day(since, "--from") + SCAN_MS if since else None,
        last=request.day_after(until, "--to") if until else None,
        funding=settlements,
        workers=request.processes(workers),
    )
    return plan, coins, [*notes, *_said_of(coins, settlements if funding is not None else None, plan)]


def _said_of(coins: list[CoinSurvey], settlements: object, plan: BacktestPlan) -> list[str]:
    """Return a sentence for each thing about the files that the figures depend on."""
    notes = []
    if holes := {coin.symbol: coin.holes for coin in coins if coin.holes}:
        listed = ", ".join(f"{symbol} {count}" for symbol, count in holes.items())
        notes.append(f"bars are missing ({listed}): a coin is not analysed while a hole is in its window")
    earliest = min(coin.first for coin in coins)
    if late := [coin.symbol for coin in coins if coin.first > earliest + DAY_MS]:
        notes.append(f"begin later than the others: {', '.join(late)}; each counts once 300 bars of 4h are there")
    without = [coin.symbol for coin in coins if coin.symbol not in plan.funding]
    if settlements is not None and without:
        notes.append(f"no settlements of {', '.join(without)} in --funding")
    notes.append("order books and Fear & Greed are not recorded: neither votes")
    notes.append("confidence is the plain forecast: no record of earlier signals stands behind it")
    return notes


def kept_from_holdout(
    plan: BacktestPlan, coins: list[CoinSurvey], *, asked: bool
) -> tuple[BacktestPlan, int, list[str]]:
    """Return the plan without the last third unless it is *asked* for, when that begins, and what to say of it."""
    first, end = span_of(replace(plan, first=None, last=None), coins)
    begins = holdout.boundary(first, end)
    if asked:
        return plan, begins, []
    last = holdout.last_scan(begins, plan.settings.outcomes.hours)
    if plan.last is not None and plan.last <= last:
        return plan, begins, []
    if plan.first is not None and last < plan.first <= end:
        raise EmptySpanError(
            f"--from leaves no scan before the last third, from {report.day_name(begins)} on, which is left untouched:"
            " begin earlier (backtest --holdout looks at it)"
        )
    said = f"the last third, from {report.day_name(begins)} on, was left untouched"
    return replace(plan, last=last), begins, [said]


def _parts(
    plan: BacktestPlan, coins: list[CoinSurvey], days: list[str], begins: int | None
) -> dict[str, tuple[int, int]]:
    """Return the spans that are reported separately."""
    first, last = span_of(plan, coins)
    edges = [(first, last + 1)]
    found = {}
    for text in days:
        day = request.day(text, "--split")
        if not first < day < last:
            raise RequestError(f"--split {text}: that day is not within the span")
        edges = [*edges[:-1], (edges[-1][0], day), (day, last + 1)] if day > edges[-1][0] else edges
    if len(edges) > 1:
        found = {f"{report.day_name(a)} to {report.day_name(b - 1)}": (a, b) for a, b in edges}
    if begins is not None and begins <= last:
        found |= {"before the last third": (first, begins), "the last third": (begins, last + 1)}
    return found


def _report(
    found: Backtest,
    plan: BacktestPlan,
    coins: list[CoinSurvey],
    log: TrialLog,
    *,
    parts: dict[str, tuple[int, int]],
    notes: list[str],
    began: float,
    begins: int,
) -> report.Report:
    """Return the report, once the trial is kept."""
    whole = record(found.outcomes)
    trial = trials.trial_of(found, plan.settings, coins, holdout=found.last > begins, verdict=whole.verdict)
    log.add(trial)
    return report.Report(
        backtest=found,
        record=whole,
        parts=report.split(found.outcomes, parts),
        judgement=trials.judge(trial, trials.daily(found.outcomes, found.first, found.last), log.all()),
        settings=trial.settings,
        all_scores=plan.all_scores,
        notes=notes,
        seconds=time.monotonic() - began,
    )


@contextmanager
def shown_progress(console: Console) -> Iterator[Callable[[str, int, int], None]]:
    """Show a bar for each kind of work while the block runs."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as bars:
        shown = {}

        def show(what: str, done: int, total: int) -> None:
            if what not in shown:
                shown[what] = bars.add_task(what, total=total)
            bars.update(shown[what], completed=done, total=total)

        yield show
