"""Binance USD-M Futures behind the port: requests, feed and capabilities."""

from __future__ import annotations

from services.fetcher.binance.rest import BinanceRest
from services.fetcher.binance.weight_ledger import WeightLedger
from services.fetcher.binance.ws import BinanceStreams
from services.fetcher.exchange import FeedListener
from services.fetcher.feed.clock import ExchangeClock
from shared.bus import Bus, RedisBus
from shared.runtime.service import Service


def connect(
    service: Service, bus: Bus, clock: ExchangeClock, listener: FeedListener
) -> tuple[BinanceRest, BinanceStreams]:
    """Return Binance's requests, and its streams, which call *listener*."""
    assert isinstance(bus, RedisBus), "the weight ledger lives in Redis"  # noqa: S101
    environment, settings = service.environment, service.settings
    ledger = WeightLedger(bus, clock, lambda: settings.settings.feed.budget_share)

    def socket_seconds() -> float:
        """Return the age, in wall time, at which a socket is replaced."""
        return float(settings.settings.feed.socket_hours * 3_600 / (clock.speed or 1.0))

    rest = BinanceRest(environment.binance_rest_url, ledger, clock)
    return rest, BinanceStreams(environment.binance_ws_url, listener, socket_seconds)
