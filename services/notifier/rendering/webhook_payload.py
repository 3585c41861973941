"""The webhook's documented body, version 1: flat fields for simple receivers, and the whole alert."""

from __future__ import annotations

import base64
import math
from typing import Any, Final

import msgspec

from services.notifier.routing import traits
from shared.contracts import Alert, GroupBody, LifecycleBody, SignalBody
from shared.sending.text import Text

VERSION: Final = 1
LEFT_OUT: Final = frozenset({"chart", "reserved"})  #: pictures are not for receivers


def payload_of(alert: Alert, text: Text) -> dict[str, Any]:
    """Return the body's JSON-able value."""
    found = traits(alert)
    return {
        "version": VERSION,
        "type": f"sevengate.{alert.kind}",
        "alert_id": alert.alert_id,
        "kind": alert.kind,
        "occurred_at": alert.occurred_at,
        "created_at": alert.created_at,
        "scan_id": alert.scan_id,
        "symbol": alert.symbol,
        "side": alert.side,
        "parent_id": alert.parent_id,
        "estimated": list(alert.estimated),
        "title": text.title,
        "text": text.plain,
        "score": found.score,
        "strength": found.strength,
        "weak": found.weak,
        "regimes": list(found.regimes),
        "levels": _levels(alert),
        "body": plain(alert.body),
    }


def _levels(alert: Alert) -> dict[str, float] | None:
    match alert.body:
        case SignalBody(analysis=analysis) if analysis.levels is not None:
            found = analysis.levels
            return {
                "entry": found.entry,
                "stop": found.stop,
                "target": found.target,
                "reward_to_risk": found.reward_to_risk,
            }
        case LifecycleBody(entry=entry, stop=stop, target=target, result_r=result):
            return {"entry": entry, "stop": stop, "target": target, "result_r": result}
        case GroupBody():
            return None
    return None


def plain(value: Any) -> Any:
    """Return facts as dictionaries by field name (on the wire they are arrays)."""
    if isinstance(value, msgspec.Struct):
        return {name: plain(getattr(value, name)) for name in value.__struct_fields__ if name not in LEFT_OUT}
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
