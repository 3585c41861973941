"""The history's files: one parquet file per symbol and month, replaced as a whole.

A complete file is renamed over the old one, so a crash leaves the old or the new month and never
half of one; one writer at a time.  Prices are kept for ever; open interest, ratios and funding as
they were observed, since the exchange forgets most of them after 30 days.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Final

import numpy as np
import pandas as pd

from shared.config.environment import MARKET
from shared.contracts import COLUMNS, INTERVALS, Floats, Interval

OBSERVED: Final = ("open_interest", "global_ratio", "top_ratio", "funding_rate", "funding_settled", "mark_price")
FIELDS: Final = (*COLUMNS, *OBSERVED)


STAMPS: Final = "metrics_stamps"  #: the note in a month's file: day -> what `create_time` meant in its dump
SOURCE: Final = ".source"  #: the file in a history's folder that names its source
REAL: Final = MARKET


class BadFileError(ValueError):
    """A file or name that cannot be used; the text says which and why."""


@dataclass(frozen=True)
class HistoryMonth:
    """One file of the history."""

    symbol: str
    interval: Interval
    month: str  #: YYYY-MM
    path: Path
    bars: int
    first: int  #: open time, ms
    last: int

    @property
    def missing(self) -> int:
        """How many bars are missing between the first and the last."""
        return (self.last - self.first) // INTERVALS[self.interval] + 1 - self.bars if self.bars else 0


class History:
    """The files under one folder: ``SYMBOL/YYYY-MM.parquet``, of longer bars ``SYMBOL/1h/YYYY-MM.parquet``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def claim(self, source: str) -> None:
        """Make this the history of *source*, such as ``binance-um``; raises `BadFileError` where it is another's.

        A history from before the sources were noted is the real market's.
        """
        with self._alone():
            note = self.folder / SOURCE
            older = any(path.is_dir() for path in self.folder.iterdir())
            held = note.read_text().strip() if note.exists() else REAL if older else ""
            if held and held != source:
                raise BadFileError(
                    f"{self.folder} holds the history of {held}, these bars are of {source}; use --folder for another"
                )
            note.write_text(f"{source}\n")

    def path(self, symbol: str, month: str, interval: Interval = "5m") -> Path:
        """Return where *month* of *symbol* lies."""
        if not symbol or "/" in symbol or symbol.startswith("."):
            raise BadFileError(f"{symbol!r} is no symbol")
        folder = self.folder / symbol
        return (folder if interval == "5m" else folder / interval) / f"{month}.parquet"

    def merge(
        self,
        symbol: str,
        rows: pd.DataFrame,
        interval: Interval = "5m",
        *,
        stamps: Mapping[str, str] = MappingProxyType({}),
    ) -> int:
        """Add *rows* (columns of `FIELDS`, others absent); return how many of them are new.

        A bar that is held already is replaced; what was observed of it stays where *rows* has none.  *stamps* says of
        days of metrics by which rule their stamps were read; the month's file keeps it.
        Raises `BadFileError` where a month that is there cannot be read: it is left as it is.
        """
        new = 0
        months = [month_of(int(at)) for at in rows["open_time"]]
        with self._alone():
            for month, part in rows.groupby(months):
                path = self.path(symbol, str(month), interval)
                held = _read(path) if path.exists() else NOTHING
                both = merged(held, part)
                new += len(both) - len(held)
                before = held.attrs.get(STAMPS, {})
                rules = before | {day: rule for day, rule in stamps.items() if day.startswith(str(month))}
                if rules:
                    both.attrs = {STAMPS: dict(sorted(rules.items()))}
                if rules != before or not _same(held, both):
                    write_atomically(path, both)
        return new

    def stamps(self, symbol: str, month: str) -> dict[str, str]:
        """Return by which rule the metrics of each day of *month* were read: "end" or "beginning"."""
        path = self.path(symbol, month)
        rules: dict[str, str] = _read(path).attrs.get(STAMPS, {}) if path.exists() else {}
        return rules

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Wait until no other process writes here: a recorder and an import may run at once."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def months(self, symbol: str = "*", interval: Interval | None = None) -> Iterator[HistoryMonth]:
        """Yield what is kept, by symbol, interval and month."""
        for name in sorted(path.name for path in self.folder.glob(symbol) if path.is_dir() and path.name[0] != "."):
            for length in INTERVALS if interval is None else (interval,):
                for path in sorted(self.path(name, "????-??", length).parent.glob("????-??.parquet")):
                    times = _bars_of(_read(path, "open_time", "close"))["open_time"]
                    ends = (int(times.iloc[0]), int(times.iloc[-1])) if len(times) else (0, 0)
                    yield HistoryMonth(name, length, path.stem, path, len(times), *ends)

    def bars(self, symbol: str, interval: Interval = "5m") -> Floats:
        """Return all bars of *symbol*, shape (8, n)."""
        parts = [_bars_of(_read(month.path, *COLUMNS)) for month in self.months(symbol, interval)]
        if not parts:
            return np.empty((len(COLUMNS), 0))
        return np.ascontiguousarray(pd.concat(parts).to_numpy(dtype=np.float64).T)


NOTHING: Final = pd.DataFrame(columns=list(FIELDS), dtype=np.float64)


def month_of(at: int) -> str:
    """Return the UTC month of *at*, ms."""
    return datetime.fromtimestamp(at / 1_000, UTC).strftime("%Y-%m")


def merged(held: pd.DataFrame, part: pd.DataFrame) -> pd.DataFrame:
    """Return *held* with *part* over it: cells that *part* lacks stay; the last duplicate of a stamp wins."""
    said = part.reindex(columns=list(FIELDS)).astype("float64").groupby("open_time").last()
    both = said if held.empty else said.combine_first(held.astype("float64").set_index("open_time"))
    both = both.sort_index().reset_index()[list(FIELDS)]
    both["open_time"] = both["open_time"].astype("int64")
    return both


def _bars_of(table: pd.DataFrame) -> pd.DataFrame:
    """Return those rows that have a bar; dumps of open interest may come before those of prices."""
    return table[table["close"].notna()]


def _same(held: pd.DataFrame, both: pd.DataFrame) -> bool:
    return list(held.columns) == list(both.columns) and np.array_equal(
        held.to_numpy(dtype=np.float64), both.to_numpy(dtype=np.float64), equal_nan=True
    )


def _read(path: Path, *columns: str) -> pd.DataFrame:
    """Return *columns* of a file, all without any."""
    try:
        return pd.read_parquet(path, columns=list(columns) or None)
    except (ValueError, OSError) as error:
        raise BadFileError(f"{path} cannot be read ({error}); move it away to go on without it") from error


def write_atomically(path: Path, table: pd.DataFrame) -> None:
    """Write *table* beside *path*, sync it, and rename it over; what a killed writer left there is overwritten."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.parent / f".{path.name}.part"
    try:
        with part.open("wb") as file:
            table.to_parquet(file, compression="zstd", index=False)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
