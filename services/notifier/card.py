"""The picture of an alert, for people to read at a glance and to share."""

from __future__ import annotations

from collections.abc import Sequence
from functools import singledispatch
from typing import Final

from services.notifier.candles import Chart, Frame, Mark, Zone, bars_of
from services.notifier.canvas import Canvas, Colour, Theme, blend, theme_of
from services.notifier.text import EVENTS, clock, number, percent, price
from shared.contracts import (
    Alert,
    Analysis,
    AnomalyBody,
    GroupBody,
    LifecycleBody,
    PriceBody,
    SignalBody,
    SystemBody,
    TimeframeAnalysis,
    Verdict,
)

WIDTH: Final = 640.0
EDGE: Final = 20.0
INNER: Final = WIDTH - 2 * EDGE
GATES: Final = {
    "score": "Score",
    "fmqs": "FMQS",
    "squeeze": "No squeeze",
    "volume": "Volume",
    "groups": "Groups",
    "timeframes": "Timeframes",
    "persistence": "Persistence",
}
SNAPSHOT: Final = {
    "rsi": ("RSI", 0),
    "adx": ("ADX", 0),
    "mfi": ("MFI", 0),
    "stoch_rsi_k": ("Stoch RSI", 0),
    "macd_histogram": ("MACD hist", 3),
    "volume_ratio": ("Volume ×", 2),
}


def card_of(alert: Alert, *, theme: str = "dark", timezone: str = "UTC") -> bytes | None:
    """Return the card as PNG, 1280 pixels wide; None where an alert has none."""
    return _draw(alert.body, alert, theme_of(theme), timezone)


@singledispatch
def _draw(body: object, alert: Alert, theme: Theme, timezone: str) -> bytes | None:
    raise TypeError(f"no card for {type(body).__name__}")


@_draw.register
def _system(body: SystemBody, alert: Alert, theme: Theme, timezone: str) -> bytes | None:
    return None


@_draw.register
def _signal(body: SignalBody, alert: Alert, theme: Theme, timezone: str) -> bytes | None:
    analysis = body.analysis
    canvas = Canvas(WIDTH, 792, theme)
    _header(canvas, alert.symbol, body.side.upper(), theme.side(body.side), f"{analysis.regime.title()} · 15m chart")
    _strength(canvas, analysis, theme.side(body.side))
    _signal_chart(canvas, analysis, Frame(EDGE, 82, INNER, 268))
    _gauges(canvas, analysis, body.verdicts, 362)
    _levels(canvas, analysis, 428)
    _timeframes(canvas, analysis, Frame(EDGE, 500, 362, 118))
    _snapshot(canvas, analysis, Frame(EDGE, 628, 362, 112))
    _gates(canvas, body.verdicts, Frame(EDGE + 372, 500, INNER - 372, 240))
    _footer(canvas, alert, timezone, _mood(analysis))
    return canvas.png()


@_draw.register
def _lifecycle(body: LifecycleBody, alert: Alert, theme: Theme, timezone: str) -> bytes | None:
    canvas = Canvas(WIDTH, 496, theme)
    colour = _result_colour(body, theme)
    _header(canvas, alert.symbol, EVENTS[body.event].upper(), colour, f"{body.side.title()} signal · 15m chart")
    result = f"{body.result_r:+.2f} R".replace("-", "−")
    canvas.text(WIDTH - EDGE, 34, result, 30, colour, weight=700, anchor="r")
    canvas.text(WIDTH - EDGE, 60, "before costs", 12, theme.dim, anchor="r")
    marks = [
        Mark(body.entry, theme.accent, "Entry"),
        Mark(body.stop, theme.short, "Stop"),
        Mark(body.target, theme.long, "Target"),
    ]
    _chart(
        canvas,
        Frame(EDGE, 82, INNER, 268),
        body.chart,
        marks,
        _zones(body.entry, body.stop, body.target, theme),
        entered_at=body.opened_scan,
    )
    facts = [
        ("Price", price(body.price), theme.ink),
        ("Result", percent(_gain(body)), colour),
        ("Best", f"{body.best_r:+.2f} R".replace("-", "−"), theme.long),
        ("Worst", f"{body.worst_r:+.2f} R".replace("-", "−"), theme.short),
    ]
    _facts(canvas, facts, 362)
    note = body.reason + (" · a tick told it, the bar has yet to confirm" if body.early else "")
    canvas.fitted(EDGE + 2, 444, note, 13, theme.dim, INNER)
    _footer(canvas, alert, timezone)
    return canvas.png()


@_draw.register
def _group(body: GroupBody, alert: Alert, theme: Theme, timezone: str) -> bytes | None:
    shown = body.members[:12]
    row, top = 36.0, 118.0
    canvas = Canvas(WIDTH, top + row * len(shown) + 66, theme)
    colour = theme.side(body.side)
    _header(
        canvas, f"{len(body.members)} coins", body.side.upper(), colour, "The market moves as one: one alert, ranked"
    )
    canvas.box(EDGE, 82, INNER, top - 82 + row * len(shown) + 8, theme.panel, radius=10)
    columns = [(300.0, "Score"), (382.0, "Strength"), (462.0, "vs BTC"), (536.0, "R:R"), (606.0, "Regime")]
    for x, title in columns:
        canvas.text(x, 100, title, 11, theme.faint, anchor="r")
    for rank, member in enumerate(shown):
        y = top + row * rank + row / 2
        if rank:
            canvas.box(EDGE + 12, y - row / 2, INNER - 24, 0.5, theme.line)
        canvas.text(EDGE + 28, y, str(rank + 1), 13, theme.faint, anchor="r")
        canvas.fitted(EDGE + 40, y, member.symbol, 15, theme.ink, 178, weight=600)
        canvas.text(300, y, f"{member.score:.0f}", 15, theme.ink, weight=600, anchor="r")
        _segments(canvas, 322, y, member.strength, colour, 11)
        gained = theme.long if (member.btc_excess or 0) >= 0 else theme.short
        canvas.text(462, y, percent(member.btc_excess), 13, gained, anchor="r")
        canvas.text(536, y, f"{member.reward_to_risk:.2f}", 13, theme.warning if member.weak else theme.ink, anchor="r")
        canvas.text(606, y, member.regime.title(), 12, theme.dim, anchor="r")
    note = f"and {len(body.members) - len(shown)} more" if len(body.members) > len(shown) else ""
    _footer(canvas, alert, timezone, note)
    return canvas.png()


@_draw.register
def _price(body: PriceBody, alert: Alert, theme: Theme, timezone: str) -> bytes | None:
    canvas = Canvas(WIDTH, 224, theme)
    wanted = body.price_alert
    _header(canvas, alert.symbol, "PRICE ALERT", theme.accent, wanted.note or "You asked to be told")
    moved = None if not body.reference else body.price / body.reference - 1
    aim = percent(wanted.value) if wanted.condition == "moves" else price(wanted.value)
    facts = [
        ("Price", price(body.price), theme.ink),
        (f"Wanted: {wanted.condition}", aim, theme.accent),
        ("Since the reference", percent(moved, 2), theme.side("short" if (moved or 0) < 0 else "long")),
    ]
    _facts(canvas, facts, 86)
    if body.while_down:
        canvas.text(EDGE + 2, 164, "Crossed while nobody was looking", 13, theme.warning)
    _footer(canvas, alert, timezone)
    return canvas.png()


@_draw.register
def _anomaly(body: AnomalyBody, alert: Alert, theme: Theme, timezone: str) -> bytes | None:
    figures = body.figures
    canvas = Canvas(WIDTH, 590, theme)
    _header(canvas, alert.symbol, "ANOMALY", theme.warning, "A volume shock that BTC does not explain")
    change = figures.change_24h
    canvas.text(WIDTH - EDGE, 34, price(body.price), 28, theme.ink, weight=700, anchor="r")
    side = theme.long if (change or 0) >= 0 else theme.short
    canvas.text(WIDTH - EDGE, 60, f"{percent(change)} in 24 h", 13, side, anchor="r")
    _chart(canvas, Frame(EDGE, 82, INNER, 268), body.chart, [Mark(body.price, theme.warning)], [])
    facts = [
        ("Volume z", number(figures.volume_z, 1), theme.warning),
        ("Correlation", number(figures.correlation, 2), theme.ink),
        ("Residual z", number(figures.residual_z, 1), theme.ink),
        ("RSI", number(figures.rsi), theme.ink),
        ("Hurst", f"{number(figures.hurst, 2)} ± {number(figures.hurst_error, 2)}", theme.ink),
    ]
    _facts(canvas, facts, 362)
    for row, (line, ink, weight) in enumerate(
        [(body.headline, theme.ink, 600), (body.pull, theme.dim, 400), (body.question, theme.accent, 600)]
    ):
        canvas.fitted(EDGE + 2, 446 + 27 * row, line, 15, ink, INNER - 4, weight=weight)
    _footer(canvas, alert, timezone)
    return canvas.png()


def _header(canvas: Canvas, name: str, word: str, colour: Colour, line: str) -> None:
    """Write the coin or subject, its chip, and a line below."""
    theme = canvas.theme
    base = name.removesuffix("USDT")
    width = canvas.fitted(EDGE, 34, base, 30, theme.ink, 270, weight=700)
    if base != name:
        width += 6 + canvas.text(EDGE + width + 6, 38, "USDT", 15, theme.faint, weight=600)
    ink = theme.ground if theme.name == "dark" else theme.panel
    canvas.chip(EDGE + width + 14, 34, word, colour, ink, size=13)
    canvas.fitted(EDGE, 62, line, 13, theme.dim, 380)


def _strength(canvas: Canvas, analysis: Analysis, colour: Colour) -> None:
    """Draw the five segments and the words for them."""
    theme = canvas.theme
    _segments(canvas, WIDTH - EDGE - 5 * 22 + 4, 36, analysis.strength, colour, 18, 14)
    weak = analysis.levels is not None and analysis.levels.weak
    word, ink = ("WEAK reward", theme.warning) if weak else (f"strength {analysis.strength} of 5", theme.dim)
    canvas.text(WIDTH - EDGE, 62, word, 13, ink, weight=600 if weak else 400, anchor="r")


def _segments(
    canvas: Canvas, x: float, y: float, strength: int, colour: Colour, width: float, height: float = 10
) -> None:
    for number_ in range(5):
        fill = colour if number_ < strength else canvas.theme.line
        canvas.box(
            x + number_ * (width + 4) * (1 if width > 12 else 0.87), y - height / 2, width, height, fill, radius=2.5
        )


def _signal_chart(canvas: Canvas, analysis: Analysis, frame: Frame) -> None:
    theme, levels = canvas.theme, analysis.levels
    if levels is None:
        _chart(canvas, frame, analysis.chart, [], [])
        return
    marks = [
        Mark(levels.entry, theme.accent, "Entry"),
        Mark(levels.stop, theme.short, "Stop"),
        Mark(levels.target, theme.long, "Target"),
    ]
    faint = [Mark(level.price, theme.dim, f"support ×{level.touches}") for level in levels.supports]
    faint += [Mark(level.price, theme.dim, f"resistance ×{level.touches}") for level in levels.resistances]
    zones = _zones(levels.entry, levels.stop, levels.target, theme)
    _chart(canvas, frame, analysis.chart, marks, zones, faint, tick_size=analysis.tick_size)


def _chart(
    canvas: Canvas,
    frame: Frame,
    chart: bytes,
    marks: Sequence[Mark],
    zones: Sequence[Zone],
    faint: Sequence[Mark] = (),
    *,
    tick_size: float = 0.0,
    entered_at: float = 0.0,
) -> None:
    bars = bars_of(chart)
    Chart(canvas, frame, bars, marks=marks, zones=zones, faint=faint, tick_size=tick_size, entered_at=entered_at).draw()
    if not bars.shape[1]:
        canvas.text(
            frame.x + frame.width / 2, frame.y + frame.height / 2, "no bars", 13, canvas.theme.faint, anchor="m"
        )


def _zones(entry: float, stop: float, target: float, theme: Theme) -> list[Zone]:
    return [
        Zone(min(entry, target), max(entry, target), theme.long),
        Zone(min(entry, stop), max(entry, stop), theme.short),
    ]


def _gauges(canvas: Canvas, analysis: Analysis, verdicts: Sequence[Verdict], y: float) -> None:
    """Draw score, confidence and FMQS as bars, with the thresholds they had to reach."""
    limits = {verdict.gate: verdict.threshold for verdict in verdicts}
    fmqs = analysis.fmqs.value if analysis.fmqs else None
    colour = canvas.theme.side(analysis.side)
    gauges = [
        ("Score", analysis.score, limits.get("score")),
        ("Confidence", analysis.confidence, None),
        ("FMQS", fmqs, limits.get("fmqs")),
    ]
    width = (INNER - 20) / 3
    for column, (title, value, limit) in enumerate(gauges):
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


def _levels(canvas: Canvas, analysis: Analysis, y: float) -> None:
    levels, theme = analysis.levels, canvas.theme
    if levels is None:
        _facts(canvas, [("Levels", "no valid stop and target", theme.dim)], y)
        return
    tick = analysis.tick_size
    ratio = theme.warning if levels.weak else theme.ink
    _facts(
        canvas,
        [
            ("Entry", price(levels.entry, tick), theme.accent),
            (f"Stop {percent(levels.stop / levels.entry - 1)}", price(levels.stop, tick), theme.short),
            (f"Target {percent(levels.target / levels.entry - 1)}", price(levels.target, tick), theme.long),
            ("R:R net of costs", f"{levels.reward_to_risk:.2f}", ratio),
        ],
        y,
    )


def _facts(canvas: Canvas, facts: Sequence[tuple[str, str, Colour]], y: float) -> None:
    """Draw a row of titled figures."""
    canvas.box(EDGE, y, INNER, 62, canvas.theme.panel, radius=10)
    width = INNER / len(facts)
    for column, (title, value, ink) in enumerate(facts):
        x = EDGE + column * width + 14
        if column:
            canvas.box(x - 14, y + 14, 0.5, 34, canvas.theme.line)
        canvas.fitted(x, y + 20, title, 12, canvas.theme.dim, width - 18)
        canvas.fitted(x, y + 42, value, 17, ink, width - 18, weight=600)


def _panel(canvas: Canvas, frame: Frame, title: str) -> None:
    canvas.box(frame.x, frame.y, frame.width, frame.height, canvas.theme.panel, radius=10)
    canvas.text(frame.x + 14, frame.y + 17, title, 12, canvas.theme.dim, weight=600)


def _timeframes(canvas: Canvas, analysis: Analysis, frame: Frame) -> None:
    """Draw how far each interval leans, long to the right."""
    theme = canvas.theme
    _panel(canvas, frame, "Timeframes")
    middle, reach = frame.x + 214, 112.0
    canvas.text(middle - reach, frame.y + 17, "short", 10, theme.faint)
    canvas.text(middle + reach, frame.y + 17, "long", 10, theme.faint, anchor="r")
    for row, timeframe in enumerate(analysis.timeframes[:3]):
        y = frame.y + 44 + 26 * row
        lean = max(-1.0, min(1.0, (timeframe.long_score - timeframe.short_score) / 100))
        canvas.text(frame.x + 14, y, timeframe.interval, 14, theme.ink, weight=600)
        canvas.text(frame.x + 52, y, _short_regime(timeframe), 11, theme.dim)
        canvas.box(middle - reach, y - 4, 2 * reach, 8, theme.line, radius=4)
        fill, length = theme.side("long" if lean >= 0 else "short"), reach * abs(lean)
        canvas.box(middle if lean >= 0 else middle - length, y - 4, length, 8, fill, radius=4)
        canvas.box(middle - 0.5, y - 7, 1, 14, theme.faint)
        canvas.triangle(frame.x + frame.width - 18, y, lean >= 0, fill, 4.5)


def _short_regime(timeframe: TimeframeAnalysis) -> str:
    return "squeeze" if timeframe.squeeze else timeframe.regime.lower()[:5]


def _snapshot(canvas: Canvas, analysis: Analysis, frame: Frame) -> None:
    """Show six indicators of the hour."""
    theme = canvas.theme
    leading = next((item for item in analysis.timeframes if item.interval == "1h"), None)
    _panel(canvas, frame, "Indicators, 1h")
    values = leading.values if leading else {}
    for place, (name, (title, decimals)) in enumerate(SNAPSHOT.items()):
        x, y = frame.x + 14 + (place % 3) * 114, frame.y + 43 + (place // 3) * 36
        canvas.text(x, y, number(values.get(name), decimals), 15, theme.ink, weight=600)
        canvas.text(x, y + 16, title, 10, theme.dim)


def _gates(canvas: Canvas, verdicts: Sequence[Verdict], frame: Frame) -> None:
    """List the seven gates, each with its value against its threshold."""
    theme = canvas.theme
    _panel(canvas, frame, "Gates")
    passed = sum(verdict.passed for verdict in verdicts)
    canvas.text(frame.x + frame.width - 14, frame.y + 17, f"{passed} of {len(verdicts)}", 12, theme.dim, anchor="r")
    for row, verdict in enumerate(verdicts[:7]):
        y = frame.y + 46 + 27 * row
        canvas.tick(frame.x + 20, y, verdict.passed)
        canvas.text(frame.x + 34, y, GATES.get(verdict.gate, verdict.gate), 13, theme.ink)
        x = frame.x + frame.width - 14
        if verdict.gate == "squeeze":
            canvas.text(x, y, "free" if verdict.passed else "squeezed", 13, theme.ink, weight=600, anchor="r")
            continue
        x -= canvas.text(x, y, f"/ {_figure(verdict.threshold)}", 12, theme.faint, anchor="r") + 4
        canvas.text(x, y, _figure(verdict.value), 13, theme.ink, weight=600, anchor="r")


def _figure(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.0f}" if float(value).is_integer() or abs(value) >= 20 else f"{value:.2f}"


def _mood(analysis: Analysis) -> str:
    sentiment = analysis.sentiment
    return "" if sentiment is None else f"Fear & Greed {sentiment.value} {sentiment.label}"


def _footer(canvas: Canvas, alert: Alert, timezone: str, note: str = "") -> None:
    """Write the time, a note, what is estimated, and whose card this is."""
    theme, y = canvas.theme, canvas.height - 24
    x = EDGE + canvas.text(EDGE, y, clock(alert.occurred_at, timezone), 12, theme.dim) + 14
    if note:
        x += canvas.text(x, y, note, 12, theme.dim) + 14
    if alert.estimated:
        ink = theme.ground if theme.name == "dark" else theme.panel
        canvas.chip(x, y, "estimated", theme.warning, ink, size=11)
    canvas.text(WIDTH - EDGE, y, "Sevengate", 12, blend(theme.ink, theme.ground, 0.75), weight=700, anchor="r")


def _gain(body: LifecycleBody) -> float | None:
    if not body.entry:
        return None
    change = body.price / body.entry - 1
    return change if body.side == "long" else -change


def _result_colour(body: LifecycleBody, theme: Theme) -> Colour:
    if body.event in ("danger", "caution"):
        return theme.warning
    return theme.long if body.result_r > 0 else theme.short if body.result_r < 0 else theme.accent
