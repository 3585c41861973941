"""Each pattern where it is, with its sign, and not where one of its conditions fails."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from services.analyzer.domain import pattern
from services.analyzer.domain.chart.window import Window
from services.analyzer.domain.numeric import talib
from tests.unit.analyzer import bars

Bar = tuple[float, float, float, float]
FALL: list[Bar] = [(100.0 - at, 100.2 - at, 98.8 - at, 99.0 - at) for at in range(20)]  #: down to 80


def found(tail: list[Bar], *, mirrored: bool = False) -> dict[str, float]:
    """Return what is found at the end of a fall and *tail*; of a rise when *mirrored*."""
    rows = FALL + tail
    if mirrored:
        rows = [(200 - o, 200 - low, 200 - high, 200 - c) for o, high, low, c in rows]
    matrix = bars.matrix(len(rows))
    matrix[1:5] = np.array(rows).T
    return pattern.find_all(Window("1h", matrix), closed=len(rows))


CASES: dict[str, tuple[str, list[Bar], list[Bar]]] = {
    # name at a fall's end: name at a rise's, the pattern, and nearly the pattern
    "engulfing": ("engulfing", [(79.9, 82.5, 78.7, 81.2)], [(79.9, 82.5, 78.7, 80.8)]),
    "hammer": ("shooting_star", [(80.0, 80.25, 77.0, 80.2)], [(80.0, 82.0, 77.0, 80.2)]),
    "morning_star": (
        "evening_star",
        [(80.0, 80.1, 75.9, 76.0), (75.5, 75.7, 75.0, 75.3), (76.0, 79.2, 75.9, 79.0)],
        [(80.0, 80.1, 75.9, 76.0), (75.5, 75.7, 75.0, 75.3), (76.0, 77.2, 75.9, 77.0)],  # not deep enough
    ),
    "marubozu": ("marubozu", [(80.0, 84.0, 80.0, 84.0)], [(80.0, 86.0, 78.0, 84.0)]),
    "inside_breakout": (
        "inside_breakout",
        [(80.5, 81.5, 79.5, 80.6), (80.4, 81.0, 80.0, 80.6), (80.6, 82.5, 80.5, 82.0)],
        [(80.5, 81.5, 79.5, 80.6), (80.4, 81.0, 80.0, 80.6), (80.6, 82.5, 80.5, 81.4)],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_pattern_is_found_where_it_is(name: str) -> None:
    """Bullish after a fall, its mirror image bearish after a rise, and nothing where one condition fails."""
    mirror, there, nearly = CASES[name]
    assert found(there)[name] == 1.0
    assert found(there, mirrored=True)[mirror] == -1.0
    assert name not in found(nearly)
    assert mirror not in found(nearly, mirrored=True)


def test_every_pattern_has_a_case() -> None:
    """A new pattern is its file and its case here."""
    assert {name for bullish, (bearish, _, _) in CASES.items() for name in (bullish, bearish)} == set(
        pattern.catalogue()
    )


def test_a_hammer_needs_a_fall() -> None:
    """After a rise the same bar is none."""
    rise = [(200 - o, 200 - low, 200 - high, 200 - c) for o, high, low, c in FALL]
    rows = [*rise, (120.0, 120.25, 117.0, 120.2)]
    matrix = bars.matrix(len(rows))
    matrix[1:5] = np.array(rows).T
    assert "hammer" not in pattern.find_all(Window("1h", matrix), closed=len(rows))


@pytest.mark.parametrize(("body", "there"), [(1.0, True), (1.1, False)])
def test_a_hammers_wick_is_two_bodies_and_two_thirds(body: float, there: bool) -> None:
    """A wick of 2 carries a body of 1 and no more."""
    assert ("hammer" in found([(79.0, 79.0 + body, 77.0, 79.0 + body)])) == there


def test_every_pattern_keeps_to_its_range() -> None:
    """Whatever the bars, a pattern says +1, −1 or nothing."""
    for seed in range(30):
        values = pattern.find_all(bars.window(60, seed=seed), closed=60).values()
        assert all(value in (-1.0, 1.0) for value in values)


@pytest.mark.parametrize(
    ("name", "judge"),
    [
        ("engulfing", talib.CDLENGULFING),
        ("morning_star", lambda *bars: talib.CDLMORNINGSTAR(*bars, 0.3)),
        ("evening_star", lambda *bars: talib.CDLEVENINGSTAR(*bars, 0.3)),
    ],
)
def test_talib_finds_the_same(name: str, judge: Callable[..., npt.NDArray[np.int32]]) -> None:
    """On bars of a few ticks, where prices are often equal, it is what TA-Lib says, and now and then something."""
    random = np.random.default_rng(5)
    said = set()
    for _ in range(1_500):
        ends = random.integers(0, 8, (2, pattern.LOOK_BACK)).astype(np.float64) + 100.0
        reach = random.integers(0, 3, (2, pattern.LOOK_BACK))
        rows = bars.matrix(pattern.LOOK_BACK)
        rows[1], rows[2], rows[3], rows[4] = ends[0], ends.max(0) + reach[0], ends.min(0) - reach[1], ends[1]
        expected = float(np.sign(judge(*rows[1:5])[-1]))
        assert pattern.catalogue()[name].find(Window("1h", rows)) == expected
        said.add(expected)
    assert len(said) > 1
