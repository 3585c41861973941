"""The command line of `tune`: options, the search, and the printed report."""

from __future__ import annotations

import json
import math
import time
from dataclasses import replace
from typing import Annotated

import typer
from rich.console import Console

from services.backtest import request, trials
from services.backtest.command import answering, kept_from_holdout, plan_of, shown_progress
from services.backtest.distributed.spread import spread
from services.backtest.recorded.survey import CoinSurvey
from services.backtest.reporting.report import observed
from services.backtest.request import AsJson, Bars, Funding, Since, Symbols, Until, Workers
from services.backtest.run import BacktestPlan, Progress, span_of
from services.backtest.trials import TrialLog
from services.backtest.tuning import report, walk_forward
from services.backtest.tuning.grid import Combination, combinations
from services.backtest.tuning.search import search
from services.backtest.tuning.walk_forward import Returns
from services.evaluator.domain.statistics import day_of
from shared.config.environment import Environment
from shared.contracts import HOUR_MS

VERDICT = "one of a search (tune)"
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command()
def tune(
    bars: Bars = None,
    funding: Funding = None,
    since: Since = "",
    until: Until = "",
    symbols: Symbols = "",
    vary: Annotated[
        list[str] | None, typer.Option(help="What to try, as thresholds.score=60,65,70; repeatable.")
    ] = None,
    changes: Annotated[list[str] | None, typer.Option("--set", help="What to compare with differs in this.")] = None,
    folds: Annotated[int, typer.Option(min=1, max=50, help="Spans to choose before and to measure on.")] = 4,
    as_json: AsJson = False,
    workers: Workers = "0",
) -> None:
    """Search settings on earlier days, measure them on later ones; changes nothing."""
    console = Console(stderr=True, highlight=False)
    environment = Environment()
    log = TrialLog(environment.data_dir / "backtest" / "trials.jsonl")
    began = time.monotonic()
    with answering(console):
        folder = request.folder(bars)
        tried = combinations(environment.config, changes or [], vary or [])
        plan, coins, notes = plan_of(environment, folder, funding, since, until, symbols, changes or [], workers)
        plan, _, said = kept_from_holdout(plan, coins, asked=False)
        with shown_progress(console) as progress:
            if workers == request.RQ:
                said += spread(plan, [one.settings for one in tried], coins, environment, progress)
            made = _searched(plan, coins, tried, folds, log, progress)
        made = replace(made, notes=[*notes, *made.notes, *said], seconds=time.monotonic() - began)
    typer.echo(json.dumps(report.as_json(made)) if as_json else report.as_text(made))


def _searched(
    plan: BacktestPlan,
    coins: list[CoinSurvey],
    tried: list[Combination],
    folds: int,
    log: TrialLog,
    progress: Progress,
) -> report.TuneReport:
    """Run every combination, keep each as a trial, and walk forward over their signals."""
    first, last = span_of(plan, coins)
    days = range(int(day_of([first - 1])[0]), int(day_of([last - 1])[0]) + 1)
    walk_forward.folds(days, folds)  # before the work begins
    known = {one.trial for one in log.all()}
    returns: list[Returns] = []
    results = search(plan, [one.settings for one in tried], coins, progress)
    for combination, found in zip(tried, results, strict=True):
        trial = trials.trial_of(found, combination.settings, coins, holdout=False, verdict=VERDICT)
        if trial.trial not in known:
            log.add(trial)
        returns.append(Returns.of(found.outcomes))
    embargo = int(plan.settings.outcomes.hours * HOUR_MS)
    return report.TuneReport(
        combinations=tried,
        signals=[len(one.net) for one in returns],
        means=[float(one.net.mean()) if len(one.net) else math.nan for one in returns],
        walk=walk_forward.walk_forward(returns, 0, days, count=folds, embargo=embargo),
        coins=[coin.symbol for coin in coins],
        days=days,
        trials=len({one.trial for one in log.all() if one.recording == trial.recording}),
        notes=[observed(results[0])],
        seconds=0.0,
    )
