"""The panels of a card: header, gauges, facts, timeframes, indicators, gates, footer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from services.notifier.rendering.candle_chart import CandleChart, ChartLine, Frame, Zone, bars_of
from services.notifier.rendering.canvas import Canvas, Colour, Theme, blend
from services.notifier.rendering.text import clock, number, percent, price, significant
from shared import gates as declared
from shared.contracts import Aftermath, Alert, Analysis, TimeframeAnalysis, Verdict
from shared.odds import NONE_YET

WIDTH: Final = 640.0
EDGE: Final = 20.0
INNER: Final = WIDTH - 2 * EDGE
SNAPSHOT: Final[dict[str, tuple[str, Callable[[float | None], str]]]] = {
    "rsi": ("RSI", number),
    "adx": ("ADX", number),
    "mfi": ("MFI", number),
    "stoch_rsi_k": ("Stoch RSI", number),
    "macd_histogram": ("MACD hist", significant),
    "volume_ratio": ("Volume ×", significant),
}
JUDGED: Final = ("15m", "1h", "4h")  #: five minutes are analysed too, but do not count in the score
Fact = tuple[str, str, Colour]


def header(canvas: Canvas, title: str, word: str, colour: Colour, line: str) -> float:
    """Write the coin or subject, its chip, and a line below; return the room that is left beside them."""
    x = EDGE + pair(canvas, EDGE, 34, title, 30, 270) + 14
    x += canvas.chip(x, 34, word, colour, canvas.inverse, size=13)
    canvas.fitted(EDGE, 62, line, 13, canvas.theme.dim, 380)
    return WIDTH - EDGE - x - 14


def pair(canvas: Canvas, x: float, y: float, name: str, size: int, room: float) -> float:
    """Write a pair's name, its quote small beside the coin; return the width."""
    theme, base = canvas.theme, name.removesuffix("USDT")
    width = canvas.fitted(x, y, base, size, theme.ink, room, weight=700)
    if base and base != name:
        gap = size / 5
        width += gap + canvas.text(x + width + gap, y + size * 0.13, "USDT", size // 2 + 1, theme.faint, weight=600)
    return width


def corner(canvas: Canvas, room: float, figure: str, colour: Colour, line: str, ink: Colour) -> None:
    """Write the card's one figure on the right of its header, in the *room* that is left there."""
    canvas.fitted(WIDTH - EDGE, 34, figure, 29, colour, room, weight=700, anchor="r")
    canvas.text(WIDTH - EDGE, 61, line, 13, ink, anchor="r")


def strength(canvas: Canvas, analysis: Analysis, colour: Colour) -> None:
    """Draw the five segments and their caption on the right of the header."""
    theme = canvas.theme
    segments(canvas, WIDTH - EDGE - 106, 36, analysis.strength, colour, width=18, height=14)
    weak = analysis.levels is not None and analysis.levels.weak
    word, ink = ("WEAK reward", theme.warning) if weak else (f"strength {analysis.strength} of 5", theme.dim)
    canvas.text(WIDTH - EDGE, 62, word, 13, ink, weight=600 if weak else 400, anchor="r")


def segments(canvas: Canvas, x: float, y: float, filled: int, colour: Colour, *, width: float, height: float) -> None:
    """Draw five segments from *x* on, *filled* of them in *colour*."""
    for place in range(5):
        fill = colour if place < filled else canvas.theme.line
        canvas.box(x + place * width * 1.22, y - height / 2, width, height, fill, radius=2.5)


def chart(
    canvas: Canvas,
    frame: Frame,
    bars: bytes,
    marks: Sequence[ChartLine],
    zones: Sequence[Zone] = (),
    faint: Sequence[ChartLine] = (),
    *,
    tick_size: float = 0.0,
    entered_at: float = 0.0,
) -> None:
    """Draw the candles, or say that there are none."""
    drawn = bars_of(bars)
    CandleChart(
        canvas, frame, drawn, marks=marks, zones=zones, faint=faint, tick_size=tick_size, entered_at=entered_at
    ).draw()
    if not drawn.shape[1]:
        middle = frame.x + frame.width / 2, frame.y + frame.height / 2
        canvas.text(*middle, "no bars", 13, canvas.theme.faint, anchor="m")


def plan(entry: float, stop: float, target: float, theme: Theme) -> tuple[list[ChartLine], list[Zone]]:
    """Return the lines of a trade's levels, and its reward and risk as shaded zones; a stop in profit risks nothing."""
    marks = [
        ChartLine(entry, theme.accent, "Entry"),
        ChartLine(stop, theme.short, "Stop"),
        ChartLine(target, theme.long, "Target"),
    ]
    zones = [Zone(min(entry, target), max(entry, target), theme.long)]
    if (stop < entry) == (entry < target):
        zones.append(Zone(min(entry, stop), max(entry, stop), theme.short))
    return marks, zones


def gauges(canvas: Canvas, analysis: Analysis, verdicts: Sequence[Verdict], y: float) -> None:
    """Draw score, the target's probability and FMQS as bars, with their thresholds and the rate that breaks even."""
    limits = {verdict.gate: verdict.threshold for verdict in verdicts}
    fmqs = analysis.fmqs.value if analysis.fmqs else None
    colour = canvas.theme.side(analysis.side)
    shown = [
        ("Score", analysis.score, limits.get("score")),
        ("Target first", analysis.confidence, 100.0 * analysis.levels.break_even if analysis.levels else None),
        ("FMQS", fmqs, limits.get("fmqs")),
    ]
    width = (INNER - 20) / 3
    for column, (title, value, limit) in enumerate(shown):
        _gauge(canvas, Frame(EDGE + column * (width + 10), y, width, 56), title, value, limit, colour)


def _gauge(canvas: Canvas, frame: Frame, title: str, value: float | None, limit: float | None, colour: Colour) -> None:
    theme = canvas.theme
    canvas.box(frame.x, frame.y, frame.width, frame.height, theme.panel, radius=10)
    canvas.text(frame.x + 12, frame.y + 18, title, 12, theme.dim)
    canvas.text(frame.x + frame.width - 12, frame.y + 18, number(value), 18, theme.ink, weight=700, anchor="r")
    left, length, y = frame.x + 12, frame.width - 24, frame.y + 38
    canvas.box(left, y, length, 7, theme.line, radius=3.5)
    canvas.box(left, y, length * min(1.0, max(0.0, (value or 0.0) / 100)), 7, colour, radius=3.5)
    if limit is not None:
        canvas.box(left + length * limit / 100 - 0.75, y - 3, 1.5, 13, theme.ink)


def levels(canvas: Canvas, analysis: Analysis, y: float) -> None:
    """Write entry, stop, target and reward to risk."""
    found, theme = analysis.levels, canvas.theme
    if found is None:
        facts(canvas, [("Levels", "no valid stop and target", theme.dim)], y)
        return
    tick = analysis.tick_size
    shown = [
        ("Entry", price(found.entry, tick), theme.accent),
        (f"Stop {percent(found.stop / found.entry - 1)}", price(found.stop, tick), theme.short),
        (f"Target {percent(found.target / found.entry - 1)}", price(found.target, tick), theme.long),
        ("R:R net of costs", f"{found.reward_to_risk:.2f}", theme.warning if found.weak else theme.ink),
        ("Break-even rate", f"{100 * found.break_even:.0f} %", theme.ink),
    ]
    facts(canvas, shown, y)


def facts(canvas: Canvas, shown: Sequence[Fact], y: float) -> None:
    """Draw a row of titled figures."""
    canvas.box(EDGE, y, INNER, 62, canvas.theme.panel, radius=10)
    width = INNER / len(shown)
    for column, (title, value, ink) in enumerate(shown):
        x = EDGE + column * width + 14
        if column:
            canvas.box(x - 14, y + 14, 0.5, 34, canvas.theme.line)
        canvas.fitted(x, y + 20, title, 12, canvas.theme.dim, width - 18)
        canvas.fitted(x, y + 42, value, 17, ink, width - 18, weight=600)


def _panel(canvas: Canvas, frame: Frame, title: str) -> None:
    canvas.box(frame.x, frame.y, frame.width, frame.height, canvas.theme.panel, radius=10)
    canvas.text(frame.x + 14, frame.y + 17, title, 12, canvas.theme.dim, weight=600)


def timeframes(canvas: Canvas, analysis: Analysis, frame: Frame) -> None:
    """Draw how far each interval leans, long to the right."""
    theme = canvas.theme
    _panel(canvas, frame, "Timeframes")
    middle, reach = frame.x + 224, 104.0
    canvas.text(middle - reach, frame.y + 17, "short", 10, theme.faint)
    canvas.text(middle + reach, frame.y + 17, "long", 10, theme.faint, anchor="r")
    for row, timeframe in enumerate(item for item in analysis.timeframes if item.interval in JUDGED):
        y = frame.y + 44 + 26 * row
        lean = max(-1.0, min(1.0, (timeframe.long_score - timeframe.short_score) / 100))
        canvas.text(frame.x + 14, y, timeframe.interval, 14, theme.ink, weight=600)
        canvas.text(frame.x + 52, y, _state(timeframe), 11, theme.dim)
        canvas.box(middle - reach, y - 4, 2 * reach, 8, theme.line, radius=4)
        fill, length = theme.side("long" if lean >= 0 else "short"), reach * abs(lean)
        canvas.box(middle if lean >= 0 else middle - length, y - 4, length, 8, fill, radius=4)
        canvas.box(middle - 0.5, y - 7, 1, 14, theme.faint)
        canvas.triangle(frame.x + frame.width - 18, y, lean >= 0, fill, 4.5)


def _state(timeframe: TimeframeAnalysis) -> str:
    return "squeeze" if timeframe.squeeze else timeframe.regime.lower()


def snapshot(canvas: Canvas, analysis: Analysis, frame: Frame) -> None:
    """Show six indicators of the hour."""
    theme = canvas.theme
    leading = next((item for item in analysis.timeframes if item.interval == "1h"), None)
    _panel(canvas, frame, "Indicators, 1h")
    values = leading.values if leading else {}
    for place, (name, (title, said)) in enumerate(SNAPSHOT.items()):
        x, y = frame.x + 14 + (place % 3) * 114, frame.y + 43 + (place // 3) * 36
        canvas.fitted(x, y, said(values.get(name)), 15, theme.ink, 106, weight=600)
        canvas.text(x, y + 16, title, 10, theme.dim)


def gates(canvas: Canvas, verdicts: Sequence[Verdict], frame: Frame) -> None:
    """List the gates, each with its value against its threshold."""
    theme = canvas.theme
    _panel(canvas, frame, "Gates")
    passed = sum(verdict.passed for verdict in verdicts)
    canvas.text(frame.x + frame.width - 14, frame.y + 17, f"{passed} of {len(verdicts)}", 12, theme.dim, anchor="r")
    step = min(29.0, 203.0 / max(1, len(verdicts)))  # seven fill the panel; more stand closer
    for row, verdict in enumerate(verdicts):
        y = frame.y + 46 + step * row
        canvas.tick(frame.x + 20, y, verdict.passed)
        canvas.text(frame.x + 34, y, declared.title(verdict.gate), 13, theme.ink)
        x = frame.x + frame.width - 14
        value, threshold = declared.shown(verdict)
        if threshold:
            x -= canvas.text(x, y, f"/ {threshold}", 12, theme.faint, anchor="r") + 4
        canvas.text(x, y, value, 13, theme.ink, weight=600, anchor="r")


def aftermath_height(found: Sequence[Aftermath]) -> float:
    """Return the points that `aftermath` takes, with the gap below it."""
    return 56.0 + 25.0 * len(found) if found else 26.0


def aftermath(canvas: Canvas, found: Sequence[Aftermath], y: float) -> None:
    """List what followed earlier anomalies after each horizon, beside other moments of the same coins."""
    theme = canvas.theme
    if not found:
        canvas.text(EDGE, y + 6, f"After ones like this: {NONE_YET}", 13, theme.dim)
        return
    frame = Frame(EDGE, y, INNER, aftermath_height(found) - 12)
    _panel(canvas, frame, "After, in the day's direction")
    ends = [frame.x + x for x in (222, 350, 462, 586)]
    for x, title in zip(ends, ("Median", "Middle half", "Went on", "At other moments"), strict=True):
        canvas.text(x, frame.y + 17, title, 11, theme.faint, anchor="r")
    for row, one in enumerate(sorted(found, key=lambda each: each.hours)):
        middle = frame.y + 43 + 25 * row
        x = frame.x + 14 + canvas.text(frame.x + 14, middle, f"{one.hours} h", 14, theme.ink, weight=600)
        canvas.text(x + 10, middle, f"n {one.n}, {one.days} days", 11, theme.faint)
        cells = (
            (percent(one.median), theme.sign(one.median), 600),
            (f"{percent(one.low)} to {percent(one.high)}", theme.dim, 400),
            (f"{one.went_on * 100:.0f} of 100", theme.ink, 600),
            (f"{one.others_went_on * 100:.0f} of 100", theme.dim, 400),
        )
        for end, (text, ink, weight) in zip(ends, cells, strict=True):
            canvas.text(end, middle, text, 12, ink, weight=weight, anchor="r")


def footer(canvas: Canvas, alert: Alert, timezone: str, note: str = "") -> None:
    """Write the time, a note, what is estimated, and whose card this is."""
    theme, y = canvas.theme, canvas.height - 24
    end = (
        WIDTH
        - EDGE
        - canvas.text(WIDTH - EDGE, y, "Sevengate", 12, blend(theme.ink, theme.ground, 0.75), weight=700, anchor="r")
    )
    x = EDGE + canvas.text(EDGE, y, clock(alert.occurred_at, timezone), 12, theme.dim) + 14
    if note:
        x += canvas.text(x, y, note, 12, theme.dim) + 14
    if alert.estimated:
        x += canvas.chip(x, y, "estimated", theme.warning, canvas.inverse, size=11) + 8
        canvas.fitted(x, y, ", ".join(alert.estimated), 12, theme.dim, end - x - 14)
