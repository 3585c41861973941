"""The events of `/api/events`: each has a name, and data of the model that stands under that name here."""

from __future__ import annotations

from services.api.schemas.base import Shown
from services.api.schemas.coins import Card, Label, ScanShown
from services.api.schemas.signals import AlertShown, Delivery, Signal


class Heartbeat(Shown):
    """Every ten seconds, and first of all."""

    now: int
    """wall clock, UNIX ms"""
    exchange_time: int | None
    scan_id: int
    """the newest scan on the board"""


class Prices(Shown):
    """The newest prices, at most once a second of the exchange's clock."""

    at: int
    """the exchange's clock, UNIX ms"""
    prices: dict[str, float]
    labels: dict[str, Label]
    """of every open signal that has one; a symbol that is not here has none"""


class Cards(Shown):
    """Cards that were judged anew; each replaces the coin's former one."""

    scan_id: int
    items: list[Card]


class Resync(Shown):
    """What was missed is not remembered any more: read `/api/coins` again."""

    reason: str


class SettingsVersion(Shown):
    """The settings changed."""

    version: int


class LiveEvents(Shown):
    """Event name -> its data."""

    heartbeat: Heartbeat
    resync: Resync
    prices: Prices
    cards: Cards
    scan: ScanShown
    signal: Signal
    alert: AlertShown
    delivery: Delivery
    settings: SettingsVersion
