"""What is printed, kept and refused."""

from __future__ import annotations

import json
import math
import re
from functools import partial
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner
from zstandard import ZstdCompressor

from services.backtest import command, holdout, kept, trials
from services.backtest.kept import KeptAnalyses, KeptError, KeptMonth
from shared.contracts import SCAN_MS, Analysis
from tests.unit.backtest import asking
from tests.unit.backtest.asking import SET
from tests.unit.backtest.bars import START, frames, write

DAY = 288


@pytest.fixture(scope="module")
def analyses(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the analyses of this module's tests are kept."""
    return tmp_path_factory.mktemp("analyses")


@pytest.fixture
def warm(data_folder: Path, analyses: Path) -> None:
    """Let the test's data folder hold what earlier tests have analysed."""
    (data_folder / "backtest").mkdir(parents=True)
    (data_folder / "backtest" / "analyses").symlink_to(analyses)


def recordings(days: float = 53, symbols: tuple[str, ...] = ("BTCUSDT", "SOLUSDT")) -> dict[str, pd.DataFrame]:
    """Return the first *days* of some generated coins."""
    return {name: frame[: int(days * DAY)] for name, frame in frames(4, 54).items() if name in symbols}


@pytest.fixture(scope="module")
def bars(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two coins over 53 days: the last three can be analysed."""
    return write(tmp_path_factory.mktemp("bars"), recordings())


asked = partial(asking.asked, command.app)
refusal = partial(asking.refusal, command.app)


@pytest.mark.usefixtures("warm")
def test_the_json_has_what_was_promised(bars: Path) -> None:
    """One object with the span, the signals and the summary; the last third is left out and that is said."""
    answer = asked(bars, "--json", *SET)
    told = json.loads(answer.stdout)
    assert told.keys() >= {"from", "to", "coins", "scans", "trials", "verdict", "signals", "summary"}
    assert told["coins"] == ["BTCUSDT", "SOLUSDT"]
    assert told["trials"] == 1
    signal = told["signals"][0]
    assert signal.keys() >= {
        *("signal_id", "symbol", "side", "scan_id", "entry", "stop", "target", "outcome", "r_gross", "r_net", "cost_r"),
        *("minutes", "ambiguous", "lifecycle"),
    }
    assert told["summary"].keys() >= {
        *("n", "days", "hit_rate", "break_even", "mean_r_gross", "mean_r_net", "mean_r_net_interval", "control_r_net"),
        "gates",
    }
    assert "volume" not in told["summary"]["gates"]
    assert any("last third" in note for note in told["notes"])
    assert told["settings"]["thresholds.score"] == 45


@pytest.mark.usefixtures("warm")
def test_the_holdout_is_opened_only_when_asked_and_counted(bars: Path) -> None:
    """With --holdout the span reaches the end, the last third has figures of its own, and the openings are counted."""
    words = ("--json", "--from", "2025-10-22", *SET)
    closed = json.loads(asked(bars, "--json", "--from", "2025-10-21", "--symbols", "BTCUSDT", *SET).stdout)
    opened = [json.loads(asked(bars, "--holdout", "--symbols", "BTC", *words).stdout) for _ in range(2)]
    assert closed["holdout_openings"] == 0
    assert closed["to"] < opened[0]["to"]
    assert [one["holdout_openings"] for one in opened] == [1, 2]
    assert "the last third" in opened[0]["parts"]
    assert [one["trials"] for one in opened] == [2, 2]


def test_another_threshold_analyses_nothing_anew(bars: Path) -> None:
    """A higher threshold finds all analyses kept, and the trials are listed."""
    first = json.loads(asked(bars, "--json", "--symbols", "SOL", *SET).stdout)
    second = json.loads(asked(bars, "--json", "--symbols", "SOL", *SET, "--set", "thresholds.score=60").stdout)
    assert first["analysed"] > 0
    assert second["analysed"] <= first["analysed"] / 20  # those of another coin that a control needs
    assert second["trials"] == 2
    listed = json.loads(CliRunner().invoke(command.app, ["--trials", "--json"]).stdout)
    assert [one["settings"]["thresholds.score"] for one in listed] == [45, 60]
    assert "thresholds.score=60" in CliRunner().invoke(command.app, ["--trials"]).stdout


@pytest.mark.usefixtures("warm")
def test_the_page_stands_alone(bars: Path, tmp_path: Path) -> None:
    """The page has its pictures in it and loads nothing."""
    answer = asked(bars, "--holdout", "--html", str(tmp_path / "page.html"), *SET)
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "VERDICT: too few yet" in answer.stdout
    assert page.count("<svg") >= 2
    assert not re.search(r"(src|href)=|url\(|@import|http", page)
    assert "Verdict: too few yet" in page


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--set", "thresholds.scoer=72"), "thresholds.scoer: there is no such setting"),
        (("--set", "thresholds.score"), "it is written thresholds.score=72"),
        (("--set", "routes=[]"), "a backtest depends on"),
        (("--symbols", "NOPE"), "has no file of NOPEUSDT; it has BTCUSDT, SOLUSDT"),
        (("--from", "yesterday"), "a day is written 2025-08-31"),
        (("--from", "2026-01-01"), "no scan between --from and --to"),
        (("--from", "2025-10-23"), "--from leaves no scan before the last third, from 2025-10-2"),
        (("--to", "2025-09-10"), "the first 49 days only fill the windows"),
        (("--split", "2025-09-10"), "that day is not within the span"),
        (("--funding", "/nowhere.parquet"), "no funding can be read from it"),
    ],
)
def test_a_mistake_is_told_in_a_sentence(bars: Path, words: tuple[str, ...], sentence: str) -> None:
    """What does not exist is named, with what to do."""
    assert sentence in refusal(bars, *words)


def test_a_folder_without_recordings_is_told(tmp_path: Path) -> None:
    """No folder, no --bars, an empty folder."""
    assert "there is no such folder" in refusal(tmp_path / "none")
    assert "--bars is missing" in refusal(None)
    (tmp_path / "empty").mkdir()
    assert "neither parquet nor CSV" in refusal(tmp_path / "empty")


def test_files_of_another_kind_are_left_out_and_named(tmp_path: Path) -> None:
    """A file of another interval, one without columns and one that is no parquet: the rest goes on."""
    good = recordings(symbols=("BTCUSDT",))
    hourly = recordings(symbols=("SOLUSDT",))["SOLUSDT"].iloc[::12]
    folder = write(tmp_path / "bars", {**good, "SOLUSDT": hourly, "ETHUSDT": hourly[["open_time", "open"]]})
    (folder / "XRPUSDT.parquet").write_bytes(b"nothing")
    told = json.loads(asked(folder, "--json").stdout)
    assert told["coins"] == ["BTCUSDT"]
    left_out = [note for note in told["notes"] if note.startswith("left out")]
    assert any("60 min apart" in note for note in left_out)
    assert any("no column high" in note for note in left_out)
    assert any("XRPUSDT.parquet" in note for note in left_out)


def test_holes_late_coins_and_missing_funding_are_told(tmp_path: Path) -> None:
    """A hole stops a coin's analyses while it is in the window; a later coin counts when its windows are full."""
    both = recordings()
    holed = both["SOLUSDT"].drop(index=range(51 * DAY, 51 * DAY + 5))
    late = frames(4, 54)["ETHUSDT"].iloc[30 * DAY :]
    folder = write(tmp_path / "bars", {"BTCUSDT": both["BTCUSDT"], "SOLUSDT": holed, "ETHUSDT": late})
    times = [START + number * 8 * 3_600_000 for number in range(54 * 3)]
    funding = pd.DataFrame({"symbol": "BTCUSDT", "funding_time": times, "funding_rate": 1e-4})
    funding.to_csv(tmp_path / "funding.csv", index=False)
    told = json.loads(asked(folder, "--json", "--funding", str(tmp_path / "funding.csv"), "--holdout", *SET).stdout)
    assert any("bars are missing (SOLUSDT 5)" in note for note in told["notes"])
    assert any("ETHUSDT; each counts once 300 bars" in note for note in told["notes"])
    assert any("no settlements of ETHUSDT, SOLUSDT" in note for note in told["notes"])
    hole = START + 51 * DAY * SCAN_MS
    blind = [one for one in told["signals"] if one["symbol"] == "SOLUSDT" and hole < one["scan_id"]]
    assert blind == []
    assert not [one for one in told["signals"] if one["symbol"] == "ETHUSDT"]


def test_a_full_disk_is_told(bars: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be kept ends the run with a sentence that says where."""

    def full(_path: Path, _month: KeptMonth) -> None:
        raise KeptError("the analyses cannot be kept in X (No space left on device): make room")

    monkeypatch.setattr(KeptAnalyses, "write", staticmethod(full))
    assert "No space left on device" in refusal(bars, *SET)


def test_a_run_that_was_stopped_goes_on_from_what_is_kept(bars: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C ends with a sentence and status 130; the analyses made until then are not made again."""
    whole, made = kept.packed, list[Analysis]()

    def stop_later(analysis: Analysis) -> bytes:
        if len(made) == 30:
            raise KeyboardInterrupt
        made.append(analysis)
        return whole(analysis)

    monkeypatch.setattr("services.backtest.kept.packed", stop_later)
    answer = asked(bars, *SET)
    assert answer.exit_code == 130
    assert "goes on from there" in " ".join(answer.stderr.split())
    monkeypatch.setattr("services.backtest.kept.packed", whole)
    assert json.loads(asked(bars, "--json", *SET).stdout)["reused"] >= 30


def test_a_broken_file_of_kept_analyses_is_made_anew(tmp_path: Path) -> None:
    """What cannot be read counts as not kept."""
    path = tmp_path / "month.zst"
    assert not KeptAnalyses.read(path).rows
    month = KeptMonth(("score", "fmqs"), {5: b"row", 3: b"another"}, np.array([[1.0, math.nan]]), [(2.0, 0.5)])
    KeptAnalyses.write(path, month)
    found = KeptAnalyses.read(path)
    assert (found.names, found.rows, found.added) == (month.names, month.rows, [])
    assert np.array_equal(found.figures, [[1.0, math.nan], [2.0, 0.5]], equal_nan=True)
    assert found.table().scans.tolist() == [3, 5]
    whole = path.read_bytes()
    earlier = ZstdCompressor().compress(msgspec.msgpack.encode({5: b"row"}))  # as it was before there were figures
    for broken in (b"torn", b"", whole[:-1], whole[: len(whole) // 2], earlier):
        path.write_bytes(broken)
        assert not KeptAnalyses.read(path).rows


def test_the_last_third_begins_at_a_midnight() -> None:
    """Whole days, at most a third of them, and signals end before it begins."""
    day = 86_400_000
    begins = holdout.boundary(START, START + 30 * day)
    assert begins == START + 20 * day
    assert holdout.last_scan(begins, 24) == begins - day


def test_more_trials_mean_less() -> None:
    """The deflated Sharpe ratio falls with the number of trials, and one trial is held against zero alone."""
    returns = np.random.default_rng(1).normal(0.3, 1.0, 60)
    own = trials.sharpe(returns)
    alone = trials.deflated(returns, [own])
    few = trials.deflated(returns, [own, own - 0.2, own - 0.4])
    many = trials.deflated(returns, [own - 0.02 * number for number in range(60)])
    assert 0.9 < alone < 1
    assert alone > few > many
    assert math.isnan(trials.deflated(returns[:5], [own]))
    assert trials.best_of_worthless(100, 1.0) == pytest.approx(2.53, abs=0.01)
