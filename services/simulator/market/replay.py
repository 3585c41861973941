"""Recorded five-minute bars as a market: parquet or CSV, its columns found by their headings.

What a recording lacks is made by a rule and named in `estimated`: quote volume = volume × (high + low +
close) / 3; taker share = 0.35 + 0.30 × where the bar closed in its range (0.5 for a flat bar); trades =
quote volume / 1500; open interest, ratios and funding by `DerivativesRule` without noise; depth always.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from services.simulator.instruments import BAR_MS, Contract
from services.simulator.market.derivatives import DerivativesRule
from services.simulator.market.tape import (
    BARS_A_DAY,
    CLOSE,
    COLUMNS,
    COUNT,
    HIGH,
    LOW,
    OPEN,
    QUOTE,
    TAKER,
    TAKER_QUOTE,
    VOLUME,
    Day,
    Floats,
    NoBarsError,
)
from shared.contracts import DAY_MS, FULL_BARS, HOUR_MS, LEAST_BARS
from shared.klines import NEEDED, KlinesError, find_columns, read_klines

RECORDED: Final = ("quote_volume", "count", "taker_buy_volume", "taker_buy_quote_volume")  #: where a recording has them
MONTHS: Final = "????-??.parquet"  #: files of a coin in the folder of a history
MOST_PLACES: Final = 12  #: decimals of a price or quantity
FULL_WINDOWS: Final = (FULL_BARS, LEAST_BARS)  #: bars of 4h to have before the start, the better one first
FEW: Final = 500  #: values of a recording
LEAST_TO_PLAY_MS: Final = 2 * DAY_MS


def read(path: Path, only: Collection[str] = (*NEEDED, *RECORDED)) -> pd.DataFrame:
    """Return those columns of a recording that it has and *only* names, sorted by open time in ms, each time once.

    *path* is a file, or a coin's folder in a history; *only* names the open time and the close at least.
    """
    if path.is_dir():
        months = [_read_parquet(month, only) for month in sorted(path.glob(MONTHS))]
        frame = pd.concat([month for month, _ in months]).dropna(subset="close")
        there = {name for _, names in months for name in names}
        if frame.empty:
            raise NoBarsError(f"{path.name}: no bars in it, only what was observed beside them")
    elif path.suffix == ".parquet":
        frame, there = _read_parquet(path, only)
    else:
        frame = _read_csv(path)
        there = set(frame.columns)
    missing = [name for name in NEEDED if name not in there]
    if missing:
        raise NoBarsError(f"{path.name}: no column {', '.join(missing)}")
    times = frame["open_time"].to_numpy()
    if not (times[1:] > times[:-1]).all():
        frame = frame.drop_duplicates("open_time").sort_values("open_time")
    frame = frame.reset_index(drop=True)
    apart = np.median(np.diff(frame["open_time"])) if len(frame) > 1 else BAR_MS
    if apart != BAR_MS:
        raise NoBarsError(f"{path.name}: its bars are {apart / 60_000:g} min apart; five-minute bars are wanted")
    return frame


def _read_parquet(path: Path, only: Collection[str]) -> tuple[pd.DataFrame, set[str]]:
    """Return those columns of *only* that the file has, and the names of all that it has."""
    headings = pq.read_schema(path).names
    there = find_columns(headings)
    places = {name: place for name, place in there.items() if name in only}
    table = pq.read_table(path, columns=[headings[place] for place in places.values()])
    frame = pd.DataFrame({name: table.column(headings[place]).to_pandas() for name, place in places.items()})
    return frame, set(there)


def _read_csv(path: Path) -> pd.DataFrame:
    columns = [*NEEDED, *RECORDED]
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            bars = read_klines(file, columns=columns)
    except (KlinesError, UnicodeDecodeError) as error:
        raise NoBarsError(f"{path.name}: {error}") from error
    return pd.DataFrame(bars.T, columns=columns).dropna(axis="columns", how="all")


def grid(values: Iterable[Floats]) -> float:
    """Return the coarsest decimal grid that all *values* lie on: the tick or the quantity step.

    A grid on which a value that is not zero would become zero is too coarse, however near it lies.
    """
    numbers = np.concatenate([series[np.isfinite(series)] for series in values])
    few = numbers[:: max(1, len(numbers) // FEW)]  # enough to find most grids too coarse
    for places in range(MOST_PLACES + 1):
        if _on_grid(few, places) and _on_grid(numbers, places):
            common = int(np.gcd.reduce(np.round(numbers * 10.0**places).astype(np.int64)))
            return float(f"{_one_two_five(common) * 10.0**-places:.{MOST_PLACES}f}")
    return float(10.0**-MOST_PLACES)


def _on_grid(numbers: Floats, places: int) -> bool:
    """Return whether *numbers* have no more than *places* decimals."""
    scaled = numbers * 10.0**places
    whole = np.round(scaled)
    near = np.abs(scaled - whole) < 1e-6 * np.maximum(1.0, np.abs(scaled) * 1e-8) + 1e-4
    return bool(np.all(near & ((whole != 0) | (numbers == 0))))


def _one_two_five(common: int) -> int:
    return 5 if common % 5 == 0 and common else 2 if common % 2 == 0 and common else 1


def recordings(folder: Path) -> dict[str, Path]:
    """Return the file of each symbol in *folder*, or its folder where that is a history, Bitcoin first.

    Raises `NoBarsError` where there is none.
    """
    paths = {path.stem.split("-")[0]: path for path in sorted([*folder.glob("*.parquet"), *folder.glob("*.csv")])}
    if not paths:
        paths = {path.parent.name: path.parent for path in sorted(folder.glob(f"*/{MONTHS}"))}
    if not paths:
        raise NoBarsError(f"{folder} holds neither parquet nor CSV files")
    names = sorted(paths, key=lambda name: (name != "BTCUSDT", name != "ETHUSDT", name))
    return {name: paths[name] for name in names}


class RecordedMarket:
    """A `Source` that ends."""

    def __init__(self, folder: Path, most: int, *, only: Collection[str] = ()) -> None:
        """Read the first *most* recordings of *folder*, or those of the symbols in *only*."""
        paths = recordings(folder)
        names = [name for name in paths if not only or name in only][:most]
        frames = [read(paths[name]) for name in names]
        first = min(int(frame["open_time"].iloc[0]) for frame in frames)
        self.genesis = first // DAY_MS * DAY_MS
        self.first = first
        self._end = max(int(frame["open_time"].iloc[-1]) for frame in frames) + BAR_MS
        self.end: int | None = self._end
        days = -(-(self._end - self.genesis) // DAY_MS)
        self.bars = np.full((COLUMNS, len(names), days * BARS_A_DAY), np.nan)  #: of all days, as in `Day`
        lacking: set[str] = {"derivatives", "depth"}
        for row, frame in enumerate(frames):
            lacking |= self._place(row, frame)
        self.estimated: tuple[str, ...] = tuple(
            part for part in ("taker", "quote_volume", "derivatives", "depth") if part in lacking
        )
        self.contracts = [
            self._contract(row, name, frame) for row, (name, frame) in enumerate(zip(names, frames, strict=True))
        ]
        self._settle_quotes()
        self._rule = DerivativesRule(self.contracts)

    @property
    def default_start(self) -> int:
        """Where a 4h window is full if two days are left then, else where it has the fewest bars, else the middle."""
        for window in FULL_WINDOWS:
            begin = self.first + window * 4 * HOUR_MS
            if begin + LEAST_TO_PLAY_MS <= self._end:
                return begin // BAR_MS * BAR_MS
        return (self.first + self._end) // 2 // BAR_MS * BAR_MS

    @property
    def days(self) -> int:
        """How many days it has, the last one perhaps in part."""
        return self.bars.shape[2] // BARS_A_DAY

    def _place(self, row: int, frame: pd.DataFrame) -> set[str]:
        """Put a recording into its row; return what had to be estimated."""
        at = ((frame["open_time"].to_numpy(np.int64) - self.genesis) // BAR_MS).astype(np.int64)
        bars = np.full((COLUMNS, len(frame)), np.nan)
        for column, name in enumerate(("open", "high", "low", "close", "volume")):
            bars[column] = frame[name].to_numpy(np.float64)
        lacking = fill_in(bars, {name: frame[name].to_numpy(np.float64) for name in RECORDED if name in frame})
        self.bars[:, row, at] = bars
        return lacking

    def _contract(self, row: int, name: str, frame: pd.DataFrame) -> Contract:
        bars = self.bars[:, row]
        quote = next((ending for ending in ("USDT", "USDC") if name.endswith(ending)), "USDT")
        begins = int(frame["open_time"].iloc[0])
        return Contract(
            symbol=name,
            row=row,
            tick=grid(bars[OPEN : CLOSE + 1]),
            step=grid([bars[VOLUME]]),
            base=name.removesuffix(quote),
            quote=quote,
            onboard=begins if begins > self.first else self.first // DAY_MS * DAY_MS - 365 * DAY_MS,
        )

    def _settle_quotes(self) -> None:
        """Round estimated quantities to the contract's step and quote volumes to their decimals."""
        for contract in self.contracts:
            bars, power = self.bars[:, contract.row], 10.0**contract.quote_decimals
            bars[TAKER] = np.round(bars[TAKER] / contract.step) * contract.step
            bars[[QUOTE, TAKER_QUOTE]] = np.round(bars[[QUOTE, TAKER_QUOTE]] * power) / power

    def day(self, number: int) -> Day:
        """Return the next day; after the end of the data, days without bars."""
        bars = self.bars[:, :, number * BARS_A_DAY : (number + 1) * BARS_A_DAY]
        if bars.shape[2] == 0:
            bars = np.full((COLUMNS, len(self.contracts), BARS_A_DAY), np.nan)
        return Day(bars, self._rule.day(bars))

    def derivatives(self) -> Floats:
        """Return the derivatives of all days at once, shape (5, rows, n): what `day` returns one by one."""
        rule = DerivativesRule(self.contracts)
        parts = self.bars[:, :, :BARS_A_DAY], self.bars[:, :, BARS_A_DAY:]  # the first day fixes each row's size
        return np.concatenate([rule.day(bars) for bars in parts if bars.shape[2]], axis=2)


def fill_in(bars: Floats, recorded: dict[str, Floats]) -> set[str]:
    """Fill the columns after volume from *recorded*, or by the rule; return what was estimated."""
    lacking = set()
    if "quote_volume" in recorded:
        bars[QUOTE] = recorded["quote_volume"]
    else:
        bars[QUOTE] = bars[VOLUME] * (bars[HIGH] + bars[LOW] + bars[CLOSE]) / 3
        lacking.add("quote_volume")
    if "taker_buy_volume" in recorded:
        bars[TAKER] = recorded["taker_buy_volume"]
    else:
        bars[TAKER] = bars[VOLUME] * taker_share(bars)
        lacking.add("taker")
    share = np.divide(bars[TAKER], bars[VOLUME], out=np.zeros_like(bars[VOLUME]), where=bars[VOLUME] > 0)
    bars[TAKER_QUOTE] = recorded.get("taker_buy_quote_volume", bars[QUOTE] * share)
    bars[COUNT] = recorded.get("count", np.ceil(bars[QUOTE] / 1_500))
    return lacking


def taker_share(bars: Floats) -> Floats:
    """Return 0.35 + 0.30 × where each bar closed in its range; 0.5 for a flat one."""
    spread = bars[HIGH] - bars[LOW]
    place = np.divide(bars[CLOSE] - bars[LOW], spread, out=np.full_like(spread, 0.5), where=spread > 0)
    return np.asarray(0.35 + 0.30 * place)
