"""The other trades of docs/evidence.md by hand: a limit, a wider stop, a rank; and that none of them looks ahead."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.evidence.market import Market
from benchmarks.evidence.trades import pulled_back, scaled, stop_at_least
from services.evaluator.domain.first_touch import AT
from shared.contracts import DAY_MS, SCAN_MS, Floats, Side
from shared.settings import RuntimeSettings
from tests.unit.evaluator import facts

SIDES: list[Side] = ["long", "short"]
FLAT = (100.0, 100.1, 99.9, 100.0)
BARS = 577  #: two days and the close before them


def mirrored(bars: list[tuple[float, float, float, float]], side: Side) -> list[tuple[float, float, float, float]]:
    """Return *bars* (open, high, low, close) as they are for a long, mirrored at 100 for a short."""
    if side == "long":
        return bars
    return [(200 - opened, 200 - low, 200 - high, 200 - close) for opened, high, low, close in bars]


def market(*bars: tuple[float, float, float, float], side: Side = "long", symbol: str = "AAAUSDT") -> Market:
    """Return a market of one coin with *bars* after the scan, and a day of quiet after them."""
    quiet = [FLAT] * 300
    return Market({symbol: facts.bars(mirrored([*bars, *quiet], side))}, RuntimeSettings())


@pytest.mark.parametrize("side", SIDES)
def test_a_limit_is_entered_where_the_price_comes_back_to_it(side: Side) -> None:
    """The trade begins at the bar that comes to the limit, at its price, and its levels move along or stay."""
    trade = facts.trade(side)
    way = 1.0 if side == "long" else -1.0
    there = market(FLAT, (100.0, 100.1, 99.4, 99.6), (99.6, 101.6, 99.5, 101.5), side=side)
    moved = pulled_back(trade, there, 0.5, levels_move=True)
    stayed = pulled_back(trade, there, 0.5, levels_move=False)
    assert moved is not None
    assert stayed is not None
    assert moved.scan_id == trade.scan_id + 2 * SCAN_MS
    assert (moved.entry, moved.stop, moved.target) == pytest.approx((100 - 0.5 * way, 100 - 1.5 * way, 100 + 1.5 * way))
    assert moved.result == "target"
    assert moved.r_gross == pytest.approx(2.0)
    assert (stayed.stop, stayed.target, stayed.result) == (trade.stop, trade.target, "time")


@pytest.mark.parametrize("side", SIDES)
def test_a_limit_that_is_not_reached_in_time_or_after_the_target_is_no_trade(side: Side) -> None:
    """Nothing is entered after four hours, nor once the target was met."""
    trade = facts.trade(side)
    late = market(*[FLAT] * 48, (100.0, 100.1, 99.4, 99.6), side=side)
    over = market((100.0, 102.5, 99.9, 102.0), (102.0, 102.1, 99.4, 99.6), side=side)
    assert pulled_back(trade, late, 0.5, levels_move=True) is None
    assert pulled_back(trade, over, 0.5, levels_move=True) is None


@pytest.mark.parametrize("side", SIDES)
def test_a_bar_that_comes_to_the_limit_and_the_stop_is_a_loss(side: Side) -> None:
    """The worse of both counts; a target within that bar is not counted."""
    found = pulled_back(facts.trade(side), market((100.0, 103.0, 98.0, 102.0), side=side), 0.5, levels_move=True)
    assert found is not None
    assert found.result == "stop"
    assert found.r_gross == pytest.approx(-1.0)
    assert found.r_net == pytest.approx(-1.0 - found.cost_r)


@pytest.mark.parametrize("side", SIDES)
def test_a_wider_stop_leaves_the_target_and_a_longer_trade_keeps_its_ratio(side: Side) -> None:
    """A stop is moved only where it is nearer."""
    trade = facts.trade(side)
    way = 1.0 if side == "long" else -1.0
    assert stop_at_least(trade, 0.5) == trade
    assert stop_at_least(trade, 1.6).stop == pytest.approx(100 - 1.6 * way)
    assert (scaled(trade, 2.0).stop, scaled(trade, 2.0).target) == (100 - 2 * way, 100 + 4 * way)


def rising(rate: float, end: int) -> Floats:
    """Return two days of bars up to *end* of a coin that gains *rate* a bar."""
    prices = [100.0 * (1.0 + rate) ** number for number in range(BARS)]
    return facts.bars([(price, price, price, price) for price in prices], after=end - BARS * SCAN_MS)


def test_the_rank_is_of_the_days_move_and_knows_nothing_of_later_bars() -> None:
    """The coin that gained most is first for a long and last for a short, whatever follows the scan."""
    end = facts.SCAN + DAY_MS
    coins = {f"C{number}USDT": rising(rate, end) for number, rate in enumerate((-2e-4, -1e-4, 1e-4, 2e-4, 3e-4))}
    known = Market(coins, RuntimeSettings())
    assert [known.rank(name, "long", facts.SCAN) for name in coins] == pytest.approx([0, 0.25, 0.5, 0.75, 1])
    assert [known.rank(name, "short", facts.SCAN) for name in coins] == pytest.approx([1, 0.75, 0.5, 0.25, 0])
    assert (known.breadth("long", facts.SCAN), known.breadth("short", facts.SCAN)) == pytest.approx((0.6, 0.4))
    changed = {name: np.where(bars[AT] > facts.SCAN, bars * 1.5, bars) for name, bars in coins.items()}
    for bars, before in zip(changed.values(), coins.values(), strict=True):
        bars[AT] = before[AT]
    assert Market(changed, RuntimeSettings()).moves(facts.SCAN) == known.moves(facts.SCAN)
