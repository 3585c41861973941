"""Messages as table rows; pure."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from psycopg.types.json import Jsonb

from services.api.store.ladder import narrow
from services.api.store.ladder.record import packed
from services.api.views.facts import as_json
from shared import ids
from shared.bus import to_wire
from shared.contracts import (
    Alert,
    Analysis,
    Decision,
    DeliveryReport,
    GroupBody,
    LifecycleBody,
    PriceBody,
    ScanOpened,
    ScanSettled,
    SignalBody,
    SystemBody,
    Worth,
)

Parameters = dict[str, Any]
MOST_DETAIL: Final = 200  #: characters
AGAIN: Final = "again:"  #: begins the id of an alert that is sent a second time
ENDS: Final = frozenset({"target", "stop", "invalidated", "expired"})


def _insert(table: str, columns: tuple[str, ...], conflict: str) -> str:
    values = ", ".join(f"%({column})s" for column in columns)
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({values}) ON CONFLICT {conflict}"


def _set(columns: tuple[str, ...]) -> str:
    return "DO UPDATE SET " + ", ".join(f"{column} = EXCLUDED.{column}" for column in columns)


_OPENED: Final = ("opened_at", "settings_version", "symbols", "degraded", "not_opened")
_SETTLED: Final = ("settled_at", "analysed", "passed", "alerts", "missing", "at_deadline", "seconds")
_DECISION: Final = (
    *("symbol", "scan_id", "settings_version", "side", "score", "long_score", "short_score", "fmqs", "confidence"),
    *("agreement", "regime", "strength", "entry", "stop", "target", "reward_to_risk", "weak", "appeared", "passed"),
    *("outcome", "problem", "signal_id", "judgement_id", "figures", "flags", "regimes"),
)
_SIGNAL: Final = (
    *("signal_id", "alert_id", "group_id", "symbol", "side", "scan_id", "entry", "stop", "target", "atr"),
    *("reward_to_risk", "weak", "score", "fmqs", "confidence", "agreement", "regime", "strength", "estimated"),
    "worth",
)
_LIFECYCLE: Final = (
    *("signal_id", "alert_id", "symbol", "side", "scan_id", "entry", "stop", "target", "status", "label", "announced"),
    *("closed_at", "close_price", "close_reason", "result_r", "best_r", "worst_r"),
)
_ALERT: Final = (
    *("alert_id", "kind", "symbol", "side", "scan_id", "occurred_at", "created_at", "parent_id", "held_by"),
    *("subject", "record"),
)

SCAN_OPENED: Final = _insert("scans", ("scan_id", *_OPENED), f"(market, scan_id) {_set(_OPENED)}")
SCAN_SETTLED: Final = _insert(
    "scans", ("scan_id", "opened_at", "symbols", *_SETTLED), f"(market, scan_id) {_set(_SETTLED)}"
)
DECISION: Final = _insert("decisions", _DECISION, "DO NOTHING")
WHOLE: Final = _insert("whole_decisions", ("symbol", "scan_id", "kept", "record"), "DO NOTHING")
JUDGEMENT: Final = _insert("judgements", ("judgement_id", "verdicts", "common"), "DO NOTHING")
DELIVERY: Final = _insert("deliveries", DeliveryReport.__struct_fields__, "DO NOTHING")
ALERT: Final = _insert("alerts", _ALERT, "DO NOTHING")
SIGNAL: Final = _insert(
    "signals",
    _SIGNAL,
    """(market, signal_id) DO UPDATE SET
    alert_id = CASE WHEN EXCLUDED.alert_id = '' THEN signals.alert_id ELSE EXCLUDED.alert_id END,
    group_id = CASE WHEN EXCLUDED.group_id = '' THEN signals.group_id ELSE EXCLUDED.group_id END,
    atr = GREATEST(EXCLUDED.atr, signals.atr), score = EXCLUDED.score, regime = EXCLUDED.regime,
    strength = EXCLUDED.strength, weak = EXCLUDED.weak, estimated = EXCLUDED.estimated,
    reward_to_risk = COALESCE(EXCLUDED.reward_to_risk, signals.reward_to_risk),
    fmqs = COALESCE(EXCLUDED.fmqs, signals.fmqs), confidence = COALESCE(EXCLUDED.confidence, signals.confidence),
    agreement = COALESCE(EXCLUDED.agreement, signals.agreement), worth = COALESCE(EXCLUDED.worth, signals.worth)""",
)
# An end is final: repeated or later messages do not change it.
LIFECYCLE: Final = _insert(
    "signals",
    _LIFECYCLE,
    """(market, signal_id) DO UPDATE SET
    label = CASE WHEN EXCLUDED.label = '' THEN signals.label ELSE EXCLUDED.label END,
    announced = CASE WHEN EXCLUDED.announced = '' THEN signals.announced ELSE EXCLUDED.announced END,
    best_r = GREATEST(signals.best_r, EXCLUDED.best_r), worst_r = LEAST(signals.worst_r, EXCLUDED.worst_r),
    status = CASE WHEN signals.status = 'open' THEN EXCLUDED.status ELSE signals.status END,
    closed_at = COALESCE(signals.closed_at, EXCLUDED.closed_at),
    close_price = COALESCE(signals.close_price, EXCLUDED.close_price),
    close_reason = CASE WHEN signals.status = 'open' THEN EXCLUDED.close_reason ELSE signals.close_reason END,
    result_r = COALESCE(signals.result_r, EXCLUDED.result_r)""",
)


def scan_opened(event: ScanOpened) -> Parameters:
    return {
        "scan_id": event.scan_id,
        "opened_at": event.opened_at,
        "settings_version": event.settings_version,
        "symbols": len(event.symbols),
        "degraded": event.degraded,
        "not_opened": Jsonb(event.missing),
    }


def scan_settled(event: ScanSettled) -> Parameters:
    return {name: getattr(event, name) for name in ("scan_id", "opened_at", "symbols", *_SETTLED)} | {
        "missing": Jsonb(list(event.missing))
    }


def decision(message: Decision, judgement_id: int) -> Parameters:
    """Return the narrow row of *message*, see `ladder.narrow`."""
    analysis, levels = message.analysis, message.analysis.levels
    row: Parameters = {name: getattr(analysis, name, None) for name in _DECISION}
    row |= {name: getattr(levels, name, None) for name in ("entry", "stop", "target", "reward_to_risk", "weak")}
    row |= {name: getattr(message, name) for name in ("settings_version", "appeared", "passed", "outcome", "signal_id")}
    row |= {"fmqs": analysis.fmqs.value if analysis.fmqs else None, "judgement_id": judgement_id}
    return row | narrow.columns(message)


def whole(message: Decision) -> Parameters:
    """Return the row of the whole *message*."""
    analysis = message.analysis
    row: Parameters = {"symbol": analysis.symbol, "scan_id": analysis.scan_id, "kept": is_kept(message)}
    return row | {"record": packed(_slim(message))}


def is_kept(message: Decision) -> bool:
    """Return whether *message* stays whole for ever: a signal, or a near miss, which one gate alone refused."""
    refused = sum(not verdict.passed for verdict in message.verdicts)
    return bool(message.signal_id) or (message.outcome == "rejected" and refused == 1)


def _slim(message: Decision) -> Decision:
    """Leave the chart out of decisions without an appearance: it is half of a record."""
    if message.appeared:
        return message
    return msgspec.structs.replace(message, analysis=msgspec.structs.replace(message.analysis, chart=b""))


def delivery(report: DeliveryReport) -> Parameters:
    """Return the attempt's row; of what the other side said a bounded part is kept."""
    return msgspec.structs.asdict(report) | {"detail": report.detail[:MOST_DETAIL]}


def alert(message: Alert) -> Parameters:
    row = {name: getattr(message, name) for name in _ALERT if name not in ("subject", "record")}
    return row | {"subject": subject(message), "record": to_wire(message)}


def subject(message: Alert) -> str:
    """Return the alert's subject: the id that its follow-ups share."""
    match message.body:
        case SignalBody() | LifecycleBody():
            return message.body.signal_id
        case GroupBody():
            return message.body.group_id
        case PriceBody():
            return message.body.price_alert.price_alert_id
        case SystemBody():
            return message.body.code
        case _:
            return message.symbol


def signals_of_decision(message: Decision) -> list[Parameters]:
    """Return the signal that *message* opened, if it did."""
    if not message.signal_id or message.analysis.levels is None:
        return []
    alert_id = "" if message.outcome == "grouped" else ids.signal_alert_id(message.signal_id)
    return [_signal(message.signal_id, message.analysis, alert_id, "")]


def signals_of_alert(message: Alert) -> list[Parameters]:
    """Return the signals that *message* opens; one that is sent again opens none."""
    if message.alert_id.startswith(AGAIN):
        return []
    match message.body:
        case SignalBody() as body if body.analysis.levels is not None:
            return [_signal(body.signal_id, body.analysis, message.alert_id, body.group_id)]
        case GroupBody() as body:
            return [
                {
                    **{name: getattr(member, name, None) for name in _SIGNAL},
                    "side": body.side,
                    "alert_id": message.alert_id,
                    "group_id": body.group_id,
                    "scan_id": message.scan_id,
                    "atr": 0.0,
                    "estimated": Jsonb(list(message.estimated)),
                    "worth": _worth(member.worth),
                }
                for member in body.members
            ]
        case _:
            return []


def _signal(signal_id: str, analysis: Analysis, alert_id: str, group_id: str) -> Parameters:
    row: Parameters = {name: getattr(analysis, name, None) for name in _SIGNAL}
    row |= {
        name: getattr(analysis.levels, name) for name in ("entry", "stop", "target", "atr", "reward_to_risk", "weak")
    }
    row |= {"signal_id": signal_id, "alert_id": alert_id, "group_id": group_id}
    row |= {"fmqs": analysis.fmqs.value if analysis.fmqs else None, "estimated": Jsonb(list(analysis.estimated))}
    return row | {"worth": _worth(analysis.worth)}


def _worth(found: Worth | None) -> Jsonb | None:
    return None if found is None else Jsonb(as_json(found))


def lifecycle(message: Alert) -> Parameters | None:
    """Return what *message* changes about its signal, None when it is not of that kind."""
    body = message.body
    if not isinstance(body, LifecycleBody):
        return None
    names = ("signal_id", "side", "entry", "stop", "target", "best_r", "worst_r")
    ends = body.event in ENDS
    closes = ends and not body.early
    return {name: getattr(body, name) for name in names} | {
        "alert_id": message.parent_id,
        "symbol": message.symbol,
        "scan_id": body.opened_scan,
        "status": body.event if closes else "open",
        "label": "" if ends else body.event,
        "announced": body.event if ends and body.early else "",
        "closed_at": message.occurred_at if closes else None,
        "close_price": body.price if closes else None,
        "close_reason": body.reason if closes else "",
        "result_r": body.result_r if closes else None,
    }
