"""The exchange's public CSV dumps, as data.binance.vision has them: klines, futures metrics, funding rates."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from services.fetcher.history import BadFileError
from shared.contracts import COLUMNS, INTERVALS, SCAN_MS, Floats, Interval

KLINE: Final = (
    "open_time", "open", "high", "low", "close", "volume", "close_time", "quote_volume", "count",
    "taker_buy_volume", "taker_buy_quote_volume", "ignore",
)  # fmt: skip
#: those of them that are read
WANTED: Final = tuple(number for number, name in enumerate(KLINE) if name in {*COLUMNS, "close_time"})
MICROSECONDS_FROM: Final = 10**14  #: newer spot dumps stamp µs; futures stamp ms
#: column of the metrics -> what it is here
METRICS: Final = {
    "sum_open_interest": "open_interest",
    "count_long_short_ratio": "global_ratio",
    "count_toptrader_long_short_ratio": "top_ratio",
}
NAME: Final = re.compile(r"(?P<symbol>\w+)-(?:\d+[mhdwM]+[on]*|metrics|fundingRate)-\d{4}-\d\d(?:-\d\d)?")


@dataclass(frozen=True)
class Dump:
    """What a dump holds: rows with ``open_time`` in ms and other columns of the history."""

    rows: pd.DataFrame
    interval: Interval = "5m"


def read_dump(path: Path) -> Dump:
    """Return what a CSV, with or without header, or a zip that holds one says.

    Raises `BadFileError`, which names the file, the line and what is wrong with it.
    """
    if path.suffix != ".zip":
        return _parse(path.read_bytes(), path.name)
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if name.endswith(".csv")]
            if len(names) != 1:
                raise BadFileError(f"{path.name}: holds {len(names)} CSV files, one is expected")
            return _parse(archive.read(names[0]), f"{path.name}/{names[0]}")
    except zipfile.BadZipFile as error:
        raise BadFileError(f"{path.name}: no zip file, or a damaged one") from error


def symbol_of(path: Path) -> str:
    """Return the symbol in a dump's name, such as ``BTCUSDT-5m-2024-10.zip``."""
    found = NAME.fullmatch(path.stem)
    if found is None or found["symbol"] != found["symbol"].upper():
        raise BadFileError(f"{path.name}: its name does not tell the symbol (SYMBOL-5m-2024-10.zip); use --symbol")
    return found["symbol"]


def write_dump(path: Path, bars: Floats, interval: Interval) -> None:
    """Write *bars*, shape (8, n), as such a CSV; the number of trades, which nobody kept, and what follows is empty."""
    table = pd.DataFrame(bars.T, columns=list(COLUMNS)).astype({"open_time": "int64"})
    table["close_time"] = table["open_time"] + INTERVALS[interval] - 1
    table.reindex(columns=list(KLINE)).to_csv(path, index=False)


def _parse(data: bytes, name: str) -> Dump:
    first = data.removeprefix(b"\xef\xbb\xbf").partition(b"\n")[0].decode(errors="replace").strip().split(",")
    if first[0] == "create_time":
        return Dump(_metrics(data, name, first))
    if first[0] == "calc_time":
        return Dump(_funding(data, name, first))
    if len(first) != len(KLINE):
        kinds = f"the exchange's klines have {len(KLINE)}, its metrics and funding rates begin with a header"
        raise BadFileError(f"{name}: {len(first)} columns; {kinds}")
    return _klines(data, name, header=int(not first[0].isdigit()))


def _klines(data: bytes, name: str, header: int) -> Dump:
    table = _numbers(data, name, header, WANTED, [KLINE[column] for column in WANTED])
    complain = _complaining(name, header)
    if data.count(b",") != (len(KLINE) - 1) * (len(table) + header):
        commas = [line.count(b",") for line in data.split(b"\n") if line.strip()][header:]
        complain(pd.Series(commas) != len(KLINE) - 1, f"not {len(KLINE)} columns")
    if table["open_time"].iloc[0] >= MICROSECONDS_FROM:
        table[["open_time", "close_time"]] //= 1_000
    prices = table[["open", "high", "low", "close"]]
    wrong = (prices <= 0).any(axis=1) | (table["high"] < prices.max(axis=1)) | (table["low"] > prices.min(axis=1))
    complain(wrong | (table[["volume", "quote_volume", "taker_buy_volume"]] < 0).any(axis=1), "values that cannot be")
    length = table["close_time"] + 1 - table["open_time"]
    kept = {milliseconds: interval for interval, milliseconds in INTERVALS.items()}
    complain(~length.isin(list(kept)), f"not a bar of {', '.join(INTERVALS)}, which are kept")
    complain(length != length.iloc[0], "a bar of another length than the first")
    interval = kept[int(length.iloc[0])]
    complain(table["open_time"] % INTERVALS[interval] != 0, f"not on the grid of {interval}")
    return Dump(table.drop(columns="close_time"), interval)


def _metrics(data: bytes, name: str, header: Sequence[str]) -> pd.DataFrame:
    wanted = [header.index(column) for column in METRICS if column in header]
    table = _numbers(data, name, 1, wanted, [METRICS[header[column]] for column in wanted], empty=True)
    stamps = pd.to_datetime(_column(data, 0), format="%Y-%m-%d %H:%M:%S", errors="coerce")
    _complaining(name, 1)(stamps.isna(), "no time such as 2024-10-28 00:05:00")
    table["open_time"] = stamps.to_numpy(dtype="datetime64[ms]").astype(np.float64)
    return table[table["open_time"] % SCAN_MS == 0]


def _funding(data: bytes, name: str, header: Sequence[str]) -> pd.DataFrame:
    if "last_funding_rate" not in header:
        raise BadFileError(f"{name}: no column last_funding_rate")
    columns = (0, header.index("last_funding_rate"))
    table = _numbers(data, name, 1, columns, ("open_time", "funding_settled"))
    table["open_time"] -= table["open_time"] % SCAN_MS  # settlements are stamped some ms late
    return table


def _numbers(
    data: bytes, name: str, header: int, columns: Sequence[int], names: Sequence[str], *, empty: bool = False
) -> pd.DataFrame:
    """Return *columns* as float64, from bytes to arrays with no object in between; *empty* cells may be NaN."""
    complain = _complaining(name, header)
    try:
        table = pd.read_csv(
            io.BytesIO(data),
            header=None,
            skiprows=header,
            usecols=list(columns),
            dtype=np.float64,
            float_precision="round_trip",
        )
    except pd.errors.EmptyDataError as error:
        raise BadFileError(f"{name}: holds no rows") from error
    except (ValueError, UnicodeDecodeError) as error:
        for column in columns:  # only to find the line
            cells = _column(data, column, header)
            complain(pd.to_numeric(cells, errors="coerce").isna() & cells.notna(), "not a number")
        raise BadFileError(f"{name}: {error}") from error
    table = table[list(columns)].set_axis(list(names), axis=1)
    unreadable = ~np.isfinite(table.to_numpy())
    if empty:
        unreadable &= table.notna().to_numpy()
    complain(pd.Series(unreadable.any(axis=1)), "not a number")
    return table


def _column(data: bytes, column: int, header: int = 1) -> pd.Series:
    """Return one column as text."""
    try:
        return pd.read_csv(io.BytesIO(data), header=None, skiprows=header, usecols=[column], dtype=str)[column]
    except (ValueError, UnicodeDecodeError):
        return pd.Series(dtype=str)


def _complaining(name: str, header: int) -> Callable[[pd.Series, str], None]:
    def complain(wrong: pd.Series, what: str) -> None:
        if wrong.any():
            line = int(np.flatnonzero(wrong.to_numpy())[0]) + 1 + header
            raise BadFileError(f"{name}, line {line}: {what}")

    return complain
