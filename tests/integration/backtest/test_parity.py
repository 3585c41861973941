"""The proof: the running services and a backtest of the same bars say the same, id by id."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from services.backtest.coin_work import CoinWork
from services.backtest.kept import slim
from services.backtest.run import BacktestPlan, look_over, run, tasks_of
from services.backtest.scans.reduce import Reducer
from shared.config.environment import MARKET
from shared.contracts import SCAN_MS, Decision, LifecycleBody, Outcome
from shared.settings import RuntimeSettings
from tests.integration.backtest.lockstep import LockstepRun, alike, record
from tests.unit.backtest.bars import frames, write

SCANS = 40
FROM = "2025-10-23T09:00"  #: no funding is settled in the next hours, whose telling depends on wall time
WARM_UP = 2 * SCAN_MS  #: scans after a start, which know but the funding rate of the start
#: low enough that signals, near misses and lifecycle ends come about in a few hours
SETTINGS = RuntimeSettings.model_validate(
    {
        "universe": {"min_quote_volume": 0},
        "thresholds": {"score": 40, "fmqs": 30, "volume_ratio": 0.5, "groups": 2, "timeframes": 1},
        "lifecycle": {"invalidation_margin": 0, "invalidation_scans": 1, "expiry_hours": 1, "cooldown_hours": 0.25},
        "outcomes": {"hours": 1},
    }
)


def backtest(
    bars: Path, kept: Path, scans: range
) -> tuple[dict[str, Decision], dict[str, LifecycleBody], list[Outcome]]:
    """Return every decision that the analyses of *scans* come to, and the ends and outcomes of a backtest of them."""
    coins, _ = look_over(bars)
    plan = BacktestPlan(bars, kept, MARKET, SETTINGS, first=scans[0], last=scans[-1], all_scores=True)
    tasks = tasks_of(plan, coins)
    works = [CoinWork(task) for task in tasks.values()]
    reducer, decisions = Reducer(MARKET, SETTINGS), dict[str, Decision]()
    for scan_id in scans:
        analyses = {one.task.symbol: one.analysis(scan_id) for one in works if one.history.has_bar(scan_id)}
        degraded = works[0].task.degraded.get(scan_id, "")
        decisions |= {one.decision_id: one for one in reducer.settle(scan_id, analyses, degraded).decisions}
    found = run(plan, coins, lambda *_: None)
    return decisions, found.ends, found.outcomes


@pytest.fixture(scope="module")
def bars(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four coins without taker flow or quote volume: both are estimated."""
    lacking = ("quote_volume", "taker_buy_volume")
    return write(tmp_path_factory.mktemp("bars"), frames(4, 54), lacking=lacking)


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_the_services_and_a_backtest_say_the_same(bars: Path, tmp_path: Path) -> None:
    """Decisions, signals, lifecycle ends and outcomes of a lockstep run and of a backtest are equal by id."""
    run = await record(bars, tmp_path / "stack", SETTINGS, scans=SCANS, start=FROM)
    settled = sorted(scan.scan_id for scan in run.scans)
    decisions, ends, outcomes = backtest(bars, tmp_path / "kept", range(settled[0], settled[-1] + 1, SCAN_MS))

    warm = settled[0] + WARM_UP
    assert {name: alike(one) for name, one in _judged(decisions, warm).items()} == {
        name: alike(msgspec.structs.replace(one, analysis=slim(one.analysis)))
        for name, one in _judged(run.decisions, warm).items()
    }
    assert decisions.keys() == run.decisions.keys()
    assert {name: alike(end) for name, end in ends.items()} == {name: alike(end) for name, end in run.ends.items()}
    _compare_outcomes(run, outcomes, settled[-1])
    signals = {one.signal_id for one in decisions.values() if one.signal_id}
    assert signals
    assert signals == {one.outcome_id for one in outcomes if one.kind == "signal"}
    assert ends


def _judged(decisions: dict[str, Decision], since: int) -> dict[str, Decision]:
    return {name: one for name, one in decisions.items() if one.analysis.scan_id >= since}


def _compare_outcomes(run: LockstepRun, outcomes: list[Outcome], last: int) -> None:
    """Compare what was begun by the *last* scan, and what had ended by then."""
    begun = {one.outcome_id: one for one in outcomes if one.scan_id <= last}
    entered = {name: one for name, one in run.outcomes.items() if one.entry > 0}
    assert begun.keys() == entered.keys()
    ended = {name: one for name, one in entered.items() if one.result}
    assert {name: _came_to(begun[name]) for name in ended} == {name: _came_to(one) for name, one in ended.items()}
    assert all(begun[name].ended_at == 0 or begun[name].ended_at > last for name in entered.keys() - ended.keys())
    assert ended


def _came_to(outcome: Outcome) -> object:
    """Return the outcome without what its decision and its signal's end said, which are compared by themselves."""
    return alike(msgspec.structs.replace(outcome, fmqs=None, score=0.0, lifecycle=""))
