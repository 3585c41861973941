"""The whole analysis of a snapshot: complete, explainable, refused with a reason."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np
import pytest

from services.analyzer.domain.analysis import analyse as analyse_parts
from services.analyzer.domain.scoring.weights import GROUPS, voters
from services.analyzer.handler import analyse
from shared.contracts import Analysis, Bars, Interval, MarketSnapshot, Sentiment, decode, encode, unpack
from shared.settings import AnalysisSettings, RuntimeSettings
from tests.unit.analyzer import bars

SETTINGS = RuntimeSettings()


def changed(snapshot: MarketSnapshot, interval: Interval, rows: Any) -> MarketSnapshot:
    return msgspec.structs.replace(snapshot, bars={**snapshot.bars, interval: Bars.of(interval, rows)})


@pytest.mark.parametrize("seed", range(6))
def test_score_can_be_computed_again_from_the_stored_record(seed: int) -> None:
    """ "Why 72 and not 60" is answered by the record alone: votes, weights, intervals, bonus."""
    stored = decode(encode(analyse(bars.snapshot(seed=seed, drift=(seed - 3) * 4e-5), SETTINGS)))
    assert isinstance(stored, Analysis)
    frames = {frame.interval: frame for frame in stored.timeframes}
    total = {"long": 0.0, "short": 0.0}
    for interval, weight in stored.timeframe_weights.items():
        frame = frames[interval]  # type: ignore[index]
        assert math.isclose(sum(frame.weights.values()), 1.0)
        assert set(frame.votes) == set(frame.weights)
        longs = 100 * sum(frame.weights[name] * max(0.0, vote) for name, vote in frame.votes.items())
        shorts = 100 * sum(frame.weights[name] * max(0.0, -vote) for name, vote in frame.votes.items())
        assert frame.long_score == pytest.approx(longs)
        assert frame.short_score == pytest.approx(shorts)
        total["long"] += weight * longs
        total["short"] += weight * shorts
    assert stored.side == ("long" if total["long"] >= total["short"] else "short")
    sign = 1.0 if stored.side == "long" else -1.0
    added = min(10.0, sum(part.points * sign for part in stored.bonus if part.points * sign > 0))
    assert stored.score == pytest.approx(min(100.0, total[stored.side] + added))
    assert stored.agreement == pytest.approx(min(100.0, max(0.0, sum(stored.agreement_parts.values()))))


@pytest.mark.parametrize("seed", range(6))
def test_points_of_patterns_can_be_computed_again_from_the_stored_record(seed: int) -> None:
    """Each pattern and divergence adds its value × 6 × its interval's weight to the side that it speaks for."""
    stored = decode(encode(analyse(bars.snapshot(seed=seed), SETTINGS)))
    assert isinstance(stored, Analysis)
    expected = {
        (name, frame.interval): value * 6.0 * stored.timeframe_weights[frame.interval]
        for frame in stored.timeframes
        if frame.interval in stored.timeframe_weights
        for name, value in frame.patterns.items()
    }
    assert {(part.name, part.interval): part.points for part in stored.bonus} == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("rate", [0.00008, -0.0004, 0.0006])
def test_fmqs_can_be_computed_again_from_the_stored_record(seed: int, rate: float) -> None:
    """Each component follows from the recorded figures, the value from the components, their weights and the cap."""
    snapshot = bars.snapshot(seed=seed, drift=(seed - 3) * 4e-5)
    snapshot = msgspec.structs.replace(
        snapshot, derivatives=msgspec.structs.replace(snapshot.derivatives, funding_rate=rate)
    )
    stored = decode(encode(analyse(snapshot, SETTINGS)))
    assert isinstance(stored, Analysis)
    assert stored.fmqs is not None
    sign = 1.0 if stored.side == "long" else -1.0
    figures = {name: value for name, value in stored.derivatives.items() if value is not None}
    change, price = figures["open_interest_change"], figures["price_change"]
    with_price = {True: 100.0, False: 30.0} if price * sign > 0 else {True: 0.0, False: 45.0}
    expected = {
        "funding": 50.0 - sign * np.clip(50.0 * (figures["funding_8h"] - 0.0001) / 0.0004, -50.0, 50.0),
        "open_interest": 50.0 + (with_price[change > 0] - 50.0) * min(1.0, abs(change) / 0.01),
        "skew": np.clip(50.0 - sign * 20.0 * figures["global_z"], 0.0, 100.0),
        "taker": 50.0 + 50.0 * sign * np.clip(math.log(figures["taker_ratio"]) / math.log(1.25), -1.0, 1.0),
    }
    parts = stored.fmqs.components
    assert {name: part.score for name, part in parts.items()} == pytest.approx(expected)
    mean = sum(expected[name] * part.weight for name, part in parts.items()) / sum(p.weight for p in parts.values())
    assert stored.fmqs.value == pytest.approx(min(49.0, mean) if stored.fmqs.capped_by else mean)


def test_groups_can_be_computed_again_from_the_stored_record() -> None:
    """A group agrees when its weighted mean reaches 0.2 on the side on two of 15m, 1h, 4h."""
    stored = analyse(bars.snapshot(seed=2, drift=1e-4), SETTINGS)
    sign = 1.0 if stored.side == "long" else -1.0
    for group in stored.groups:
        agreeing = 0
        for frame in stored.timeframes:
            names = [name for name in frame.votes if voters()[name][0] == group.name]
            weight = sum(frame.weights[name] for name in names)
            if frame.interval in stored.timeframe_weights and weight:
                vote = sum(frame.weights[name] * frame.votes[name] for name in names) / weight
                assert group.votes[frame.interval] == pytest.approx(vote)
                agreeing += vote * sign >= 0.2
        assert group.agrees == (agreeing >= 2)
    assert {group.name for group in stored.groups} == set(GROUPS)


def test_a_steady_rise_is_a_long_and_a_steady_fall_a_short() -> None:
    """The direction of a clear trend is the side, and its score is above the gate's."""
    rise, fall = (analyse(bars.snapshot(seed=3, drift=drift), SETTINGS) for drift in (6e-4, -6e-4))
    assert (rise.side, fall.side) == ("long", "short")
    assert min(rise.score, fall.score) > 65.0


def test_everything_is_filled_in() -> None:
    """A sound snapshot gives every part of the record, on the wire as well."""
    stored = analyse(bars.snapshot(), SETTINGS)
    assert stored.problem == ""
    assert [frame.interval for frame in stored.timeframes] == ["5m", "15m", "1h", "4h"]
    assert stored.fmqs is not None
    assert all(part.score is not None for part in stored.fmqs.components.values())
    assert stored.volume is not None
    assert None not in (stored.volume.ratio_3, stored.volume.taker_delta, stored.volume.obv_slope)
    assert None not in (stored.anomaly.hurst, stored.anomaly.correlation, stored.anomaly.volume_z, stored.btc_excess)
    assert unpack(stored.chart).reshape(6, -1).shape == (6, 96)
    assert 1 <= stored.strength <= 5
    assert all(np.isfinite(value) for frame in stored.timeframes for value in frame.votes.values())


def test_the_record_tells_how_wide_the_bands_are() -> None:
    """The bands' width is recorded for each interval, as a share of their middle."""
    for frame in analyse(bars.snapshot(), SETTINGS).timeframes:
        values = {name: value for name, value in frame.values.items() if value is not None}
        spread = values["bollinger_upper"] - values["bollinger_lower"]
        assert values["bollinger_width"] == pytest.approx(spread / values["bollinger_middle"])
        assert values["bollinger_width"] > 0


def test_a_window_that_fails_says_why() -> None:
    """Each fault of the input has its word, and nothing is made of it."""
    sound = bars.snapshot()
    hour = np.array(sound.bars["1h"].matrix)
    holed, backwards, broken, torn = hour.copy(), hour.copy(), hour.copy(), hour.copy()
    holed[0, :100] -= 3_600_000
    backwards[0, 5] = backwards[0, 4]
    broken[4, 7] = np.nan
    torn[2, 9] = torn[3, 9] / 2
    cases = {
        "insufficient history": hour[:, -299:],
        "gap": holed,
        "inconsistent": backwards,
        "not finite": broken,
    }
    for word, rows in cases.items():
        assert analyse(changed(sound, "1h", rows), SETTINGS).problem == word
    assert analyse(changed(sound, "1h", torn), SETTINGS).problem == "inconsistent"
    assert analyse(changed(sound, "5m", np.array(sound.bars["5m"].matrix)[:, :-1]), SETTINGS).problem == "stale"
    assert analyse(msgspec.structs.replace(sound, problems=("quarantined",)), SETTINGS).problem == "quarantined"
    assert analyse(msgspec.structs.replace(sound, problems=("zero volume",)), SETTINGS).problem == ""


def test_without_taker_data_or_derivatives_the_rest_still_works() -> None:
    """What is not known does not vote, and FMQS is absent with fewer than two fresh components."""
    snapshot = bars.snapshot(derivatives=False)
    for interval in ("5m", "15m", "1h", "4h"):
        rows = np.array(snapshot.bars[interval].matrix)
        rows[7] = np.nan
        snapshot = changed(snapshot, interval, rows)
    stored = analyse(snapshot, SETTINGS)
    assert stored.problem == ""
    assert stored.fmqs is not None
    assert stored.fmqs.value is None
    assert stored.volume is not None
    assert stored.volume.taker_delta is None
    assert "cumulative_delta" not in stored.timeframes[1].votes


def test_closed_bars_only_ignores_the_bars_so_far() -> None:
    """With `bars: closed` a higher bar that has not closed changes no vote."""
    snapshot = bars.snapshot(extra=7)
    hour = np.array(snapshot.bars["1h"].matrix)
    hour[4, -1] = hour[2, -1] = hour[2, -1] * 1.2
    settings = RuntimeSettings(analysis=AnalysisSettings(bars="closed"))
    calm, wild = analyse(snapshot, settings), analyse(changed(snapshot, "1h", hour), settings)
    assert calm.timeframes[2].values == wild.timeframes[2].values
    so_far, changed_so_far = analyse(snapshot, SETTINGS), analyse(changed(snapshot, "1h", hour), SETTINGS)
    assert so_far.timeframes[2].values != changed_so_far.timeframes[2].values


def test_a_market_that_does_not_move_has_no_opinion() -> None:
    """Constant prices give a score of the derivatives at most, and no exception."""
    snapshot = bars.snapshot(derivatives=False)
    for interval in ("5m", "15m", "1h", "4h"):
        rows = np.array(snapshot.bars[interval].matrix)
        rows[1:5] = 50.0
        snapshot = changed(snapshot, interval, rows)
    stored = analyse(snapshot, SETTINGS)
    assert stored.problem == ""
    assert stored.score < 10.0


def test_buying_into_greed_costs_agreement() -> None:
    """Going with the crowd at an extreme costs ten points, and only there."""
    snapshot = bars.snapshot(seed=3, drift=3e-4)
    greedy = Sentiment(value=85, label="Extreme Greed", at=snapshot.scan_id, fetched_at=0)
    calm, crowded = analyse(snapshot, SETTINGS), analyse(msgspec.structs.replace(snapshot, sentiment=greedy), SETTINGS)
    assert crowded.agreement_parts["sentiment"] == -10.0
    assert "sentiment" not in calm.agreement_parts


def test_the_same_snapshot_always_gives_the_same_analysis() -> None:
    """Nothing but the snapshot and the settings enters: the bytes are the same."""
    snapshot = bars.snapshot()
    one, two = (analyse(snapshot, SETTINGS) for _ in range(2))
    assert encode(one) == encode(two)


def test_without_btc_nothing_is_compared_to_it() -> None:
    """A scan without BTC's closes has neither correlation nor excess."""
    stored = analyse_parts(bars.snapshot(), SETTINGS.analysis, None)
    assert stored.anomaly.correlation is None
    assert stored.btc_excess is None
