"""Every alert in words: a title and lines, plain or as Telegram's and mail's HTML."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import singledispatch
from typing import Final
from zoneinfo import ZoneInfo

from shared.contracts import (
    Alert,
    AnomalyBody,
    GroupBody,
    LifecycleBody,
    PriceBody,
    SignalBody,
    SystemBody,
)

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
CAPTION: Final = 1_024  #: Telegram's limits, in UTF-16 units after its entities are parsed
MESSAGE: Final = 4_096


@dataclass(frozen=True)
class Text:
    """What is said."""

    title: str
    lines: tuple[str, ...]

    @property
    def plain(self) -> str:
        return "\n".join((self.title, *self.lines))

    @property
    def html(self) -> str:
        """The text with a bold title; whatever stands in names is inert."""
        return "\n".join(
            (f"<b>{html.escape(self.title)}</b>", *(html.escape(line, quote=False) for line in self.lines))
        )

    def cut(self, limit: int) -> Text:
        """Return as much of the text as *limit* UTF-16 units hold, whole lines, the title at least."""
        kept: list[str] = []
        title = self.title if units(self.title) < limit else _clip(self.title, limit - 2)
        left = limit - units(title)
        for line in self.lines:
            left -= units(line) + 1
            if left < 2:
                kept.append("…")
                break
            kept.append(line)
        return Text(title, tuple(kept))


def units(text: str) -> int:
    """Return the length as Telegram counts it."""
    return len(text.encode("utf-16-le")) // 2


def _clip(text: str, limit: int) -> str:
    return text.encode("utf-16-le")[: 2 * limit].decode("utf-16-le", "ignore") + "…"


def price(value: float | None, tick_size: float = 0.0) -> str:
    """Return a price with the tick's decimals, or with six significant digits."""
    if value is None:
        return "–"
    if tick_size > 0:
        decimals = max(0, len(f"{tick_size:.12f}".rstrip("0").partition(".")[2]))
        return f"{value:,.{decimals}f}"
    size = abs(value)
    decimals = 2 if size >= 100 else 4 if size >= 1 else 6 if size >= 0.01 else 8
    text = f"{value:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def common_tick(*values: float) -> float:
    """Return the tick with which *values* are told apart and stand under each other with the same decimals."""
    return 10.0 ** -max((len(price(value).partition(".")[2]) for value in values), default=0)


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
    text = f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return text.replace("e-0", "e-").replace("-", "−")


def plus_minus(value: float | None, error: float | None) -> str:
    return number(value, 2) if value is None or error is None else f"{number(value, 2)} ± {number(error, 2)}"


def clock(at_ms: int, timezone: str) -> str:
    """Return the time as people there read it."""
    moment = datetime.fromtimestamp(at_ms / 1_000, ZoneInfo(timezone))
    name = moment.tzname() or ""
    return f"{moment:%d %b %Y %H:%M} {name if name.isalpha() else f'UTC{name}'}"


def segments(strength: int) -> str:
    """Return the strength as five segments."""
    return "▰" * strength + "▱" * (5 - strength)


def text_of(alert: Alert, timezone: str = "UTC") -> Text:
    """Return *alert* in words."""
    title, lines = _words(alert.body, alert)
    footer = clock(alert.occurred_at, timezone)
    if alert.estimated:
        footer += f" · estimated: {', '.join(alert.estimated)}"
    return Text(title, (*(line for line in lines if line), footer))


@singledispatch
def _words(body: object, alert: Alert) -> tuple[str, Sequence[str]]:
    raise TypeError(f"no words for {type(body).__name__}")


@_words.register
def _signal(body: SignalBody, alert: Alert) -> tuple[str, Sequence[str]]:
    analysis, levels = body.analysis, body.analysis.levels
    fmqs = analysis.fmqs.value if analysis.fmqs else None
    lines = [
        f"{segments(analysis.strength)}  score {analysis.score:.0f} · confidence {analysis.confidence:.0f}"
        f" · FMQS {number(fmqs)} · {analysis.regime.lower()}"
    ]
    if levels is not None:
        tick = analysis.tick_size
        lines += [
            f"Entry {price(levels.entry, tick)}",
            f"Stop {price(levels.stop, tick)} ({percent(levels.stop / levels.entry - 1)}), {levels.stop_reason}",
            f"Target {price(levels.target, tick)} ({percent(levels.target / levels.entry - 1)}),"
            f" {levels.target_reason}",
            f"R:R {levels.reward_to_risk:.2f} net of costs" + (" · WEAK" if levels.weak else ""),
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
        body.reason,
        "A tick told it; the closed bar has yet to confirm." if body.early else "",
    ]
    return f"{ARROWS[body.side]} {alert.symbol} {EVENTS[body.event]} · {result}", lines


@_words.register
def _group(body: GroupBody, alert: Alert) -> tuple[str, Sequence[str]]:
    lines = [
        f"{rank}. {member.symbol}  score {member.score:.0f}  {segments(member.strength)}"
        f"  R:R {member.reward_to_risk:.2f}{' WEAK' if member.weak else ''}  vs BTC {percent(member.btc_excess)}"
        for rank, member in enumerate(body.members, 1)
    ]
    return f"{ARROWS[body.side]} {len(body.members)} coins {body.side.upper()}: the market moves as one", lines


@_words.register
def _price(body: PriceBody, alert: Alert) -> tuple[str, Sequence[str]]:
    wanted = body.price_alert
    if wanted.condition == "moves":
        moved = None if not body.reference else body.price / body.reference - 1
        title = f"🔔 {alert.symbol} moved {percent(moved)} to {price(body.price)}"
    else:
        title = f"🔔 {alert.symbol} {wanted.condition} {price(wanted.value)}: {price(body.price)}"
    return title, [wanted.note, "Crossed while nobody was looking." if body.while_down else ""]


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
    ]
    return f"◈ {alert.symbol} {price(body.price)}: anomaly", lines


@_words.register
def _system(body: SystemBody, alert: Alert) -> tuple[str, Sequence[str]]:
    return body.headline, body.lines
