"""Alerts, and the signals that they open and end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from services.api.views import worth
from services.api.views.facts import Json, as_json
from shared.contracts import Alert, Analysis, GroupBody, LifecycleBody, SignalBody

SHOWN: Final = (
    *("alert_id", "kind", "symbol", "side", "scan_id", "occurred_at", "created_at", "parent_id", "estimated"),
    *("held_by", "destinations"),
)
ONLY_TOLD: Final = frozenset({"btc_excess", "cost_r", "comparable"})  #: of a group's member, not of its signal


def alert(message: Alert) -> Json:
    """Return *message* without what only a card needs."""
    body: Json = as_json(message.body)
    body.pop("chart", None)
    if isinstance(message.body, SignalBody):
        body["analysis"] = _brief(message.body.analysis)
    return {name: as_json(getattr(message, name)) for name in SHOWN} | {"headline": headline(message), "body": body}


def _brief(analysis: Analysis) -> Json:
    names = (
        *("symbol", "scan_id", "side", "score", "agreement", "regime", "strength", "levels", "fmqs", "btc_excess"),
        *("confidence", "forecast", "expected_r", "record_version", "comparable"),
    )
    return {name: as_json(getattr(analysis, name)) for name in names}


def headline(message: Alert) -> str:
    """Return *message* as a short headline."""
    body = message.body
    match body:
        case SignalBody():
            return f"{message.symbol} {body.side}, score {body.analysis.score:.0f}"
        case LifecycleBody():
            return f"{message.symbol} {body.side}: {body.event} at {body.price:g} ({body.result_r:+.2f} R)"
        case GroupBody():
            return f"{len(body.members)} coins {body.side} at once"
        case _:
            words = getattr(body, "headline", "")
            return str(words) or f"{message.symbol} {message.kind}"


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
        "close_reason": "",
        "result_r": None,
        "best_r": 0.0,
        "worst_r": 0.0,
    }
    if isinstance(body, SignalBody) and (levels := body.analysis.levels) is not None:
        names = ("score", "confidence", "agreement", "regime", "strength")
        return [
            common
            | {name: getattr(body.analysis, name) for name in names}
            | {name: getattr(levels, name) for name in ("entry", "stop", "target", "atr", "reward_to_risk", "weak")}
            | {"signal_id": body.signal_id, "group_id": body.group_id, "symbol": message.symbol, "side": body.side}
            | {"fmqs": body.analysis.fmqs.value if body.analysis.fmqs else None}
            | {"worth": worth.shown(body.analysis.worth, levels.entry, levels.stop, levels.target)}
        ]
    if isinstance(body, GroupBody):
        return [
            common
            | {name: value for name, value in as_json(member).items() if name not in ONLY_TOLD}
            | {"side": body.side, "group_id": body.group_id, "fmqs": None, "agreement": None, "atr": 0.0}
            | {"worth": worth.shown(member.worth, member.entry, member.stop, member.target)}
            for member in body.members
        ]
    return []


def lifecycle(signal: Mapping[str, Any], alerts: Iterable[Alert]) -> list[Json]:
    """Return the events of *signal*, oldest first: its opening, and those in *alerts*."""
    opening = {"event": "opened", "at": signal["scan_id"], "price": signal["entry"], "result_r": None, "early": False}
    points = [opening | {"reason": "", "alert_id": signal["alert_id"]}]
    for message in alerts:
        if isinstance(body := message.body, LifecycleBody):
            figures = {name: getattr(body, name) for name in ("event", "price", "result_r", "early", "reason")}
            points.append(figures | {"at": message.occurred_at, "alert_id": message.alert_id})
    return points
