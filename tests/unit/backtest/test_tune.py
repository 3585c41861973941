"""The command `tune`: what is tried, printed, kept and refused."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from services.backtest import holdout, trials
from services.backtest.kept import packed
from services.backtest.request import RequestError
from services.backtest.run import BacktestPlan, look_over, run
from services.backtest.tuning import command, report
from services.backtest.tuning.grid import Combination, combinations
from services.backtest.tuning.search import search
from services.backtest.tuning.walk_forward import Returns, walk_forward
from shared.config.environment import MARKET
from shared.contracts import DAY_MS, Analysis
from shared.settings import RuntimeSettings
from tests.unit.backtest import asking
from tests.unit.backtest.asking import LOW, SET
from tests.unit.backtest.bars import START, frames, write

NOWHERE = Path("/nowhere/config.yaml")


@pytest.fixture(scope="module")
def bars(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One coin over 58 days: eight can be analysed, five of them before the last third and its embargo."""
    return write(tmp_path_factory.mktemp("bars"), {"BTCUSDT": frames(4, 58)["BTCUSDT"]})


asked = partial(asking.asked, command.app)
refusal = partial(asking.refusal, command.app)


def test_the_grid_is_every_combination_once_and_the_present_first() -> None:
    """Two values by two, of which one is the present settings already."""
    found = combinations(NOWHERE, ["thresholds.score=60"], ["thresholds.score=60,65", "analysis.bars=so far, closed"])
    assert [one.name for one in found] == [
        "present settings",
        "thresholds.score=60, analysis.bars=closed",
        "thresholds.score=65, analysis.bars=so far",
        "thresholds.score=65, analysis.bars=closed",
    ]
    assert [one.settings.thresholds_for("BTCUSDT").score for one in found] == [60, 60, 65, 65]
    assert found[1].settings.analysis.bars == "closed"


def test_a_weight_of_several_parts_is_one_value() -> None:
    """Commas within braces do not part values."""
    weights = '{"15m": 0.2, "1h": 0.4, "4h": 0.4}'
    found = combinations(NOWHERE, [], [f"analysis.timeframe_weights={weights}, {{15m: 0.3, 1h: 0.3, 4h: 0.4}}"])
    assert [one.settings.analysis.timeframe_weights["15m"] for one in found[1:]] == [0.2, 0.3]


@pytest.mark.parametrize(
    ("vary", "sentence"),
    [
        ([], "--vary is missing: what to try, such as --vary thresholds.score=60,65,70"),
        (["thresholds.score"], "it is written thresholds.score=60,65,70"),
        (["thresholds.score="], "it is written thresholds.score=60,65,70"),
        (["thresholds.scoer=60,65"], "--vary thresholds.scoer: there is no such setting"),
        (["thresholds.score=60,high"], "--vary thresholds.score"),
        (["thresholds.score=[60"], "is no list of values by comma"),
        (["outcomes.fee=0,0.1"], "what can be tuned is under thresholds, symbol_thresholds, analysis, lifecycle"),
        (["thresholds.score=60", "thresholds.score=65"], "it is there twice"),
        (["lifecycle.group_size=8"], "there is nothing to compare them with"),
        (
            [f"thresholds.score={','.join(map(str, range(50, 63)))}", "thresholds.fmqs=30,40,50,60,70"],
            "65 combinations are more than 64",
        ),
    ],
)
def test_a_grid_that_makes_no_sense_is_told_in_a_sentence(vary: Sequence[str], sentence: str) -> None:
    """What is wrong is named, with what to do."""
    with pytest.raises(RequestError) as refused:
        combinations(NOWHERE, [], vary)
    assert sentence in str(refused.value)


def test_the_command_says_what_it_chose_keeps_the_trials_and_writes_no_settings(bars: Path, data_folder: Path) -> None:
    """Two combinations over one coin: folds, figures and verdict; the same again analyses and counts nothing anew."""
    words = ("--vary", "thresholds.score=55", "--folds", "1", *SET)
    answer = asked(bars, "--json", *words)
    assert answer.exit_code == 0, answer.stderr
    told = json.loads(answer.stdout)
    assert [one["values"] for one in told["combinations"]] == [{}, {"thresholds.score": 55}]
    assert told["combinations"][0]["n"] > 0
    assert len(told["folds"]) == 1
    assert told["folds"][0]["chosen"] in ({}, {"thresholds.score": 55})
    assert told["verdict"].startswith("too few days to say")
    assert any("was left untouched" in note for note in told["notes"])
    assert told["trials"] == 2
    again = asked(bars, *words)
    assert "VERDICT: too few days to say" in again.stdout
    assert "trials on these bars: 2, every combination is one" in again.stdout
    known = trials.TrialLog(data_folder / "backtest" / "trials.jsonl").all()
    assert [(one.settings["thresholds.score"], one.holdout) for one in known] == [(45, False), (55, False)]
    assert [path.name for path in data_folder.iterdir()] == ["backtest"]
    assert not (data_folder.parent / "config.yaml").exists()


def test_a_search_finds_the_signals_that_a_backtest_of_each_combination_finds(tmp_path: Path) -> None:
    """Two coins settled each by itself, under thresholds and another way to analyse: the same signals and results."""
    recorded = {name: frames(4, 54)[name][: 51 * 288] for name in ("BTCUSDT", "SOLUSDT")}
    coins, _ = look_over(write(tmp_path / "bars", recorded))
    tried = [one.settings for one in combinations(NOWHERE, LOW, ["thresholds.score=50", "analysis.bars=so far,closed"])]
    plan = BacktestPlan(tmp_path / "bars", tmp_path / "kept", MARKET, tried[0])
    searched = search(plan, tried, coins, lambda *_: None)
    for settings, found in zip(tried, searched, strict=True):
        alone = run(replace(plan, settings=settings), coins, lambda *_: None)
        wanted = sorted(
            (one.scan_id, one.symbol, one.result, one.r_net) for one in alone.outcomes if one.kind == "signal"
        )
        assert [(one.scan_id, one.symbol, one.result, one.r_net) for one in found.outcomes] == wanted
        assert (found.first, found.last, found.coins) == (alone.first, alone.last, alone.coins)
    assert any(found.outcomes for found in searched)


def test_the_last_third_changes_nothing(bars: Path, tmp_path: Path) -> None:
    """With the bars of the last third in reverse order all figures are the same."""
    frame = frames(4, 58)["BTCUSDT"].copy()
    begins = holdout.boundary(START + 50 * DAY_MS, START + 58 * DAY_MS)
    held_out = frame["open_time"] >= begins
    assert held_out.sum() >= 2 * 288
    columns = [name for name in frame if name != "open_time"]
    frame.loc[held_out, columns] = frame.loc[held_out, columns].to_numpy()[::-1]
    other = write(tmp_path / "other", {"BTCUSDT": frame})
    words = ("--json", "--vary", "thresholds.score=55", "--folds", "1", *SET)
    told = [json.loads(asked(folder, *words).stdout) for folder in (bars, other)]
    for one in told:
        del one["seconds"]
    assert told[0] == told[1]
    assert told[0]["combinations"][0]["n"] > 0


def test_what_is_wrong_is_told_before_the_work_begins(bars: Path, tmp_path: Path) -> None:
    """No bars, no folder, more folds than days."""
    assert "--bars is missing" in refusal(None, "--vary", "thresholds.score=60")
    assert "there is no such folder" in refusal(tmp_path / "none", "--vary", "thresholds.score=60")
    late = refusal(bars, "--vary", "thresholds.score=60", "--from", "2025-10-28")
    assert "--from leaves no scan before the last third" in late
    assert "4 folds need 10 days before the last third, there are" in refusal(bars, "--vary", "thresholds.score=60")


def test_a_search_that_was_stopped_goes_on_from_what_is_kept(bars: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C ends with a sentence and status 130; what was analysed is not analysed again."""
    made = list[Analysis]()

    def stop_later(analysis: Analysis) -> bytes:
        if len(made) == 20:
            raise KeyboardInterrupt
        made.append(analysis)
        return packed(analysis)

    monkeypatch.setattr("services.backtest.kept.packed", stop_later)
    words = ("--vary", "thresholds.score=55", "--folds", "1", "--to", "2025-10-24", *SET)
    first = asked(bars, *words)
    assert first.exit_code == 130
    assert "the same command goes on from there" in " ".join(first.stderr.split())
    seen = {one.scan_id for one in made}
    made.clear()

    def count(analysis: Analysis) -> bytes:
        made.append(analysis)
        return packed(analysis)

    monkeypatch.setattr("services.backtest.kept.packed", count)
    assert asked(bars, *words).exit_code == 0
    assert made
    assert not seen & {one.scan_id for one in made}


def planted(mean: float) -> report.TuneReport:
    """Return the report of a search among settings of which the second has *mean* net R more a signal."""
    draw = np.random.default_rng(3)
    days = range(20_000, 20_050)
    opened = np.arange(days.start, days.stop, dtype=np.int64).repeat(4) * DAY_MS + 3_600_000
    net = draw.normal(-0.1, 1.0, len(opened))
    returns = [Returns(opened, opened + 3_600_000, each) for each in (net, net + draw.normal(mean, 0.5, len(net)))]
    return report.TuneReport(
        combinations=[Combination({}, RuntimeSettings()), Combination({"thresholds.score": 72}, RuntimeSettings())],
        signals=[len(one.net) for one in returns],
        means=[float(one.net.mean()) for one in returns],
        walk=walk_forward(returns, 0, days, count=4, embargo=DAY_MS),
        coins=["BTCUSDT"],
        days=days,
        trials=2,
        notes=[],
        seconds=1.0,
    )


def test_the_verdict_names_a_setting_that_is_better() -> None:
    """With its interval and its p-value, and that nothing was changed."""
    made = planted(0.7)
    assert made.verdict.startswith("better by 2.")
    assert made.verdict.endswith("; nothing was changed")
    assert "all days would choose: thresholds.score=72" in report.as_text(made)
    assert report.as_json(made)["chosen_on_all_days"]["values"] == {"thresholds.score": 72}
    assert report.as_json(made)["p_reality_check"] < 0.01


def test_better_than_a_loss_is_not_called_a_gain() -> None:
    """What is better than the present settings and still not above zero is told so."""
    assert "By itself it is not above zero" in planted(0.12).verdict


def test_the_verdict_says_when_nothing_is_better() -> None:
    """Without a difference that can be told from zero no setting is named."""
    assert planted(-0.1).verdict.startswith("no setting is better out of sample")
