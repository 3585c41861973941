"""Five-minute history in monthly parquet files per symbol: recorded from the bus, or imported from CSV dumps.

A file is replaced as a whole, by renaming a complete one over it, so a crash leaves the old or the
new month and never half of one.  Prices are kept for ever; open interest, ratios and funding are
kept as they were observed, since the exchange forgets them after 30 days.
"""

from __future__ import annotations

import io
import os
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from shared.bus import RedisBus
from shared.contracts import COLUMNS, SCAN_MS, Floats, MarketSnapshot, Stream

OBSERVED: Final = ("open_interest", "global_ratio", "top_ratio", "funding_rate", "mark_price")
FIELDS: Final = (*COLUMNS, *OBSERVED)
#: columns of `COLUMNS` within the twelve of the exchange's dumps
CSV_COLUMNS: Final = (0, 1, 2, 3, 4, 5, 7, 9)
CSV_WIDTH: Final = 12
MICROSECONDS_FROM: Final = 10**14  #: newer spot dumps stamp µs; futures stamp ms


class BadDumpError(ValueError):
    """A file that cannot be imported; the text says which line and why."""


@dataclass(frozen=True)
class Month:
    """One file of the history."""

    symbol: str
    month: str  #: YYYY-MM
    path: Path
    bars: int
    first: int  #: open time, ms
    last: int

    @property
    def missing(self) -> int:
        """How many bars are missing between the first and the last."""
        return (self.last - self.first) // SCAN_MS + 1 - self.bars


class History:
    """The files under one folder: ``SYMBOL/YYYY-MM.parquet``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, symbol: str, month: str) -> Path:
        """Return where *month* of *symbol* lies."""
        if "/" in symbol or symbol.startswith("."):
            raise BadDumpError(f"{symbol!r} is no symbol")
        return self.folder / symbol / f"{month}.parquet"

    def merge(self, symbol: str, rows: pd.DataFrame) -> int:
        """Add *rows* (columns of `FIELDS`, others absent); return how many bars are new.

        A bar that is held already is replaced; what was observed of it stays where *rows* has none.
        """
        new = 0
        months = [month_of(int(at)) for at in rows["open_time"]]
        for month, part in rows.groupby(months):
            path = self.path(symbol, str(month))
            held = pd.read_parquet(path) if path.exists() else pd.DataFrame(columns=list(FIELDS))
            merged = _merged(held, part)
            new += len(merged) - len(held)
            if not _same(held, merged):
                write_atomically(path, merged)
        return new

    def months(self, symbol: str = "") -> Iterator[Month]:
        """Yield what is kept, by symbol and month."""
        for path in sorted(self.folder.glob(f"{symbol or '*'}/????-??.parquet")):
            times = pd.read_parquet(path, columns=["open_time"])["open_time"]
            if len(times):
                yield Month(path.parent.name, path.stem, path, len(times), int(times.iloc[0]), int(times.iloc[-1]))

    def bars(self, symbol: str) -> Floats:
        """Return all bars of *symbol*, shape (8, n)."""
        parts = [pd.read_parquet(month.path, columns=list(COLUMNS)) for month in self.months(symbol)]
        if not parts:
            return np.empty((len(COLUMNS), 0))
        return np.ascontiguousarray(pd.concat(parts).to_numpy(dtype=np.float64).T)


def month_of(at: int) -> str:
    """Return the UTC month of *at*, ms."""
    return datetime.fromtimestamp(at / 1_000, UTC).strftime("%Y-%m")


def _merged(held: pd.DataFrame, part: pd.DataFrame) -> pd.DataFrame:
    part = part.reindex(columns=list(FIELDS)).astype("float64").drop_duplicates("open_time", keep="last")
    if held.empty:
        merged = part
    else:
        merged = part.set_index("open_time").combine_first(held.astype("float64").set_index("open_time")).reset_index()
    merged = merged[list(FIELDS)].sort_values("open_time", ignore_index=True)
    merged["open_time"] = merged["open_time"].astype("int64")
    return merged


def _same(held: pd.DataFrame, merged: pd.DataFrame) -> bool:
    return len(held) == len(merged) and np.array_equal(
        held.to_numpy(dtype=np.float64), merged.to_numpy(dtype=np.float64), equal_nan=True
    )


def write_atomically(path: Path, table: pd.DataFrame) -> None:
    """Write *table* beside *path*, sync it, and rename it over."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            table.to_parquet(file, compression="zstd", index=False)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def read_dump(path: Path) -> pd.DataFrame:
    """Return the bars of a klines CSV (twelve columns, with or without header) or of a zip that holds one.

    Raises `BadDumpError`, which names the file, the line and what is wrong with it.
    """
    if path.suffix == ".zip":
        try:
            with zipfile.ZipFile(path) as archive:
                names = [name for name in archive.namelist() if name.endswith(".csv")]
                if len(names) != 1:
                    raise BadDumpError(f"{path.name}: holds {len(names)} CSV files, one is expected")
                return _parse_dump(archive.read(names[0]), f"{path.name}/{names[0]}")
        except zipfile.BadZipFile as error:
            raise BadDumpError(f"{path.name}: not a zip file") from error
    return _parse_dump(path.read_bytes(), path.name)


def _parse_dump(data: bytes, name: str) -> pd.DataFrame:
    header = 1 if data[:1].isalpha() else 0
    try:
        table = pd.read_csv(io.BytesIO(data), header=None, skiprows=header, dtype=str)
    except (ValueError, UnicodeDecodeError) as error:
        raise BadDumpError(f"{name}: {error}") from error
    if table.shape[1] != CSV_WIDTH:
        raise BadDumpError(f"{name}: {table.shape[1]} columns, the exchange's klines have {CSV_WIDTH}")
    bars = table.iloc[:, list(CSV_COLUMNS)].apply(pd.to_numeric, errors="coerce")
    bars.columns = pd.Index(COLUMNS)
    _complain(bars.isna().any(axis=1) | ~np.isfinite(bars).all(axis=1), name, header, "not a number")
    if bars["open_time"].iloc[0] >= MICROSECONDS_FROM:
        bars["open_time"] //= 1_000
    prices = bars[["open", "high", "low", "close"]]
    wrong = (prices <= 0).any(axis=1) | (bars["high"] < prices.max(axis=1)) | (bars["low"] > prices.min(axis=1))
    _complain(wrong, name, header, "prices that cannot be")
    _complain(bars["open_time"] % SCAN_MS != 0, name, header, "not on the five-minute grid")
    lengths = bars["open_time"].diff().dropna()
    if len(lengths) and lengths.min() > SCAN_MS:
        raise BadDumpError(f"{name}: bars of {lengths.min() / 60_000:.0f} min, five-minute bars are kept")
    return bars


def _complain(wrong: pd.Series, name: str, header: int, what: str) -> None:
    if wrong.any():
        line = int(np.flatnonzero(wrong.to_numpy())[0]) + 1 + header
        raise BadDumpError(f"{name}, line {line}: {what}")


def symbol_of(path: Path) -> str:
    """Return the symbol in a dump's name, such as ``BTCUSDT-5m-2024-10.zip``."""
    symbol, _, rest = path.stem.partition("-")
    if not symbol or not rest.startswith("5m"):
        raise BadDumpError(f"{path.name}: not named SYMBOL-5m-…; name the symbol")
    return symbol


def observed_rows(snapshot: MarketSnapshot) -> pd.DataFrame:
    """Return the snapshot's five-minute bars with what the futures market said at their opens."""
    rows = pd.DataFrame(snapshot.bars["5m"].matrix.T, columns=list(COLUMNS))
    derivatives = snapshot.derivatives
    for name in ("open_interest", "global_ratio", "top_ratio"):
        times, values = getattr(derivatives, name).arrays()
        rows[name] = rows["open_time"].map(dict(zip(times.tolist(), values.tolist(), strict=True)))
    at_scan = rows["open_time"] == snapshot.scan_id - SCAN_MS
    for name in ("funding_rate", "mark_price"):
        value = getattr(derivatives, name)
        rows[name] = np.where(at_scan, np.nan if value is None else value, np.nan)
    return rows


async def record(bus: RedisBus, history: History, *, scans: int = 0) -> int:
    """Follow the snapshots and keep what is in them; after *scans* of them (0: never) return the new bars."""
    after, seen, new = "0-0", set[int](), 0
    while True:
        page = await bus.tail({Stream.SNAPSHOTS: after}, count=64)
        if not page and scans and len(seen) >= scans:
            return new
        for _, entry_id, message in page:
            after = entry_id
            if isinstance(message, MarketSnapshot):
                seen.add(message.scan_id)
                new += history.merge(message.symbol, observed_rows(message))
