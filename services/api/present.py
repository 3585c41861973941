"""Messages as people's programs read them over HTTP: JSON objects with named fields; pure."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from shared.contracts import Alert, Analysis, Decision, GroupBody, LifecycleBody, SignalBody, unpack

CHART_ROWS: Final = ("open_time", "open", "high", "low", "close", "volume")

Json = dict[str, Any]


def as_json(value: Any) -> Any:
    """Return *value* with every fact as an object of its fields; packed charts become columns."""
    if isinstance(value, msgspec.Struct):
        return {
            name: chart(item) if name == "chart" else as_json(item)
            for name in value.__struct_fields__
            if not isinstance(item := getattr(value, name), bytes) or name == "chart"
        }
    if isinstance(value, dict):
        return {key: as_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(item) for item in value]
    return value


def chart(data: bytes) -> Json | None:
    """Return the 15m bars in *data* by column, None without any."""
    if not data:
        return None
    return dict(zip(CHART_ROWS, unpack(data).reshape(len(CHART_ROWS), -1).tolist(), strict=True))


def row(decision: Decision) -> Json:
    """Return one line of the ranked table."""
    analysis, levels = decision.analysis, decision.analysis.levels
    return {
        "symbol": analysis.symbol,
        "scan_id": analysis.scan_id,
        "side": analysis.side,
        "score": analysis.score,
        "long_score": analysis.long_score,
        "short_score": analysis.short_score,
        "fmqs": analysis.fmqs.value if analysis.fmqs else None,
        "confidence": analysis.confidence,
        "regime": analysis.regime,
        "strength": analysis.strength,
        "price": analysis.bar[3] if len(analysis.bar) > 3 else None,
        "change_24h": analysis.anomaly.change_24h,
        "entry": levels.entry if levels else None,
        "stop": levels.stop if levels else None,
        "target": levels.target if levels else None,
        "reward_to_risk": levels.reward_to_risk if levels else None,
        "weak": levels.weak if levels else None,
        "appeared": decision.appeared,
        "passed": decision.passed,
        "gates_passed": sum(verdict.passed for verdict in decision.verdicts),
        "outcome": decision.outcome,
        "problem": analysis.problem,
        "signal_id": decision.signal_id,
        "estimated": list(analysis.estimated),
        "gates": as_json(decision.verdicts),
    }


def rank(rows: list[Json]) -> list[Json]:
    """Return *rows* best first: passed, then appeared, then by score; ties by name."""
    return sorted(rows, key=lambda item: (not item["passed"], not item["appeared"], -item["score"], item["symbol"]))


def explanation(decision: Decision) -> Json:
    """Return all that explains one symbol's judgement at one scan."""
    analysis = as_json(decision.analysis)
    analysis.pop("timings", None)
    return {
        **row(decision),
        "settings_version": decision.settings_version,
        "bonus": analysis["bonus"],
        "confidence_parts": analysis["confidence_parts"],
        "timeframes": analysis["timeframes"],
        "timeframe_weights": analysis["timeframe_weights"],
        "groups": analysis["groups"],
        "fmqs_detail": analysis["fmqs"],
        "fmqs_other": analysis["fmqs_other"],
        "levels": analysis["levels"],
        "volume": analysis["volume"],
        "anomaly": analysis["anomaly"],
        "btc_excess": analysis["btc_excess"],
        "sentiment": analysis["sentiment"],
        "derivatives": analysis["derivatives"],
        "bar": analysis["bar"],
        "chart": analysis["chart"],
    }


def alert(message: Alert) -> Json:
    """Return *message* without what only a card needs."""
    value: Json = as_json(message)
    value["headline"] = headline(message)
    body = value["body"]
    body.pop("chart", None)
    if isinstance(message.body, SignalBody):
        body["analysis"] = _brief(message.body.analysis)
    return value


def _brief(analysis: Analysis) -> Json:
    names = ("symbol", "scan_id", "side", "score", "confidence", "regime", "strength", "levels", "fmqs", "btc_excess")
    return {name: as_json(getattr(analysis, name)) for name in names}


def headline(message: Alert) -> str:
    """Return *message* in a few plain words."""
    body = message.body
    match body:
        case SignalBody():
            return f"{message.symbol} {body.side}, score {body.analysis.score:.0f}"
        case LifecycleBody():
            return f"{message.symbol} {body.side}: {body.event} at {body.price:g} ({body.result_r:+.2f} R)"
        case GroupBody():
            return f"{len(body.members)} coins {body.side} at once"
        case _:
            told = getattr(body, "headline", "")
            return str(told) or f"{message.symbol} {message.kind}"


def signals(message: Alert) -> list[Json]:
    """Return the signals that *message* opens, as `/api/signals` shows them."""
    body = message.body
    common = {
        "alert_id": message.alert_id,
        "scan_id": message.scan_id,
        "estimated": list(message.estimated),
        "status": "open",
        "label": "",
        "announced": "",
        "closed_at": None,
        "close_price": None,
        "result_r": None,
        "best_r": 0.0,
        "worst_r": 0.0,
    }
    if isinstance(body, SignalBody) and (levels := body.analysis.levels) is not None:
        names = ("score", "confidence", "regime", "strength")
        return [
            common
            | {name: getattr(body.analysis, name) for name in names}
            | {name: getattr(levels, name) for name in ("entry", "stop", "target", "reward_to_risk", "weak")}
            | {"signal_id": body.signal_id, "group_id": body.group_id, "symbol": message.symbol, "side": body.side}
            | {"fmqs": body.analysis.fmqs.value if body.analysis.fmqs else None}
        ]
    if isinstance(body, GroupBody):
        return [
            common | as_json(member) | {"side": body.side, "group_id": body.group_id, "fmqs": None, "confidence": None}
            for member in body.members
        ]
    return []
