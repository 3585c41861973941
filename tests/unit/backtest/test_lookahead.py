"""Nothing that comes later changes anything that came before."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.backtest.recorded.observed import POINTS, Observed, Settlements
from services.backtest.recorded.recording import CoinHistory, load
from services.backtest.run import BacktestPlan, look_over, run
from services.backtest.volume_gate import can_pass
from services.backtest.walk import Walker, without_holes
from shared.config.environment import MARKET
from shared.contracts import INTERVALS, SCAN_MS
from shared.settings import RuntimeSettings
from tests.unit.backtest.bars import START, frames, write

DAY = 288
FIRST = 51 * DAY  #: a scan from which on all windows are full
SETTINGS = RuntimeSettings.model_validate(
    {"thresholds": {"score": 45, "fmqs": 30, "volume_ratio": 0.8, "groups": 2, "timeframes": 1}}
)


@pytest.fixture(scope="module")
def bars(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two coins over 54 days, with nothing estimated that the files could tell."""
    chosen = {name: frame for name, frame in frames(4, 54).items() if name in ("BTCUSDT", "SOLUSDT")}
    return write(tmp_path_factory.mktemp("bars"), chosen)


@pytest.fixture(scope="module")
def history(bars: Path) -> CoinHistory:
    """A coin with observed settlements, open interest and ratios."""
    hours = np.arange(54 * 3, dtype=np.float64) * 8 * 3_600_000
    draw = np.random.default_rng(3)
    made = load(bars, "SOLUSDT", Settlements(hours + float(START), draw.normal(1e-4, 1e-4, len(hours))))
    points = made.derivatives[list(POINTS)] * draw.uniform(0.9, 1.1, (len(POINTS), made.five.shape[1]))
    return replace(made, observed=Observed(points))


def altered_after(history: CoinHistory, column: int, seed: int) -> CoinHistory:
    """Return *history* with everything after five-minute bar *column* (excluded) replaced by noise."""
    draw = np.random.default_rng(seed)
    moment = history.genesis + column * SCAN_MS
    wide = {}
    for interval, matrix in history.bars.items():
        wide[interval] = matrix.copy()
        closed = (moment - history.genesis) // INTERVALS[interval]
        wide[interval][1:, closed:] *= draw.uniform(0.5, 2.0, wide[interval][1:, closed:].shape)
    derivatives = history.derivatives.copy()
    derivatives[:, column:] *= draw.uniform(0.5, 2.0, derivatives[:, column:].shape)
    points = history.observed.points.copy()
    points[:, column:] = np.nan
    settled = history.settlements
    assert settled is not None
    rates = np.where(settled.at >= moment, 0.01, settled.rate)
    return replace(
        history,
        bars=wide,
        derivatives=derivatives,
        observed=Observed(points),
        settlements=Settlements(settled.at, rates),
    )


@settings(max_examples=25, deadline=None)
@given(offset=st.integers(0, 2 * DAY), seed=st.integers(0, 1_000))
def test_an_analysis_knows_nothing_of_what_follows(history: CoinHistory, offset: int, seed: int) -> None:
    """The analysis of a scan is the same whatever bars, derivatives and settlements follow it."""
    column = FIRST + offset
    scan_id = history.genesis + column * SCAN_MS
    other = altered_after(history, column, seed)
    made = [Walker(each, without_holes(each.five), SETTINGS).analyse(scan_id) for each in (history, other)]
    assert made[0] == made[1]
    assert made[0] is not None
    assert not made[0].problem


@settings(max_examples=25, deadline=None)
@given(offset=st.integers(0, 2 * DAY), seed=st.integers(0, 1_000))
def test_the_shortcut_knows_nothing_of_what_follows(history: CoinHistory, offset: int, seed: int) -> None:
    """Which scans can pass gate 4 up to a bar is the same whatever bars follow."""
    column = FIRST + offset
    told = [
        can_pass(each.five, each.bars["15m"], ratio=1.0, obv=True)[:column]
        for each in (history, altered_after(history, column, seed))
    ]
    assert (told[0] == told[1]).all()


def test_truncating_the_files_changes_nothing_before(bars: Path, tmp_path: Path) -> None:
    """Signals, near misses and what had ended are the same where the files end earlier."""
    chosen = {name: frame for name, frame in frames(4, 54).items() if name in ("BTCUSDT", "SOLUSDT")}
    cut = START + (51 * DAY + 150) * SCAN_MS
    shorter = write(tmp_path / "short", {name: frame[frame["open_time"] < cut] for name, frame in chosen.items()})
    first, last = START + (50 * DAY + 200) * SCAN_MS, cut
    found = []
    for folder in (bars, shorter):
        coins, _ = look_over(folder)
        plan = BacktestPlan(folder, tmp_path / "kept", MARKET, SETTINGS, first=first, last=last)
        found.append(run(plan, coins, lambda *_: None))
    whole, part = ({one.outcome_id: one for one in each.outcomes} for each in found)
    assert found[0].ends == found[1].ends
    assert {name for name, one in whole.items() if one.kind != "other moment"} == {
        name for name, one in part.items() if one.kind != "other moment"
    }
    ended = {name: one for name, one in part.items() if one.result}
    assert ended == {name: whole[name] for name in ended}
    assert ended
