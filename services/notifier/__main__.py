"""The notifier: reads alerts, routes them, and puts one job per destination into the queues."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from typing import Final

import structlog

from services.notifier.bot import run_bot
from services.notifier.digest import keep_digests
from services.notifier.handler import Outcome, outcome_of
from services.notifier.ledger import Held, Ledger, now_ms
from services.notifier.queues import Outbox, connect
from services.notifier.routing import plan, subject_of
from services.notifier.summary import keep_summaries
from services.notifier.text import text_of
from shared.bus import Commit, Delivery, RedisBus, from_wire
from shared.contracts import Alert, StateRestored, Stream
from shared.service import Service, consume, run

STOP_S: Final = 5.0
WAITING: Final = "what was delivered, from the API"

log = structlog.get_logger()


class Notifier:
    """The notifier's hands."""

    def __init__(self, service: Service, bus: RedisBus) -> None:
        self._service = service
        self._ledger = Ledger(bus)
        self._outbox = Outbox(connect(service.environment.redis_url), bus.market)
        self._bus = bus
        self._restored: tuple[bytes, frozenset[str]] = (b"", frozenset())

    async def handle(self, deliveries: Sequence[Delivery]) -> list[Commit | Exception]:
        """Route each alert; what cannot be routed answers with its exception."""
        parked, delivered = await self._ledger.parked(), await self._delivered()
        answers: list[Commit | Exception] = []
        for delivery in deliveries:
            try:
                answers.append(await self._route(delivery, parked.keys(), delivered))
            except (ValueError, TypeError, KeyError) as error:
                answers.append(error)
        return answers

    async def _delivered(self) -> frozenset[str]:
        """Return what must not be sent again; where the bus was emptied, wait until the API has told it anew."""
        key, name = self._bus.key("settings-newest"), StateRestored.__name__
        while (data := await self._bus.redis.hget(key, name)) is None:
            if self._service.stopping.is_set():
                raise OSError("stopped before the API told what was delivered")
            self._service.beat(WAITING)
            await self._service.pause(0.2)
        if data != self._restored[0] and isinstance(event := from_wire(data), StateRestored):
            self._restored = (data, frozenset(event.delivered))
        return self._restored[1]

    async def _route(self, delivery: Delivery, parked: Collection[str], delivered: frozenset[str]) -> Commit:
        alert = delivery.message
        if not isinstance(alert, Alert):
            raise TypeError(f"not an alert: {type(alert).__name__}")
        cache = self._service.settings
        stops = plan(
            alert,
            cache.settings,
            cache.mutes.mutes,
            now_ms(),
            parked=parked,
            delivered=delivered,
        )
        outcome = outcome_of(alert, stops, cache.settings)
        await self._keep(alert, outcome)
        await asyncio.to_thread(self._outbox.put, alert, *outcome.send)
        return Commit(tokens=[delivery.token], outputs=[(Stream.DELIVERIES, report) for report in outcome.reports])

    async def _keep(self, alert: Alert, outcome: Outcome) -> None:
        """Keep what is held for the digests."""
        for destination in outcome.hold:
            entry = Held(text_of(alert).title, alert.created_at, subject_of(alert))
            await self._ledger.hold(destination, alert.alert_id, entry)


async def main(service: Service) -> None:
    """Follow the settings and work until the service stops."""
    bus = service.bus
    if not isinstance(bus, RedisBus):
        raise TypeError("the notifier needs Redis: its jobs live there")
    beside = [asyncio.ensure_future(service.follow_settings())]
    try:
        if not await ready(service):
            return
        notifier = Notifier(service, bus)
        works = (keep_digests(service, bus), keep_summaries(service, bus), run_bot(service, bus))
        beside += [asyncio.ensure_future(work) for work in works]
        await consume(service, "notifier", [Stream.ALERTS], notifier.handle)
        await asyncio.wait(beside, timeout=STOP_S)  # the bot's lease is given up, its last answers are sent
    finally:
        for task in beside:
            task.cancel()


async def ready(service: Service) -> bool:
    """Wait for the settings and for what must not be sent again; False when the service stops before."""
    if not await service.settings_arrived():
        return False
    while service.settings.restored is None:
        service.beat(WAITING)
        await service.pause(0.2)
        if service.stopping.is_set():
            return False
    return True


if __name__ == "__main__":
    run("notifier", main)
