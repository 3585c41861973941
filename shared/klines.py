"""Klines in a CSV file of any origin: columns are found by their headings where there are some.

Without a heading the columns are the exchange's: open time, open, high, low, close, volume, and in files of
twelve columns close time, quote volume, number of trades and what takers bought as well.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain
from operator import itemgetter
from typing import Final

import numpy as np
import numpy.typing as npt

from shared.contracts import COLUMNS, Floats

NEEDED: Final = COLUMNS[:6]
TIMES: Final = ("open_time", "close_time")
#: headings that mean a column, the better ones first; lower case, everything but letters and digits as one underscore
MEANINGS: Final[Mapping[str, tuple[str, ...]]] = {
    "open_time": ("open_time", "time", "timestamp", "datetime", "date", "opentime", "unix", "ts"),
    "open": ("open", "o"),
    "high": ("high", "h"),
    "low": ("low", "l"),
    "close": ("close", "c"),
    "volume": ("volume", "vol", "v", "base_volume", "base_asset_volume"),
    "quote_volume": ("quote_volume", "quote_asset_volume", "quotevolume", "quote_vol"),
    "taker_buy_volume": (
        "taker_buy_volume", "taker_buy_base_asset_volume", "taker_buy_base_volume", "taker_buy_base", "taker_base_vol",
    ),
    "close_time": ("close_time", "closetime"),
    "count": ("count", "trades", "number_of_trades", "trade_count"),
    "taker_buy_quote_volume": (
        "taker_buy_quote_volume", "taker_buy_quote_asset_volume", "taker_buy_quote", "taker_quote_vol",
    ),
}  # fmt: skip
#: the exchange's twelve columns
TWELVE: Final = (
    "open_time", "open", "high", "low", "close", "volume", "close_time", "quote_volume", "count",
    "taker_buy_volume", "taker_buy_quote_volume", "ignore",
)  # fmt: skip
#: times from here on are in ms, µs and ns; smaller ones in seconds
MILLISECONDS, MICROSECONDS, NANOSECONDS = 10**11, 10**14, 10**17


class KlinesError(Exception):
    """A file that cannot be read as klines; the message names the line."""


def read_klines(
    lines: Iterable[str], progress: Callable[[int], None] | None = None, *, columns: Sequence[str] = COLUMNS
) -> Floats:
    """Return the file's bars, shape (len(columns), n), times in ms; NaN where the file has no such column.

    *columns* are names in `MEANINGS`.  Times are UNIX seconds, ms, µs or ns, by their size, or ISO dates (UTC where
    they name no zone).  *progress* is called with the number of bars so far after each of them.  Raises `KlinesError`
    on anything else.
    """
    rows = _rows(lines)
    number, first = next(rows, (0, []))
    if not first:
        raise KlinesError("no klines in it")
    headed = not _is_time(first[0])
    places = find_columns(first) if headed else _by_place(number, first)
    if missing := [name for name in NEEDED if name not in places]:
        raise KlinesError(f"no klines in it: its heading has no column {', '.join(missing)}")
    wanted = {name: places[name] for name in dict.fromkeys([*NEEDED, *columns]) if name in places}
    least, most = 1 + max(wanted[name] for name in NEEDED), len(first)
    pick = itemgetter(*wanted.values())
    values: list[float] = []
    for count, (at, cells) in enumerate(rows if headed else chain([(number, first)], rows), 1):
        if not least <= len(cells) <= most:
            raise KlinesError(f"line {at}: {_width(len(cells), least, most)}")
        values.extend(_usual(pick, cells) or _bar(at, cells, wanted))
        if progress is not None:
            progress(count)
    if not values:
        raise KlinesError("no klines in it, only a heading")
    return _matrix(np.array(values).reshape(-1, len(wanted)), list(wanted), columns)


def find_columns(headings: Sequence[str]) -> dict[str, int]:
    """Return where each column of `MEANINGS` stands; of headings that mean the same, the first of the better name."""
    names = ["".join(sign if sign.isalnum() else " " for sign in name.lower()).split() for name in headings]
    places = {"_".join(name): place for place, name in reversed(list(enumerate(names)))}
    found = {
        column: next((places[word] for word in words if word in places), None) for column, words in MEANINGS.items()
    }
    return {column: place for column, place in found.items() if place is not None}


def sound(matrix: Floats) -> npt.NDArray[np.bool_]:
    """Return for each bar of *matrix*, shape (8, n), whether its prices and volume can be a bar's.

    The high is its highest and the low its lowest price, above zero; the volume is not negative.
    """
    bodies, high, low, volume = matrix[1:5:3], matrix[2], matrix[3], matrix[5]
    inside = (low <= bodies) & (high >= bodies)
    good: npt.NDArray[np.bool_] = inside[0] & inside[1] & (low > 0) & (volume >= 0)
    return good


def _rows(lines: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    """Yield the lines that are not empty with their numbers, split at commas, semicolons or tabs: as the first is."""
    lines = iter(lines)
    before = 0  #: empty lines above the first
    for first in lines:
        if first.strip():
            break
        before += 1
    else:
        return
    separator = next((sign for sign in ",;\t" if sign in first), ",")
    reader = csv.reader(chain([first], lines), delimiter=separator)
    try:
        for cells in reader:
            if any(cells):
                yield before + reader.line_num, cells
    except csv.Error as error:
        raise KlinesError(f"line {before + reader.line_num}: {error}") from None


def _by_place(number: int, first: Sequence[str]) -> dict[str, int]:
    if len(first) < len(NEEDED):
        raise KlinesError(f"line {number}: {len(first)} columns, at least {len(NEEDED)} are needed")
    names = TWELVE if len(first) == len(TWELVE) else NEEDED
    return {name: place for place, name in enumerate(names) if name in MEANINGS}


def _width(width: int, least: int, most: int) -> str:
    """Say what is wrong with a line that is cut off, or has more cells than the first one."""
    return f"{width} columns, " + (f"at least {least} are needed" if width < least else f"the first line has {most}")


def _usual(pick: Callable[[Sequence[str]], tuple[str, ...]], cells: Sequence[str]) -> list[float] | None:
    """Return the picked cells as numbers, None where one of them is none: then `_bar` looks closer."""
    try:
        bar = [*map(float, pick(cells))]
    except (ValueError, IndexError):
        return None
    return bar if math.isfinite(sum(bar)) else None


def _bar(line: int, cells: Sequence[str], wanted: Mapping[str, int]) -> list[float]:
    """Return the *wanted* cells, those not needed NaN where they are empty; raises `KlinesError` with its line."""
    texts = {name: cells[place].strip() if place < len(cells) else "" for name, place in wanted.items()}
    try:
        return [_time(name, text) if name in TIMES else _number(name, text) for name, text in texts.items()]
    except ValueError as error:
        raise KlinesError(f"line {line}: {error}") from None


def _number(name: str, text: str) -> float:
    if name not in NEEDED and text.lower() in ("", "nan"):
        return math.nan
    try:
        value = float(text)
    except ValueError:
        value = math.inf
    if not math.isfinite(value):
        raise ValueError(f"{name} is not a number: {text[:40]!r}")
    return value


def _time(name: str, text: str) -> float:
    """Return a time in its own unit, a date in seconds."""
    if name not in NEEDED and not text:
        return math.nan
    try:
        value = float(text)
    except ValueError:
        value = _date(text)
    if not math.isfinite(value):
        raise ValueError(f"{name} is not a time: {text[:40]!r}")
    return value


def _date(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return math.nan
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _is_time(text: str) -> bool:
    try:
        _time("open_time", text.strip())
    except ValueError:
        return False
    return True


def _matrix(bars: Floats, names: Sequence[str], columns: Sequence[str]) -> Floats:
    """Return *bars*, shape (n, len(names)), as rows in the order of *columns*."""
    matrix = np.full((len(columns), len(bars)), math.nan)
    for row, name in enumerate(columns):
        if name in names:
            values = bars[:, names.index(name)]
            matrix[row] = _milliseconds(values) if name in TIMES else values
    return matrix


def _milliseconds(times: Floats) -> Floats:
    """Return *times* of any unit in whole ms; a bar's last µs is still its last ms."""
    units = [times < MILLISECONDS, times < MICROSECONDS, times < NANOSECONDS]
    scaled = [np.round(times * 1_000), times, np.floor(times / 1_000)]
    return np.select(units, scaled, np.round(times / 1_000_000))
