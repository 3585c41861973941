"""The exchange's clock does not go back when the exchange is started again."""

from __future__ import annotations

from pathlib import Path

from services.simulator.clock_file import LONGEST_AWAY_MS, KeptClock

BEGIN = 1_768_222_800_000


def test_the_clock_goes_on_as_if_it_had_run_meanwhile(tmp_path: Path) -> None:
    """Two seconds away at 60 times the speed are two minutes; in lockstep it stands where it stood."""
    wall = [100.0]
    kept = KeptClock(tmp_path / "clock", lambda: wall[0])
    kept.keep(BEGIN + 300_000)
    wall[0] += 2.0
    assert kept.resumed(BEGIN, None, 60.0) == BEGIN + 420_000
    assert kept.resumed(BEGIN, None, 0.0) == BEGIN + 300_000


def test_a_long_absence_and_a_recordings_end_are_limits(tmp_path: Path) -> None:
    """A week away costs one day of the exchange's clock; a recording is not left behind."""
    wall = [100.0]
    kept = KeptClock(tmp_path / "clock", lambda: wall[0])
    kept.keep(BEGIN + 300_000)
    wall[0] += 7 * 86_400
    assert kept.resumed(BEGIN, None, 60.0) == BEGIN + 300_000 + LONGEST_AWAY_MS
    assert kept.resumed(BEGIN, BEGIN + 600_000, 60.0) == BEGIN + 599_999


def test_nothing_kept_or_nothing_readable_is_a_first_start(tmp_path: Path) -> None:
    """A missing, torn or older file begins where the caller says; a wall clock set back does not turn time back."""
    kept = KeptClock(tmp_path / "clock", lambda: 100.0)
    assert kept.resumed(BEGIN, None, 60.0) == BEGIN
    kept.path.write_bytes(b'{"exchange":17')
    assert kept.resumed(BEGIN, None, 60.0) == BEGIN
    kept.keep(BEGIN - 1)
    assert kept.resumed(BEGIN, None, 60.0) == BEGIN
    kept.keep(BEGIN + 1)
    assert KeptClock(kept.path, lambda: 50.0).resumed(BEGIN, None, 60.0) == BEGIN + 1
