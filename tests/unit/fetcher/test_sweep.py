"""The sweep's times: spread over the interval, the books last."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from services.fetcher.feed.derivatives_sweep import schedule
from shared.contracts import SCAN_MS

CLOSE = 1_768_176_000_000


def symbols(count: int) -> list[str]:
    """Return names."""
    return [f"S{number}USDT" for number in range(count)]


@pytest.mark.parametrize("count", [1, 20, 150, 250])
def test_futures_data_is_asked_for_evenly_and_books_in_the_last_twenty_seconds(count: int) -> None:
    """Once each; from 75 s after the open on; no minute has more than its share; all is over before the close."""
    jobs = schedule(symbols(count), CLOSE, 1.0)
    futures = np.array([due for due, kind, _ in jobs if kind == "futures"])
    books = np.array([due for due, kind, _ in jobs if kind == "book"])
    assert Counter(kind for _, kind, _ in jobs) == {"futures": count, "book": count}
    assert ((futures >= CLOSE - SCAN_MS + 75_000) & (futures < CLOSE - 33_000)).all()
    assert ((books > CLOSE - 20_000) & (books < CLOSE - 5_000)).all()
    if count > 1:
        assert np.ptp(np.diff(futures)) <= 1
    assert [due for due, _, _ in jobs] == sorted(due for due, _, _ in jobs)


def test_more_than_two_hundred_and_fifty_are_swept_over_three_scans() -> None:
    """Each once in fifteen minutes, at most 1,000 requests of futures data in five; books of all at each scan."""
    swept = [schedule(symbols(600), CLOSE + scan * SCAN_MS, 1.0) for scan in range(3)]
    futures = [[symbol for _, kind, symbol in jobs if kind == "futures"] for jobs in swept]
    assert [len(names) for names in futures] == [200] * 3
    assert Counter(name for names in futures for name in names) == dict.fromkeys(symbols(600), 1)
    assert all(sum(kind == "book" for _, kind, _ in jobs) == 600 for jobs in swept)
