"""One coin's card on the board, from its newest decision."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from services.api.views import worth
from services.api.views.facts import CHART_ROWS, Json, as_json, finite
from services.api.views.gates import gates
from services.api.views.live_label import live_label
from shared.contracts import Analysis, Decision, unpack

NOT_KEPT: Final = "the record of that time is not kept"
LEADING: Final = "1h"  #: the interval whose indicator values a card shows
ALIGNED: Final = ("15m", "1h", "4h")
FIGURES: Final = {  #: a card's name -> the series' name
    "rsi": "rsi",
    "adx": "adx",
    "mfi": "mfi",
    "stoch_rsi": "stoch_rsi_k",
    "cci": "cci",
}
FUTURES: Final = (
    *("open_interest_change", "taker_ratio", "funding_8h", "global_ratio", "top_ratio", "imbalance"),
    *("funding_age", "open_interest_age", "ratio_age"),
)


def card(decision: Decision, *, signal: Json | None = None, price: float | None = None, price_at: int = 0) -> Json:
    """Return the card of *decision*.

    *signal* is the coin's open signal, whose levels come before the scan's; *price* the newest
    price and *price_at* its stamp, where they are newer than the scan.
    """
    analysis = decision.analysis
    priced = _priced(analysis, price, price_at)
    label = live_label(signal, priced["price"]) if signal and priced["price"] is not None else ""
    return (
        {"symbol": analysis.symbol, "scan_id": analysis.scan_id, "tick_size": analysis.tick_size, "side": analysis.side}
        | priced
        | _scored(analysis)
        | {
            "figures": figures(analysis),
            "alignment": alignment(analysis),
            "levels": levels(analysis, signal),
            "worth": scan_worth(analysis),
        }
        | _judged(decision)
        | {
            "problem": analysis.problem,
            "signal_id": signal["signal_id"] if signal else decision.signal_id,
            "signal": signal,
            "live_label": label,
            "estimated": list(analysis.estimated),
            "unavailable": list(analysis.unavailable),
            "young": list(analysis.young),
            "chart": mini_chart(analysis),
        }
    )


def _priced(analysis: Analysis, price: float | None, price_at: int) -> Json:
    """Return the newest price with its stamp, the scan's close, and the change of a day."""
    close = analysis.bar[3] if len(analysis.bar) > 3 else None
    fresh = price is not None and price_at >= analysis.scan_id
    return {
        "price": price if fresh else close,
        "price_at": price_at if fresh else analysis.scan_id,
        "close": close,
        "change_24h": analysis.anomaly.change_24h,
    }


def _scored(analysis: Analysis) -> Json:
    return {
        "score": analysis.score,
        "long_score": analysis.long_score,
        "short_score": analysis.short_score,
        "confidence": analysis.confidence,
        "forecast": analysis.forecast,
        "expected_r": analysis.expected_r,
        "agreement": analysis.agreement,
        "fmqs": analysis.fmqs.value if analysis.fmqs else None,
        "strength": analysis.strength,
        "regime": analysis.regime,
    }


def _judged(decision: Decision) -> Json:
    return {
        "gates": gates(decision.verdicts),
        "gates_passed": sum(verdict.passed for verdict in decision.verdicts),
        "thresholds": {verdict.gate: verdict.threshold for verdict in decision.verdicts},
        "appeared": decision.appeared,
        "passed": decision.passed,
        "outcome": decision.outcome,
    }


def figures(analysis: Analysis) -> Json:
    """Return the indicator values of the leading interval, and the futures figures."""
    values = next((frame.values for frame in analysis.timeframes if frame.interval == LEADING), {})
    close = analysis.bar[3] if len(analysis.bar) > 3 else None
    vwap = values.get("vwap")
    distance = close / vwap - 1.0 if close and vwap else None
    return (
        {"interval": LEADING}
        | {shown: finite(values.get(name)) for shown, name in FIGURES.items()}
        | {"vwap_distance": distance}
        | {name: finite(analysis.derivatives.get(name)) for name in FUTURES}
    )


def alignment(analysis: Analysis) -> list[Json]:
    """Return which side each timeframe takes, and whether it is the card's."""
    frames = {frame.interval: frame for frame in analysis.timeframes}
    found = []
    for interval in ALIGNED:
        if (frame := frames.get(interval)) is not None:
            side = "long" if frame.long_score >= frame.short_score else "short"
            score = max(frame.long_score, frame.short_score)
            agrees = side == analysis.side
            found.append({"interval": interval, "side": side, "score": score, "agrees": agrees, "regime": frame.regime})
    return found


def levels(analysis: Analysis, signal: Mapping[str, object] | None) -> Json | None:
    """Return the alerted levels of the open signal, else those of the scan; None without."""
    names = ("entry", "stop", "target", "reward_to_risk", "weak")
    if signal is not None:
        return {"of": "signal", "side": signal["side"]} | {name: signal.get(name) for name in (*names, "worth")}
    if analysis.levels is None:
        return None
    found = {name: getattr(analysis.levels, name) for name in names}
    return {"of": "scan", "side": analysis.side, "worth": scan_worth(analysis)} | found


def scan_worth(analysis: Analysis) -> Json | None:
    """Return costs, break-even share and record of the scan's levels; None without levels."""
    found = analysis.levels
    if found is None:
        return None
    made = worth.shown(analysis.worth, found.entry, found.stop, found.target)
    if made and analysis.confidence is not None and not analysis.forecast:  # a narrow row has the probability alone
        made["record"] = NOT_KEPT
    return made


def mini_chart(analysis: Analysis) -> Json:
    """Return the closes of the last 15m bars with support and resistance; no closes where none were sent."""
    found = analysis.levels
    columns = unpack(analysis.chart).reshape(len(CHART_ROWS), -1) if analysis.chart else None
    return {
        "interval": "15m",
        "first_open_time": int(columns[0, 0]) if columns is not None and columns.size else None,
        "closes": columns[4].tolist() if columns is not None else [],
        "supports": as_json(found.supports) if found else [],
        "resistances": as_json(found.resistances) if found else [],
    }


def rank(decision: Decision) -> tuple[bool, bool, float, str]:
    """Return what cards are sorted by, best first: passed, then appeared, then by score; ties by name."""
    return (not decision.passed, not decision.appeared, -decision.analysis.score, decision.analysis.symbol)
