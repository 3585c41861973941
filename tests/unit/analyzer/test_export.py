"""`indicators` over a file: the exchange's format with or without its heading, and what is wrong with others."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.analyzer import export
from services.analyzer.export import main
from tests.unit.analyzer import bars

ROOT = Path(__file__).parents[3]
HEADING = (
    "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,taker_buy_quote_volume,ignore"
)


def file_of(path: Path, *, count: int = 320, heading: bool = True, columns: int = 12) -> list[str]:
    """Write klines in the exchange's twelve columns, or the first few; return the lines."""
    lines = [HEADING] if heading else []
    for row in bars.matrix(count).T:
        fields = [f"{int(row[0])}", *(f"{value:.8f}" for value in row[1:6]), f"{int(row[0]) + 299_999}"]
        fields += [f"{row[6]:.8f}", "10", f"{row[7]:.8f}", "0", "0"]
        lines.append(",".join(fields[:columns]))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return lines


@pytest.mark.parametrize(("heading", "columns"), [(True, 12), (False, 12), (False, 6)])
def test_newest_values_and_series_agree(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], heading: bool, columns: int
) -> None:
    """The JSON's values are the last line of the series file, whose lines are the bars."""
    file_of(tmp_path / "in.csv", heading=heading, columns=columns)
    assert main([str(tmp_path / "in.csv"), "--json", "--series", str(tmp_path / "out.csv")]) == 0
    answer = json.loads(capsys.readouterr().out)
    rows = list(csv.DictReader((tmp_path / "out.csv").read_text().splitlines()))
    assert (len(rows), answer["interval"], answer["bars"]) == (320, "5m", 320)
    last = {name: float(text) if text else None for name, text in rows[-1].items() if name != "open_time"}
    assert last == answer["values"]
    assert (last["cumulative_delta"] is None) == (columns == 6)
    assert rows[0]["ema_200"] == ""


def test_a_short_file_is_analysed_as_far_as_it_goes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Five bars warm hardly anything, and are no error."""
    file_of(tmp_path / "in.csv", count=5)
    assert main([str(tmp_path / "in.csv"), "--json"]) == 0
    values = json.loads(capsys.readouterr().out)["values"]
    assert values["ema_20"] is None
    assert values["obv"] is not None


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda lines: ["not,a,klines,file"], "no klines"),
        (lambda lines: [*lines[:5], "1,2,3"], "line 6: 3 columns"),
        (lambda lines: [*lines[:5], lines[5].replace(",1", ",x", 1), *lines[6:]], "line 6"),
        (lambda lines: [*lines[:5], *lines[6:]], "a gap (1 in all)"),
        (lambda lines: [*lines[:5], lines[4], *lines[5:]], "bar 5: its time does not rise"),
        (
            lambda lines: [*lines[:5], ",".join([*lines[5].split(",")[:2], "1", *lines[5].split(",")[3:]])],
            "bar 5: open",
        ),
        (
            lambda lines: [*lines[:5], ",".join([*lines[5].split(",")[:9], "1e9", "0", "0"]), *lines[6:]],
            "bar 5: what takers bought",
        ),
    ],
)
def test_a_malformed_file_is_told_by_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], spoil: object, words: str
) -> None:
    """What cannot be used ends with one line that says where and why."""
    lines = file_of(tmp_path / "in.csv")
    (tmp_path / "in.csv").write_text("\n".join(spoil(lines)) + "\n")  # type: ignore[operator]
    assert main([str(tmp_path / "in.csv"), "--json"]) == 1
    captured = capsys.readouterr()
    assert words in captured.err
    assert captured.out == ""


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"\x89PNG\r\n\x1a\n\xff\xfe", "not a text file"), (b"", "no klines"), (None, "No such file")],
)
def test_what_is_no_klines_file_is_told_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | None, words: str
) -> None:
    """A picture, an empty file and a missing one each get a sentence instead of a traceback."""
    if content is not None:
        (tmp_path / "in.csv").write_bytes(content)
    assert main([str(tmp_path / "in.csv")]) == 1
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert words in said[0]


def test_another_interval_than_asked_for_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Five-minute bars are not fifteen-minute bars with gaps."""
    file_of(tmp_path / "in.csv")
    assert main([str(tmp_path / "in.csv"), "--interval", "15m"]) == 1
    assert "its bars are 5m apart, not 15m" in capsys.readouterr().err


def in_unit(line: str, factor: float) -> str:
    """Return *line* with its time in another unit than ms."""
    time, rest = line.split(",", 1)
    return f"{int(int(time) * factor)},{rest}"


@pytest.mark.parametrize(("since", "factor"), [(0, 1_000), (150, 1_000), (0, 0.001), (0, 1_000_000)])
def test_every_unit_of_time_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], since: int, factor: float
) -> None:
    """µs (the archives' from a new year on, within one file as well), seconds, ns: the values are the same."""
    lines = file_of(tmp_path / "in.csv", heading=False)
    answers = []
    for changed in (lines, lines[:since] + [in_unit(line, factor) for line in lines[since:]]):
        (tmp_path / "in.csv").write_text("\n".join(changed))
        assert main([str(tmp_path / "in.csv"), "--json"]) == 0
        answers.append(json.loads(capsys.readouterr().out))
    assert answers[0] == answers[1]


def test_a_file_is_not_overwritten_by_its_own_series(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A slip of the hand does not cost the bars."""
    file_of(tmp_path / "in.csv")
    before = (tmp_path / "in.csv").read_bytes()
    assert main([str(tmp_path / "in.csv"), "--series", str(tmp_path / "in.csv")]) == 1
    assert "would overwrite it" in capsys.readouterr().err
    assert (tmp_path / "in.csv").read_bytes() == before


def test_an_interruption_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C ends with a word and 130, not with a traceback."""

    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(export, "compute_all", interrupted)
    file_of(tmp_path / "in.csv")
    assert main([str(tmp_path / "in.csv")]) == 130
    assert capsys.readouterr().err.splitlines()[-1].endswith("interrupted; a series file that was begun is not whole")


def test_a_folder_that_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """When the series cannot be written, their file is to blame and named."""
    file_of(tmp_path / "in.csv")
    assert main([str(tmp_path / "in.csv"), "--series", str(tmp_path / "none" / "out.csv")]) == 1
    assert "none/out.csv" in capsys.readouterr().err


def test_a_long_file_shows_how_far_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """VoteContext and writing say now and then that they go on, on standard error."""
    monkeypatch.setattr(export, "PROGRESS", 100)
    file_of(tmp_path / "in.csv")
    assert main([str(tmp_path / "in.csv"), "--json", "--series", str(tmp_path / "out.csv")]) == 0
    captured = capsys.readouterr()
    assert "200 bars read so far" in captured.err
    assert "300 of 320 lines written" in captured.err
    assert json.loads(captured.out)["bars"] == 320


def test_gaps_can_be_allowed(tmp_path: Path) -> None:
    """With --allow-gaps a missing bar is no error."""
    lines = file_of(tmp_path / "in.csv")
    (tmp_path / "in.csv").write_text("\n".join([*lines[:100], *lines[101:]]) + "\n")
    assert main([str(tmp_path / "in.csv"), "--allow-gaps"]) == 0


def indicators_of(path: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, float | None]:
    assert main([str(path), "--json"]) == 0
    values: dict[str, float | None] = json.loads(capsys.readouterr().out)["values"]
    return values


def test_headings_say_which_column_is_which(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Issue 11, point 30: columns in another order, or with others between them, give the same values."""
    rows = [line.split(",") for line in file_of(tmp_path / "in.csv")[1:]]
    straight = indicators_of(tmp_path / "in.csv", capsys)
    shuffled = [
        ["open_time", "close", "high", "low", "open", "volume"],
        *([r[0], r[4], r[2], r[3], r[1], r[5]] for r in rows),
    ]
    extra = [
        ["timestamp", *["open", "high", "low", "close", "volume", "trades", "vwap", "buys", "sells"]],
        *([*r[:6], "9", "1", "2", "3"] for r in rows),
    ]
    without_takers = {name: None if name == "cumulative_delta" else value for name, value in straight.items()}
    for table in (shuffled, extra):
        (tmp_path / "other.csv").write_text("\n".join(map(",".join, table)))
        assert indicators_of(tmp_path / "other.csv", capsys) == without_takers


def test_a_chart_exported_by_tradingview_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its times are seconds or ISO dates, its volume comes after whatever was plotted, empty cells included."""
    rows = [line.split(",") for line in file_of(tmp_path / "in.csv")[1:]]
    straight = indicators_of(tmp_path / "in.csv", capsys)
    heading = "time,open,high,low,close,Basis,Upper,Lower,Volume,Volume MA,RSI"
    for time in (lambda ms: str(ms // 1_000), lambda ms: datetime.fromtimestamp(ms / 1_000, UTC).isoformat()):
        lines = [",".join([time(int(r[0])), *r[1:5], "", "", "", r[5], "NaN", ""]) for r in rows]  # type: ignore[no-untyped-call]
        (tmp_path / "tv.csv").write_text("\n".join([heading, *lines]))
        assert indicators_of(tmp_path / "tv.csv", capsys) == {**straight, "cumulative_delta": None}


def run(arguments: list[str], encoding: str = "utf-8") -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "services.analyzer.export", *arguments]
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path: Path) -> None:
    """`indicators … | head` ends without a traceback, whether head has left before or after the answer."""
    file_of(tmp_path / "in.csv")
    process = run([str(tmp_path / "in.csv")])
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read().decode() == "320 bars read\n"
    assert process.wait() == 0


def test_a_terminal_of_another_encoding_is_no_error(tmp_path: Path) -> None:
    """A file's name that the terminal cannot show is shown as far as it goes."""
    file_of(tmp_path / "価格.csv")
    out, errors = run([str(tmp_path / "価格.csv")], "latin-1").communicate()
    assert b"320 bars of 5m, newest values" in out
    assert errors == b"320 bars read\n"
