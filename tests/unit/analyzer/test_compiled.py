"""Compiled kernels give what the same functions give as they are written: to the last bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.analyzer.domain.chart.window import Window
from services.analyzer.domain.indicator import compute_all, compute_recent
from services.analyzer.handler import analyse
from shared.contracts import DAY_MS, INTERVALS, Interval, encode
from shared.kernels import uncompiled
from shared.kernels.build import is_current
from shared.settings import RuntimeSettings
from tests.unit.analyzer import bars

pytestmark = pytest.mark.skipif(not is_current(), reason="the kernels cannot be compiled here")


@st.composite
def windows(draw: st.DrawFn) -> Window:
    """Random walks from calm to wild, with prices that stand, bars without volume, and any time of day."""
    interval: Interval = draw(st.sampled_from(list(INTERVALS)))
    count, step = draw(st.integers(300, 998)), INTERVALS[interval]
    start = bars.MIDNIGHT + draw(st.integers(0, DAY_MS // step - 1)) * step
    scale = draw(st.sampled_from([0.0, 0.0001, 0.004, 0.05]))
    rows = bars.matrix(count, seed=draw(st.integers(0, 10**6)), interval=interval, start=start, scale=scale)
    if draw(st.booleans()):
        since, until = sorted(draw(st.tuples(st.integers(0, count), st.integers(0, count))))
        rows[1:5, since:until] = rows[4, since : since + 1]
        rows[5:, since:until] = 0.0
    rows[5:] *= draw(st.sampled_from([1e-6, 1.0, 1e9]))
    return Window(interval, rows)


@settings(max_examples=25)
@given(windows())
def test_every_series_is_the_same(window: Window) -> None:
    """Every indicator over every bar, and over the recent bars of a window."""
    rows = window._matrix
    compiled = [compute_all(window), *compute_recent([window])]
    with uncompiled():
        fresh = Window(window.interval, rows)
        written = [compute_all(fresh), *compute_recent([fresh])]
    for one, other in zip(compiled, written, strict=True):
        for name, values in one.items():
            np.testing.assert_array_equal(values, other[name], err_msg=name)


@pytest.mark.parametrize("seed", range(4))
def test_an_analysis_is_the_same(seed: int) -> None:
    """The whole analysis of a symbol, to the byte."""
    snapshot = bars.snapshot(seed=seed, drift=(seed - 2) * 4e-5)
    compiled = encode(analyse(snapshot, RuntimeSettings()))
    with uncompiled():
        assert encode(analyse(snapshot, RuntimeSettings())) == compiled
