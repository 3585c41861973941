"""`indicators` over a file: the exchange's format with or without its heading, and what is wrong with others."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from services.analyzer import export
from services.analyzer.export import main
from tests.unit.analyzer import bars

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


@pytest.mark.parametrize(("factor", "unit"), [(0.001, "seconds"), (1_000_000, "nanoseconds")])
def test_times_in_another_unit_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], factor: float, unit: str
) -> None:
    """Seconds and nanoseconds would put midnight where none is."""
    lines = file_of(tmp_path / "in.csv", heading=False)
    (tmp_path / "in.csv").write_text("\n".join(in_unit(line, factor) for line in lines))
    assert main([str(tmp_path / "in.csv")]) == 1
    assert f"look like {unit}" in capsys.readouterr().err


@pytest.mark.parametrize("since", [0, 150])
def test_microseconds_are_milliseconds(tmp_path: Path, capsys: pytest.CaptureFixture[str], since: int) -> None:
    """The archives count in µs from a new year on, within one file as well: the values are the same."""
    lines = file_of(tmp_path / "in.csv", heading=False)
    answers = []
    for changed in (lines, lines[:since] + [in_unit(line, 1_000) for line in lines[since:]]):
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
    """Reading and writing say now and then that they go on, on standard error."""
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
