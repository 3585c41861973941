"""What a failover took back is found, and what may come twice after it is not more than that."""

from __future__ import annotations

from shared.contracts import Message, Outcome, PriceTick, ScanOpened, ScanSettled, Stream
from tests.chaos import failovers
from tests.chaos.records import Records


def settled(scan_id: int) -> ScanSettled:
    """Return a scan that has settled."""
    counts = {"symbols": 1, "analysed": 1, "passed": 0, "alerts": 0, "opened_at": 0, "settled_at": 0}
    return ScanSettled(scan_id=scan_id, missing=(), at_deadline=False, seconds=1.0, **counts)


def outcome(outcome_id: str, scan_id: int) -> Outcome:
    """Return an outcome that has begun at a scan."""
    return Outcome(
        outcome_id=outcome_id, kind="signal", subject_id=outcome_id, symbol="BTCUSDT", side="long", scan_id=scan_id
    )


def test_what_was_taken_back_has_to_come_again() -> None:
    """What came again is counted, what did not is missing, unless its scan is lost; what was trimmed is neither."""
    seen: dict[Stream, dict[str, Message]] = {
        Stream.SCANS: {f"{number}-0": settled(number) for number in (1, 2, 3, 4)},
        Stream.OUTCOMES: {"3-1": outcome("signal:3", 3), "4-1": outcome("signal:4", 5)},
    }
    records = Records(entries=seen)
    held: dict[Stream, dict[str, Message]] = {
        Stream.SCANS: {"2-0": settled(2), "5-0": settled(3)},
        Stream.OUTCOMES: {"1-0": outcome("signal:2", 2)},
    }
    counted, missing = failovers.take_final(records, held)
    assert (counted["taken back of scans"], counted["taken back of outcomes"]) == (2, 2)
    assert (counted[failovers.SKIPPED], counted[failovers.WITH_THEM]) == (1, 1)
    assert missing == ["1: signal:3  was taken back and never came again"]
    assert [scan.scan_id for scan in records.settled] == [2, 3]


def test_only_what_was_sent_at_a_failover_may_be_sent_again() -> None:
    """An alert that first came long before is none of them."""
    arrivals = [(10.0, "before"), (99.5, "just before"), (101.0, "within"), (200.0, "after")]
    again = [(300.0, name) for _, name in arrivals]
    assert failovers.sent_again([*arrivals, *again], [(100.0, 110.0)]) == {"just before", "within"}
    assert failovers.sent_again(arrivals, [(100.0, 110.0)]) == set()


def test_a_scan_that_came_again_after_newer_prices_is_late() -> None:
    """One that came again before any newer price is not."""

    def opened(scan_id: int) -> ScanOpened:
        return ScanOpened(scan_id=scan_id, symbols=(), settings_version=1, opened_at=0)

    records = Records(entries={Stream.SCANS: {"5-0": opened(500), "6-0": opened(600)}, Stream.TICKS: {}})
    held: dict[Stream, dict[str, Message]] = {
        Stream.SCANS: {"1-0": opened(100), "7-0": opened(500), "9-0": opened(600)},
        Stream.TICKS: {"8-0": PriceTick(at=650, prices={})},
    }
    failovers.take_final(records, held)
    assert records.late == {600}
