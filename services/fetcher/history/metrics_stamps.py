"""Which moment a row of the metrics dumps is of: the exchange changed that on 2026-06-25.

Until then `create_time` is the end of the five minutes that a row is of, and a day's file runs 00:05 … 00:00 of the
next day.  From then on it is their beginning, and the file runs 00:00 … 23:55.  The layout of a file says which it is;
its date decides only where the layout is broken off.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Final, Literal

import numpy as np

from shared.contracts import DAY_MS, SCAN_MS, Floats

StampRule = Literal["end", "beginning"]
CHANGED: Final = date(2026, 6, 25)
SHIFT_MS: Final[dict[StampRule, int]] = {"end": 0, "beginning": SCAN_MS}  #: from create_time to the moment of the row


class UnclearStampsError(ValueError):
    """A file whose stamps are ambiguous; the text says why and what to do."""


def rule_of(stamps: Floats, day: date | None) -> StampRule:
    """Return what *stamps* (ms, on the five-minute grid, in any order) of one day's file mean.

    *day* is the file's, None where its name has none.  Raises `UnclearStampsError`.
    """
    midnight = _midnight(day) if day else int(np.median(stamps - 1)) // DAY_MS * DAY_MS
    if stamps.min() < midnight or stamps.max() > midnight + DAY_MS:
        raise UnclearStampsError(f"it holds rows of more than one day; {_WAY_OUT}")
    first, last = bool((stamps == midnight).any()), bool((stamps == midnight + DAY_MS).any())
    if first and last:
        raise UnclearStampsError(f"it has the midnight before and the one after; {_WAY_OUT}")
    if last:
        return "end"
    if not first:
        raise UnclearStampsError(f"it has neither the midnight before nor the one after; {_WAY_OUT}")
    whole = bool((stamps == midnight + DAY_MS - SCAN_MS).any())
    return "beginning" if whole or midnight >= _midnight(CHANGED) else "end"


def _midnight(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1_000)


_WAY_OUT: Final = (
    "whether create_time is the end or the beginning of the five minutes is unclear:"
    " say `--stamps end` or `--stamps beginning`"
)
