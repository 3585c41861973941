"""Agreement and strength: completeness, freshness, the crowd, the segments."""

from __future__ import annotations

import msgspec
import pytest

from services.analyzer.domain.futures.figures import FuturesFigures
from services.analyzer.domain.scoring.agreement_parts import Evidence, parts, strength
from services.analyzer.handler import analyse
from shared.contracts import Fmqs, FmqsComponent, Points, Sentiment, Side
from shared.settings import RuntimeSettings
from tests.unit.analyzer import bars

SETTINGS = RuntimeSettings()
DAY = 86_400_000


def freshness(**ages: float | None) -> float:
    """Return the points for fresh data where the components have these *ages* in seconds."""
    components = {name: FmqsComponent(score=50.0, weight=0.25, age_seconds=age) for name, age in ages.items()}
    components["taker"] = FmqsComponent(score=50.0, weight=0.25, age_seconds=0.0)
    stored = analyse(bars.snapshot(), SETTINGS)
    found = parts(
        Evidence(
            side="long",
            timeframes={frame.interval: frame for frame in stored.timeframes},
            weights={"1h": 1.0},
            groups=stored.groups,
            figures=FuturesFigures(),
            fmqs=Fmqs(value=50.0, components=components),
            sentiment=None,
            estimated=False,
            scan_id=0,
        )
    )
    return found["freshness"]


def test_data_of_this_moment_is_as_fresh_as_can_be() -> None:
    """An age of zero is known and best; the taker's flow, which is in the bars, says nothing about what was fetched."""
    assert freshness(funding=0.0) == 20.0
    assert freshness(funding=450.0) == 20.0
    assert freshness(funding=900.0) == 10.0
    assert freshness(funding=0.0, skew=1350.0) == 10.0
    assert freshness(funding=None) == 0.0


def test_each_figure_that_is_missing_costs_four_points() -> None:
    """Funding, open interest, the accounts' ratio, the book and the takers: five to know."""
    snapshot = bars.snapshot(seed=3, drift=3e-4)
    whole = analyse(snapshot, SETTINGS)
    assert whole.agreement_parts["completeness"] == 20.0
    nothing = Points(times=b"", values=b"")
    without = msgspec.structs.replace(snapshot.derivatives, global_ratio=nothing)
    for poorer in ({"depth": None}, {"derivatives": without}):
        found = analyse(msgspec.structs.replace(snapshot, **poorer), SETTINGS)
        assert found.agreement_parts["completeness"] == pytest.approx(16.0)


@pytest.mark.parametrize(
    ("side", "value", "age", "cost"),
    [("long", 80, 0, True), ("long", 79, 0, False), ("long", 10, 0, False), ("short", 20, 0, True),
     ("short", 21, 0, False), ("short", 90, 0, False), ("long", 95, 2 * DAY + 1, False)],
)  # fmt: skip
def test_going_with_a_crowd_at_an_extreme_costs_ten_points(side: Side, value: int, age: int, cost: bool) -> None:
    """Fear & Greed ≥ 80 against a long, ≤ 20 against a short, as long as the index is of these days."""
    snapshot = bars.snapshot(seed=3, drift=3e-4 if side == "long" else -3e-4)
    mood = Sentiment(value=value, label="", at=snapshot.scan_id - age, fetched_at=0)
    found = analyse(msgspec.structs.replace(snapshot, sentiment=mood), SETTINGS)
    assert found.side == side
    assert found.agreement_parts.get("sentiment") == (-10.0 if cost else None)


def test_strength_counts_what_is_high_and_weak_shows_two_at_most() -> None:
    """One segment, and one for each of score, FMQS, agreement and ratio; WEAK and no levels stop at two."""
    plan = analyse(bars.snapshot(seed=3, drift=3e-4), SETTINGS).levels
    assert plan is not None
    good, weak = (msgspec.structs.replace(plan, reward_to_risk=2.5, weak=poor) for poor in (False, True))
    assert strength(60.0, 50.0, 50.0, msgspec.structs.replace(good, reward_to_risk=1.6)) == 1
    assert strength(80.0, 50.0, 50.0, good) == 3
    assert strength(80.0, 70.0, 80.0, good) == 5
    assert strength(80.0, 70.0, 80.0, weak) == 2
    assert strength(80.0, None, 80.0, None) == 2
