"""The shortcut leaves out only what cannot matter."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from services.backtest.coin_work import CoinTask, CoinWork
from services.backtest.recorded.recording import load
from services.backtest.run import BacktestPlan, look_over, run
from services.backtest.volume_gate import can_pass
from shared.config.environment import MARKET
from shared.contracts import SCAN_MS, Analysis, Side
from shared.gates import GATES
from shared.settings import RuntimeSettings
from tests.unit.backtest.bars import frames, write

SETTINGS = RuntimeSettings.model_validate(
    {"thresholds": {"score": 45, "fmqs": 30, "volume_ratio": 1.0, "groups": 2, "timeframes": 1}}
)


@pytest.fixture(scope="module")
def bars(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two coins over 52 days: the last two can be analysed."""
    recordings = {name: frame for name, frame in frames(4, 54).items() if name in ("BTCUSDT", "SOLUSDT")}
    return write(tmp_path_factory.mktemp("bars"), {name: frame[: 52 * 288] for name, frame in recordings.items()})


def test_what_the_sums_refuse_gate_4_refuses(bars: Path, tmp_path: Path) -> None:
    """Gate 4 passes no scan that the running sums told cannot pass, and the sums tell no more than they have to."""
    coin = next(coin for coin in look_over(bars)[0] if coin.symbol == "SOLUSDT")
    task = CoinTask("SOLUSDT", bars, tmp_path, MARKET, SETTINGS, coin.first_scan, coin.end, coin.end, {})
    work = CoinWork(task)
    may_pass, gate = set(work.wanted().tolist()), GATES["volume"]
    told = passed = 0
    for scan_id in range(coin.first_scan, coin.first_scan + 300 * SCAN_MS, SCAN_MS):
        analysis = work.walker.analyse(scan_id)
        assert analysis is not None
        verdict = gate.verdict(analysis, SETTINGS.thresholds, None)
        both: tuple[Side, ...] = ("long", "short")
        sides = [gate.verdict(_turned(analysis, side), SETTINGS.thresholds, None).passed for side in both]
        assert (scan_id in may_pass) == any(sides)
        told, passed = told + (scan_id in may_pass), passed + verdict.passed
    assert 0 < passed <= told < 300


def _turned(analysis: Analysis, side: Side) -> Analysis:
    return msgspec.structs.replace(analysis, side=side)


def test_all_scores_bring_no_other_signal(bars: Path, tmp_path: Path) -> None:
    """Signals, their ends and outcomes are the same whether every scan is analysed or only those that can matter."""
    coins, _ = look_over(bars)
    first = min(coin.first_scan for coin in coins)
    plan = BacktestPlan(bars, tmp_path / "short", MARKET, SETTINGS, first=first, last=first + 200 * SCAN_MS)
    short = run(plan, coins, lambda *_: None)
    whole = run(replace(plan, kept=tmp_path / "all", all_scores=True), coins, lambda *_: None)

    assert short.ends == whole.ends
    signals = [one for one in short.outcomes if one.kind != "near miss"]
    assert signals == [one for one in whole.outcomes if one.kind != "near miss"]
    near = [one for one in whole.outcomes if one.kind == "near miss" and one.refused_by != "volume"]
    assert [one for one in short.outcomes if one.kind == "near miss"] == near
    assert signals
    assert short.analysed < whole.analysed


def test_bars_without_trades_or_takers_pass_nothing(bars: Path) -> None:
    """A bar without a trade among the last three cannot pass; without on-balance volume more can, never less."""
    history = load(bars, "BTCUSDT")
    five = history.five[:, :600].copy()
    with_obv = can_pass(five, history.bars["15m"][:, :200], ratio=1.0, obv=True)
    without = can_pass(five, history.bars["15m"][:, :200], ratio=1.0, obv=False)
    assert (without | ~with_obv).all()
    five[5, 500] = 0.0
    assert not can_pass(five, history.bars["15m"][:, :200], ratio=0.0, obv=False)[500:503].any()
    assert np.isfinite(five).all()
