"""Each invariant is found out when it is broken: the suite can fail."""

from __future__ import annotations

from collections import Counter

import msgspec
import numpy as np
import pytest

from services.gatekeeper import handler
from services.gatekeeper.domain.state import State
from services.gatekeeper.handler import JudgingContext
from shared.config.environment import MARKET
from shared.contracts import Alert, Bars, Decision, Depth, Derivatives, MarketSnapshot, Points
from tests.chaos import invariants
from tests.chaos.inprocess import expected_alerts
from tests.chaos.market import SETTINGS, ChaosMarket
from tests.chaos.processes import ProcessRun, compare
from tests.chaos.records import Records, difference, newer_than_its_scan
from tests.unit.gatekeeper.facts import SCAN, STEP, analysis, opened

CHAOS = ChaosMarket(1)


@pytest.fixture(scope="module")
def alerts() -> list[Alert]:
    """The alerts of an undisturbed run."""
    return expected_alerts(CHAOS, MARKET)


def test_a_missing_and_a_doubled_alert_are_found(alerts: list[Alert]) -> None:
    """1 and 2, and an early end is not taken for its confirmation."""
    assert invariants.same_alerts(alerts, alerts) == []
    assert [text[0] for text in invariants.same_alerts(alerts, alerts[1:])] == ["1"]
    assert [text[0] for text in invariants.same_alerts(alerts, [*alerts, alerts[0]])] == ["2"]
    confirmed = [alert for alert in alerts if not invariants.is_early(alert)]
    assert len(confirmed) < len(alerts)
    assert invariants.same_alerts(alerts, confirmed)


@pytest.mark.parametrize(
    ("end", "times", "found"),
    [
        ({"sent"}, 1, []),
        ({"unknown"}, 1, []),
        ({"unknown"}, 0, []),
        ({"expired"}, 0, []),
        ({"retrying"}, 0, ["3"]),
        ({"sent"}, 0, ["3"]),
        ({"expired"}, 1, ["3"]),
        ({"sent"}, 2, ["4"]),
    ],
)
def test_ends_and_arrivals_have_to_agree(end: set[str], times: int, found: list[str]) -> None:
    """3 and 4: no end, an end that is not true, and an alert that arrived twice."""
    assert [text[0] for text in invariants.all_told(["a"], {"a": end}, Counter(a=times))] == found


def test_persistence_that_does_not_follow_from_the_scans_is_found() -> None:
    """5: a streak that counts a scan which is not recorded, and two decisions on one symbol and scan."""
    made = decisions(2)
    assert invariants.persistence(made, set()) == []
    assert [text[0] for text in invariants.persistence(made[1:], set())] == ["5"]
    assert [text[0] for text in invariants.persistence([*made, made[0]], set())] == ["5"]
    assert [text[0] for text in invariants.persistence(made, {SCAN})] == ["5"]


def decisions(count: int) -> list[Decision]:
    """Return the decisions on a symbol that appears in each of *count* scans."""
    state, made = State(), list[Decision]()
    for number in range(count):
        one = analysis(scan_id=SCAN + number * STEP)
        scan = opened(one.symbol, scan_id=one.scan_id)
        outcome = handler.settle_scan(
            state, scan, {one.symbol: one}, JudgingContext(MARKET, SETTINGS, 0), opened_wall=0
        )
        state = outcome.state
        made += [message for _, message in outcome.outputs if isinstance(message, Decision)]
    return made


def test_disorder_is_found(alerts: list[Alert]) -> None:
    """6: an alert that is older than the one before it, an answer before what it answers."""
    assert invariants.order(alerts) == []
    answer = next(alert for alert in alerts if alert.parent_id)
    assert invariants.order([answer])
    of_one = [alert for alert in alerts if alert.symbol == answer.symbol]
    assert invariants.order(of_one[::-1])
    assert invariants.scans_in_order([2, 1])
    assert invariants.scans_in_order([1, 1])


def snapshot(*, bar: int = SCAN - STEP, depth: int = SCAN - 5_000, interest: int = SCAN - STEP) -> MarketSnapshot:
    """Return a snapshot at `SCAN` whose newest parts have these stamps."""
    bars = np.ones((8, 1))
    bars[0] = bar
    return MarketSnapshot(
        symbol="AAAUSDT",
        scan_id=SCAN,
        settings_version=1,
        tick_size=0.01,
        bars={"5m": Bars.of("5m", bars)},
        btc_close=b"",
        derivatives=Derivatives(open_interest=Points.of([interest], [1.0])),
        depth=Depth(at=depth, bids=b"", asks=b""),
    )


def test_what_is_newer_than_its_scan_is_found() -> None:
    """7: a bar that has not closed, a book from after the close, figures of the last five minutes."""
    assert newer_than_its_scan(snapshot()) == []
    for newer in (snapshot(bar=SCAN), snapshot(depth=SCAN + 1), snapshot(interest=SCAN)):
        assert len(newer_than_its_scan(newer)) == 1


def test_a_signal_of_a_degraded_scan_is_found(alerts: list[Alert]) -> None:
    """8: an alert of a scan that was not sound."""
    signal = next(alert for alert in alerts if alert.kind == "signal")
    assert invariants.nothing_stale([signal], set()) == []
    assert invariants.nothing_stale([signal], {signal.scan_id})


def test_memory_and_answers_are_compared_with_the_undisturbed_run() -> None:
    """9: a service that grew; and an analysis that differs on equal input names its fields."""
    reference, other = (ProcessRun(name, records=Records(), memory={"gatekeeper": 80 << 20}) for name in "ab")
    assert compare(reference, other) == []
    other.memory["gatekeeper"] += 65 << 20
    assert [text[0] for text in compare(reference, other)] == ["9"]
    one = analysis()
    assert difference(one, msgspec.structs.replace(one, score=1.0)) == ["score"]
