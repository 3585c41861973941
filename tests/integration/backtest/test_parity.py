"""The proof: the running services and a backtest of the same bars say the same, id by id."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from services.backtest.coin_task import CoinTask, CoinWork
from services.backtest.kept import packed, slim, unpacked
from services.backtest.outcomes import Entry, Moment, OutcomeFollower, bars_to_follow, entry_of
from services.backtest.recorded.survey import degraded_scans
from services.backtest.reduce import reduce
from services.backtest.run import look_over
from shared.contracts import SCAN_MS, Analysis, Decision, LifecycleBody, Outcome
from shared.settings import MARKET, RuntimeSettings
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
    """Return every decision, lifecycle end and outcome that the backtest makes of *scans*."""
    coins, _ = look_over(bars)
    degraded = degraded_scans(coins, scans[0], scans[-1])
    works = {
        coin.symbol: CoinWork(
            CoinTask(coin.symbol, bars, kept, MARKET, SETTINGS, scans[0], scans[-1], degraded, all_scores=True)
        )
        for coin in coins
    }

    def analyses_of(scan_id: int) -> dict[str, Analysis]:
        made = {name: work.walker.analyse(scan_id) for name, work in works.items()}
        return {name: unpacked(packed(one)) for name, one in made.items() if one is not None}

    follower = OutcomeFollower({name: bars_to_follow(work.history) for name, work in works.items()}, SETTINGS)
    decisions: dict[str, Decision] = {}
    ends: dict[str, LifecycleBody] = {}
    for settled in reduce(scans, analyses_of, SETTINGS, market=MARKET, degraded=degraded):
        decisions |= {one.decision_id: one for one in settled.decisions}
        ends |= {body.signal_id: body for body in settled.ends}
        follower.take(settled.decisions)
    known: dict[Moment, Entry | None] = {}
    while wanted := (followed := follower.controls(known)).wanted:
        for name, first, last in wanted:
            entries = (entry_of(works[name].walker.analyse(scan_id)) for scan_id in range(first, last + 1, SCAN_MS))
            known[name, first, last] = next(filter(None, entries), None)
    return decisions, ends, followed.outcomes


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
    signals = [one for one in decisions.values() if one.signal_id]
    assert signals
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
    """Return the outcome without what its decision said, which is compared by itself."""
    return alike(msgspec.structs.replace(outcome, fmqs=None, score=0.0))
