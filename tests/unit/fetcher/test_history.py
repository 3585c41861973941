"""The history: monthly files, whole or not at all, and imports that say what is wrong."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from services.fetcher.history.archive import read_dump, symbol_of, write_dump
from services.fetcher.history.history_recorder import HistoryRecorder
from services.fetcher.history.store import BadFileError, History, write_atomically
from shared.contracts import COLUMNS, SCAN_MS, Bars, Derivatives, MarketSnapshot, Points

MONTH_END = 1_769_903_400_000  #: 2026-01-31 23:50 UTC
ROW = "{},1.0,1.5,0.5,1.2,10,{},12,3,5,6,0"
HEADER = (
    "open_time,open,high,low,close,volume,close_time,quote_volume,count,"
    "taker_buy_volume,taker_buy_quote_volume,ignore\n"
)


def dump(count: int = 4, start: int = MONTH_END, length: int = SCAN_MS) -> str:
    """Return a CSV of *count* bars in the exchange's twelve columns."""
    times = range(start, start + count * length, length)
    return "\n".join(ROW.format(at, at + length - 1) for at in times) + "\n"


def written(folder: Path, text: str | bytes, name: str = "XUSDT-5m-2026-01.csv") -> Path:
    """Return a file with *text*."""
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize("form", ["plain", "header", "mark", "windows", "zip", "microseconds"])
def test_the_public_dumps_are_imported_by_month(tmp_path: Path, form: str) -> None:
    """With or without header, zipped, in ms or µs: the same bars, in the files of their months, once each."""
    text = (
        dump() if form != "microseconds" else dump().replace("000,1.0", "000000,1.0").replace("999,12,", "999999,12,")
    )
    text = {"header": HEADER + text, "mark": "\ufeff" + HEADER + text, "windows": text.replace("\n", "\r\n")}.get(
        form, text
    )
    path = written(tmp_path, text)
    if form == "zip":
        packed = path.with_suffix(".zip")
        with zipfile.ZipFile(packed, "w") as archive:
            archive.write(path, path.name)
        path = packed
    history = History(tmp_path / "history")
    assert history.merge(symbol_of(path), read_dump(path).rows) == 4
    assert history.merge("XUSDT", read_dump(path).rows) == 0
    assert [(month.month, month.bars, month.missing) for month in history.months()] == [
        ("2026-01", 2, 0),
        ("2026-02", 2, 0),
    ]
    assert history.bars("XUSDT")[:, 0].tolist() == [MONTH_END, 1.0, 1.5, 0.5, 1.2, 10, 12, 5]


def test_every_value_is_what_float_makes_of_its_cell(tmp_path: Path) -> None:
    """Seventeen digits survive."""
    text = dump(1).replace("1.2,10,", "1.2000000000000002,0.30000000000000004,")
    table = read_dump(written(tmp_path, text)).rows
    assert table["close"].tolist() == [1.2000000000000002]
    assert table["volume"].tolist() == [0.30000000000000004]


def test_longer_bars_have_files_of_their_own(tmp_path: Path, shared_data: Path) -> None:
    """A day of the exchange's own 1h bars: beside the five-minute bars, never among them."""
    found = read_dump(shared_data / "market/um_vision_BTCUSDT-1h-2024-10-28.csv")
    history = History(tmp_path)
    assert (found.interval, history.merge("BTCUSDT", found.rows, found.interval)) == ("1h", 24)
    assert history.bars("BTCUSDT").shape == (8, 0)
    assert history.bars("BTCUSDT", "1h")[:, 0].tolist() == [
        1730073600000, 67992.70, 68094.60, 67804.70, 67835.20, 5179.117, 351923638.03910, 2415.052
    ]  # fmt: skip
    (month,) = history.months()
    assert (month.interval, month.bars, month.missing) == ("1h", 24, 0)


def test_a_day_of_the_exchange_s_metrics_is_kept_beside_its_bars(tmp_path: Path, shared_data: Path) -> None:
    """Open interest and ratios at their stamps; until the bars come there are none, and afterwards both are there."""
    found = read_dump(shared_data / "open_interest/vision_metrics_BTCUSDT_2023-11-14_first144.csv")
    history = History(tmp_path)
    assert history.merge("BTCUSDT", found.rows) == 144
    assert history.bars("BTCUSDT").shape == (8, 0)
    assert [(month.bars, month.missing) for month in history.months()] == [(0, 0)]
    history.merge("BTCUSDT", read_dump(written(tmp_path, dump(2, 1_699_920_000_000))).rows)
    kept = pd.read_parquet(history.path("BTCUSDT", "2023-11"))
    assert kept.loc[1, ["close", "open_interest", "global_ratio", "top_ratio"]].tolist() == [
        1.2, 80390.219, 1.0884327, 1.09249614
    ]  # fmt: skip


def test_funding_rates_stand_at_their_settlements(tmp_path: Path) -> None:
    """Stamped some ms late, kept on the grid."""
    text = f"calc_time,funding_interval_hours,last_funding_rate\n{MONTH_END + 7},8,0.00010000\n"
    found = read_dump(written(tmp_path, text, "XUSDT-fundingRate-2026-01.csv"))
    assert found.rows.to_dict("list") == {"open_time": [MONTH_END], "funding_settled": [0.0001]}


def test_what_is_exported_is_imported_as_the_same_bars(tmp_path: Path) -> None:
    """The exchange's own twelve columns, every digit."""
    history = History(tmp_path / "history")
    history.merge("XUSDT", read_dump(written(tmp_path, dump(3).replace("1.2,10,", "1.2000000000000002,10,"))).rows)
    bars = history.bars("XUSDT")
    write_dump(tmp_path / "XUSDT.csv", bars, "5m")
    found = read_dump(tmp_path / "XUSDT.csv")
    np.testing.assert_array_equal(found.rows.to_numpy().T, bars)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (dump().replace("1.2", "x", 1), "line 1: close is not a number: 'x'"),
        (dump() + "1,2\n", "line 5: 2 columns"),
        (dump() + dump(1)[:-1] + ",13\n", "line 5: 13 columns, the first line has 12"),
        (HEADER + dump().replace("1.2", "inf", 1), "line 2: close is not a number: 'inf'"),
        (HEADER + dump(2) + ROW.format(MONTH_END + 7, MONTH_END + SCAN_MS + 6), "line 4: not on the grid of 5m"),
        (dump(1).replace("0.5", "-0.5"), "line 1: values that cannot be"),
        (dump(1).replace(",5,6,", ",-5,6,"), "line 1: values that cannot be"),
        (dump(1, length=60_000), "line 1: not a bar of 5m, 15m, 1h, 4h"),
        (dump(1) + dump(1, length=3_600_000), "line 2: a bar of another length than the first"),
        ("1,2,3\n", "3 columns"),
        ("<html>", "1 columns"),
        (b"\xff\xfe\x00" * 99, "columns"),
        ("", "1 columns"),
        (HEADER, "only a heading"),
        ("create_time,symbol,sum_open_interest\nyesterday,X,5\n", "line 2: no time"),
        ("create_time,symbol,sum_open_interest\n2026-01-01 00:00:00,X,many\n", "line 2: not a number"),
        ("calc_time,funding_interval_hours\n1,8\n", "no column last_funding_rate"),
    ],
)
def test_a_bad_dump_is_refused_with_its_line(tmp_path: Path, text: str | bytes, complaint: str) -> None:
    """The error names the file, the line and what is wrong."""
    path = written(tmp_path, text)
    with pytest.raises(BadFileError, match=complaint) as caught:
        read_dump(path)
    assert path.name in str(caught.value)


def test_a_damaged_zip_is_refused(tmp_path: Path) -> None:
    """No zip, one without a CSV, one whose content does not fit its checksum."""
    with pytest.raises(BadFileError, match="no zip"):
        read_dump(written(tmp_path, "PK", "a.zip"))
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.writestr("readme.txt", "x")
    with pytest.raises(BadFileError, match="holds 0 CSV"):
        read_dump(tmp_path / "b.zip")
    with zipfile.ZipFile(tmp_path / "c.zip", "w") as archive:
        archive.writestr("c.csv", dump())
    spoiled = (tmp_path / "c.zip").read_bytes().replace(b"1.0,1.5", b"2.0,2.5", 1)
    with pytest.raises(BadFileError, match="damaged"):
        read_dump(written(tmp_path, spoiled, "d.zip"))


@pytest.mark.parametrize("name", ["BTCUSDT.csv", "um_vision_BTCUSDT-1h-2024-10-28.csv", "x-5m-2024-10.csv", "5m.csv"])
def test_a_name_that_does_not_tell_the_symbol_is_no_guess(name: str) -> None:
    """The symbol is asked for instead."""
    with pytest.raises(BadFileError, match="--symbol"):
        symbol_of(Path(name))


@pytest.mark.parametrize(
    ("name", "symbol"),
    [
        ("BTCUSDT-5m-2024-10-28.csv", "BTCUSDT"),
        ("1000PEPEUSDT-1h-2024-10.zip", "1000PEPEUSDT"),
        ("币安人生USDT-metrics-2026-01-01.zip", "币安人生USDT"),
        ("BTCUSDT-fundingRate-2024-10.csv", "BTCUSDT"),
    ],
)
def test_the_exchange_s_names_tell_the_symbol(name: str, symbol: str) -> None:
    """Daily and monthly, of every kind."""
    assert symbol_of(Path(name)) == symbol


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


def test_a_month_that_cannot_be_read_is_left_as_it_is(tmp_path: Path) -> None:
    """Named, not overwritten."""
    history = History(tmp_path)
    path = history.path("XUSDT", "2026-01")
    path.parent.mkdir()
    path.write_bytes(b"half a file")
    rows = read_dump(written(tmp_path, dump(2))).rows
    with pytest.raises(BadFileError, match=r"2026-01\.parquet cannot be read"):
        history.merge("XUSDT", rows)
    assert path.read_bytes() == b"half a file"


def snapshot(scan_id: int, open_interest: Points, funding_rate: float) -> MarketSnapshot:
    """Return a snapshot of three bars that ends at *scan_id*."""
    times = scan_id - SCAN_MS * np.arange(3, 0, -1, dtype=np.float64)
    matrix = np.array([times, *(np.full(3, 2.0) for _ in COLUMNS[1:])])
    settled = Points.of([times[0] + 3], [5e-5])
    return MarketSnapshot(
        symbol="XUSDT",
        scan_id=scan_id,
        settings_version=1,
        tick_size=0.1,
        bars={"5m": Bars.of("5m", matrix)},
        btc_close=b"",
        derivatives=Derivatives(open_interest=open_interest, funding_rate=funding_rate, funding_settled=settled),
    )


def test_what_was_observed_stays_beside_its_bar(tmp_path: Path) -> None:
    """Of two scans: each one's own funding rate, open interest at its stamps, also when bars come again without."""
    recorder, history = HistoryRecorder(History(tmp_path)), History(tmp_path)
    first = MONTH_END + 3 * SCAN_MS
    recorder.take(snapshot(first, Points.of([MONTH_END, MONTH_END + SCAN_MS], [7.0, 8.0]), 1e-4))
    recorder.take(snapshot(first + SCAN_MS, Points.of([], []), 2e-4))
    assert list(history.months()) == []
    assert recorder.write() == []
    assert recorder.new == 4
    history.merge("XUSDT", read_dump(written(tmp_path, dump())).rows)
    kept = pd.concat([pd.read_parquet(month.path) for month in history.months()], ignore_index=True)
    assert kept["close"].tolist() == [1.2] * 4
    np.testing.assert_array_equal(kept["open_interest"], [7.0, 8.0, np.nan, np.nan])
    np.testing.assert_array_equal(kept["funding_rate"], [np.nan, np.nan, 1e-4, 2e-4])
    np.testing.assert_array_equal(kept["funding_settled"], [5e-5, 5e-5, np.nan, np.nan])


def test_what_cannot_be_written_is_told_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk loses nothing: written when there is room."""
    recorder = HistoryRecorder(History(tmp_path))
    recorder.take(snapshot(MONTH_END, Points.of([], []), 1e-4))
    with monkeypatch.context() as full:
        full.setattr(pd.DataFrame, "to_parquet", lambda *_, **__: (_ for _ in ()).throw(OSError("no space left")))
        assert recorder.write() == ["XUSDT: no space left"]
    assert recorder.write() == []
    assert recorder.new == 3


def test_a_symbol_cannot_leave_the_folder(tmp_path: Path) -> None:
    """A name with a slash or a leading dot is no symbol; one that is not ASCII is."""
    history = History(tmp_path)
    for name in ("../x", "a/b", "..", ""):
        with pytest.raises(BadFileError):
            history.path(name, "2026-01")
    assert history.path("币安人生USDT", "2026-01").parent.name == "币安人生USDT"
