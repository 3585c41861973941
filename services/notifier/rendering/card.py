"""The card of an alert, a picture to read at a glance and to share: one layout for each kind."""

from __future__ import annotations

from functools import singledispatch

from services.notifier.rendering import panels
from services.notifier.rendering.candle_chart import ChartLine, Frame
from services.notifier.rendering.canvas import Canvas, Colour, Theme, theme_of
from services.notifier.rendering.panels import EDGE, INNER, WIDTH
from services.notifier.rendering.text import (
    EVENTS,
    common_tick,
    expected,
    number,
    percent,
    plus_minus,
    price,
    price_headline,
    signed,
    worth_of,
)
from shared.contracts import (
    Alert,
    Analysis,
    AnomalyBody,
    GroupBody,
    GroupMember,
    LifecycleBody,
    PriceBody,
    SignalBody,
    SystemBody,
)
from shared.odds import line_of

CHART = Frame(EDGE, 82, INNER, 268)
SHOWN_MEMBERS = 12
MEMBER_ROW = 46.0


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
    analysis, colour = body.analysis, theme.side(body.side)
    canvas = Canvas(WIDTH, 816, theme)
    panels.header(canvas, alert.symbol, body.side.upper(), colour, f"{analysis.regime.title()} · 15m chart")
    panels.strength(canvas, analysis, colour)
    _signal_chart(canvas, analysis)
    panels.gauges(canvas, analysis, body.verdicts, 362)
    panels.levels(canvas, analysis, 428)
    canvas.fitted(EDGE, 506, _worth(analysis), 13, theme.dim, INNER)
    panels.timeframes(canvas, analysis, Frame(EDGE, 524, 362, 118))
    panels.snapshot(canvas, analysis, Frame(EDGE, 652, 362, 112))
    panels.gates(canvas, body.verdicts, Frame(EDGE + 372, 524, INNER - 372, 240))
    panels.footer(canvas, alert, timezone, _remarks(analysis))
    return canvas.png()


def _worth(analysis: Analysis) -> str:
    """Return what the trade costs, what to expect of it, and how similar setups went."""
    costs = "" if analysis.levels is None else f"Costs {analysis.levels.cost_r:.2f} R{expected(analysis)} · "
    return costs + line_of(analysis.comparable)


def _signal_chart(canvas: Canvas, analysis: Analysis) -> None:
    theme, levels = canvas.theme, analysis.levels
    if levels is None:
        panels.chart(canvas, CHART, analysis.chart, [])
        return
    marks, zones = panels.plan(levels.entry, levels.stop, levels.target, theme)
    faint = [ChartLine(level.price, theme.dim, f"support ×{level.touches}") for level in levels.supports]
    faint += [ChartLine(level.price, theme.dim, f"resistance ×{level.touches}") for level in levels.resistances]
    panels.chart(canvas, CHART, analysis.chart, marks, zones, faint, tick_size=analysis.tick_size)


def _remarks(analysis: Analysis) -> str:
    sentiment, young = analysis.sentiment, ", ".join(analysis.young)
    mood = "" if sentiment is None else f"Fear & Greed {sentiment.value} {sentiment.label}"
    return " · ".join(filter(None, (mood, f"young: short history on {young}" if young else "")))


@_draw.register
def _lifecycle(body: LifecycleBody, alert: Alert, theme: Theme, timezone: str) -> bytes | None:
    notes = (body.reason, "live price touched it, waiting for the bar to close" if body.early else "")
    note = " · ".join(filter(None, notes))
    lines = [line for line in (worth_of(body), note[:1].upper() + note[1:]) if line]
    canvas, colour = Canvas(WIDTH, 472 + 24 * len(lines), theme), _result_colour(body, theme)
    line = f"{body.side.title()} signal · 15m chart"
    room = panels.header(canvas, alert.symbol, EVENTS[body.event].upper(), colour, line)
    panels.corner(canvas, room, signed(body.result_r), colour, "before costs", theme.dim)
    marks, zones = panels.plan(body.entry, body.stop, body.target, theme)
    panels.chart(canvas, CHART, body.chart, marks, zones, entered_at=body.opened_scan)
    facts = [
        ("Price", price(body.price, common_tick(body.entry, body.stop, body.target, body.price)), theme.ink),
        ("Result", percent(_gain(body)), colour),
        ("Best", signed(body.best_r), theme.long),
        ("Worst", signed(body.worst_r), theme.short),
    ]
    panels.facts(canvas, facts, 362)
    for row, text in enumerate(lines):
        canvas.fitted(EDGE, 444 + 24 * row, text, 13, theme.dim, INNER)
    panels.footer(canvas, alert, timezone)
    return canvas.png()


def _gain(body: LifecycleBody) -> float | None:
    if not body.entry:
        return None
    change = body.price / body.entry - 1
    return change if body.side == "long" else -change


def _result_colour(body: LifecycleBody, theme: Theme) -> Colour:
    if body.event in ("danger", "caution"):
        return theme.warning
    return theme.long if body.result_r > 0 else theme.short if body.result_r < 0 else theme.accent


@_draw.register
def _group(body: GroupBody, alert: Alert, theme: Theme, timezone: str) -> bytes | None:
    shown, top = body.members[:SHOWN_MEMBERS], 118.0
    canvas, colour = Canvas(WIDTH, top + MEMBER_ROW * len(shown) + 66, theme), theme.side(body.side)
    line = "A market-wide move: one alert, ranked"
    panels.header(canvas, f"{len(body.members)} coins", body.side.upper(), colour, line)
    canvas.box(EDGE, 82, INNER, top - 82 + MEMBER_ROW * len(shown) + 8, theme.panel, radius=10)
    canvas.text(EDGE + 40, 100, "Coin", 11, theme.faint)
    for x, title in ((300.0, "Score"), (385.0, "Strength"), (462.0, "vs BTC"), (536.0, "R:R"), (606.0, "Regime")):
        canvas.text(x, 100, title, 11, theme.faint, anchor="r")
    for rank, member in enumerate(shown, 1):
        if rank > 1:
            canvas.box(EDGE + 12, top + MEMBER_ROW * (rank - 1), INNER - 24, 0.5, theme.line)
        _member(canvas, rank, member, colour, top + MEMBER_ROW * (rank - 1) + 17)
    more = len(body.members) - len(shown)
    panels.footer(canvas, alert, timezone, f"and {more} more" if more else "")
    return canvas.png()


def _member(canvas: Canvas, rank: int, member: GroupMember, colour: Colour, y: float) -> None:
    theme = canvas.theme
    canvas.text(EDGE + 28, y, str(rank), 13, theme.faint, anchor="r")
    panels.pair(canvas, EDGE + 40, y, member.symbol, 15, 150)
    canvas.text(300, y, f"{member.score:.0f}", 15, theme.ink, weight=600, anchor="r")
    panels.segments(canvas, 320, y, member.strength, colour, width=11, height=10)
    canvas.text(462, y, percent(member.btc_excess), 13, theme.sign(member.btc_excess), anchor="r")
    canvas.text(536, y, f"{member.reward_to_risk:.2f}", 13, theme.warning if member.weak else theme.ink, anchor="r")
    canvas.text(606, y, member.regime.title(), 12, theme.dim, anchor="r")
    canvas.fitted(EDGE + 40, y + 19, worth_of(member), 11, theme.faint, INNER - 54)


@_draw.register
def _price(body: PriceBody, alert: Alert, theme: Theme, timezone: str) -> bytes | None:
    canvas = Canvas(WIDTH, 224 if body.while_down else 196, theme)
    wanted = body.price_alert
    panels.header(
        canvas, alert.symbol, "PRICE ALERT", theme.accent, " · ".join(filter(None, (price_headline(body), wanted.note)))
    )
    moved = None if not body.reference else body.price / body.reference - 1
    aim = percent(wanted.value) if wanted.condition == "moves" else price(wanted.value)
    facts = [
        ("Price", price(body.price), theme.ink),
        (f"Wanted: {wanted.condition}", aim, theme.accent),
        ("Since the reference", percent(moved, 2), theme.sign(moved)),
    ]
    panels.facts(canvas, facts, 86)
    if body.while_down:
        canvas.text(EDGE, 170, "Crossed while Sevengate was not running", 13, theme.warning)
    panels.footer(canvas, alert, timezone)
    return canvas.png()


@_draw.register
def _anomaly(body: AnomalyBody, alert: Alert, theme: Theme, timezone: str) -> bytes | None:
    figures, canvas = body.figures, Canvas(WIDTH, 558 + panels.aftermath_height(body.aftermath), theme)
    room = panels.header(canvas, alert.symbol, "ANOMALY", theme.warning, "A volume shock that BTC does not explain")
    change = f"{percent(figures.change_24h)} in 24 h"
    panels.corner(canvas, room, price(body.price), theme.ink, change, theme.sign(figures.change_24h))
    panels.chart(canvas, CHART, body.chart, [ChartLine(body.price, theme.warning)])
    facts = [
        ("Volume z", number(figures.volume_z, 1), theme.warning),
        ("Correlation", number(figures.correlation, 2), theme.ink),
        ("Residual z", number(figures.residual_z, 1), theme.ink),
        ("RSI", number(figures.rsi), theme.ink),
        ("Hurst", plus_minus(figures.hurst, figures.hurst_error), theme.ink),
    ]
    panels.facts(canvas, facts, 362)
    words = [(body.headline, theme.ink, 600), (body.pull, theme.dim, 400), (body.question, theme.accent, 600)]
    for row, (line, ink, weight) in enumerate(words):
        canvas.fitted(EDGE, 446 + 27 * row, line, 15, ink, INNER, weight=weight)
    panels.aftermath(canvas, body.aftermath, 522)
    panels.footer(canvas, alert, timezone)
    return canvas.png()
