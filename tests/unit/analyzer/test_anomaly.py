"""The radar's figures against numbers worked out another way."""

from __future__ import annotations

import numpy as np
import pytest

from services.analyzer.domain.chart.window import Window
from services.analyzer.domain.radar import anomaly
from services.analyzer.handler import analyse
from shared.contracts import unpack
from shared.settings import RuntimeSettings
from tests.unit.analyzer import bars

DAY = 288


def walked(returns: bars.Floats, quote: bars.Floats | None = None) -> Window:
    """Return bars whose closes have these log *returns*, and their *quote* volume."""
    close = 100.0 * np.exp(np.concatenate(([0.0], np.cumsum(returns))))
    rows = bars.matrix(len(close))
    rows[1:5] = close
    if quote is not None:
        rows[6] = quote
    return Window("5m", rows)


def noise(seed: int, count: int = 498) -> bars.Floats:
    return np.random.default_rng(seed).normal(0, 0.002, count)


def benchmark(returns: bars.Floats) -> anomaly.Benchmark:
    made = anomaly.benchmark(walked(returns).close)
    assert made is not None
    return made


def test_volume_is_scored_against_the_day_before() -> None:
    """The last log quote volume's z-score against the 288 before it; older ones and itself do not count."""
    quote = np.exp(np.random.default_rng(1).normal(12, 0.5, 499))
    quote[:200] = 1e9
    quote[-1] = np.exp(15.0)
    before = np.log(quote[-DAY - 1 : -1])
    found = anomaly.measure(walked(noise(1), quote), None)
    assert found.volume_z == pytest.approx((15.0 - before.mean()) / before.std())
    assert found.quote_volume == pytest.approx(np.exp(15.0))


def test_a_coin_that_moves_with_btc_says_so() -> None:
    """Twice BTC's moves are a beta of 2 and a correlation of 1, against them −1; over one day."""
    btc = noise(2)
    moves = np.concatenate((noise(3)[:-DAY], 2.0 * btc[-DAY:]))
    with_it = anomaly.measure(walked(moves), benchmark(btc))
    assert with_it.beta == pytest.approx(2.0)
    assert with_it.correlation == pytest.approx(1.0)
    against = anomaly.measure(walked(-0.5 * btc), benchmark(btc))
    assert against.beta == pytest.approx(-0.5)
    assert against.correlation == pytest.approx(-1.0)


def test_what_btc_does_not_explain_is_the_residual() -> None:
    """Correlation, beta and the last residual's z-score are those of a regression over the last 288 returns."""
    btc, moves = noise(4), noise(5) + 0.5 * noise(4)
    moves[-1] += 0.02
    x, y = btc[-DAY:], moves[-DAY:]
    beta, level = np.polyfit(x, y, 1)
    residuals = y - beta * x - level
    found = anomaly.measure(walked(moves), benchmark(btc))
    assert found.correlation == pytest.approx(np.corrcoef(x, y)[0, 1])
    assert found.beta == pytest.approx(beta)
    assert found.residual_z == pytest.approx(residuals[-1] / residuals.std())


def test_the_days_change_is_over_288_bars() -> None:
    """24 hours are 288 five-minute bars."""
    moves = noise(6)
    assert anomaly.measure(walked(moves), None).change_24h == pytest.approx(np.exp(moves[-DAY:].sum()) - 1.0)
    assert benchmark(moves).change_24h == pytest.approx(np.exp(moves[-DAY:].sum()) - 1.0)


def test_the_excess_over_btc_is_the_difference_of_the_days() -> None:
    """A coin's 24 h change less BTC's, from one snapshot."""
    snapshot = bars.snapshot()
    own, btc = snapshot.bars["5m"].matrix[4], unpack(snapshot.btc_close)
    expected = own[-1] / own[-1 - DAY] - btc[-1] / btc[-1 - DAY]
    assert analyse(snapshot, RuntimeSettings()).btc_excess == pytest.approx(expected)


def test_a_market_that_stands_still_has_nothing_to_compare() -> None:
    """Neither volume nor price has a spread: no z-score, no correlation, no exponent; and no exception."""
    found = anomaly.measure(walked(np.zeros(498), np.full(499, 1e5)), benchmark(noise(7)))
    assert (found.volume_z, found.correlation, found.beta, found.residual_z, found.hurst) == (None,) * 5
    assert anomaly.benchmark(np.full(100, 50.0)) is None
