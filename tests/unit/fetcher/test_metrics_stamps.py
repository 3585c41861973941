"""What a stamp of the metrics means is told by the file: end or beginning of the five minutes, or refused."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from services.fetcher.history.archive import read_dump
from services.fetcher.history.store import BadFileError, History

FIVE = timedelta(minutes=5)


def day_file(folder: Path, day: str, slots: Iterable[int]) -> Path:
    """Write a day's metrics: a row for each of *slots*, five minutes from midnight on; its value is the slot."""
    midnight = datetime.fromisoformat(day).replace(tzinfo=UTC)
    lines = [f"{midnight + slot * FIVE:%Y-%m-%d %H:%M:%S},XUSDT,{slot}.0,1.5,1.2" for slot in slots]
    path = folder / f"XUSDT-metrics-{day}.csv"
    header = "create_time,symbol,sum_open_interest,count_toptrader_long_short_ratio,count_long_short_ratio"
    path.write_text("\n".join([header, *lines]) + "\n")
    return path


def first_of(path: Path) -> tuple[str, dict[str, str]]:
    """Return the moment of the first row, and the rule it was read by."""
    dump = read_dump(path)
    return f"{pd.Timestamp(dump.rows['open_time'].min(), unit='ms'):%m-%d %H:%M}", dict(dump.stamps)


@pytest.mark.parametrize(
    ("day", "slots", "first", "rule"),
    [
        ("2026-06-24", range(1, 289), "06-24 00:05", "end"),
        ("2026-06-25", range(288), "06-25 00:05", "beginning"),
        ("2026-05-01", range(288), "05-01 00:05", "beginning"),  # its layout, whatever its date
        ("2026-07-01", range(1, 289), "07-01 00:05", "end"),
        ("2026-07-01", [0, 1, 2, 9], "07-01 00:05", "beginning"),  # broken off in the middle
        ("2026-05-01", [0, 1, 2, 9], "05-01 00:00", "end"),
        ("2026-05-01", [200, 5, 288], "05-01 00:25", "end"),
        ("2026-06-25", [0, 0, 7, 7, 287], "06-25 00:05", "beginning"),  # rows that are missing or come twice
    ],
)
def test_the_layout_tells_the_rule(tmp_path: Path, day: str, slots: Iterable[int], first: str, rule: str) -> None:
    """A day from 00:05 to 00:00 has ends, one from 00:00 to 23:55 beginnings; of a broken one its date decides."""
    assert first_of(day_file(tmp_path, day, slots)) == (first, {day: rule})


@pytest.mark.parametrize(
    ("slots", "why"),
    [
        (range(289), "it has the midnight before and the one after"),
        (range(1, 288), "it has neither the midnight before nor the one after"),
        ([-3, 0, 5, 287], "it holds rows of more than one day"),
        ([0, 1, 400], "it holds rows of more than one day"),
    ],
)
def test_what_cannot_be_told_is_refused_unless_a_person_says_it(tmp_path: Path, slots: Iterable[int], why: str) -> None:
    """The sentence names the file and the way out, and the way works."""
    path = day_file(tmp_path, "2026-07-01", slots)
    with pytest.raises(BadFileError, match=f"{path.name}: {why}.*--stamps end") as caught:
        read_dump(path)
    assert "is unclear" in str(caught.value)
    assert read_dump(path, stamps="beginning").stamps == {"2026-07-01": "beginning"}


def test_both_sides_of_the_change_meet_without_a_hole(tmp_path: Path) -> None:
    """Midnight stands in both files and means two moments; the month keeps by which rule each day was read."""
    history = History(tmp_path / "history")
    for day, slots in (("2026-06-24", range(1, 289)), ("2026-06-25", range(288))):
        dump = read_dump(day_file(tmp_path, day, slots))
        history.merge("XUSDT", dump.rows, stamps=dump.stamps)
    kept = pd.read_parquet(history.path("XUSDT", "2026-06"))
    assert kept["open_time"].diff().dropna().unique().tolist() == [300_000]
    midnight = int(datetime(2026, 6, 25, tzinfo=UTC).timestamp() * 1_000)
    assert kept.set_index("open_time")["open_interest"][[midnight, midnight + 300_000]].tolist() == [288.0, 0.0]
    assert history.stamps("XUSDT", "2026-06") == {"2026-06-24": "end", "2026-06-25": "beginning"}
    assert history.stamps("XUSDT", "2026-07") == {}
    history.merge("XUSDT", pd.DataFrame({"open_time": [midnight], "close": [1.0]}))
    assert len(history.stamps("XUSDT", "2026-06")) == 2
