"""What an exchange does not publish: votes and components that need it are left out, the record says so."""

from __future__ import annotations

from typing import get_args

import msgspec
import numpy as np
import pytest

from services.analyzer.domain.futures.fmqs import NEEDS
from services.analyzer.domain.scoring.weights import silenced, voters
from services.analyzer.handler import analyse
from shared.contracts import Analysis, Bars, Derivatives, MarketInput, MarketSnapshot, decode, encode
from shared.settings import RuntimeSettings
from tests.unit.analyzer import bars

INPUTS: tuple[MarketInput, ...] = get_args(MarketInput)


def without(snapshot: MarketSnapshot, *inputs: MarketInput) -> MarketSnapshot:
    """Return *snapshot* as an exchange that lacks *inputs* gives it, and says so."""
    figures, none = snapshot.derivatives, Derivatives()
    gone = {
        "funding": ("funding_settled", "funding_rate", "funding_at", "funding_interval_hours"),
        "open interest": ("open_interest",),
        "long/short ratio": ("global_ratio",),
        "top-trader ratio": ("top_ratio",),
    }
    names = [name for lacking in inputs for name in gone.get(lacking, ())]
    figures = msgspec.structs.replace(figures, **{name: getattr(none, name) for name in names})
    snapshot = msgspec.structs.replace(snapshot, derivatives=figures, unavailable=inputs)
    if "order book" in inputs:
        snapshot = msgspec.structs.replace(snapshot, depth=None)
    return without_takers(snapshot) if "taker flow" in inputs else snapshot


def without_takers(snapshot: MarketSnapshot) -> MarketSnapshot:
    rows = {interval: np.array(held.matrix) for interval, held in snapshot.bars.items()}
    for matrix in rows.values():
        matrix[7] = np.nan
    held = {interval: Bars.of(snapshot.bars[interval].interval, matrix) for interval, matrix in rows.items()}
    return msgspec.structs.replace(snapshot, bars=held)


def analysed(snapshot: MarketSnapshot) -> Analysis:
    found = decode(encode(analyse(snapshot, RuntimeSettings())))
    assert isinstance(found, Analysis)
    assert found.problem == ""
    return found


@pytest.mark.parametrize("lacking", INPUTS)
def test_what_needs_it_is_left_out_and_the_rest_shares_the_weight(lacking: MarketInput) -> None:
    """Each input by itself: its votes are gone, the others' are as before, and the weights still sum to 1."""
    whole, found = (analysed(bars.snapshot(seed=3)), analysed(without(bars.snapshot(seed=3), lacking)))
    needing = {name for name, voter in voters().items() if lacking in voter.needs}
    assert found.unavailable == (lacking,)
    assert needing == silenced((lacking,))
    for frame, before in zip(found.timeframes, whole.timeframes, strict=True):
        assert set(before.votes) - set(frame.votes) == needing
        assert frame.votes == {name: vote for name, vote in before.votes.items() if name not in needing}
        assert sum(frame.weights.values()) == pytest.approx(1.0)


@pytest.mark.parametrize("lacking", list(NEEDS.values()))
def test_fmqs_says_what_the_exchange_does_not_have(lacking: MarketInput) -> None:
    """The component says so instead of "not fresh"; the value is the weighted mean of the others."""
    found = analysed(without(bars.snapshot(seed=3), lacking))
    assert found.fmqs is not None
    for name, part in found.fmqs.components.items():
        if NEEDS[name] == lacking:  # type: ignore[index]
            assert (part.score, part.age_seconds, part.detail) == (None, None, "not available at this exchange")
        else:
            assert part.score is not None
    known = [(part.score, part.weight) for part in found.fmqs.components.values() if part.score is not None]
    mean = sum(score * weight for score, weight in known) / sum(weight for _, weight in known)
    assert found.fmqs.value == pytest.approx(min(49.0, mean) if found.fmqs.capped_by else mean)


def test_nothing_is_missing_where_nothing_is_published() -> None:
    """Completeness counts what the exchange publishes; the same bars without the label have lost four points."""
    silent = without(bars.snapshot(seed=3), "taker flow")
    assert analysed(silent).agreement_parts["completeness"] == 20.0
    assert analysed(msgspec.structs.replace(silent, unavailable=())).agreement_parts["completeness"] == 16.0


def test_a_market_that_stands_still_has_no_vote_of_what_is_not_there() -> None:
    """Votes of zero are cast by those who could vote."""
    snapshot = bars.snapshot()
    flat = {interval: np.array(held.matrix) for interval, held in snapshot.bars.items()}
    for matrix in flat.values():
        matrix[1:5] = 50.0
    held = {interval: Bars.of(snapshot.bars[interval].interval, matrix) for interval, matrix in flat.items()}
    still = without(msgspec.structs.replace(snapshot, bars=held), "taker flow")
    assert all("cumulative_delta" not in frame.votes for frame in analysed(still).timeframes)


def test_without_taker_flow_gate_4_is_told_so() -> None:
    """No delta is no delta: the volume's ratio and the OBV are there, and the reason is on record."""
    found = analysed(without(bars.snapshot(seed=3), "taker flow"))
    assert found.volume is not None
    assert found.volume.taker_delta is None
    assert None not in (found.volume.ratio_3, found.volume.obv_slope)
    assert "taker flow" in found.unavailable


def test_an_exchange_with_nothing_but_bars_is_analysed() -> None:
    """Without any of it the chart alone gives the score, and FMQS is unknown."""
    found = analysed(without(bars.snapshot(seed=3), *INPUTS))
    assert found.fmqs is not None
    assert found.fmqs.value is None
    assert found.score > 0
    assert found.agreement_parts["completeness"] == found.agreement_parts["freshness"] == 0.0
    assert [group.votes for group in found.groups if group.name == "derivatives"] == [{}]


def test_a_refused_snapshot_keeps_the_label() -> None:
    """What the exchange lacks is known before anything is analysed."""
    refused = analyse(
        msgspec.structs.replace(bars.snapshot(), problems=("gap",), unavailable=("funding",)), RuntimeSettings()
    )
    assert (refused.problem, refused.unavailable) == ("gap", ("funding",))
