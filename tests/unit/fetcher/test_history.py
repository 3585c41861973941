"""The history: monthly files, whole or not at all, and imports that say what is wrong."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from services.fetcher.history import BadDumpError, History, observed_rows, read_dump, symbol_of, write_atomically
from shared.contracts import COLUMNS, SCAN_MS, Bars, Derivatives, MarketSnapshot, Points

MONTH_END = 1_769_903_400_000  #: 2026-01-31 23:50 UTC
ROW = "{},1.0,1.5,0.5,1.2,10,{},12,3,5,6,0"


def dump(count: int = 4, start: int = MONTH_END) -> str:
    """Return a CSV of *count* bars in the exchange's twelve columns."""
    times = range(start, start + count * SCAN_MS, SCAN_MS)
    return "\n".join(ROW.format(at, at + SCAN_MS - 1) for at in times) + "\n"


HEADER = (
    "open_time,open,high,low,close,volume,close_time,quote_volume,count,"
    "taker_buy_volume,taker_buy_quote_volume,ignore\n"
)


@pytest.mark.parametrize("form", ["plain", "header", "zip", "microseconds"])
def test_the_public_dumps_are_imported_by_month(tmp_path: Path, form: str) -> None:
    """With or without header, zipped, in ms or µs: the same bars, in the files of their months, once each."""
    path = tmp_path / "XUSDT-5m-2026-01.csv"
    text = dump() if form != "microseconds" else dump().replace("000,1.0", "000000,1.0")
    path.write_text((HEADER if form == "header" else "") + text)
    if form == "zip":
        packed = path.with_suffix(".zip")
        with zipfile.ZipFile(packed, "w") as archive:
            archive.write(path, path.name)
        path = packed
    history = History(tmp_path / "history")
    assert history.merge(symbol_of(path), read_dump(path)) == 4
    assert history.merge("XUSDT", read_dump(path)) == 0
    assert [(month.month, month.bars, month.missing) for month in history.months()] == [
        ("2026-01", 2, 0),
        ("2026-02", 2, 0),
    ]
    assert history.bars("XUSDT")[:, 0].tolist() == [MONTH_END, 1.0, 1.5, 0.5, 1.2, 10, 12, 5]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (dump().replace("1.2", "x", 1), "line 1: not a number"),
        (HEADER + dump(2) + ROW.format(MONTH_END + 7, 0), "line 4: not on the five-minute grid"),
        (dump(1).replace("0.5", "-0.5"), "line 1: prices that cannot be"),
        ("1,2,3\n", "3 columns"),
        (dump(2).replace(str(MONTH_END + SCAN_MS) + ",", str(MONTH_END + 12 * SCAN_MS) + ","), "bars of 60 min"),
        ("", "No columns"),
    ],
)
def test_a_bad_dump_is_refused_with_its_line(tmp_path: Path, text: str, complaint: str) -> None:
    """The error names the file, the line and what is wrong."""
    path = tmp_path / "XUSDT-5m-2026-01.csv"
    path.write_text(text)
    with pytest.raises(BadDumpError, match=complaint) as caught:
        read_dump(path)
    assert path.name in str(caught.value)


def test_a_crash_while_writing_leaves_the_old_month(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is replaced whole or not at all, and nothing is left beside it."""
    path = tmp_path / "2026-01.parquet"
    write_atomically(path, pd.DataFrame({"a": [1]}))

    def crash(*_: object, **__: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(pd.DataFrame, "to_parquet", crash)
    with pytest.raises(OSError, match="no space"):
        write_atomically(path, pd.DataFrame({"a": [2]}))
    assert pd.read_parquet(path)["a"].tolist() == [1]
    assert list(tmp_path.iterdir()) == [path]


def test_what_was_observed_stays_beside_its_bar(tmp_path: Path) -> None:
    """Open interest and ratios stand at their stamps and are not lost when the bars come again without them."""
    times = MONTH_END + SCAN_MS * np.arange(3, dtype=np.float64)
    matrix = np.array([times, *(np.full(3, 2.0) for _ in COLUMNS[1:])])
    derivatives = Derivatives(open_interest=Points.of(times[:2], [7.0, 8.0]), funding_rate=1e-4, mark_price=2.0)
    snapshot = MarketSnapshot(
        symbol="XUSDT",
        scan_id=int(times[-1]) + SCAN_MS,
        settings_version=1,
        tick_size=0.1,
        bars={"5m": Bars.of("5m", matrix)},
        btc_close=b"",
        derivatives=derivatives,
    )
    history = History(tmp_path)
    history.merge("XUSDT", observed_rows(snapshot))
    history.merge("XUSDT", pd.DataFrame(matrix.T, columns=list(COLUMNS)))
    kept = pd.concat([pd.read_parquet(month.path) for month in history.months()], ignore_index=True)
    assert kept["open_interest"].tolist()[:2] == [7.0, 8.0]
    assert np.isnan(kept["open_interest"].iloc[2])
    assert kept["funding_rate"].iloc[2] == 1e-4


def test_a_symbol_cannot_leave_the_folder(tmp_path: Path) -> None:
    """A name with a slash or a leading dot is no symbol; one that is not ASCII is."""
    history = History(tmp_path)
    for name in ("../x", "a/b", ".."):
        with pytest.raises(BadDumpError):
            history.path(name, "2026-01")
    assert history.path("币安人生USDT", "2026-01").parent.name == "币安人生USDT"
