"""The candle chart of a card: bars, volume, the price axis, levels and their zones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from services.notifier.rendering.canvas import Canvas, Colour, blend
from services.notifier.rendering.text import common_tick, price
from shared.contracts import Floats, unpack

ROOM: Final = 0.10  #: of the width, free after the last bar
FLOOR: Final = 0.16  #: of the height, for the volume
ROWS: Final = 6  #: open_time, open, high, low, close, volume
REACH: Final = 0.5  #: of the bodies' range that wicks are shown beyond it
CLEAR: Final = 5.5  #: points between a word's middle and the next line or word


@dataclass(frozen=True)
class ChartLine:
    """A price with its own line."""

    price: float
    colour: Colour
    label: str = ""


@dataclass(frozen=True)
class Zone:
    """A shaded range of prices."""

    low: float
    high: float
    colour: Colour


@dataclass(frozen=True)
class Frame:
    """Where the chart stands, in points."""

    x: float
    y: float
    width: float
    height: float


def bars_of(data: bytes) -> Floats:
    """Return the chart's matrix (6, n); empty where there is none."""
    values = unpack(data)
    return values.reshape(ROWS, -1) if len(values) else np.empty((ROWS, 0))


class CandleChart:
    """One chart on a canvas."""

    def __init__(
        self,
        canvas: Canvas,
        frame: Frame,
        bars: Floats,
        *,
        marks: Sequence[ChartLine] = (),
        zones: Sequence[Zone] = (),
        faint: Sequence[ChartLine] = (),
        tick_size: float = 0.0,
        entered_at: float = 0.0,
    ) -> None:
        self._canvas, self._frame, self._bars = canvas, frame, bars
        self._marks, self._zones, self._entered_at = marks, zones, entered_at
        prices = [*(mark.price for mark in marks), *shown_range(bars)]
        low, high = (min(prices), max(prices)) if prices else (0.0, 1.0)
        margin = (high - low) * 0.07 or abs(high) * 0.01 or 1.0
        self._low, self._high = float(low - margin), float(high + margin)
        self._grid = round_prices(self._low, self._high, 5) if prices else []
        self._tick_size = tick_size or common_tick(*self._grid, *(mark.price for mark in marks))
        self._labels = spread([self._at(mark.price) for mark in marks], 18, frame.y + 10, self._floor())
        self._faint = [mark for mark in faint if self._low < mark.price < self._high]
        said = [price(value, self._tick_size) for value in (*self._grid, *(mark.price for mark in marks))]
        self._axis = max((canvas.measure(text, 11, 600) for text in said), default=0.0) + 20
        self._inner = frame.width - self._axis
        self._step: float = self._inner * (1 - ROOM) / max(1, bars.shape[1])

    def draw(self) -> None:
        """Draw everything, from the back to the front."""
        frame, theme = self._frame, self._canvas.theme
        self._canvas.box(frame.x, frame.y, frame.width, frame.height, theme.panel, radius=10)
        self._draw_zones()
        self._draw_grid()
        self._draw_volume()
        self._draw_faint()
        self._draw_bars()
        self._draw_marks()
        self._name_faint()

    def _at(self, value: float) -> float:
        share = (self._high - float(value)) / (self._high - self._low)
        return self._frame.y + self._frame.height * (1 - FLOOR) * share

    def _x(self, index: float) -> float:
        return self._frame.x + 8 + self._step * (index + 0.5)

    def _end(self) -> float:
        return self._frame.x + self._inner

    def _draw_zones(self) -> None:
        times = self._bars[0]
        begun = float(np.searchsorted(times, self._entered_at)) if self._entered_at else max(0, len(times) - 1)
        left = self._x(begun)
        for zone in self._zones:
            top, bottom = self._at(zone.high), self._at(zone.low)
            fill = blend(zone.colour, self._canvas.theme.panel, 0.14)
            self._canvas.box(left, top, self._end() - left, bottom - top, fill)

    def _draw_grid(self) -> None:
        theme = self._canvas.theme
        for value in self._grid:
            y = self._at(value)
            self._canvas.box(self._frame.x + 8, y - 0.25, self._inner - 8, 0.5, theme.line)
            if y > self._frame.y + 8 and all(abs(y - other) > 15 for other in self._labels):
                self._canvas.text(self._end() + 8, y, price(value, self._tick_size), 11, theme.faint)

    def _draw_volume(self) -> None:
        volume = self._bars[5]
        largest = volume.max() if len(volume) else 0.0
        if largest <= 0:
            return
        theme, floor = self._canvas.theme, self._frame.y + self._frame.height - 6
        for index, value in enumerate(volume):
            height = self._frame.height * (FLOOR - 0.03) * value / largest
            rose = self._bars[4, index] >= self._bars[1, index]
            fill = blend(theme.long if rose else theme.short, theme.panel, 0.28)
            self._canvas.box(self._x(index) - self._step * 0.36, floor - height, self._step * 0.72, height, fill)

    def _draw_faint(self) -> None:
        """Draw the levels that no mark of its own covers."""
        taken = [self._at(mark.price) for mark in self._marks]
        for mark in self._faint:
            y = self._at(mark.price)
            if all(abs(y - other) > 1.5 for other in taken):
                fill = blend(mark.colour, self._canvas.theme.panel, 0.75)
                self._canvas.dashes(self._frame.x + 8, self._end(), y, fill)

    def _draw_bars(self) -> None:
        theme = self._canvas.theme
        for index in range(self._bars.shape[1]):
            _, opened, high, low, close, _ = self._bars[:, index]
            fill = theme.long if close >= opened else theme.short
            x, top, bottom = self._x(index), self._at(max(opened, close)), self._at(min(opened, close))
            upper, lower = self._at(min(high, self._high)), self._at(max(low, self._low))
            self._canvas.box(x - 0.5, upper, 1, lower - upper, fill)
            self._canvas.box(x - self._step * 0.36, top, self._step * 0.72, max(1.0, bottom - top), fill)
            if high > self._high:
                self._canvas.triangle(x, upper + 3, True, fill, 3)
            if low < self._low:
                self._canvas.triangle(x, lower - 3, False, fill, 3)

    def _draw_marks(self) -> None:
        """Draw the lines where they are, and their names and prices where they do not cover each other."""
        end, panel = self._end(), self._canvas.theme.panel
        for mark in self._marks:
            self._canvas.dashes(self._frame.x + 8, end, self._at(mark.price), mark.colour, dash=6, gap=3)
        for mark, y in zip(self._marks, self._labels, strict=True):
            self._canvas.text(end - 6, y, mark.label, 10, mark.colour, weight=600, anchor="r", halo=panel)
            self._canvas.box(end + 2, y - 8.5, self._axis - 8, 17, mark.colour, radius=4)
            text = price(mark.price, self._tick_size)
            self._canvas.text(end + 8, y, text, 11, self._canvas.inverse, weight=600)

    def _name_faint(self) -> None:
        """Name the fainter lines, on or beside them, where a word keeps clear of other lines, words and bars."""
        lines = [self._at(mark.price) for mark in (*self._faint, *self._marks)]
        words: list[float] = []
        for number, mark in enumerate(self._faint):
            others = lines[:number] + lines[number + 1 :]
            for y in (lines[number], lines[number] - 9, lines[number] + 9):
                if self._frame.y + 7 < y < self._floor() and _clear(y, others, CLEAR) and _clear(y, words, 2 * CLEAR):
                    x = self._free(y, self._canvas.measure(mark.label, 10))
                    self._canvas.text(x, y, mark.label, 10, mark.colour, halo=self._canvas.theme.panel)
                    words.append(y)
                    break

    def _free(self, y: float, width: float) -> float:
        """Return the first place from the left where a label at *y* hides no bar; the left edge where there is none."""
        edge = self._frame.x + 12
        for x in np.arange(edge, self._x(self._bars.shape[1]) - width, 12.0):
            near = self._bars[:, max(0, int((x - 12 - self._frame.x) / self._step)) :][:, : int(width / self._step) + 3]
            if not any(self._at(high) < y + 8 and self._at(low) > y - 8 for high, low in near[2:4].T):
                return float(x)
        return edge

    def _floor(self) -> float:
        return self._frame.y + self._frame.height - 10


def _clear(y: float, others: Sequence[float], gap: float) -> bool:
    return all(abs(y - other) >= gap for other in others)


def shown_range(bars: Floats) -> tuple[float, ...]:
    """Return the lowest and the highest price that is drawn; a single huge wick does not flatten all the others."""
    if not bars.shape[1]:
        return ()
    opened, high, low, close = bars[1:5]
    floor, top = np.minimum(opened, close).min(), np.maximum(opened, close).max()
    reach = REACH * max(top - floor, 4 * np.median(high - low))
    return float(max(low.min(), floor - reach)), float(min(high.max(), top + reach))


def spread(places: Sequence[float], gap: float, top: float, bottom: float) -> list[float]:
    """Move *places* apart so that neighbours are *gap* from each other, between *top* and *bottom*."""
    order = sorted(range(len(places)), key=lambda index: places[index])
    moved = [min(max(place, top), bottom) for place in places]
    for before, after in pairwise(order):
        moved[after] = max(moved[after], moved[before] + gap)
    for after, before in pairwise(reversed(order)):
        moved[after] = min(moved[after], bottom)
        moved[before] = min(moved[before], moved[after] - gap)
    return moved


def round_prices(low: float, high: float, count: int) -> list[float]:
    """Return about *count* round prices between *low* and *high*."""
    rough = (high - low) / count
    if not math.isfinite(rough) or rough <= 0:
        return []
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(step * power for step in (1, 2, 2.5, 5, 10) if step * power >= rough)
    first = math.ceil(low / step)
    return [number * step for number in range(first, math.floor(high / step) + 1)]
