"""What every setting is for: a sentence and a unit here, default and bounds from the settings themselves."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator
from typing import Any, Final, Literal, get_args, get_origin

import annotated_types
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from services.api.views.facts import Json
from shared.config.sections import Section
from shared.gates import GATES
from shared.settings import RuntimeSettings

FILE_ONLY: Final = frozenset({"allow", "heartbeat_allow"})  #: they open networks to what Sevengate calls
#: path -> (sentence, unit)
GUIDE: Final[dict[str, tuple[str, str]]] = {
    "universe.size": ("How many coins are watched: the most traded ones.", "coins"),
    "universe.min_quote_volume": ("Coins that trade less in 24 hours are not watched.", "USDT"),
    "universe.min_age_days": ("Coins that were listed more recently are not watched.", "days"),
    "universe.include": ("Coins that are always watched.", ""),
    "universe.exclude": ("Coins that are never watched.", ""),
    "universe.hysteresis": ("A watched coin leaves only when it ranks below the size by this share.", "share"),
    "feed.rest_only": ("Poll the exchange instead of using its sockets.", ""),
    "feed.grace_seconds": ("How long a scan waits for late bars after the close.", "seconds"),
    "feed.budget_share": ("Which share of the exchange's request limit may be used.", "share"),
    "feed.stale_seconds": ("A stream without data for this long is reported and replaced.", "seconds"),
    "feed.socket_hours": ("Sockets are renewed after this time; the exchange ends them after 24 hours.", "hours"),
    "feed.rest_price_seconds": ("Time between two polls of prices without sockets.", "seconds"),
    "symbol_thresholds": ("Thresholds of single coins; what is left out is as for all.", ""),
    "analysis.bars": ("Judge the higher intervals' bars so far, or only closed ones.", ""),
    "analysis.volatile_atr_ratio": ("The regime is volatile when ATR exceeds its average this many times.", "times"),
    "analysis.group_agreement": ("A group agrees when its vote is at least this.", "0 to 1"),
    "analysis.timeframe_weights": ("How much each timeframe counts.", "share"),
    "analysis.fmqs_weights": ("How much each part of FMQS counts.", "share"),
    "analysis.funding_contradicts": ("Funding beyond this against the side caps FMQS.", "fraction in 8 hours"),
    "analysis.open_interest_falls": ("Open interest that falls by more than this caps FMQS.", "share"),
    "analysis.costs": ("Fees and slippage of a round trip, taken off reward-to-risk.", "share"),
    "analysis.weak_ratio": ("Signals with less reward-to-risk are marked WEAK.", "R"),
    "lifecycle.invalidation_margin": ("A signal weakens when its score falls this far below the threshold.", "points"),
    "lifecycle.invalidation_scans": ("So many weak scans in a row end a signal.", "scans"),
    "lifecycle.expiry_hours": ("A signal without a result ends after this time.", "hours"),
    "lifecycle.cooldown_hours": ("No new signal of the same coin and side for this long after one ended.", "hours"),
    "lifecycle.group_size": ("From so many signals of one side in a scan they are sent as one alert.", "signals"),
    "outcomes.fee": ("What a trade costs on each side, of the traded value.", "share"),
    "outcomes.slippage": ("How far a fill is from the price on each side, of the traded value.", "share"),
    "outcomes.hours": ("How long a signal is followed for its result.", "hours"),
    "anomaly.volume_z": ("An anomaly has at least this volume z-score.", "standard deviations"),
    "anomaly.correlation": ("An anomaly correlates with BTC less than this.", "0 to 1"),
    "anomaly.cooldown_hours": ("No second anomaly post about a coin for this long.", "hours"),
    "anomaly.per_hour": ("At most so many anomaly posts an hour.", "posts"),
    "scanning.deadline_seconds": ("A scan is settled without the coins that take longer.", "seconds"),
    "scanning.stale_after_seconds": ("A scan that settles later than this sends no alert.", "seconds"),
    "destinations": ("Where alerts can be sent, by name.", ""),
    "routes": ("Which alerts go to which destinations.", ""),
    "quiet_hours": ("When alerts are held back for all destinations.", ""),
    "delivery.expiry_seconds": ("Older alerts are recorded and not sent.", "seconds"),
    "delivery.longest_backoff_seconds": ("The longest pause between two tries.", "seconds"),
    "delivery.timeout_seconds": ("How long a destination may take to answer.", "seconds"),
    "delivery.repeat_unknown": ("Send again when it is unknown whether it arrived; it may arrive twice.", ""),
    "presentation.timezone": ("Time zone of cards, summaries and quiet hours.", ""),
    "presentation.theme": ("Colours of the cards.", ""),
    "presentation.daily_summary": ("When the daily summary is sent; empty: never.", "time of day"),
    "recording.whole_hours": (
        "How long decisions keep every figure; then scores, verdicts and the bar. Signals and near misses stay.",
        "hours",
    ),
    "recording.retention_days": (
        "How long the database keeps decisions, alerts and deliveries; signals stay.",
        "days",
    ),
    "recording.archive": ("Older decisions become files, a month each, instead of being deleted.", ""),
    "recording.archive_days": ("How long these files and their scans are kept; 0: for ever.", "days"),
    "backup.at": ("When a backup is made every day; empty: never.", "time of day"),
    "backup.decisions": ("Every coin of every scan is in it too, which is by far the most of its size.", ""),
    "backup.keep": ("How many of these backups are kept.", "backups"),
    "heartbeat_url": ("An address that is called while all is well, for a monitor such as healthchecks.io.", ""),
    "heartbeat_seconds": ("Time between two calls of it.", "seconds"),
    "heartbeat_allow": ("Networks of the LAN that the heartbeat may be sent to.", ""),
}


def is_file_only(path: tuple[str, ...]) -> bool:
    """Return whether *path* may be set by config.yaml or the command line only."""
    return path[0] in FILE_ONLY or (path[0] == "destinations" and path[-1] in FILE_ONLY)


def guide() -> list[Json]:
    """Return every setting's description, in the order of the settings."""
    return [_describe(path, field) for path, field in _fields(RuntimeSettings, "")]


def _fields(section: type[Section], prefix: str) -> Iterator[tuple[str, FieldInfo]]:
    for name, field in section.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            yield from _fields(field.annotation, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", field


def _describe(path: str, field: FieldInfo) -> Json:
    sentence, unit = GUIDE.get(path) or _gate(path)
    return {
        "path": path,
        "sentence": sentence,
        "default": _default(field),
        "unit": unit,
        "kind": _kind(field.annotation),
        "choices": [str(choice) for choice in _choices(field.annotation)],
        "minimum": _bound(field, annotated_types.Ge, annotated_types.Gt),
        "maximum": _bound(field, annotated_types.Le, annotated_types.Lt),
        "secret": field.annotation is SecretStr,
        "file_only": is_file_only(tuple(path.split("."))),
    }


def _gate(path: str) -> tuple[str, str]:
    """Return sentence and unit of a gate's threshold, as the gate declares them."""
    section, _, setting = path.partition(".")
    found = (gate for gate in GATES.values() if section == "thresholds" and gate.setting == setting)
    return next(((f"Gate {gate.number}: {gate.sentence}", gate.unit) for gate in found), ("", ""))


def _bound(field: FieldInfo, *kinds: type) -> Any:
    """Return the bound of one of *kinds* that *field* has, None without."""
    found = (getattr(item, type(item).__name__.lower()) for item in field.metadata if isinstance(item, kinds))
    return next(found, None)


def _default(field: FieldInfo) -> Any:
    default = field.get_default(call_default_factory=True)
    if isinstance(default, SecretStr):
        return ""
    return list(default) if isinstance(default, tuple) else default


def _choices(kind: Any) -> tuple[Any, ...]:
    if get_origin(kind) is Literal:
        return get_args(kind)
    return (
        next((found for part in get_args(kind) if (found := _choices(part))), ()) if get_origin(kind) is tuple else ()
    )


def _kind(kind: Any) -> str:
    """Return the kind of input in a word."""
    origin = get_origin(kind)
    if origin is Literal:
        return "choice"
    if origin in (tuple, list):
        return "list"
    if origin is dict or origin in (typing.Union, types.UnionType):
        return "map"
    return {bool: "boolean", int: "integer", float: "number"}.get(kind, "text")
