"""Signals, the alerts about them, and how those arrived."""

from __future__ import annotations

from typing import Any, Literal

from services.api.schemas.base import Shown
from shared.contracts import AlertKind, DeliveryStatus, LifecycleEvent, Side

SignalStatus = Literal["open", "target", "stop", "invalidated", "expired"]

StatusFilter = Literal["open", "closed", "target", "stop", "invalidated", "expired"]


class Comparable(Shown):
    """How signals like this one went."""

    side: Side
    low: float
    """reward-to-risk from here on"""
    high: float
    """to below here"""
    n: int
    hit_rate: float
    """share that reached the target first"""
    break_even: float
    """share that would have had to"""
    days: int
    """that they ended in"""


class Worth(Shown):
    """What a trade costs and needs, and how similar ones went."""

    cost_r: float
    """fees and slippage of the round trip, in units of the risk taken"""
    break_even: float
    """share of such trades that must reach the target to break even after costs"""
    record: str
    """results of similar setups with their number, or that there is no record yet"""
    comparable: Comparable | None
    """the same in figures; null: no record yet"""


class Signal(Shown):
    """A setup that passed every gate, and its result."""

    signal_id: str
    alert_id: str
    group_id: str
    """the grouped alert that contained it; empty: it had an alert of its own"""
    symbol: str
    side: Side
    scan_id: int
    """when it opened: the close of a five-minute bar, UNIX ms"""
    entry: float
    stop: float
    target: float
    atr: float
    """ATR 14 of 1h; 0 where it is not known"""
    reward_to_risk: float | None
    weak: bool
    score: float
    fmqs: float | None
    confidence: float | None
    """probability in % that the target comes before the stop and in time; null: no levels, or an earlier version"""
    agreement: float | None
    """0 to 100: how far intervals and groups agree and the data is whole and fresh"""
    regime: str
    strength: int
    estimated: list[str]
    """inputs that were made by a rule instead of observed"""
    status: SignalStatus
    label: str
    """the newest live label that was sent: caution, danger, moved"""
    announced: str
    """an end that the live price touched before the bar closed"""
    closed_at: int | None
    close_price: float | None
    close_reason: str
    result_r: float | None
    """in units of the risk taken, before costs"""
    best_r: float
    worst_r: float
    worth: Worth | None
    """as in its alert; null: the alert is of an earlier version"""


class Delivery(Shown):
    """One attempt to send one alert to one destination."""

    report_id: str
    alert_id: str
    destination: str
    channel: str
    attempt: int
    status: DeliveryStatus
    at: int
    """wall clock, UNIX ms"""
    reason: str
    detail: str
    """a bounded reason, never the text of the other side's answer"""
    reference: str
    """the other side's message id"""
    seconds: float


class AlertShown(Shown):
    """An alert that was sent or held back."""

    alert_id: str
    kind: AlertKind
    headline: str
    symbol: str
    side: Side | None
    scan_id: int
    occurred_at: int
    """the exchange's clock, UNIX ms"""
    created_at: int
    """wall clock, UNIX ms"""
    parent_id: str
    """the alert that it follows"""
    estimated: list[str]
    held_by: str
    """the mute or the quiet hours that held it back; empty: it was sent"""
    destinations: list[str]
    """only these; empty: as the routes say"""
    body: dict[str, Any]
    """by kind; its `type` is the kind of body"""


class AlertDetail(AlertShown):
    """An alert and every attempt to deliver it."""

    deliveries: list[Delivery]


class LifecyclePoint(Shown):
    """One event of a signal's life."""

    event: Literal["opened"] | LifecycleEvent
    at: int
    """the exchange's clock, UNIX ms"""
    price: float | None
    result_r: float | None
    early: bool
    """live price touched it; the bar had yet to close"""
    reason: str
    alert_id: str


class SignalDetail(Signal):
    """A signal with its lifecycle, every alert about it, and every delivery of those."""

    lifecycle: list[LifecyclePoint]
    alerts: list[AlertShown]
    deliveries: list[Delivery]


class Signals(Shown):
    """A page of signals, newest first."""

    items: list[Signal]
    next_cursor: str | None
    """what to give as `cursor` for the next page; null: this is the last"""


class Alerts(Shown):
    """A page of alerts, newest first."""

    items: list[AlertShown]
    next_cursor: str | None


class Deliveries(Shown):
    """A page of attempts, newest first."""

    items: list[Delivery]
    next_cursor: str | None


class ResendRequest(Shown):
    """Which of an alert's deliveries to repeat."""

    alert_id: str
    destination: str


class Sending(Shown):
    """An alert that is on its way; `/api/deliveries?alert_id=` shows its delivery."""

    alert_id: str
    destination: str
