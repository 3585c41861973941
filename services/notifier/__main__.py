"""The notifier: reads alerts, routes them, and puts one job per destination into the queues."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from typing import Final

import structlog

from services.notifier.bot.bot_reports import BotReports
from services.notifier.delivery.delivery_log import DeliveryLog, HeldAlert, now_ms
from services.notifier.delivery.queues import Outbox
from services.notifier.digest import keep_digests
from services.notifier.rendering.text import text_of
from services.notifier.router import RoutingResult, split
from services.notifier.routing import plan, subject_of
from services.notifier.summary import keep_summaries
from shared.bus import Commit, Delivery, RedisBus
from shared.contracts import Alert, StateRestored, Stream
from shared.runtime.consumer import consume
from shared.runtime.process import run
from shared.runtime.service import Service
from shared.runtime.settings_follower import follow_settings, settings_arrived
from shared.runtime.watched_queue import connect

STOP_S: Final = 5.0
WAITING: Final = "what was delivered, from the API"

log = structlog.get_logger()


class Notifier:
    """Routes alerts and enqueues their deliveries."""

    def __init__(self, service: Service, bus: RedisBus) -> None:
        self._service = service
        self._delivery_log = DeliveryLog(bus)
        self._outbox = Outbox(connect(service.environment), bus.market)
        self._bus = bus
        self._restored: tuple[StateRestored | None, frozenset[str]] = (None, frozenset())

    async def handle(self, deliveries: Sequence[Delivery]) -> list[Commit | Exception]:
        """Route each alert; what cannot be routed answers with its exception."""
        suspended, delivered = await self._delivery_log.suspended(), await self._delivered()
        answers: list[Commit | Exception] = []
        for delivery in deliveries:
            try:
                answers.append(await self._route(delivery, suspended.keys(), delivered))
            except (ValueError, TypeError, KeyError) as error:
                answers.append(error)
        return answers

    async def _delivered(self) -> frozenset[str]:
        """Return the deliveries not to repeat; on an emptied bus, wait until the API has published them."""
        while (event := await self._bus.newest_setting(StateRestored)) is None:
            if self._service.stopping.is_set():
                raise OSError("stopped before the API published what was delivered")
            self._service.beat(WAITING)
            await self._service.pause(0.2)
        if event is not self._restored[0]:
            self._restored = (event, frozenset(event.delivered))
        return self._restored[1]

    async def _route(self, delivery: Delivery, suspended: Collection[str], delivered: frozenset[str]) -> Commit:
        alert = delivery.message
        if not isinstance(alert, Alert):
            raise TypeError(f"not an alert: {type(alert).__name__}")
        cache = self._service.settings
        planned = plan(
            alert,
            cache.settings,
            cache.mutes.mutes,
            now_ms(),
            suspended=suspended,
            delivered=delivered,
        )
        result = split(alert, planned, cache.settings)
        await self._hold(alert, result)
        await asyncio.to_thread(self._outbox.put, alert, *result.send)
        return Commit(tokens=[delivery.token], outputs=[(Stream.DELIVERIES, report) for report in result.reports])

    async def _hold(self, alert: Alert, result: RoutingResult) -> None:
        """Keep what is held for the digests."""
        for destination in result.hold:
            entry = HeldAlert(text_of(alert).title, alert.created_at, subject_of(alert))
            await self._delivery_log.hold(destination, alert.alert_id, entry)


async def main(service: Service) -> None:
    """Follow the settings and work until the service stops."""
    bus = service.bus
    if not isinstance(bus, RedisBus):
        raise TypeError("the notifier needs Redis: its jobs live there")
    beside = [asyncio.ensure_future(follow_settings(service))]
    try:
        if not await ready(service):
            return
        notifier = Notifier(service, bus)
        works = (keep_digests(service, bus), keep_summaries(service, bus), answer_chats(service, bus))
        beside += [asyncio.ensure_future(work) for work in works]
        await consume(service, "notifier", [Stream.ALERTS], notifier.handle)
        await asyncio.wait(beside, timeout=STOP_S)  # the bot's lease is released, its last answers are sent
    finally:
        for task in beside:
            task.cancel()


async def answer_chats(service: Service, bus: RedisBus) -> None:
    """Run the Telegram bot; return at once without a token."""
    if not service.environment.telegram_token.get_secret_value():
        await BotReports(bus).token("missing")
        return
    from services.notifier.bot.telegram_bot import run_bot  # noqa: PLC0415 16 MiB: only where there is a bot

    await run_bot(service, bus)


async def ready(service: Service) -> bool:
    """Wait for the settings and for the deliveries not to repeat; False when the service stops before."""
    if not await settings_arrived(service):
        return False
    while service.settings.restored is None:
        service.beat(WAITING)
        await service.pause(0.2)
        if service.stopping.is_set():
            return False
    return True


if __name__ == "__main__":
    run("notifier", main)
