"""Inline SVG pictures of a backtest: equity in R, intervals of net R, how reliable the forecast was."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape
from typing import Final

import numpy as np

from services.evaluator.domain.calibration import Bin
from services.evaluator.domain.record import Group

WIDTH: Final = 720
LEFT, RIGHT, TOP, BOTTOM = 60, 16, 14, 26
ROW: Final = 26  #: height of one line of `intervals`
LABELS: Final = 210  #: width of their names
TICKS: Final = 5


def equity(points: Sequence[tuple[int, float]]) -> str:
    """Return the sum of net R over time; *points* are (ms, R), ascending."""
    if len(points) < 2:
        return ""
    height = 240
    start, end = points[0][0], points[-1][0]
    low, high = min(0.0, *(value for _, value in points)), max(0.0, *(value for _, value in points))
    across = _scale(start, end, LEFT, WIDTH - RIGHT)
    up = _scale(low, high, height - BOTTOM, TOP)
    parts = [_grid_line(up(value), f"{value:+.0f} R" if value else "0") for value in _ticks(low, high)]
    line = " ".join(f"{across(at):.1f},{up(value):.1f}" for at, value in points)
    parts.append(f'<polyline class="line" points="{line}"/>')
    for at in np.linspace(start, end, TICKS)[1:-1]:
        day = str(np.datetime64(int(at), "ms"))[:10]
        parts.append(f'<text x="{across(at):.1f}" y="{height - 6}" text-anchor="middle">{day}</text>')
    return _svg(height, parts, "Sum of net R by the time a signal ended")


def intervals(groups: Sequence[Group]) -> str:
    """Return a line for each group: mean net R and its interval, beside zero."""
    known = [group for group in groups if group.n and not math.isnan(group.net.low)]
    if not known:
        return ""
    height = TOP + ROW * len(known) + BOTTOM
    low, high = min(0.0, *(one.net.low for one in known)), max(0.0, *(one.net.high for one in known))
    across = _scale(low, high, LABELS, WIDTH - RIGHT - 40)
    parts = [f'<line class="zero" x1="{across(0):.1f}" x2="{across(0):.1f}" y1="{TOP}" y2="{height - BOTTOM}"/>']
    for number, one in enumerate(known):
        y = TOP + ROW * (number + 0.5)
        parts += [
            f'<text x="{LABELS - 10}" y="{y + 4:.1f}" text-anchor="end">{escape(one.name)} ({one.n})</text>',
            f'<line class="bar" x1="{across(one.net.low):.1f}" x2="{across(one.net.high):.1f}" y1="{y}" y2="{y}"/>',
            f'<circle class="dot" cx="{across(one.net.mean):.1f}" cy="{y}" r="4"/>',
        ]
    parts += [
        f'<text x="{across(value):.1f}" y="{height - 6}" text-anchor="middle">{value:+.1f} R</text>'
        for value in _ticks(low, high)
    ]
    return _svg(height, parts, "Mean net R with its 95 % interval by whole days")


def reliability(bins: Sequence[Bin]) -> str:
    """Return what happened against what was forecast; on the diagonal both are the same."""
    if not bins:
        return ""
    height = 300
    scale_x, scale_y = _scale(0.0, 1.0, LEFT, LEFT + height - TOP - BOTTOM), _scale(0.0, 1.0, height - BOTTOM, TOP)
    parts = [
        _grid_line(scale_y(share), f"{share * 100:.0f} %", until=scale_x(1.0)) for share in (0.0, 0.25, 0.5, 0.75, 1.0)
    ]
    parts.append(f'<line class="zero" x1="{scale_x(0)}" y1="{scale_y(0)}" x2="{scale_x(1)}" y2="{scale_y(1)}"/>')
    line = " ".join(f"{scale_x(one.forecast):.1f},{scale_y(one.happened):.1f}" for one in bins)
    parts.append(f'<polyline class="line" points="{line}"/>')
    for one in bins:
        said = f"{one.n} signals: {one.forecast * 100:.0f} % forecast, {one.happened * 100:.0f} % happened"
        place = f'cx="{scale_x(one.forecast):.1f}" cy="{scale_y(one.happened):.1f}"'
        parts.append(f'<circle class="dot" {place} r="4"><title>{said}</title></circle>')
    parts.append(f'<text x="{LEFT}" y="{height - 6}">forecast: 0 % to 100 %</text>')
    return _svg(height, parts, "Share whose target came first against the forecast")


class _scale:  # noqa: N801 it is called like a function
    """A line from one range onto another."""

    def __init__(self, low: float, high: float, start: float, end: float) -> None:
        self._low, self._start = low, start
        self._gain = (end - start) / (high - low) if high > low else 0.0

    def __call__(self, value: float) -> float:
        return self._start + (value - self._low) * self._gain


def _ticks(low: float, high: float) -> Iterator[float]:
    """Yield round values from *low* to *high*, about five of them."""
    rough = (high - low) / TICKS or 1.0
    power = 10.0 ** math.floor(math.log10(rough))
    step = next((one * power for one in (1, 2, 5) if one * power >= rough), 10 * power)
    for number in range(math.ceil(low / step), math.floor(high / step) + 1):
        yield number * step


def _grid_line(y: float, label: str, *, until: float = WIDTH - RIGHT) -> str:
    return (
        f'<line class="grid" x1="{LEFT}" x2="{until:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{label}</text>'
    )


def _svg(height: float, parts: Sequence[str], title: str) -> str:
    body = "".join(parts)
    return (
        f'<figure><figcaption>{title}</figcaption><svg viewBox="0 0 {WIDTH} {height}" role="img"'
        f' aria-label="{title}">{body}</svg></figure>'
    )
