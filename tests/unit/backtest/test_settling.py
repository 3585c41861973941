"""Leaving out scans at which nothing can happen changes nothing: against every scan settled by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as effort
from hypothesis import strategies as some

from services.backtest import coin_work
from services.backtest.coin_task import follower_of
from services.backtest.coin_work import CoinTask, CoinWork
from services.backtest.kept import KeptMonth, figures_of, slim
from services.backtest.recorded.recording import CoinHistory, load
from services.backtest.run import look_over
from services.backtest.scans.candidates import candidates
from services.backtest.scans.reduce import Reducer
from services.backtest.scans.settling import clear_scans
from shared.config.environment import MARKET
from shared.contracts import DAY_MS, SCAN_MS, Analysis, LifecycleBody, Outcome
from shared.gate import Appearance
from shared.gates import GATES
from shared.settings import RuntimeSettings
from tests.unit.backtest.bars import START, frames, write

SYMBOL = "SOLUSDT"
DAYS = 52  #: the last two can be analysed
BROKEN = START + 51 * DAY_MS + 3_600_000
KINDS = ("whole", "hole", "wick")
UNIMPORTANT = (HealthCheck.function_scoped_fixture, HealthCheck.too_slow)  #: a slow machine draws slowly
Results = tuple[list[LifecycleBody], list[Outcome]]

SETTINGS = some.fixed_dictionaries(
    {
        "thresholds": some.fixed_dictionaries(
            {
                "score": some.sampled_from((30, 40, 45, 50, 55, 65)),
                "fmqs": some.sampled_from((0, 30, 50)),
                "volume_ratio": some.sampled_from((0.0, 0.8, 1.2)),
                "groups": some.integers(0, 4),
                "timeframes": some.integers(0, 2),
                "persistence": some.integers(0, 3),
                "squeeze_intervals": some.sampled_from(((), ("15m",), ("15m", "1h", "4h"))),
            }
        ),
        "lifecycle": some.fixed_dictionaries(
            {
                "invalidation_margin": some.sampled_from((0, 5, 15)),
                "invalidation_scans": some.integers(1, 6),
                "expiry_hours": some.sampled_from((0.1, 0.5, 3.3, 24)),
                "cooldown_hours": some.sampled_from((0, 0.25, 1)),
            }
        ),
    }
)


@dataclass(frozen=True)
class Recorded:
    """A coin's recording, and the analyses of all its scans."""

    folder: Path
    first: int
    end: int
    analyses: Mapping[int, Analysis]

    def task(self, kept: Path, settings: RuntimeSettings, degraded: set[int], *, all_scores: bool) -> CoinTask:
        return CoinTask(
            SYMBOL,
            self.folder,
            kept,
            MARKET,
            settings,
            self.first,
            self.end,
            self.end,
            dict.fromkeys(degraded, "exchange gap"),
            all_scores=all_scores,
            has_bitcoin=False,
        )


@cache
def recorded(folder: Path, kind: str) -> Recorded:
    """Return a coin over two days that can be analysed, its bars whole, with a hole, or with a wick."""
    frame = frames(4, 54)[SYMBOL][: DAYS * 288].copy()
    broken = int(np.flatnonzero(frame["open_time"] == BROKEN)[0])
    if kind == "hole":
        frame = frame.drop(index=[broken, broken + 1])
    if kind == "wick":
        frame.loc[broken, "low"] = frame.loc[broken, "close"] * 0.4
    write(folder / kind, {SYMBOL: frame})
    coin = look_over(folder / kind)[0][0]
    empty = Recorded(folder / kind, coin.first_scan, coin.end, {})
    work = CoinWork(empty.task(folder, RuntimeSettings(), set(), all_scores=True))
    made = [work.walker.analyse(int(scan_id)) for scan_id in work.scans()]
    return replace(empty, analyses={one.scan_id: slim(one) for one in made if one is not None})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("recorded")


@pytest.fixture
def cheap(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take analyses that are made once, and load each recording once."""

    folders = dict[int, Path]()

    @lru_cache
    def loaded(folder: Path, symbol: str, _: object) -> CoinHistory:
        history = load(folder, symbol)
        folders[id(history)] = folder
        return history

    class KnownWalker:
        def __init__(self, history: CoinHistory, *_: object) -> None:
            self._folder = folders[id(history)]

        def analyse(self, scan_id: int) -> Analysis | None:
            return recorded(self._folder.parent, self._folder.name).analyses.get(scan_id)

    for kind in KINDS:
        recorded(folder, kind)
    monkeypatch.setattr(coin_work, "Walker", KnownWalker)
    monkeypatch.setattr(coin_work, "load", loaded)


def one_by_one(coin: Recorded, work: CoinWork) -> Results:
    """Return the results of settling every scan, analysed or without a bar."""
    follower, reducer, ends = follower_of(work), Reducer(MARKET, work.task.settings), list[LifecycleBody]()
    for scan_id in range(coin.first, coin.end + 1, SCAN_MS):
        analyses = {SYMBOL: coin.analyses[scan_id]} if scan_id in coin.analyses else {}
        settled = reducer.settle(scan_id, analyses, work.task.degraded.get(scan_id, ""))
        follower.take(settled.decisions)
        ends += settled.ends
    return ends, follower.outcomes


def by_candidates(work: CoinWork) -> Results:
    """Return the results of the backtest."""
    follower, ends = follower_of(work), list[LifecycleBody]()
    for settled in work.settled():
        follower.take(settled.decisions)
        ends += settled.ends
    return ends, follower.outcomes


BUSY = {
    "thresholds": {"score": 40, "fmqs": 0, "volume_ratio": 0.0, "groups": 0, "timeframes": 0, "persistence": 0},
    "lifecycle": {"invalidation_margin": 5, "invalidation_scans": 3, "expiry_hours": 3.3, "cooldown_hours": 0},
}


@pytest.mark.usefixtures("cheap")
@effort(max_examples=40, deadline=None, suppress_health_check=UNIMPORTANT)
@given(SETTINGS, some.sampled_from(KINDS), some.sets(some.integers(0, 570), max_size=40), some.booleans())
@example(BUSY, "whole", set(), True)
@example(BUSY, "hole", {300, 301}, False)
@example(BUSY, "wick", {290}, False)
def test_leaving_out_what_cannot_matter_changes_nothing(
    folder: Path,
    tmp_path_factory: pytest.TempPathFactory,
    values: dict[str, Any],
    kind: str,
    degraded: set[int],
    all_scores: bool,
) -> None:
    """Ends and outcomes are equal under any thresholds and lifecycle; a second run of what is kept says the same."""
    coin, settings = recorded(folder, kind), RuntimeSettings.model_validate(values)
    kept = tmp_path_factory.mktemp("kept")
    scans = {coin.first + place * SCAN_MS for place in degraded}
    work = CoinWork(coin.task(kept, settings, scans, all_scores=all_scores))
    expected = one_by_one(coin, work)
    with work.saving():
        assert by_candidates(work) == expected
    again = CoinWork(work.task)
    assert by_candidates(again) == expected
    assert again.analysed == 0


@pytest.mark.usefixtures("cheap")
def test_signals_open_and_end_in_every_way(folder: Path, tmp_path: Path) -> None:
    """The recordings give signals that end by target, stop, score and expiry: the property is about something."""
    events = set()
    for score in (40, 50, 55):
        thresholds = BUSY["thresholds"] | {"score": score}
        lifecycle = {"invalidation_margin": 0, "invalidation_scans": 2, "expiry_hours": 3.3}
        settings = RuntimeSettings.model_validate({"thresholds": thresholds, "lifecycle": lifecycle})
        coin = recorded(folder, "whole")
        work = CoinWork(coin.task(tmp_path / str(score), settings, set(), all_scores=False))
        events |= {(end.event, end.reason) for end in by_candidates(work)[0]}
    assert events >= {("target", ""), ("stop", ""), ("expired", ""), ("invalidated", "score fell")}


@pytest.mark.parametrize("kind", KINDS)
def test_a_clear_scan_has_no_problem(folder: Path, kind: str) -> None:
    """No scan that is called clear has a problem, and on whole bars every scan but the first ones is clear."""
    coin = recorded(folder, kind)
    history = load(coin.folder, SYMBOL)
    flags = clear_scans(history.five)
    called = {scan_id for scan_id in coin.analyses if flags[history.column(scan_id) - 1]}
    assert not [scan_id for scan_id in called if coin.analyses[scan_id].problem]
    assert len(coin.analyses) - len(called) <= 4 * 48 if kind == "whole" else len(called) < len(coin.analyses)
    assert called


@effort(max_examples=60, deadline=None, suppress_health_check=UNIMPORTANT)
@given(SETTINGS, some.sampled_from(KINDS))
def test_what_is_no_candidate_more_than_one_gate_refuses(folder: Path, values: dict[str, Any], kind: str) -> None:
    """Judged one by one, with the streak that came before, at least two gates refuse every scan that is left out."""
    limits = RuntimeSettings.model_validate(values).thresholds_for(SYMBOL)
    analyses = recorded(folder, kind).analyses
    month = KeptMonth()
    for one in analyses.values():
        month.add(one)
    chosen = set(candidates(month.table(), limits).tolist())
    streak: Appearance | None = None
    for scan_id, one in analyses.items():
        verdicts = {name: gate.verdict(one, limits, streak).passed for name, gate in GATES.items()}
        appears = all(passed for name, passed in verdicts.items() if not GATES[name].looks_back)
        if appears or sum(not passed for passed in verdicts.values()) <= 1:
            assert scan_id in chosen
        streak = Appearance.after(streak, one.side, scan_id) if appears else streak


def test_figures_of_a_problem_are_not_known(folder: Path) -> None:
    """Every gate's figures have the same names for every analysis, and are NaN where there was none."""
    analyses = recorded(folder, "hole").analyses.values()
    known = [figures_of(one) for one in analyses]
    assert len({tuple(figures) for figures in known}) == 1
    for one, figures in zip(analyses, known, strict=True):
        assert not one.problem or all(np.isnan(value) for value in figures.values())
    assert any(one.problem for one in analyses)
