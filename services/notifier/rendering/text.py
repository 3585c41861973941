"""Every alert as text: a title and lines, plain or as Telegram's and mail's HTML."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from functools import singledispatch
from typing import Final
from zoneinfo import ZoneInfo

from shared.contracts import (
    Aftermath,
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
from shared.odds import NONE_YET, break_even, line_of, reward_of
from shared.sending.text import Text

ARROWS: Final = {"long": "▲", "short": "▼"}
EVENTS: Final = {
    "target": "TP HIT",
    "stop": "SL HIT",
    "invalidated": "invalidated",
    "expired": "expired",
    "danger": "DANGER",
    "caution": "CAUTION",
    "moved": "MOVED",
}


def price(value: float | None, tick_size: float = 0.0) -> str:
    """Return a price with the tick's decimals; without a tick with the digits it has, seven at most below 0.01."""
    if value is None:
        return "–"
    if tick_size > 0:
        return f"{value:,.{decimals_of(tick_size)}f}"
    size = abs(value)
    decimals = 2 if size >= 100 else 4 if size >= 1 else 6
    if 0 < size < 0.01:  # an exchange's price is a multiple of its tick: its shortest spelling shows the tick
        decimals = min(decimals_of(value), 7 - 1 - math.floor(math.log10(size)))
    text = f"{value:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def decimals_of(value: float) -> int:
    """Return how many decimals the shortest spelling of *value* has, without an exponent."""
    return max(0, len(f"{Decimal(repr(value)).normalize():f}".partition(".")[2]))


def common_tick(*values: float) -> float:
    """Return the tick at which all *values* differ and have the same number of decimals."""
    return float(f"1e-{max((len(price(value).partition('.')[2]) for value in values), default=0)}")


def signed(value: float) -> str:
    """Return a result in multiples of the risk, with its sign."""
    return f"{value:+.2f} R".replace("-", "−")


def many(count: int, noun: str) -> str:
    """Return a count with its noun."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def percent(fraction: float | None, decimals: int = 1) -> str:
    """Return a signed percentage."""
    return "–" if fraction is None else f"{fraction * 100:+.{decimals}f} %".replace("-", "−")


def number(value: float | None, decimals: int = 0) -> str:
    return "–" if value is None else f"{value:.{decimals}f}".replace("-", "−")


def significant(value: float | None) -> str:
    """Return three significant digits, for what is large at one coin and tiny at another."""
    if value is None:
        return "–"
    text = f"{value:.0f}" if abs(value) >= 100 else f"{Decimal(f'{value:.3g}'):f}"
    return text.replace("-", "−")


def plus_minus(value: float | None, error: float | None) -> str:
    return number(value, 2) if value is None or error is None else f"{number(value, 2)} ± {number(error, 2)}"


def clock(at_ms: int, timezone: str) -> str:
    """Return the time in *timezone*'s local form."""
    moment = datetime.fromtimestamp(at_ms / 1_000, ZoneInfo(timezone))
    name = moment.tzname() or ""
    return f"{moment:%d %b %Y %H:%M} {name if name.isalpha() else f'UTC{name}'}"


def segments(strength: int) -> str:
    """Return the strength as five segments."""
    return "▰" * strength + "▱" * (5 - strength)


def text_of(alert: Alert, timezone: str = "UTC") -> Text:
    """Return *alert* as text."""
    title, lines = _words(alert.body, alert)
    footer = clock(alert.occurred_at, timezone)
    if alert.estimated:
        footer += f" · estimated: {', '.join(alert.estimated)}"
    return Text(title, (*(line for line in lines if line), footer))


def chance(analysis: Analysis) -> str:
    """Return how probable the target is before the stop, and by which forecast."""
    if analysis.confidence is None:
        return "–"
    return f"{analysis.confidence:.0f} % reach the target first, by the {analysis.forecast} forecast"


def expected(analysis: Analysis) -> str:
    """Return what the trade is expected to earn, as it stands beside R:R."""
    return "" if analysis.expected_r is None else f" · expected {signed(analysis.expected_r)}"


def young(analysis: Analysis) -> str:
    """Return that the coin has a short history, as it stands behind other figures; empty where it has not."""
    return f" · young: short history on {', '.join(analysis.young)}" if analysis.young else ""


@singledispatch
def _words(body: object, alert: Alert) -> tuple[str, Sequence[str]]:
    raise TypeError(f"no words for {type(body).__name__}")


@_words.register
def _signal(body: SignalBody, alert: Alert) -> tuple[str, Sequence[str]]:
    analysis, levels = body.analysis, body.analysis.levels
    fmqs = analysis.fmqs.value if analysis.fmqs else None
    lines = [
        f"{segments(analysis.strength)}  score {analysis.score:.0f} · FMQS {number(fmqs)}"
        f" · agreement {analysis.agreement:.0f} · {analysis.regime.lower()}{young(analysis)}"
    ]
    if levels is not None:
        tick = analysis.tick_size
        lines += [
            f"Entry {price(levels.entry, tick)}",
            f"Stop {price(levels.stop, tick)} ({percent(levels.stop / levels.entry - 1)}), {levels.stop_reason}",
            f"Target {price(levels.target, tick)} ({percent(levels.target / levels.entry - 1)}),"
            f" {levels.target_reason}",
            f"R:R {levels.reward_to_risk:.2f} net of costs{expected(analysis)}" + (" · WEAK" if levels.weak else ""),
            f"Costs {levels.cost_r:.2f} R · needs {levels.break_even * 100:.0f} of 100 to reach the target",
            f"Confidence {chance(analysis)}",
            line_of(analysis.comparable).capitalize(),
        ]
    agreeing = [group.name for group in analysis.groups if group.agrees]
    if agreeing:
        lines.append(f"Agree: {', '.join(agreeing)}")
    if analysis.sentiment is not None:
        lines.append(f"Fear & Greed {analysis.sentiment.value}, {analysis.sentiment.label}")
    return f"{ARROWS[body.side]} {body.side.upper()} {alert.symbol}", lines


@_words.register
def _lifecycle(body: LifecycleBody, alert: Alert) -> tuple[str, Sequence[str]]:
    result, tick = signed(body.result_r), common_tick(body.entry, body.stop, body.target, body.price)
    lines = [
        f"{body.side.upper()} from {price(body.entry, tick)}, now {price(body.price, tick)}: {result} before costs",
        f"Best {signed(body.best_r)}, worst {signed(body.worst_r)}",
        f"Stop {price(body.stop, tick)} · target {price(body.target, tick)}",
        worth_of(body),
        body.reason,
        "Live price touched it; waiting for the bar to close." if body.early else "",
    ]
    return f"{ARROWS[body.side]} {alert.symbol} {EVENTS[body.event]} · {result}", lines


@_words.register
def _group(body: GroupBody, alert: Alert) -> tuple[str, Sequence[str]]:
    lines = [
        f"{rank}. {member.symbol}  score {member.score:.0f}  {segments(member.strength)}"
        f"  R:R {member.reward_to_risk:.2f}{' WEAK' if member.weak else ''}  vs BTC {percent(member.btc_excess)}"
        f"  confidence {number(member.confidence)} %\n   {worth_of(member)}".rstrip()
        for rank, member in enumerate(body.members, 1)
    ]
    return f"{ARROWS[body.side]} {len(body.members)} coins {body.side.upper()}: a market-wide move", lines


def worth_of(signal: GroupMember | LifecycleBody) -> str:
    """Return what a signal costs and needs, and how setups like it went; empty from an earlier version."""
    found = signal.worth
    if found is None:
        return ""
    needed = break_even(found.cost_r, reward_of(signal.entry, signal.stop, signal.target))
    return f"Costs {found.cost_r:.2f} R, needs {needed * 100:.0f} of 100 · {line_of(found.comparable)}"


def price_headline(body: PriceBody) -> str:
    """Return a price alert's condition and the price that fulfilled it."""
    wanted, now = body.price_alert, price(body.price)
    match wanted.condition:
        case "moves":
            moved = None if not body.reference else body.price / body.reference - 1
            return f"moved {percent(moved)} to {now}"
        case "crosses":
            return f"crossed {price(wanted.value)}, now {now}"
    return f"{wanted.condition} {price(wanted.value)}, now {now}"


@_words.register
def _price(body: PriceBody, alert: Alert) -> tuple[str, Sequence[str]]:
    lines = [body.price_alert.note, "Crossed while Sevengate was not running." if body.while_down else ""]
    return f"🔔 {alert.symbol} {price_headline(body)}", lines


def aftermath_line(found: Sequence[Aftermath]) -> str:
    """Return what followed earlier anomalies, after the longest time that is known, or that nothing is known yet."""
    if not found:
        return f"After ones like this: {NONE_YET}"
    one = max(found, key=lambda each: each.hours)
    return (
        f"After ones like this, {one.hours} h on: {one.went_on * 100:.0f} of 100 went on in the day's direction, "
        f"{one.others_went_on * 100:.0f} at other moments; median {percent(one.median)}, half between "
        f"{percent(one.low)} and {percent(one.high)}; {one.n} on {one.days} days"
    )


@_words.register
def _anomaly(body: AnomalyBody, alert: Alert) -> tuple[str, Sequence[str]]:
    figures = body.figures
    lines = [
        body.headline,
        f"Volume z {number(figures.volume_z, 1)} · 24 h {percent(figures.change_24h)}"
        f" · correlation with BTC {number(figures.correlation, 2)}",
        f"RSI {number(figures.rsi)} · Hurst {plus_minus(figures.hurst, figures.hurst_error)}",
        body.pull,
        body.question,
        aftermath_line(body.aftermath),
    ]
    return f"◈ {alert.symbol} {price(body.price)}: anomaly", lines


@_words.register
def _system(body: SystemBody, alert: Alert) -> tuple[str, Sequence[str]]:
    return body.headline, body.lines
