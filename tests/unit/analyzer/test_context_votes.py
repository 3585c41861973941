"""Votes of the chart, groups that agree, and gate 4's figures, by small numbers."""

from __future__ import annotations

import numpy as np
import pytest

from services.analyzer.domain.chart import levels
from services.analyzer.domain.chart.regime import RegimeFigures
from services.analyzer.domain.indicator import compute_all
from services.analyzer.domain.scoring import context_votes
from services.analyzer.domain.scoring.groups import group_votes
from services.analyzer.domain.scoring.sides import JUDGED
from services.analyzer.domain.vote_context import VoteContext
from services.analyzer.handler import analyse
from shared.contracts import Interval, Side, TimeframeAnalysis
from shared.settings import RuntimeSettings
from tests.unit.analyzer import bars


def figures(swing: float, direction: float) -> RegimeFigures:
    return RegimeFigures("TRENDING", direction, swing, 1.0, 0.1, 0.5)


def context_at(close: float, atr: float = 2.0) -> VoteContext:
    window = bars.window()
    window.close[-1] = close
    return VoteContext(window, compute_all(window), "TRENDING", atr)


def mapped(*prices: float) -> levels.LevelMap:
    ones = np.ones(len(prices))
    return levels.LevelMap(np.array(prices), ones, ones, ones, 1.0)


def test_swings_speak_in_full_and_the_ribbon_alone_by_half() -> None:
    """Where the swings have a direction it is theirs; else half the regime's."""
    context = context_at(100.0)
    for swing, direction, vote in ((-1.0, 1.0, -1.0), (0.0, 1.0, 0.5), (0.0, 0.0, 0.0)):
        assert context_votes.chart_votes(context, figures(swing, direction), mapped())["swing_structure"] == vote


@pytest.mark.parametrize(
    ("prices", "vote"), [((97.0, 106.0), 0.5), ((94.0, 103.0), -0.5), ((97.0,), 0.5), ((103.0,), -0.5), ((), 0.0)]
)
def test_levels_speak_for_the_side_with_more_room(prices: tuple[float, ...], vote: float) -> None:
    """Room to the next level of each side, three ATR at most, and as much where there is none."""
    assert context_votes.room(context_at(100.0), mapped(*prices)) == pytest.approx(vote)


def frame(interval: Interval, vote: float) -> TimeframeAnalysis:
    """Return an interval on which the trend group has two votes whose weighted mean is *vote*."""
    return TimeframeAnalysis(
        interval=interval,
        regime="TRENDING",
        values={},
        votes={"ema": vote + 0.1, "psar": vote - 0.3},
        weights={"ema": 0.75, "psar": 0.25},
        long_score=0.0,
        short_score=0.0,
        patterns={},
        squeeze=False,
    )


@pytest.mark.parametrize(
    ("votes", "side", "agrees"),
    [
        ((0.6, 0.1, 0.1), "long", False),
        ((0.3, 0.25, -0.6), "long", True),
        ((0.3, 0.15, 0.15), "long", False),
        ((-0.3, 0.6, -0.25), "short", True),
        ((-0.3, -0.25, 0.0), "long", False),
    ],
)
def test_a_group_agrees_on_two_of_three_intervals(votes: tuple[float, ...], side: Side, agrees: bool) -> None:
    """By 0.2 each on the side, for any vote of the third; 5m does not count."""
    frames: dict[Interval, TimeframeAnalysis] = {
        name: frame(name, vote) for name, vote in zip(JUDGED, votes, strict=True)
    }
    frames["5m"] = frame("5m", 0.9 if side == "long" else -0.9)
    weights: dict[Interval, float] = {"15m": 0.25, "1h": 0.40, "4h": 0.35}
    groups = {group.name: group for group in group_votes(frames, weights, side, 0.2)}
    assert groups["trend"].agrees == agrees
    assert groups["trend"].vote == pytest.approx(0.25 * votes[0] + 0.4 * votes[1] + 0.35 * votes[2])
    assert groups["trend"].votes == pytest.approx(dict(zip(JUDGED, votes, strict=True)))
    assert not groups["momentum"].agrees


def test_gate_4_is_told_the_last_three_bars_against_their_usual_volume() -> None:
    """Three five-minute bars against the mean of the 288 before them; the takers' delta over the same three."""
    snapshot = bars.snapshot(seed=2)
    five = snapshot.bars["5m"].matrix
    volume, taker = five[5], five[7]
    found = analyse(snapshot, RuntimeSettings()).volume
    assert found is not None
    assert found.ratio_3 == pytest.approx(volume[-3:].sum() / (3 * volume[-291:-3].mean()))
    assert found.taker_delta == pytest.approx((2 * taker[-3:] - volume[-3:]).sum())
    assert not found.zero_volume
