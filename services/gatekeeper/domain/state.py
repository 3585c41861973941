"""The gatekeeper's state between messages: small immutable parts, each one field of the bus's state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from shared.contracts import Fact, OpenSignal, PriceCondition, Side
from shared.gate import Appearance

REMEMBERED_SCANS: Final = 12  #: settled scans whose missing symbols are known


class SettledScan(Fact, frozen=True):
    """A scan that was settled, as later scans need it."""

    scan_id: int
    entry_id: str  #: of its `ScanOpened`: older snapshots and analyses are not needed once two scans follow
    missing: tuple[str, ...] = ()


class Progress(Fact, frozen=True):
    """The newest settled scan, and what the next one needs of the earlier ones."""

    settled_scan: int = 0
    recent: tuple[SettledScan, ...] = ()  #: the last `REMEMBERED_SCANS`, oldest first
    appearances: dict[str, Appearance] = msgspec.field(default_factory=dict)  #: by symbol
    cooldowns: dict[str, int] = msgspec.field(default_factory=dict)  #: "SYMBOL:side", "anomaly:SYMBOL" -> until
    anomaly_scans: tuple[int, ...] = ()  #: scans of the last hour, one entry for each anomaly alert
    inhibited_by: str = ""  #: why the last scan could open no signal
    inhibited_since: int = 0  #: scan
    anomaly_forms: dict[str, int] = msgspec.field(default_factory=dict)  #: symbol -> the form of its last post


class Tracked(Fact, frozen=True):
    """An open signal and the events already alerted."""

    signal: OpenSignal
    told: tuple[str, ...] = ()  #: lifecycle events
    announced_scan: int = 0  #: the scan whose bar decides over `signal.announced`
    announced_price: float = 0.0
    last_close: float = 0.0  #: of the newest bar since it opened; 0: none yet


class Sample(Fact, frozen=True):
    """The extremes of a price within one part of a window."""

    at: int
    low: float
    high: float


class PriceState(Fact, frozen=True):
    """The state of one price alert."""

    condition: PriceCondition
    value: float  #: with `condition`: a change of either starts anew
    armed: bool = True  #: False while it waits for the price to come back, and for good when it fires once only
    price: float | None = None  #: the last price
    samples: tuple[Sample, ...] = ()  #: for "moves"


class PriceWatch(Fact, frozen=True):
    """The newest tick, the gaps between ticks, and the price alerts' states."""

    last_tick: int = 0  #: exchange clock
    gaps: tuple[tuple[int, int], ...] = ()  #: the newest spans without a tick, oldest first
    alerts: dict[str, PriceState] = msgspec.field(default_factory=dict)
    fired: dict[str, int] = msgspec.field(default_factory=dict)  #: price_alert_id -> when it last fired


class Watch(Fact, frozen=True):
    """Whether the market's data is stale."""

    stale_since: int = 0  #: wall clock, ms; 0: it is not


class State(Fact, frozen=True):
    """The whole state; each part is one field of the bus's state."""

    progress: Progress = Progress()
    signals: dict[str, Tracked] = msgspec.field(default_factory=dict)  #: by "SYMBOL:side"
    charts: dict[str, bytes] = msgspec.field(default_factory=dict)  #: bars of the open signals, by symbol
    prices: PriceWatch = PriceWatch()
    watch: Watch = Watch()


_PARTS: Final[dict[str, Any]] = {
    "progress": Progress,
    "signals": dict[str, Tracked],
    "charts": dict[str, bytes],
    "prices": PriceWatch,
    "watch": Watch,
}


def key(symbol: str, side: Side) -> str:
    """Return the key of the one signal that *symbol* may have on *side*."""
    return f"{symbol}:{side}"


def dump(state: State) -> dict[str, bytes]:
    """Return the state's fields."""
    return {name: msgspec.msgpack.encode(getattr(state, name)) for name in _PARTS}


def load(fields: Mapping[str, bytes]) -> State:
    """Return the state that `dump` wrote; absent fields are empty."""
    parts = {name: msgspec.msgpack.decode(fields[name], type=kind) for name, kind in _PARTS.items() if name in fields}
    return State(**parts)


def changed(before: State, after: State) -> dict[str, bytes]:
    """Return the fields in which *after* differs from *before*."""
    return {
        name: msgspec.msgpack.encode(getattr(after, name))
        for name in _PARTS
        if getattr(after, name) is not getattr(before, name) and getattr(after, name) != getattr(before, name)
    }
