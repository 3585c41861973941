"""Writes every figure of docs/evidence.md, and the spread of docs/scoring.md, from recorded five-minute bars.

Run: python -m benchmarks.evidence FOLDER [--funding FILE] [--coins 40] [--workers 2] [--data FOLDER]

The bars are those of `./sevengate backtest --bars`, and its analyses are used again where they are kept: a data folder
of its own (--data) measures the backtest from cold.  The last third of the days is opened, which is counted as ever.
"""

from __future__ import annotations

import argparse
import os
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from benchmarks.evidence import spread, tables
from benchmarks.evidence.forecast import forecasts
from benchmarks.evidence.market import Market
from benchmarks.evidence.measure import measure
from benchmarks.evidence.questions import Sample
from benchmarks.evidence.tables import Effort
from scripts.sections import replaced
from services.backtest import trials
from services.backtest.command import plan_of
from services.backtest.outcomes import bars_to_follow
from services.backtest.recorded.recording import load
from services.backtest.recorded.survey import CoinSurvey
from services.backtest.run import Backtest, BacktestPlan, run
from services.backtest.trials import TrialLog
from services.evaluator.domain.record import record
from services.simulator.market.replay import recordings
from shared.config.environment import Environment

DOCS: Final = Path(__file__).resolve().parents[2] / "docs"
COMMAND: Final = "python -m benchmarks.evidence"


def main() -> None:
    """Measure, and write the sections."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--funding", type=Path)
    parser.add_argument("--coins", type=int, help="the first ones of the folder alone")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--data", type=Path, default=Environment().data_dir)
    asked = parser.parse_args()
    environment = Environment(data_dir=asked.data, config=asked.data / "none.yaml")  # the settings as shipped
    symbols = ",".join(list(recordings(asked.folder))[: asked.coins])
    plan, coins, _ = plan_of(environment, asked.folder, asked.funding, "", "", symbols, [], str(asked.workers))
    backtest, effort = timed(lambda: run(plan, coins, shown, keep_decisions=True), plan.workers)
    found = record(backtest.outcomes)
    histories = {coin.symbol: load(plan.folder, coin.symbol, plan.funding.get(coin.symbol)) for coin in coins}
    bars = {symbol: bars_to_follow(history) for symbol, history in histories.items()}
    sample = Sample(backtest, Market(bars, plan.settings))
    evidence = measure(sample)
    openings = opened(TrialLog(asked.data / "backtest" / "trials.jsonl"), backtest, plan, coins, found.verdict)
    rows = spread.sample(plan, coins, backtest.first, backtest.last)
    made = {
        "run": tables.run_section(backtest, evidence, effort, openings),
        "signals": tables.whole_section(found, evidence),
        "rules": tables.rules_section(evidence),
        "walk-forward": tables.walk_section(evidence),
        "gates": tables.gates_section(found),
        "strength": tables.strength_section(found),
        "forecasts": tables.forecast_section(forecasts(sample, histories)),
    }
    write(DOCS / "evidence.md", made)
    write(DOCS / "scoring.md", {"spread": tables.spread_section(rows, plan.settings.thresholds.score)})


def timed(work: Callable[[], Backtest], workers: int) -> tuple[Backtest, Effort]:
    """Return the backtest, and what it took in this process and its workers."""
    began, used = time.monotonic(), _cpu()
    backtest = work()
    largest = max(resource.getrusage(who).ru_maxrss for who in WHO) / 1_024
    cores = os.cpu_count() or 1
    effort = Effort(_cpu() - used, time.monotonic() - began, largest, workers, os.getloadavg()[2], cores)
    return backtest, effort


WHO: Final = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)


def _cpu() -> float:
    return sum(usage.ru_utime + usage.ru_stime for usage in map(resource.getrusage, WHO))


def opened(log: TrialLog, backtest: Backtest, plan: BacktestPlan, coins: list[CoinSurvey], verdict: str) -> int:
    """Keep this run as a trial, and return how often the last third of the recording was looked at."""
    trial = trials.trial_of(backtest, plan.settings, coins, holdout=True, verdict=verdict)
    log.add(trial)
    return sum(one.holdout for one in log.all() if one.recording == trial.recording)


def write(page: Path, made: dict[str, str]) -> None:
    """Write each section between its marks."""
    text = page.read_text(encoding="utf-8")
    for name, section in made.items():
        text = replaced(text, f"<!-- {name}: made by {COMMAND} -->", f"<!-- end of {name} -->", section)
    page.write_text(text, encoding="utf-8")
    print(f"wrote {page}")


def shown(what: str, done: int, total: int) -> None:
    """Say how far the backtest is."""
    print(f"{what}: {done} of {total}", flush=True)


if __name__ == "__main__":
    main()
