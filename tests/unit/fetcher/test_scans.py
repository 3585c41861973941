"""Which close is opened next: after a start, and after an outage."""

from __future__ import annotations

from services.fetcher.scan.loop import CATCH_UP_MS, MOST_BEHIND, first_close, next_close
from shared.contracts import SCAN_MS

CLOSE = 1_768_222_800_000


def test_a_close_that_is_minutes_old_is_not_opened_after_a_start() -> None:
    """After an outage the old close is skipped: the next one is scanned."""
    assert first_close(CLOSE, 0, late=CATCH_UP_MS, whatever_its_age=False) == CLOSE
    assert first_close(CLOSE, 0, late=CATCH_UP_MS + 1, whatever_its_age=False) == CLOSE + SCAN_MS


def test_a_close_that_was_opened_is_not_opened_again() -> None:
    """A restart goes on with the close after it."""
    assert first_close(CLOSE, CLOSE, late=1_000, whatever_its_age=False) == CLOSE + SCAN_MS


def test_where_the_clock_runs_fast_the_newest_close_is_never_too_late() -> None:
    """A few seconds of loading are minutes of a simulated exchange."""
    assert first_close(CLOSE, 0, late=CATCH_UP_MS + 1, whatever_its_age=True) == CLOSE


def test_a_few_scans_behind_are_made_up_for_and_more_are_skipped() -> None:
    """Half an hour of backlog is opened in turn; beyond it the newest close is next and the rest is counted."""
    behind = CLOSE + MOST_BEHIND * SCAN_MS + 1_000
    assert next_close(CLOSE, behind) == (CLOSE + SCAN_MS, 0)
    assert next_close(CLOSE, behind + SCAN_MS) == (CLOSE + (MOST_BEHIND + 1) * SCAN_MS, MOST_BEHIND)
