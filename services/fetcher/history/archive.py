"""The exchange's public CSV dumps, as data.binance.vision has them: klines, futures metrics, funding rates."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from services.fetcher.history.metrics_stamps import SHIFT_MS, StampRule, UnclearStampsError, rule_of
from services.fetcher.history.store import BadFileError
from shared.contracts import COLUMNS, INTERVALS, SCAN_MS, Floats, Interval
from shared.klines import TWELVE, KlinesError, read_klines
from shared.klines import sound as can_be_bars

OFF_GRID_MS: Final = (
    30_000  #: rows of metrics up to this far off the five-minute grid are snapped to it; others are left out
)
#: column of the metrics -> what it is here
METRICS: Final = {
    "sum_open_interest": "open_interest",
    "count_long_short_ratio": "global_ratio",
    "count_toptrader_long_short_ratio": "top_ratio",
}
DAY: Final = re.compile(r"-(\d{4}-\d\d-\d\d)\.(?:zip|csv)")
NAME: Final = re.compile(r"(?P<symbol>\w+)-(?:\d+[mhdwM]+[on]*|metrics|fundingRate)-\d{4}-\d\d(?:-\d\d)?")


@dataclass(frozen=True)
class Dump:
    """What a dump holds: rows with ``open_time`` in ms and other columns of the history."""

    rows: pd.DataFrame
    interval: Interval = "5m"
    stamps: dict[str, StampRule] = field(default_factory=dict)  #: of metrics: day -> what their stamps meant
    off_grid: int = 0  #: rows that were left out: they belong to no five minutes


def read_dump(path: Path, *, stamps: StampRule | None = None) -> Dump:
    """Return the contents of a CSV, with or without header, or of a zip that holds one.

    *stamps* says what those of metrics mean, where the file cannot.  Raises `BadFileError`, which names the file, the
    line and what is wrong with it.
    """
    if path.suffix != ".zip":
        return _parse(path.read_bytes(), path.name, stamps)
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if name.endswith(".csv")]
            if len(names) != 1:
                raise BadFileError(f"{path.name}: holds {len(names)} CSV files, one is expected")
            return _parse(archive.read(names[0]), f"{path.name}/{names[0]}", stamps)
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise BadFileError(f"{path.name}: no zip file, or a damaged one") from error


def symbol_of(path: Path) -> str:
    """Return the symbol in a dump's name, such as ``BTCUSDT-5m-2024-10.zip``."""
    found = NAME.fullmatch(path.stem)
    if found is None or found["symbol"] != found["symbol"].upper():
        raise BadFileError(f"{path.name}: its name does not contain the symbol (SYMBOL-5m-2024-10.zip); use --symbol")
    return found["symbol"]


def write_dump(path: Path, bars: Floats, interval: Interval) -> None:
    """Write *bars*, shape (8, n), as such a CSV; the number of trades, which is not kept, and what follows is empty."""
    table = pd.DataFrame(bars.T, columns=list(COLUMNS)).astype({"open_time": "int64"})
    table["close_time"] = table["open_time"] + INTERVALS[interval] - 1
    table.reindex(columns=list(TWELVE)).to_csv(path, index=False)


def _parse(data: bytes, name: str, stamps: StampRule | None) -> Dump:
    first = data.removeprefix(b"\xef\xbb\xbf").partition(b"\n")[0].decode(errors="replace").strip().split(",")
    if first[0] == "create_time":
        return _metrics(data, name, first, stamps)
    if first[0] == "calc_time":
        return Dump(_funding(data, name, first))
    if len(first) != len(TWELVE):
        kinds = f"the exchange's klines have {len(TWELVE)}, its metrics and funding rates begin with a header"
        raise BadFileError(f"{name}: {len(first)} columns; {kinds}")
    return _klines(data, name, headed=not first[0].isdigit())


def _klines(data: bytes, name: str, headed: bool) -> Dump:
    columns = (*COLUMNS, "close_time")
    try:
        bars = read_klines(io.TextIOWrapper(io.BytesIO(data), "utf-8-sig", "replace"), columns=columns)
    except KlinesError as error:
        raise BadFileError(f"{name}: {error}") from error
    table = pd.DataFrame(bars.T, columns=list(columns))
    complain = _complaining(name, int(headed))
    complain(table.isna().any(axis=1), "not a number in each column")
    negative = (table[["quote_volume", "taker_buy_volume"]] < 0).any(axis=1)
    complain(negative | ~can_be_bars(bars[: len(COLUMNS)]), "values that cannot be")
    length = table["close_time"] + 1 - table["open_time"]
    kept = {milliseconds: interval for interval, milliseconds in INTERVALS.items()}
    complain(~length.isin(list(kept)), f"not a bar of {', '.join(INTERVALS)}, which are kept")
    complain(length != length.iloc[0], "a bar of another length than the first")
    interval = kept[int(length.iloc[0])]
    complain(table["open_time"] % INTERVALS[interval] != 0, f"not on the grid of {interval}")
    return Dump(table.drop(columns="close_time"), interval)


def _metrics(data: bytes, name: str, header: Sequence[str], rule: StampRule | None) -> Dump:
    wanted = [header.index(column) for column in METRICS if column in header]
    table = _numbers(data, name, wanted, [METRICS[header[column]] for column in wanted], empty=True)
    stamps = pd.to_datetime(_column(data, 0), format="%Y-%m-%d %H:%M:%S", errors="coerce")
    _complaining(name)(stamps.isna(), "no time such as 2024-10-28 00:05:00")
    at = pd.Series(stamps.to_numpy(dtype="datetime64[ms]").astype(np.float64))
    snapped = (at / SCAN_MS).round() * SCAN_MS
    near = (at - snapped).abs() <= OFF_GRID_MS
    if not near.any():
        raise BadFileError(f"{name}: no row is on the grid of five minutes")
    day = _day_of(name)
    try:
        rule = rule or rule_of(snapped[near].to_numpy(), day)
    except UnclearStampsError as error:
        raise BadFileError(f"{name}: {error}") from error
    rows = table.assign(open_time=snapped + SHIFT_MS[rule])[near]
    known = {(day or _first_day(snapped[near])).isoformat(): rule}
    return Dump(rows, stamps=known, off_grid=int((~near).sum()))


def _day_of(name: str) -> date | None:
    """Return the day in a dump's name, None without one."""
    found = DAY.search(name)
    try:
        return date.fromisoformat(found[1]) if found else None
    except ValueError:
        return None


def _first_day(stamps: pd.Series) -> date:
    return datetime.fromtimestamp(float(stamps.min()) / 1_000, UTC).date()


def _funding(data: bytes, name: str, header: Sequence[str]) -> pd.DataFrame:
    if "last_funding_rate" not in header:
        raise BadFileError(f"{name}: no column last_funding_rate")
    columns = (0, header.index("last_funding_rate"))
    table = _numbers(data, name, columns, ("open_time", "funding_settled"))
    table["open_time"] -= table["open_time"] % SCAN_MS  # settlements are stamped some ms late
    return table


def _numbers(
    data: bytes, name: str, columns: Sequence[int], names: Sequence[str], *, empty: bool = False
) -> pd.DataFrame:
    """Return *columns* as float64; *empty* cells may be NaN."""
    complain = _complaining(name)
    try:
        table = pd.read_csv(
            io.BytesIO(data),
            header=None,
            skiprows=1,
            usecols=list(columns),
            dtype=np.float64,
            float_precision="round_trip",
        )
    except pd.errors.EmptyDataError as error:
        raise BadFileError(f"{name}: holds no rows") from error
    except (ValueError, UnicodeDecodeError) as error:
        for column in columns:  # only to find the line
            cells = _column(data, column)
            complain(pd.to_numeric(cells, errors="coerce").isna() & cells.notna(), "not a number")
        raise BadFileError(f"{name}: {error}") from error
    table = table[list(columns)].set_axis(list(names), axis=1)
    unreadable = ~np.isfinite(table.to_numpy())
    if empty:
        unreadable &= table.notna().to_numpy()
    complain(pd.Series(unreadable.any(axis=1)), "not a number")
    return table


def _column(data: bytes, column: int) -> pd.Series:
    """Return one column as text."""
    try:
        return pd.read_csv(io.BytesIO(data), header=None, skiprows=1, usecols=[column], dtype=str)[column]
    except (ValueError, UnicodeDecodeError):
        return pd.Series(dtype=str)


def _complaining(name: str, header: int = 1) -> Callable[[pd.Series, str], None]:
    def complain(wrong: pd.Series, what: str) -> None:
        if wrong.any():
            line = int(np.flatnonzero(wrong.to_numpy())[0]) + 1 + header
            raise BadFileError(f"{name}, line {line}: {what}")

    return complain
