"""What a folder of recordings holds, before anything is analysed: which coins, when, with which holes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from services.fetcher.domain.snapshot import MOST
from services.simulator.market.replay import read
from services.simulator.market.tape import NoBarsError
from shared.contracts import FULL_BARS, INTERVALS, LEAST_BARS, SCAN_MS

Flags = npt.NDArray[np.bool_]
FOUR_HOURS: Final = INTERVALS["4h"]


@dataclass(frozen=True)
class CoinSurvey:
    """One recording: five-minute bars from `first` on."""

    symbol: str
    first: int  #: opening of the first bar
    there: Flags  #: for each five minutes from then on
    silent: Flags  #: bars without a trade

    @property
    def end(self) -> int:
        """Close of the last bar."""
        return self.first + len(self.there) * SCAN_MS

    def has_bar(self, scan_id: int) -> bool:
        """Return whether the bar that closes at *scan_id* is recorded."""
        place = (scan_id - self.first) // SCAN_MS - 1
        return 0 <= place < len(self.there) and bool(self.there[place])

    @property
    def holes(self) -> int:
        """Bars that are missing between the first and the last."""
        return int((~self.there).sum())

    @property
    def first_scan(self) -> int:
        """The first scan with enough four-hour bars to be analysed."""
        return self.first // FOUR_HOURS * FOUR_HOURS + (LEAST_BARS - 1) * FOUR_HOURS + SCAN_MS


def survey(symbol: str, path: Path) -> CoinSurvey:
    """Return what *path* holds; raises `NoBarsError` with a sentence where it cannot be used."""
    try:
        frame = read(path, ("open_time", "close", "volume"))
        if frame.empty:
            raise NoBarsError(f"{path.name}: no bars in it")
        times = frame["open_time"].to_numpy(np.int64)
        volume = frame["volume"].to_numpy(np.float64)
    except NoBarsError:
        raise
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise NoBarsError(f"{path.name}: it cannot be read as klines ({error})") from error
    if (times % SCAN_MS).any():
        raise NoBarsError(f"{path.name}: open times are not on the grid of five minutes; are they in milliseconds?")
    first = int(times[0])
    there = np.zeros((int(times[-1]) - first) // SCAN_MS + 1, dtype=np.bool_)
    silent = there.copy()
    columns = (times - first) // SCAN_MS
    there[columns], silent[columns] = True, volume == 0
    return CoinSurvey(symbol, first, there, silent)


def degraded_scans(coins: Sequence[CoinSurvey], since: int, until: int) -> Mapping[int, str]:
    """Return the scans from *since* to *until* that may open no signal, by the fetcher's rule: too many bad coins.

    A scan is bad where at most half of the listed coins have a bar, or where more than half of those that have one
    have a hole in their window or a bar without a trade.
    """
    count = (until - since) // SCAN_MS + 1
    listed, present, broken = (np.zeros(count, dtype=np.int64) for _ in range(3))
    for coin in coins:
        offset = (coin.first - since) // SCAN_MS + 1  # place of the scan that closes its first bar
        sums = np.concatenate((np.zeros(1, np.int64), np.cumsum(~coin.there)))
        back = np.maximum(np.arange(1, len(sums)) - FULL_BARS, 0)
        gap: Flags = np.greater(sums[1:], sums[back])
        bad = coin.there & (gap | coin.silent)
        start, stop = max(0, offset), min(count, offset + len(coin.there))
        if start >= stop:
            continue
        own = slice(start - offset, stop - offset)
        listed[start:stop] += 1
        present[start:stop] += coin.there[own]
        broken[start:stop] += bad[own]
    is_bad = (present <= listed * (1 - MOST)) | (broken > present * MOST)
    return {since + int(place) * SCAN_MS: "exchange gap" for place in np.flatnonzero(is_bad)}
